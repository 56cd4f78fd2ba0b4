"""What a consumer sees of the own usage point: a day, a month, the running bill.

Every question is about stays from the instant on from which the person may see the place, of the meters that hung
there: neither the household before nor another place of the same meter is ever told.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import KOLKATA, Period, civil_date, civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm.billing import Tariff, TariffVersion
from bijlighar.mdm.billing.running import MonthSoFar, RunningBill, running_bill
from bijlighar.mdm.billing.tariff import band_of
from bijlighar.operations.billing_terms import terms_of_period
from bijlighar.operations.day_service import Stay, stays
from bijlighar.records import Records
from bijlighar.records.batches import MixedPeriods

ENERGY = ("import_wh", "export_wh")
DEFAULT_PERIOD_S = 1_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One block; None where the meter's value is missing."""

    start_s: int
    import_wh: int | None
    export_wh: int | None


@dataclass(frozen=True, kw_only=True)
class DayUse:
    """The blocks of a civil day that have ended, missing ones too; before the tie there are none."""

    day: date
    period_s: int
    slots: tuple[Slot, ...]

    @property
    def import_wh(self) -> int | None:
        """The sum of what is held; None when nothing is."""
        held = [slot.import_wh for slot in self.slots if slot.import_wh is not None]
        return sum(held) if held else None

    @property
    def missing(self) -> int:
        """How many blocks are not held."""
        return sum(slot.import_wh is None for slot in self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterDay:
    """What the midnight registers say of a day; None where one of the two is not held."""

    day: date
    import_wh: int | None
    export_wh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterNow:
    """The register as read last, of the meter in service."""

    import_wh: int
    export_wh: int | None
    read_s: int


@dataclass(frozen=True, kw_only=True)
class MonthUse:
    """A month from registers. ``import_wh`` from ``opened_s`` to ``closed_s``, None when fewer than two are held.

    ``first`` the first day that is told; ``whole``: the registers reach back to its midnight.
    """

    first: date
    last: date
    days: tuple[RegisterDay, ...]
    import_wh: int | None
    export_wh: int | None
    opened_s: int | None
    closed_s: int | None
    whole: bool


def stays_at(records: Records, usage_point: str, since_s: int) -> list[Stay]:
    """The meters of a usage point from ``since_s`` on, by start. Raises Unavailable."""
    here = records.registry.installations(usage_point=usage_point)
    elsewhere = records.registry.installations(meter_id=here[0].meter_id) if here else []
    every = [*here, *(each for each in elsewhere if each.usage_point != usage_point)]
    return [
        stay if stay.start_s >= since_s else replace(stay, start_s=since_s, opening_wh=None)  # read before the tie
        for stay in stays(every)
        if stay.usage_point == usage_point and stay.end_s > since_s
    ]


def rows_of(
    records: Records, kind: ProfileKind, there: Sequence[Stay], period: Period, *, closing: bool = False
) -> list[tuple[Stay, ReadingBatch]]:
    """Energy rows by stay, none from before or after it. ``closing``: the row at the end of each counts too.

    Where a meter's block length changed within the period, rows of the longest block. Raises SegmentDamaged,
    Unavailable.
    """
    found = []
    for stay in there:
        if stay.touches(period):
            start_s = max(stay.start_s, period.start_s)
            end_s = max(start_s, min(stay.end_s, period.end_s) + closing)
            span = Period(start_s=start_s, end_s=end_s)
            found.append((stay, _rows(records, kind, stay.meter_id, span)))
    return found


def _rows(records: Records, kind: ProfileKind, meter_id: int, span: Period) -> ReadingBatch:
    try:
        return records.readings.rows(kind, meter_id, span, ENERGY)
    except MixedPeriods as mixed:
        return records.readings.rows(kind, meter_id, span, ENERGY, period_s=max(mixed.periods_s))


def day_use(records: Records, there: Sequence[Stay], day: date, now_s: int, *, zone: ZoneInfo = KOLKATA) -> DayUse:
    """One civil day in blocks. Raises SegmentDamaged, Unavailable."""
    period = civil_day(day, zone)
    parts = rows_of(records, ProfileKind.BLOCK_LOAD, there, period)
    period_s = max((batch.period_s for _, batch in parts if len(batch)), default=DEFAULT_PERIOD_S)
    held = {
        start: (_known(stay, batch, row, "import_wh"), _known(stay, batch, row, "export_wh"))
        for stay, batch in parts
        for row, start in enumerate(batch.start_s.tolist())
    }
    begin_s = max(period.start_s, min((stay.start_s for stay in there), default=period.end_s))
    first_s = period.start_s + -(-(begin_s - period.start_s) // period_s) * period_s
    ended_s = min(period.end_s, now_s - period_s + 1)
    slots = tuple(
        Slot(start_s=start, import_wh=held.get(start, (None, None))[0], export_wh=held.get(start, (None, None))[1])
        for start in range(first_s, max(first_s, ended_s), period_s)
    )
    return DayUse(day=day, period_s=period_s, slots=slots)


def _known(stay: Stay, batch: ReadingBatch, row: int, channel: str) -> int | None:
    column = batch.channels.get(channel)
    return None if column is None or column[row] == MISSING else used(stay, int(column[row]))


def used(stay: Stay, counted_wh: int) -> int:
    """What was used when the meter behind its transformers counts so much."""
    return counted_wh if stay.ratio is None else int(counted_wh * stay.ratio)


def month_use(
    records: Records,
    there: Sequence[Stay],
    month: date,
    now_s: int,
    register_now: RegisterNow | None = None,
    *,
    zone: ZoneInfo = KOLKATA,
) -> MonthUse:
    """The month that holds a day, from midnight registers and, while it runs, the register as read last.

    Raises SegmentDamaged, Unavailable.
    """
    first = month.replace(day=1)
    last = month.replace(day=monthrange(month.year, month.month)[1])
    begin_s = max(civil_day(first, zone).start_s, min((stay.start_s for stay in there), default=0))
    end_s = civil_day(last, zone).end_s
    first = civil_date(min(begin_s, end_s - 1), zone)
    registers = [
        _registers(stay, batch, begin_s, end_s, register_now)
        for stay, batch in rows_of(
            records, ProfileKind.DAILY, there, Period(start_s=min(begin_s, end_s), end_s=end_s), closing=True
        )
    ]
    days = [_register_day(registers, first + timedelta(days=ago), zone) for ago in range((last - first).days + 1)]
    held = [each for each in registers if len(each) > 1]
    opened_s = min((min(each) for each in held), default=None)
    due_s = begin_s if begin_s == civil_day(first, zone).start_s else civil_day(first, zone).end_s
    return MonthUse(
        first=first,
        last=last,
        days=tuple(each for each in days if civil_day(each.day, zone).start_s <= now_s),
        import_wh=_advance(held, 0),
        export_wh=_advance(held, 1),
        opened_s=opened_s,
        closed_s=max((max(each) for each in held), default=None),
        whole=opened_s is not None and opened_s <= due_s,
    )


_Registers = dict[int, tuple[int | None, int | None]]


def _registers(
    stay: Stay, batch: ReadingBatch, begin_s: int, end_s: int, register_now: RegisterNow | None
) -> _Registers:
    """Imported and exported energy by instant, of one stay."""
    found: _Registers = {}
    for row, start in enumerate(batch.start_s.tolist()):
        told = _known(stay, batch, row, "import_wh")
        if told is not None:
            found[start] = (told, _known(stay, batch, row, "export_wh"))
    for at_s, read_wh in ((stay.start_s, stay.opening_wh), (stay.end_s, stay.closing_wh)):
        if read_wh is not None and begin_s <= at_s <= end_s:
            found.setdefault(at_s, (used(stay, read_wh), None))
    now = register_now
    if now is not None and stay.end_s > now.read_s >= stay.start_s and max(found, default=0) < now.read_s < end_s:
        exported = None if now.export_wh is None else used(stay, now.export_wh)
        found[now.read_s] = (used(stay, now.import_wh), exported)
    return found


def _advance(registers: Sequence[_Registers], channel: int) -> int | None:
    """How far the registers moved in all; None when one of them is not known or went back."""
    moved = []
    for each in registers:
        opening, closing = each[min(each)][channel], each[max(each)][channel]
        if opening is None or closing is None or closing < opening:
            return None
        moved.append(closing - opening)
    return sum(moved) if moved else None


def _register_day(registers: Sequence[_Registers], day: date, zone: ZoneInfo) -> RegisterDay:
    period = civil_day(day, zone)
    moved: list[int | None] = [None, None]
    for each in registers:
        if period.start_s in each and period.end_s in each:
            for channel in (0, 1):
                opening, closing = each[period.start_s][channel], each[period.end_s][channel]
                if opening is not None and closing is not None and closing >= opening:
                    moved[channel] = closing - opening
    return RegisterDay(day=day, import_wh=moved[0], export_wh=moved[1])


def bill_of_month(
    records: Records,
    there: Sequence[Stay],
    use: MonthUse,
    *,
    now_s: int,
    demand_w: int | None,
    tariffs: Path | None = None,
    zone: ZoneInfo = KOLKATA,
) -> tuple[Tariff, RunningBill] | None:
    """The bill of a month as it stands, by the terms of its last day so far; None while the energy is not known.

    Raises UnknownTariff, TariffRefused, SegmentDamaged, Unavailable.
    """
    if use.import_wh is None or use.opened_s is None or use.closed_s is None:
        return None
    today = civil_date(now_s, zone)
    end_s = civil_day(use.last, zone).end_s
    day, point = min(today, use.last), there[-1].usage_point
    (terms,) = terms_of_period(records, day, day, tariffs=tariffs, usage_points=[point], zone=zone)[point]
    held, version = terms.tariff, terms.version
    month = MonthSoFar(
        first=use.first,
        last=use.last,
        today=today,
        days_in_month=use.last.day,
        energy_wh=use.import_wh,
        elapsed_s=use.closed_s - use.opened_s,
        whole_s=end_s - use.opened_s,
        band_wh=_bands(records, there, use, version, zone) if version.bands else (),
        demand_w=demand_w,
        sanctioned_load_w=terms.sanctioned_load_w,
    )
    return held, running_bill(held, month)


def _bands(
    records: Records, there: Sequence[Stay], use: MonthUse, version: TariffVersion, zone: ZoneInfo
) -> tuple[int, ...]:
    """Energy of the month's blocks by time-of-day band."""
    period = Period(start_s=civil_day(use.first, zone).start_s, end_s=civil_day(use.last, zone).end_s)
    total = np.zeros(len(version.bands), dtype=np.int64)
    for stay, batch in rows_of(records, ProfileKind.BLOCK_LOAD, there, period):
        energy = batch.channels["import_wh"]
        held = energy != MISSING
        band = band_of(version.bands, batch.start_s[held], -period.start_s % 86_400)
        part = np.zeros_like(total)
        np.add.at(part, band, energy[held])
        total += np.array([used(stay, each) for each in part.tolist()], dtype=np.int64)
    return tuple(total.tolist())
