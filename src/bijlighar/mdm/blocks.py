"""A day block: one row per meter-day, one column per slot, for the meters of one bucket and one block length.

A day is the utility's civil day; slot k is ``[start + k * period, +period)``. Meters of 30 and of 15 minutes stand
side by side as two block sets. What a meter did not give is MISSING, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import CHANNELS, ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch

Integers = NDArray[np.int64]


class SlotFlag(IntFlag):
    """What happened to a slot before it was sealed."""

    REPEATED = 1  # the meter was read again and said the same
    CORRECTED = 2  # an older version said otherwise; it is kept


@dataclass(frozen=True, kw_only=True)
class DayBlocks:
    """The readings of one civil day.

    day        the civil day
    period_s   block length in seconds; the day holds ``day.seconds / period_s`` slots
    meter_id   int32[meter]        registry numbers, ascending
    received_s int64[meter, slot]  when the head-end had the row, MISSING where there is none
    flags      uint8[meter, slot]  SlotFlag
    channels   int64[meter, slot]  by channel name, MISSING where the meter gave no value

    Raises ValueError when a shape differs, a channel is unknown, or the day is not a whole number of slots.
    """

    day: Period
    period_s: int
    meter_id: NDArray[np.int32]
    received_s: Integers
    flags: NDArray[np.uint8]
    channels: dict[str, Integers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.meter_id), slots_of(self.day, self.period_s))
        shapes = {name: column.shape for name, column in self.channels.items()}
        for name, found in {"received_s": self.received_s.shape, "flags": self.flags.shape, **shapes}.items():
            if found != shape:
                raise ValueError(f"{name} has shape {found}, the block has {shape}")
        unknown = self.channels.keys() - CHANNELS.keys()
        if unknown:
            raise ValueError(f"unknown channels: {', '.join(sorted(unknown))}")

    def __len__(self) -> int:
        return len(self.meter_id)

    @property
    def slots(self) -> int:
        """Slots of the day: 48 for 30 minutes, 96 for 15."""
        return slots_of(self.day, self.period_s)

    @property
    def held(self) -> NDArray[np.bool_]:
        """bool[meter, slot]: True where the meter gave a row."""
        return np.asarray(self.received_s != MISSING)

    def channel(self, name: str) -> Integers:
        """int64[meter, slot]; all MISSING for a channel that no meter of the block gave."""
        found = self.channels.get(name)
        return np.full(self.received_s.shape, MISSING, dtype=np.int64) if found is None else found

    def with_channel(self, name: str) -> DayBlocks:
        """The same rows with one channel."""
        return replace(self, channels={name: self.channels[name]} if name in self.channels else {})

    def only(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> DayBlocks:
        """The named rows, in that order."""
        return DayBlocks(
            day=self.day,
            period_s=self.period_s,
            meter_id=self.meter_id[rows],
            received_s=self.received_s[rows],
            flags=self.flags[rows],
            channels={name: column[rows] for name, column in self.channels.items()},
        )


def slots_of(day: Period, period_s: int) -> int:
    """How many slots a day has. Raises ValueError when they do not fill it."""
    if period_s <= 0 or day.seconds % period_s:
        raise ValueError(f"a day of {day.seconds} s is not a whole number of blocks of {period_s} s")
    return day.seconds // period_s


def empty_blocks(day: Period, period_s: int, meter_id: NDArray[np.int32]) -> DayBlocks:
    """A block in which nothing is held."""
    shape = (len(meter_id), slots_of(day, period_s))
    return DayBlocks(
        day=day,
        period_s=period_s,
        meter_id=meter_id,
        received_s=np.full(shape, MISSING, dtype=np.int64),
        flags=np.zeros(shape, dtype=np.uint8),
    )


def flattened(blocks: DayBlocks) -> ReadingBatch:
    """The rows that are held, by meter and start, as they were landed."""
    row, slot = np.nonzero(blocks.held)
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=blocks.period_s,
        meter_id=blocks.meter_id[row],
        start_s=blocks.day.start_s + slot.astype(np.int64) * blocks.period_s,
        received_s=blocks.received_s[row, slot],
        channels={name: column[row, slot] for name, column in blocks.channels.items()},
    )
