"""One meter at the begin of months: the columns of its billing profile, which tell of the month before."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from meterlab.at_instants import Instants, at_instants
from meterlab.calendar import month_begin_s
from meterlab.demand import ZONES
from meterlab.quantities import MILLI, Numbers, Series, Source, power_factor_milli


class Months:
    """One meter at the begin of months, ``int64[month]``: what its billing rows say of the month before."""

    def __init__(self, source: Source, meter: int, months: Numbers) -> None:
        self.source, self.meter, self.months = source, meter, months
        self.town, self.registers = source.town, source.registers
        self.begins_s = np.asarray([month_begin_s(int(month)) for month in months], np.int64)

    @cached_property
    def at_begin(self) -> Instants:
        """The same meter at those instants."""
        return Instants(self.source, self.meter, self.begins_s)

    @cached_property
    def demand_w(self) -> Numbers:
        """Maximum demand of the months that ended."""
        return self._of_month_before(lambda month: self.source.demand.month(self.meter, month).demand_w)

    @cached_property
    def demand_end_s(self) -> Numbers:
        """The end of its half hour."""
        return self._of_month_before(lambda month: self.source.demand.month(self.meter, month).demand_end_s)

    def zone_wh(self, zone: int) -> Numbers:
        """The register of a tariff zone, from 1; beyond the meter's zones it stands at 0."""
        if zone > ZONES:
            return np.zeros(len(self.months), np.int64)
        return np.asarray([zones[zone - 1] for zones in self._zones], np.int64)

    def factory_test_wh(self, zone: int) -> int:
        """What the factory's test left in the register; it ran in the first zone."""
        return self.registers.start_wh(self.meter) if zone == 1 else 0

    @cached_property
    def _zones(self) -> list[Numbers]:
        return [self.source.demand.zone_registers_wh(self.meter, int(month)) for month in self.months]

    def power_on_min(self) -> Numbers:
        """Minutes with supply in the month that ended."""
        return self._of_month_before(
            lambda month: (
                self.at_begin.power_on_min(month_begin_s(month + 1))
                - self.at_begin.power_on_min(month_begin_s(month))
            )
        )

    def _of_month_before(self, of_month: Callable[[int], int]) -> Numbers:
        return np.asarray([of_month(int(month) - 1) for month in self.months], np.int64)


_MonthReader = Callable[[Months], Series]

_TARIFF_ZONES = range(1, 9)


def _zone_energy(zone: int) -> _MonthReader:
    return lambda v: Series(values=v.zone_wh(zone) + v.factory_test_wh(zone))


def _zone_apparent(zone: int) -> _MonthReader:
    return lambda v: Series(values=v.registers.apparent(v.meter, v.zone_wh(zone)) + v.factory_test_wh(zone))


_OVER_MONTHS: dict[str, _MonthReader] = {
    "billing-date": lambda v: Series(values=v.begins_s),
    "average-power-factor": lambda v: Series(
        values=v.at_begin.constant(power_factor_milli(v.town, v.meter)), exponent=MILLI
    ),
    "demand-w": lambda v: Series(values=v.demand_w),
    "demand-w-time": lambda v: Series(values=v.demand_end_s),
    "demand-va": lambda v: Series(values=v.registers.apparent(v.meter, v.demand_w)),
    "demand-va-time": lambda v: Series(values=v.demand_end_s),
    "billing-power-on": lambda v: Series(values=v.power_on_min()),
    **{f"import-energy-tz{zone}": _zone_energy(zone) for zone in _TARIFF_ZONES},
    **{f"import-apparent-tz{zone}": _zone_apparent(zone) for zone in _TARIFF_ZONES},
}


def over_months(view: Months, name: str) -> Series | None:
    """A quantity of the billing profile by its name in the meter model, or None."""
    read = _OVER_MONTHS.get(name)
    return at_instants(view.at_begin, name) if read is None else read(view)
