"""What a meter keeps of a month beside its registers: energy by tariff zone and the maximum demand.

Four zones of six hours from midnight; demand is the mean power of a half hour. Closed months are computed once and
kept; the running month is taken up where the last question left it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meterlab.calendar import DAY_S, KOLKATA_S, SLOT_S, day_of, month_begin_s, month_of_day
from meterlab.registers import INSTALLED_MONTH, Registers, instants

ZONES = 4
_ZONE_S = DAY_S // ZONES
_MONTHS_KEPT = 20_000
"""Closed months kept, over all meters: about 5 MB."""

_DEMAND_OF_ENERGY = 3_600 // SLOT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSummary:
    """One meter's month, or what has passed of it.

    ``zone_wh``     energy by tariff zone
    ``demand_w``    the highest half-hour mean; 0 before the first half hour has ended
    ``demand_end_s`` the end of that half hour; the month's begin while there is none
    """

    zone_wh: tuple[int, ...]
    demand_w: int
    demand_end_s: int


class Demand:
    """Months of any meter of a town."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._closed: OrderedDict[tuple[int, int], MonthSummary] = OrderedDict()

    def month(self, meter: int, month: int, until_s: int | None = None) -> MonthSummary:
        """The month, or its part up to the last half hour that has ended at ``until_s``."""
        begin_s, end_s = month_begin_s(month), month_begin_s(month + 1)
        if until_s is not None and until_s < end_s:
            return self._summary(meter, begin_s, max(begin_s, until_s))
        kept = self._closed.get((meter, month))
        if kept is None:
            kept = self._closed[meter, month] = self._summary(meter, begin_s, end_s)
            if len(self._closed) > _MONTHS_KEPT:
                self._closed.popitem(last=False)
        return kept

    def running(self, meter: int, now_s: int) -> MonthSummary:
        """The month that holds ``now_s``, so far."""
        return self.month(meter, month_of_day(day_of(now_s)), now_s)

    def zone_registers_wh(self, meter: int, month: int) -> NDArray[np.int64]:
        """Registers by tariff zone at the begin of a month, ``int64[zone]``; they add up to the energy drawn."""
        months = [self.month(meter, earlier).zone_wh for earlier in range(INSTALLED_MONTH, month)]
        return np.asarray(np.asarray(months, np.int64).reshape(-1, ZONES).sum(axis=0))

    def _summary(self, meter: int, begin_s: int, end_s: int) -> MonthSummary:
        ends = instants(begin_s, end_s, SLOT_S)
        if not len(ends):
            return MonthSummary(zone_wh=(0,) * ZONES, demand_w=0, demand_end_s=begin_s)
        energy = np.diff(self._registers.drawn_wh(meter, np.concatenate([[begin_s], ends])))
        zone = (ends - SLOT_S + KOLKATA_S) % DAY_S // _ZONE_S
        highest = int(np.argmax(energy))
        return MonthSummary(
            zone_wh=tuple(int(energy[zone == z].sum()) for z in range(ZONES)),
            demand_w=int(energy[highest]) * _DEMAND_OF_ENERGY,
            demand_end_s=int(ends[highest]),
        )
