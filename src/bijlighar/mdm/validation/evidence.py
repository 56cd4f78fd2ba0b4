"""What is known about the meters of a block on the day that is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import DayBlocks, Integers

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]
ENERGY = "import_wh"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A block and what stands beside it. Rows are the block's; None: nothing is known.

    resolution_wh      int64[meter]        step of the energy registers (10 Wh for D1 meters of IS 15959)
    sanctioned_load_w  int64[meter]        0: not known
    greatest_current_ma int64[meter]       current up to which the meter is made, 0: not known
    phases             int64[meter]        1 or 3
    is_shop            bool[meter]         a shop or office, where a day without use is odd sooner
    absent             bool[meter, slot]   the meter was not in service there: nothing is to be expected of it
    outage_s           int64[meter, slot]  seconds without supply, by the meter's power-failure events
    relay_open         bool[meter, slot]   disconnected during the whole slot (events 301 and 302)
    registers_before, registers_after      int64[meter] by channel: midnight registers at both ends, or MISSING
    register_wraps_at  int64[meter]        where the register begins anew, 0: not known
    replaced           bool[meter]         the meter was replaced on this day
    usual_daily_wh     float64[meter]      mean use of a day in the season, NaN: not known
    usual_days         int64[meter]        days it was taken from
    zero_slots_before  int64[meter]        zeros in a row right before the day
    estimated_days     int64[meter]        days with estimates in a row right before the day
    final_before       int64[meter, slot]  the final measurement so far, or MISSING
    billed             bool[meter, slot]   that measurement was billed
    expected_period_s, told_period_s       int64[meter]: agreed, and the meter's capture period, 0: not known
    expected_unit, told_unit               int64[meter]: DLMS unit code (30: Wh), 0: not known
    expected_scaler, told_scaler           int64[meter]: power of ten, or MISSING
    expected_ratio, told_ratio             float64[meter]: CT ratio times PT ratio, NaN: not known
    multiplier         float64[meter]      what the meter counts, times this, is what was used, NaN: 1
    another_meter      bool[meter]         serial or device id in the frame is another one than registered
    clock_offset_s     float64[meter]      meter's clock minus the head-end's, NaN: not read
    """

    blocks: DayBlocks
    resolution_wh: Integers
    sanctioned_load_w: Integers | None = None
    greatest_current_ma: Integers | None = None
    phases: Integers | None = None
    is_shop: Marks | None = None
    absent: Marks | None = None
    outage_s: Integers | None = None
    relay_open: Marks | None = None
    registers_before: Mapping[str, Integers] = field(default_factory=dict)
    registers_after: Mapping[str, Integers] = field(default_factory=dict)
    register_wraps_at: Integers | None = None
    replaced: Marks | None = None
    usual_daily_wh: Floats | None = None
    usual_days: Integers | None = None
    zero_slots_before: Integers | None = None
    estimated_days: Integers | None = None
    final_before: Integers | None = None
    billed: Marks | None = None
    expected_period_s: Integers | None = None
    told_period_s: Integers | None = None
    expected_unit: Integers | None = None
    told_unit: Integers | None = None
    expected_scaler: Integers | None = None
    told_scaler: Integers | None = None
    expected_ratio: Floats | None = None
    told_ratio: Floats | None = None
    multiplier: Floats | None = None
    another_meter: Marks | None = None
    clock_offset_s: Floats | None = None

    @property
    def slots(self) -> int:
        """Slots of the day."""
        return self.blocks.slots

    @property
    def hours(self) -> float:
        """Length of a slot."""
        return self.blocks.period_s / 3600.0

    @cached_property
    def energy(self) -> Integers:
        """int64[meter, slot]: imported energy in Wh, or MISSING."""
        return self.blocks.channel(ENERGY)

    @cached_property
    def missing(self) -> Marks:
        """bool[meter, slot]: no energy was given."""
        return np.asarray(self.energy == MISSING)

    @cached_property
    def is_whole(self) -> Marks:
        """bool[meter]: every slot was given."""
        return np.asarray(~self.missing.any(axis=1))

    @cached_property
    def energy_or_zero(self) -> Integers:
        """int64[meter, slot]: energy in Wh, 0 where it is missing."""
        return np.where(self.missing, 0, self.energy) if self.missing.any() else self.energy

    @cached_property
    def given(self) -> Integers:
        """int64[meter]: slots that were given."""
        return np.asarray(self.slots - self.missing.sum(axis=1))

    @cached_property
    def total(self) -> Integers:
        """int64[meter]: energy of the slots that were given, in Wh."""
        return np.asarray(self.energy_or_zero.sum(axis=1))

    @cached_property
    def peak(self) -> Integers:
        """int64[meter]: greatest energy of a slot in Wh, 0 when none was given."""
        return np.asarray(self.energy_or_zero.max(axis=1, initial=0))

    @cached_property
    def dark(self) -> Marks:
        """bool[meter, slot]: without supply during the whole slot."""
        if self.outage_s is None:
            return np.zeros(self.energy.shape, dtype=bool)
        return np.asarray(self.outage_s >= self.blocks.period_s)

    @cached_property
    def excused(self) -> Marks:
        """bool[meter, slot]: without supply or not in service, so that no reading is to be expected."""
        return self.dark if self.absent is None else self.dark | self.absent

    def advance(self, channel: str) -> Integers | None:
        """int64[meter]: how far the register of a channel moved during the day, MISSING where it is not known.

        A register that began anew at ``register_wraps_at`` has moved on. None: no register is known.
        """
        before, after = self.registers_before.get(channel), self.registers_after.get(channel)
        if before is None or after is None:
            return None
        unknown = (before == MISSING) | (after == MISSING)
        if self.replaced is not None:
            unknown |= self.replaced
        moved = np.where(unknown, 0, after) - np.where(unknown, 0, before)
        if self.register_wraps_at is not None:
            moved = np.where(
                (moved < 0) & wrapped(before, self.register_wraps_at), moved + self.register_wraps_at, moved
            )
        return np.where(unknown, MISSING, moved)


NEAR_THE_END = 0.99
"""A register that fell from the last hundredth of its range has begun anew; from elsewhere it has rolled back."""


def wrapped(before: Integers, wraps_at: Integers) -> Marks:
    """bool[meter]: the register stood so near its end that it may have begun anew."""
    return np.asarray((wraps_at > 0) & (before >= NEAR_THE_END * wraps_at))
