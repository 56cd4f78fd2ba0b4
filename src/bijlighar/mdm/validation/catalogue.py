"""The rules by number, and the one function that applies them all.

A number and an id never change their meaning; a rule that judges differently gets a new version, so that a finding
of the past can be explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from bijlighar.mdm.validation import agreement, amounts, presence, setup
from bijlighar.mdm.validation.evidence import Evidence
from bijlighar.mdm.validation.findings import Findings, Found, Severity
from bijlighar.mdm.validation.limits import Limits

Judge = Callable[[Evidence, Limits], Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its number and id, what judges, how grave its findings are, and the version of its judgement."""

    number: int
    id: str
    judge: Judge
    severity: Severity
    version: int = 1


def _rule(number: int, name: str, judge: Judge, severity: Severity) -> Rule:
    return Rule(number=number, id=name, judge=judge, severity=severity)


_HINT, _WARNING, _FAILURE = Severity

RULES = (
    # the sixteen of Oracle Utilities, "Validation VEE Rules"
    _rule(1, "consecutive-interval", amounts.neighbours_far_apart, _WARNING),
    _rule(2, "duplicate", presence.a_meter_that_said_two_things, _WARNING),
    _rule(3, "dynamic-comparison", agreement.less_apparent_than_active_energy, _WARNING),
    _rule(4, "sibling-exists", presence.a_channel_without_its_sibling, _WARNING),
    _rule(5, "final-replacement", presence.a_final_value_that_would_change, _WARNING),
    _rule(6, "high-low", amounts.a_day_far_from_the_usual, _WARNING),
    _rule(7, "inactive", agreement.use_behind_an_open_relay, _FAILURE),
    _rule(8, "interval-size", presence.another_block_length, _FAILURE),
    _rule(9, "spike", amounts.a_single_block_far_above_the_day, _WARNING),
    _rule(10, "multiplier", setup.another_multiplier, _FAILURE),
    _rule(11, "negative", amounts.negative_energy, _FAILURE),
    _rule(12, "prolonged-estimation", presence.estimates_for_too_long, _WARNING),
    _rule(13, "missing-quantity", presence.slots_without_a_reading, _WARNING),
    _rule(14, "sum-check", agreement.blocks_that_miss_the_registers, _FAILURE),
    _rule(15, "unit", setup.another_unit, _FAILURE),
    _rule(16, "zero", amounts.zeros_while_there_is_supply, _WARNING),
    # and what meters of IS 15959 need besides
    _rule(17, "high-limit", amounts.more_than_the_meter_can_carry, _WARNING),
    _rule(18, "roll-back", agreement.a_register_that_rolled_back, _FAILURE),
    _rule(19, "power-factor", agreement.a_power_factor_that_does_not_fit, _WARNING),
    _rule(20, "meter-identity", setup.another_meter, _FAILURE),
    _rule(21, "meter-clock", setup.a_clock_that_is_off, _WARNING),
    _rule(22, "neutral-current", agreement.neutral_and_phase_current_apart, _HINT),
)


def validate(evidence: Evidence, limits: Limits, rules: Iterable[Rule] = RULES) -> Findings:
    """Apply rules to a block; findings by rule, then by meter."""
    found = [(rule, rule.judge(evidence, limits)) for rule in rules]
    return gathered(evidence, [(rule, each) for rule, each in found if len(each)])


def gathered(evidence: Evidence, found: Iterable[tuple[Rule, Found]]) -> Findings:
    """What rules found, in columns."""
    some = list(found)

    def column(name: str) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(getattr(each, name) for _, each in some)])

    severity = [
        np.full(len(each), rule.severity, dtype=np.uint8) if each.severity is None else each.severity
        for rule, each in some
    ]
    return Findings(
        rule=np.repeat(np.array([rule.number for rule, _ in some], dtype=np.int16), [len(e) for _, e in some]),
        meter_id=evidence.blocks.meter_id[column("row").astype(np.int64)],
        first_slot=column("first").astype(np.int16),
        end_slot=column("end").astype(np.int16),
        severity=np.concatenate([np.zeros(0, dtype=np.uint8), *severity]),
        measured=column("measured"),
        limit=column("limit"),
    )
