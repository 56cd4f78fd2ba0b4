"""What a meter keeps of a month beside its registers: energy by tariff zone and the maximum demand.

Four zones of six hours from midnight; demand is the mean power of a half hour. Closed months are computed once and
kept; the running month is taken up where the last question left it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from meterlab.calendar import DAY_S, KOLKATA_S, SLOT_S, day_of, month_begin_s, month_of_day
from meterlab.registers import INSTALLED_MONTH, Registers, instants

ZONES = 4
_ZONE_S = DAY_S // ZONES
_MONTHS_KEPT = 20_000
"""Closed months kept, over all meters, and as many running ones: about 5 MB each."""

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """What is known of a month that began at ``begin_s`` and was last looked at up to ``until_s``."""

    begin_s: int
    until_s: int
    summary: MonthSummary


def _empty(begin_s: int) -> MonthSummary:
    return MonthSummary(zone_wh=(0,) * ZONES, demand_w=0, demand_end_s=begin_s)


def _joined(earlier: MonthSummary, later: MonthSummary) -> MonthSummary:
    """Two parts of one month; of two equal demands the earlier one stays."""
    highest = later if later.demand_w > earlier.demand_w else earlier
    return MonthSummary(
        zone_wh=tuple(a + b for a, b in zip(earlier.zone_wh, later.zone_wh, strict=True)),
        demand_w=highest.demand_w,
        demand_end_s=highest.demand_end_s,
    )


def _forget_oldest(kept: OrderedDict[_Key, _Kept]) -> None:
    if len(kept) > _MONTHS_KEPT:
        kept.popitem(last=False)


class Demand:
    """Months of any meter of a town."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._running: OrderedDict[int, _Running] = OrderedDict()
        self._closed: OrderedDict[tuple[int, int], MonthSummary] = OrderedDict()

    def month(self, meter: int, month: int, until_s: int | None = None) -> MonthSummary:
        """The month, or its part up to the last half hour that has ended at ``until_s``."""
        begin_s, end_s = month_begin_s(month), month_begin_s(month + 1)
        if until_s is not None and until_s < end_s:
            return self._so_far(meter, begin_s, max(begin_s, until_s))
        kept = self._closed.get((meter, month))
        if kept is None:
            kept = self._closed[meter, month] = self._summary(meter, begin_s, end_s)
            _forget_oldest(self._closed)
        return kept

    def _so_far(self, meter: int, begin_s: int, until_s: int) -> MonthSummary:
        """A running month: what is known of it, and the half hours that have ended since."""
        known = self._running.get(meter)
        if known is None or known.begin_s != begin_s or known.until_s > until_s:
            known = _Running(begin_s=begin_s, until_s=begin_s, summary=_empty(begin_s))
        since = instants(known.until_s, until_s, SLOT_S)
        if not len(since):
            return known.summary
        summary = _joined(known.summary, self._summary(meter, known.until_s, int(since[-1])))
        self._running[meter] = _Running(begin_s=begin_s, until_s=int(since[-1]), summary=summary)
        _forget_oldest(self._running)
        return summary

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
            return _empty(begin_s)
        energy = np.diff(self._registers.drawn_wh(meter, np.concatenate([[begin_s], ends])))
        zone = (ends - SLOT_S + KOLKATA_S) % DAY_S // _ZONE_S
        highest = int(np.argmax(energy))
        return MonthSummary(
            zone_wh=tuple(int(energy[zone == z].sum()) for z in range(ZONES)),
            demand_w=int(energy[highest]) * _DEMAND_OF_ENERGY,
            demand_end_s=int(ends[highest]),
        )
