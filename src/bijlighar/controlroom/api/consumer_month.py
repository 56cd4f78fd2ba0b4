"""A consumer's month: use by registers, the running bill with the slab of the next unit, and a projection."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import QueryParameter

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_date, civil_day
from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.api.consumer_scope import OwnPoint, Point, kwh, own_point
from bijlighar.controlroom.errors import not_valid
from bijlighar.controlroom.instants import NotAnInstant, iso, parse_day
from bijlighar.controlroom.meter_reading import row_of, value
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.mdm.billing import Tariff, TariffRefused
from bijlighar.mdm.billing.preview import PreviewedBill
from bijlighar.mdm.billing.running import RunningBill
from bijlighar.operations.consumer_view import MonthUse, RegisterNow, bill_of_month, month_use
from bijlighar.operations.tariffs import UnknownTariff

Month = Annotated[str, QueryParameter(name="month", pattern=r"^(\d{4}-\d{2})?$", description="2026-06")]


class RegisterDayView(msgspec.Struct, frozen=True, kw_only=True):
    """A day by midnight registers; None where they are not both held."""

    day: str
    import_kwh: float | None
    export_kwh: float | None


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """``what`` energy, band or fixed: kWh, of "fixed" kW, at ``rate`` paise, of "band" per cent."""

    what: str
    name: str
    quantity: float
    rate: float
    amount_paise: int


class NextUnitView(msgspec.Struct, frozen=True, kw_only=True):
    """The slab in which the next unit falls; None: it has no end."""

    from_kwh: float
    to_kwh: float | None
    left_kwh: float | None
    paise_per_kwh: float


class BillView(msgspec.Struct, frozen=True, kw_only=True):
    """The month's bill if nothing more were used, and a projection; without taxes, arrears and rebates."""

    tariff: str
    tariff_hi: str
    valid_from: str
    source: str
    amount_paise: int
    lines: list[LineView]
    next_unit: NextUnitView | None
    projected_kwh: float | None
    projected_paise: int | None


class MonthView(msgspec.Struct, frozen=True, kw_only=True):
    """A month by registers, from ``opened_at`` to ``closed_at``; ``whole``: from its first midnight on.

    ``bill`` None while the use is not known or no tariff holds.
    """

    month: str
    running: bool
    first_day: str
    last_day: str
    days: list[RegisterDayView]
    import_kwh: float | None
    export_kwh: float | None
    opened_at: str | None
    closed_at: str | None
    whole: bool
    bill: BillView | None


@get("/my/month", opt={"needs": Permission.READ_OWN})
async def month(request: AnyRequest, point: Point = "", wanted: Month = "") -> MonthView:
    """A month by registers with its bill; this month when none is named."""
    room, own = room_of(request), await own_point(request, point)
    today = civil_date(int(room.now()))
    try:
        chosen = parse_day(f"{wanted}-01", now_s=room.now()) if wanted else today.replace(day=1)
    except NotAnInstant as problem:
        raise not_valid("month", "write it as 2026-06") from problem
    return await room.in_thread(_month, room, own, chosen, today)


def _month(room: ControlRoom, own: OwnPoint, chosen: date, today: date) -> MonthView:
    running = (chosen.year, chosen.month) == (today.year, today.month)
    register, demand_w = _register_now(room, own, chosen) if running else (None, None)
    use = month_use(room.records, own.there, chosen, int(room.now()), register)
    return MonthView(
        month=chosen.isoformat()[:7],
        running=running,
        first_day=use.first.isoformat(),
        last_day=use.last.isoformat(),
        days=[
            RegisterDayView(
                day=each.day.isoformat(), import_kwh=kwh(each.import_wh), export_kwh=kwh(each.export_wh)
            )
            for each in use.days
        ],
        import_kwh=kwh(use.import_wh),
        export_kwh=kwh(use.export_wh),
        opened_at=iso(use.opened_s),
        closed_at=iso(use.closed_s),
        whole=use.whole,
        bill=_bill(room, own, use, demand_w, running=running),
    )


def _register_now(room: ControlRoom, own: OwnPoint, month: date) -> tuple[RegisterNow | None, int | None]:
    """The register as read last, and the greatest demand of the month."""
    if own.meter_id is None:
        return None, None
    last = room.records.readings.last(ProfileKind.INSTANTANEOUS)
    row = row_of(last, own.meter_id)
    import_wh = None if row is None else value(last, row, "import_wh")
    if row is None or import_wh is None:
        return None, None
    demand_s = value(last, row, "demand_w_time_s")
    begin_s = max(civil_day(month.replace(day=1)).start_s, own.meter_since_s)
    demand_w = value(last, row, "demand_w") if demand_s is not None and demand_s >= begin_s else None
    register = RegisterNow(
        import_wh=import_wh, export_wh=value(last, row, "export_wh"), read_s=int(last.start_s[row])
    )
    return register, demand_w


def _bill(
    room: ControlRoom, own: OwnPoint, use: MonthUse, demand_w: int | None, *, running: bool
) -> BillView | None:
    try:
        found = bill_of_month(
            room.records,
            own.there,
            use,
            now_s=int(room.now()),
            demand_w=demand_w,
            tariffs=room.settings.tariffs_path,
        )
    except (UnknownTariff, TariffRefused):
        return None  # before the first tariff that is known; the page says that there is none
    return None if found is None else _bill_view(*found, running=running)


def _bill_view(tariff: Tariff, bill: RunningBill, *, running: bool) -> BillView:
    following = bill.next_unit
    return BillView(
        tariff=tariff.name,
        tariff_hi=tariff.name_hi,
        valid_from=bill.version.valid_from.isoformat(),
        source=bill.version.source,
        amount_paise=bill.so_far.amount_paise,
        lines=_lines(bill.so_far),
        next_unit=NextUnitView(
            from_kwh=float(following.from_kwh),
            to_kwh=None if following.to_kwh is None else float(following.to_kwh),
            left_kwh=None if following.left_kwh is None else float(following.left_kwh),
            paise_per_kwh=float(following.paise_per_kwh),
        )
        if running
        else None,
        projected_kwh=kwh(bill.projected_wh),
        projected_paise=None if bill.projected is None else bill.projected.amount_paise,
    )


def _lines(bill: PreviewedBill) -> list[LineView]:
    return [
        LineView(
            what=line.what,
            name=line.name,
            quantity=float(line.quantity),
            rate=float(line.rate),
            amount_paise=line.amount_paise,
        )
        for line in bill.lines
    ]


HANDLERS = (month,)
