"""What came of the head-end's tries, meter by meter and half hour by half hour.

A cell says whether a meter was read, was heard but not read, or was tried in vain. That a contact is told twice
changes no cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING

BUCKET_S = 1800
"""Half an hour: the block length of homes, so that a meter that is read as it should be has a try in each."""

SILENT, FAILED, READ = 1, 2, 4
"""Bits of a cell: a try without any answer; one that was answered but not read; one that was read."""

OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
"""Outcomes by code."""

_BIT = {
    Outcome.NO_ANSWER: SILENT,
    Outcome.HUNG: SILENT,
    Outcome.RESET: SILENT,
    Outcome.REFUSED: FAILED,
    Outcome.NOT_AUTHENTIC: FAILED,
    Outcome.PROTOCOL: FAILED,
    Outcome.WRONG_METER: FAILED,
    Outcome.INCOMPLETE: FAILED,
    Outcome.OK: READ,
    Outcome.NOT_STORED: READ,  # the meter did its part
    Outcome.STOPPED: 0,  # says nothing of the meter
}
BIT_OF_OUTCOME = np.array([_BIT[outcome] for outcome in OUTCOMES], dtype=np.uint8)
"""uint8[outcome]: the bit that an outcome sets."""

Places = NDArray[np.intp]


class ContactCells:
    """Cells of a period and what else the contacts told. Filled piece by piece, in any order.

    flags           uint8[meter, bucket]   bits SILENT, FAILED, READ; 0: not tried
    outcomes        int32[meter, outcome]  contacts by outcome
    signal_dbm      float64[meter]         mean of what was told; NaN where nothing was
    clock_offset_ms int64[meter]           the newest; MISSING where none was told
    """

    def __init__(self, meters: int, period: Period) -> None:
        self.period = period
        self.buckets = -(-period.seconds // BUCKET_S)
        self.flags: NDArray[np.uint8] = np.zeros((meters, self.buckets), dtype=np.uint8)
        self.outcomes: NDArray[np.int32] = np.zeros((meters, len(OUTCOMES)), dtype=np.int32)
        self.clock_offset_ms: NDArray[np.int64] = np.full(meters, MISSING, dtype=np.int64)
        self._clock_told_s = np.full(meters, MISSING, dtype=np.int64)
        self._signal_sum = np.zeros(meters, dtype=np.int64)
        self._signal_count = np.zeros(meters, dtype=np.int64)

    def add(
        self,
        meter: Places,
        started_s: NDArray[np.int64],
        outcome: NDArray[np.int8],
        signal_dbm: NDArray[np.int64],
        clock_offset_ms: NDArray[np.int64],
    ) -> None:
        """Take contacts over, in columns. ``meter`` is the meter's place, -1 for one that is not counted."""
        bucket = (started_s - self.period.start_s) // BUCKET_S
        keep = np.flatnonzero((meter >= 0) & (bucket >= 0) & (bucket < self.buckets))
        meter, bucket, outcome, started_s = meter[keep], bucket[keep], outcome[keep], started_s[keep]
        cell, bit = meter * self.buckets + bucket, BIT_OF_OUTCOME[outcome]
        flags = self.flags.reshape(-1)
        for one in (SILENT, FAILED, READ):
            flags[cell[bit == one]] |= np.uint8(one)
        np.add.at(self.outcomes.reshape(-1), meter * len(OUTCOMES) + outcome, np.int32(1))
        told = signal_dbm[keep] != MISSING
        np.add.at(self._signal_sum, meter[told], signal_dbm[keep][told])
        np.add.at(self._signal_count, meter[told], 1)
        self._take_clocks(meter, started_s, clock_offset_ms[keep])

    def _take_clocks(self, meter: Places, started_s: NDArray[np.int64], offset_ms: NDArray[np.int64]) -> None:
        told = np.flatnonzero((offset_ms != MISSING) & (started_s >= self._clock_told_s[meter]))
        told = told[np.argsort(started_s[told], kind="stable")]  # the newest is written last and stays
        self._clock_told_s[meter[told]] = started_s[told]
        self.clock_offset_ms[meter[told]] = offset_ms[told]

    @property
    def signal_dbm(self) -> NDArray[np.float64]:
        """Mean signal by meter; NaN where no contact told one."""
        told = self._signal_count > 0
        mean = np.full(len(told), np.nan)
        np.divide(self._signal_sum, self._signal_count, out=mean, where=told)
        return mean
