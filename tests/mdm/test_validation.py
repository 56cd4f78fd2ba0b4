"""What holds for all rules, and for their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.validation import (
    RULES,
    Evidence,
    Limits,
    LimitsRow,
    Severity,
    UnknownLimit,
    limits_on,
    validate,
)
from bijlighar.mdm.validation.findings import runs
from mdm.days import DAY_S, day_of


def evidence_of(values: list[list[int | None]], **more: object) -> Evidence:
    blocks = day_of(values)
    return Evidence(blocks=blocks, resolution_wh=np.full(len(blocks), 10), **more)  # type: ignore[arg-type]


def test_rules_have_numbers_and_ids_of_their_own_and_a_sentence_each() -> None:
    assert len({rule.number for rule in RULES}) == len({rule.id for rule in RULES}) == len(RULES) == 22
    assert all(rule.judge.__doc__ for rule in RULES)
    assert all(1 <= rule.number <= 16 for rule in RULES[:16])


def test_without_evidence_only_what_the_block_itself_shows_is_found() -> None:
    found = validate(evidence_of([[0] * 48, [None] * 48]), Limits())
    assert set(found.rule.tolist()) == {13}
    assert found.meter_id.tolist() == [2]


def test_an_empty_block_finds_nothing() -> None:
    found = validate(
        Evidence(blocks=day_of([[1] * 48]).only(np.zeros(0, dtype=np.int64)), resolution_wh=np.zeros(0, int)),
        Limits(),
    )
    assert len(found) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([None, 0, 100, 9000, -5]), min_size=48, max_size=48), min_size=1, max_size=3)
)
def test_no_rule_changes_what_it_is_given_and_missing_slots_are_found_as_missing(
    values: list[list[int | None]],
) -> None:
    given_evidence = evidence_of(values, greatest_current_ma=np.full(len(values), 30_000))
    before = given_evidence.blocks.channel("import_wh").copy()
    found = validate(given_evidence, Limits(consecutive_ratio=0.5))
    assert np.array_equal(given_evidence.blocks.channel("import_wh"), before)
    marked = np.zeros(before.shape, dtype=bool)
    for rule, meter, first, end in zip(found.rule, found.meter_id, found.first_slot, found.end_slot, strict=True):
        if rule == 13:
            marked[meter - 1, first:end] = True
        elif rule in (1, 9, 11, 17):
            assert (before[meter - 1, first:end] != MISSING).all()
    assert np.array_equal(marked, before == MISSING)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_runs_are_found_whole(marks: list[list[bool]]) -> None:
    bad = np.array(marks)
    again = np.zeros_like(bad)
    row, first, end = runs(bad)
    for r, f, e in zip(row, first, end, strict=True):
        assert not again[r, f:e].any()
        assert f == 0 or not bad[r, f - 1]
        again[r, f:e] = True
    assert np.array_equal(again, bad)


def test_limits_are_those_of_the_day_that_is_judged() -> None:
    rows = [
        LimitsRow(valid_from_s=DAY_S, changes={"spike_ratio": 2.5, "consecutive_ratio": 0.9}),
        LimitsRow(valid_from_s=DAY_S + 86_400, changes={"consecutive_ratio": None, "prolonged_days": 5}),
        LimitsRow(valid_from_s=DAY_S - 86_400, changes={"spike_ratio": 2}),
    ]
    assert limits_on(DAY_S - 86_401, rows) == Limits()
    assert limits_on(DAY_S - 1, rows).spike_ratio == 2.0
    assert limits_on(DAY_S, rows) == Limits(spike_ratio=2.5, consecutive_ratio=0.9)
    assert limits_on(DAY_S + 90_000, rows) == Limits(spike_ratio=2.5, prolonged_days=5)


@pytest.mark.parametrize(
    "changes",
    [{"spike": 2}, {"spike_ratio": "2"}, {"spike_ratio": -1}, {"spike_ratio": None}, {"sum_steps": True}],
)
def test_a_limit_that_no_rule_has_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UnknownLimit) as refused:
        limits_on(DAY_S, [LimitsRow(valid_from_s=0, changes=changes)])
    assert refused.value.name == next(iter(changes))


def test_severities_are_ordered() -> None:
    assert Severity.HINT < Severity.WARNING < Severity.FAILURE
