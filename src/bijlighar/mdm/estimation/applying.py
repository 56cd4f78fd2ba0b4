"""Estimating a channel of a block: the rules of an order, one after another, over what is still missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import Integers
from bijlighar.mdm.estimation import by_slot, by_total
from bijlighar.mdm.estimation.rules import DEFAULT_ORDER, QUALITY_OF, EstimationRule
from bijlighar.mdm.estimation.work import Background, Work


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates of one channel in columns: row of the block, slot, value in the channel's unit, EstimationRule.

    ``left_row``, ``left_slot``: what stays missing.
    """

    row: NDArray[np.int64]
    slot: NDArray[np.int64]
    value: Integers
    rule: NDArray[np.int16]
    left_row: NDArray[np.int64]
    left_slot: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def quality(self) -> NDArray[np.int16]:
        """int16[estimate]: Quality."""
        table = np.zeros(max(QUALITY_OF) + 1, dtype=np.int16)
        for rule, quality in QUALITY_OF.items():
            table[rule] = quality
        return table[self.rule]

    def in_rows(self, rows: NDArray[np.int64]) -> Estimates:
        """The same, for a block of which these rows were estimated."""
        return Estimates(
            row=rows[self.row],
            slot=self.slot,
            value=self.value,
            rule=self.rule,
            left_row=rows[self.left_row],
            left_slot=self.left_slot,
        )


def estimate(
    values: Integers, period_s: int, background: Background, order: Sequence[EstimationRule] = DEFAULT_ORDER
) -> Estimates:
    """Estimate what is missing in int64[meter, slot] of one channel, rule after rule in ``order``."""
    rows = np.flatnonzero((values == MISSING).any(axis=1))
    work = Work(
        values=values[rows],
        period_s=period_s,
        background=background.only(rows),
        rule=np.zeros((len(rows), values.shape[1]), dtype=np.int16),
    )
    for rule in order:
        if len(rows):
            _APPLY[rule](work)
    at, slot = np.nonzero(work.rule)
    left, left_slot = np.nonzero(work.open)
    return Estimates(
        row=rows[at],
        slot=slot,
        value=work.values[at, slot],
        rule=work.rule[at, slot],
        left_row=rows[left],
        left_slot=left_slot,
    )


_APPLY: dict[EstimationRule, Callable[[Work], None]] = {
    EstimationRule.OUTAGE: by_slot.no_supply,
    EstimationRule.REGISTERS: by_total.between_registers,
    EstimationRule.LINE: by_slot.along_a_line,
    EstimationRule.LIKE_DAYS: by_slot.as_on_like_days,
    EstimationRule.PROFILE: by_slot.as_the_class_does,
    EstimationRule.PROXY_DAY: by_slot.as_on_one_day_that_was_alike,
    EstimationRule.CREATE_FOR_GAP: by_total.a_day_made_for_a_gap,
    EstimationRule.ADJUST_FROM_SCALAR: by_total.adjusted_to_the_register,
    EstimationRule.SCALAR_FROM_INTERVAL: by_total.from_the_rest_of_the_day,
    EstimationRule.SCALAR_ESTIMATION: by_total.a_usual_day_of_the_meter,
    EstimationRule.SCALAR_PROFILE: by_total.a_usual_day_of_the_class,
    EstimationRule.SCALAR_PRORATION: by_total.part_of_some_days,
    EstimationRule.SUBTRACTIVE_ADJUST: by_slot.what_the_others_left,
}
