"""Midnight registers of a day, and of days around it for those who lack the day's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.records import Records

Integers = NDArray[np.int64]

ENERGY_CHANNELS = ("import_wh", "import_vah", "export_wh", "export_vah")
PRORATED_DAYS = 7
"""So far on either side of a day a register is looked for whose advance is shared out."""


@dataclass(frozen=True, kw_only=True)
class Registers:
    """Midnight registers of one instant: ``meter_id`` ascending, values by channel."""

    meter_id: NDArray[np.int32]
    channels: dict[str, Integers]

    def of(self, meter_id: NDArray[np.int32], channel: str) -> Integers:
        """int64[meter] for these meters, or MISSING."""
        values = self.channels.get(channel)
        result = np.full(len(meter_id), MISSING, dtype=np.int64)
        if values is not None and len(self.meter_id):
            place = np.minimum(np.searchsorted(self.meter_id, meter_id), len(self.meter_id) - 1)
            known = self.meter_id[place] == meter_id
            result[known] = values[place[known]]
        return result

    def only(self, meter_id: NDArray[np.int32]) -> Registers:
        """Those of the meters that are here."""
        mine = np.isin(self.meter_id, meter_id)
        return Registers(
            meter_id=self.meter_id[mine], channels={name: each[mine] for name, each in self.channels.items()}
        )


NO_REGISTERS = Registers(meter_id=np.zeros(0, dtype=np.int32), channels={})


def registers_at(records: Records, at_s: int) -> Registers:
    """Midnight registers of an instant. Raises SegmentDamaged, Unavailable."""
    instant = Period(start_s=at_s, end_s=at_s + 1)
    rows = records.readings.table(ProfileKind.DAILY, None, instant, ENERGY_CHANNELS)
    return Registers(meter_id=rows.meter_id, channels=rows.channels)


def prorated(records: Records, day: date, zone: ZoneInfo) -> Registers:
    """A day's part of what each register moved between the nearest midnights known on both sides, in whole units.

    Where that is the day itself, or a register went back, nothing is told. Raises as ``registers_at``.
    """
    earlier = [day - timedelta(days=ago) for ago in range(PRORATED_DAYS + 1)]
    later = [day + timedelta(days=ago + 1) for ago in range(PRORATED_DAYS + 1)]
    before = [registers_at(records, civil_day(each, zone).start_s) for each in earlier]
    after = [registers_at(records, civil_day(each, zone).start_s) for each in later]
    meters = np.unique(np.concatenate([each.meter_id for each in (*before, *after)]))
    channels = {}
    for channel in ENERGY_CHANNELS:
        opening, days_before = _nearest(before, meters, channel)
        closing, days_after = _nearest(after, meters, channel)
        days = days_before + days_after + 1
        known = (opening != MISSING) & (closing != MISSING) & (closing >= opening) & (days > 1)
        moved = np.where(known, closing, 0) - np.where(known, opening, 0)
        channels[channel] = np.where(known, moved // np.maximum(days, 1), MISSING)
    return Registers(meter_id=meters, channels=channels)


def _nearest(by_day: Sequence[Registers], meters: NDArray[np.int32], channel: str) -> tuple[Integers, Integers]:
    """The first known of each meter, or MISSING, and how many days off it is."""
    value = np.full(len(meters), MISSING, dtype=np.int64)
    days = np.zeros(len(meters), dtype=np.int64)
    for ago, registers in enumerate(by_day):
        found = registers.of(meters, channel)
        fresh = (value == MISSING) & (found != MISSING)
        value[fresh], days[fresh] = found[fresh], ago
    return value, days
