"""The bill of a month that is still running: what stands so far, the slab of the next unit, where it leads.

So far means: if nothing more were used this month. Slabs are those of the whole month, and the fixed charge is due
for all of it; so the amount only ever grows. The projection goes on as on the days so far and is an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bijlighar.mdm.billing.preview import BillPart, PreviewedBill, preview
from bijlighar.mdm.billing.tariff import Tariff, TariffVersion

LEAST_PROJECTED_S = 3 * 86_400
"""From fewer days than this a month is not projected: one warm evening would be taken for a habit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextUnit:
    """The slab of the next unit: from ``from_kwh`` to ``to_kwh`` (None: no end), ``left_kwh`` until it is full."""

    from_kwh: Decimal
    to_kwh: Decimal | None
    left_kwh: Decimal | None
    paise_per_kwh: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthSoFar:
    """What is known of a month: ``[first, last]`` are its billed days, ``today`` one of them or later.

    ``energy_wh`` used in ``elapsed_s`` of ``whole_s`` seconds; ``band_wh`` by band of the version in force, empty
    where the tariff has none; ``demand_w`` None: not known.
    """

    first: date
    last: date
    today: date
    days_in_month: int
    energy_wh: int
    elapsed_s: int
    whole_s: int
    band_wh: Sequence[int]
    demand_w: int | None
    sanctioned_load_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBill:
    """``projected`` and ``projected_wh`` None while too little of the month is known, and when it is over."""

    version: TariffVersion
    so_far: PreviewedBill
    next_unit: NextUnit
    projected: PreviewedBill | None
    projected_wh: int | None


def running_bill(tariff: Tariff, month: MonthSoFar) -> RunningBill:
    """The bill of a month so far. Raises TariffRefused before the tariff's first day, ValueError for no days."""
    version = tariff.on(min(month.today, month.last))
    goes_on = LEAST_PROJECTED_S <= month.elapsed_s < month.whole_s
    projected_wh = month.energy_wh * month.whole_s // month.elapsed_s if goes_on else None
    return RunningBill(
        version=version,
        so_far=_bill(tariff, month, month.energy_wh, min(month.today, month.last)),
        next_unit=next_unit(
            version, month.energy_wh, Decimal(_days(month.first, month.last)) / month.days_in_month
        ),
        projected=None if projected_wh is None else _bill(tariff, month, projected_wh, month.last),
        projected_wh=projected_wh,
    )


def next_unit(version: TariffVersion, energy_wh: int, share: Decimal) -> NextUnit:
    """Where the next unit falls. ``share`` of a month that the slabs hold for, as ``preview`` has it."""
    used, below = Decimal(energy_wh) / 1000, Decimal(0)
    for slab in version.slabs:
        above = None if slab.to_kwh is None else slab.to_kwh * share
        if above is None or used < above:
            left = None if above is None else above - used
            return NextUnit(from_kwh=below, to_kwh=above, left_kwh=left, paise_per_kwh=slab.paise_per_kwh)
        below = above
    raise AssertionError("the last slab of a tariff has no end")


def _days(first: date, last: date) -> int:
    return (last - first).days + 1


def _bill(tariff: Tariff, month: MonthSoFar, energy_wh: int, used_until: date) -> PreviewedBill:
    """Where the tariff changes within the month, the energy is shared over the days in which it was used."""
    used_days = _days(month.first, used_until)
    parts, given = [], 0
    for first, last, version in tariff.parts(month.first, month.last):
        days = max(0, _days(first, min(last, used_until)))
        part_wh = energy_wh * days // used_days if last < used_until else energy_wh - given if days else 0
        given += part_wh
        parts.append(
            BillPart(
                version=version,
                energy_wh=part_wh,
                band_wh=tuple(month.band_wh) if len(month.band_wh) == len(version.bands) else (),
                demand_w=month.demand_w,
                sanctioned_load_w=month.sanctioned_load_w,
                days=_days(first, last),
                days_in_month=month.days_in_month,
            )
        )
    return preview(parts)
