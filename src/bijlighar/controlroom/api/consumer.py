"""The consumer's own page: supply now, a day, the account, and who has looked."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
import numpy as np
from litestar import get
from litestar.params import QueryParameter

from bijlighar.cim.billing import Dues, Payment
from bijlighar.controlroom.api.asking import AnyRequest, Limit, Offset, room_of
from bijlighar.controlroom.api.consumer_scope import (
    OwnPoint,
    Point,
    PointView,
    kwh,
    own_point,
    own_points,
    places_of,
    point_view,
)
from bijlighar.controlroom.errors import not_valid
from bijlighar.controlroom.instants import NotAnInstant, iso, iso_ms, parse_day
from bijlighar.controlroom.live import STATES
from bijlighar.controlroom.meter_list import scaled, whole
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.controlroom.use_looks import LOOKED, subject_of
from bijlighar.operations.consumer_view import DayUse, day_use
from bijlighar.records.audit import AuditEntry

MOST_PAYMENTS = 24
_NEEDS = {"needs": Permission.READ_OWN}


class OwnPoints(msgspec.Struct, frozen=True, kw_only=True):
    """One's own usage points; ``now`` and ``speed`` of the utility's clock."""

    now: str | None
    speed: float
    points: list[PointView]


class OutageView(msgspec.Struct, frozen=True, kw_only=True):
    """No supply. ``extent``: meter, transformer or feeder; ``meters`` without supply in it."""

    extent: str
    since: str | None
    meters: int


class NowView(msgspec.Struct, frozen=True, kw_only=True):
    """How supply and meter stand, as the meter said last; None where it never did.

    ``state``: heard, late or silent, None without a meter; ``relay_closed``: whether the meter lets power through.
    """

    now: str | None
    speed: float
    point: PointView
    serial: str | None
    state: str | None
    last_contact: str | None
    read_at: str | None
    now_w: int | None
    voltage_v: float | None
    today_kwh: float | None
    relay_closed: bool | None
    outage: OutageView | None


class SlotView(msgspec.Struct, frozen=True, kw_only=True):
    """One block; None where it is missing."""

    start: str | None
    import_wh: int | None
    export_wh: int | None


class DayView(msgspec.Struct, frozen=True, kw_only=True):
    """A civil day in blocks: ``import_kwh`` of those that are held, ``missing`` how many are not."""

    day: str
    period_s: int
    import_kwh: float | None
    missing: int
    slots: list[SlotView]


class TwoDays(msgspec.Struct, frozen=True, kw_only=True):
    """A day and the one before it."""

    day: DayView
    before: DayView


class DuesView(msgspec.Struct, frozen=True, kw_only=True):
    """What the billing server told; negative: a credit."""

    amount_paise: int
    due_day: str | None
    as_of: str | None
    reference: str


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that was booked."""

    amount_paise: int
    paid_at: str | None


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """``balance_paise``: dues less what was paid since they were told; None: nothing was told yet."""

    dues: DuesView | None
    balance_paise: int | None
    payments: list[PaymentView]


class LookView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the utility opened one's use: who, as what, when, why."""

    at: str | None
    who: str
    who_hi: str
    roles: list[str]
    why: str


class LookList(msgspec.Struct, frozen=True, kw_only=True):
    """Looks, newest first; ``more``: older ones exist."""

    rows: list[LookView]
    more: bool


@get("/my", opt=_NEEDS)
async def points(request: AnyRequest) -> OwnPoints:
    """One's own usage points."""
    room, places = room_of(request), places_of(request)
    ties = await own_points(request)
    told = [point_view(tie, places.find(room.index, tie.usage_point)) for tie in ties]
    return OwnPoints(now=iso(room.now()), speed=room.speed(), points=told)


@get("/my/now", opt=_NEEDS)
async def now(request: AnyRequest, point: Point = "") -> NowView:
    """Supply now, out of the live columns."""
    room, own = room_of(request), await own_point(request, point)
    view = NowView(
        now=iso(room.now()),
        speed=room.speed(),
        point=point_view(own.tie, own.place),
        serial=None,
        state=None,
        last_contact=None,
        read_at=None,
        now_w=None,
        voltage_v=None,
        today_kwh=None,
        relay_closed=None,
        outage=None,
    )
    if own.place is None:
        return view
    meter_id, live = own.place.meter.meter_id, room.live
    mine = live.read_s[meter_id] >= own.meter_since_s
    all_day = own.meter_since_s <= live.day.start_s
    relay = int(live.relay[meter_id])
    outage = room.supply.outage(room.index, live, meter_id)
    return msgspec.structs.replace(
        view,
        serial=own.place.meter.serial,
        state=STATES[int(live.states(np.array([meter_id], dtype=np.int32), room.now())[0])],
        last_contact=iso_ms(int(live.last_contact_ms[meter_id])),
        read_at=iso(int(live.read_s[meter_id])) if mine else None,
        now_w=whole(live.power_w[meter_id]) if mine else None,
        voltage_v=scaled(live.voltage_mv[meter_id], 1_000) if mine else None,
        today_kwh=scaled(live.today_wh[meter_id], 1_000) if all_day else None,
        relay_closed=None if relay < 0 else relay == 1,
        outage=None
        if outage is None
        else OutageView(extent=outage.extent, since=iso(outage.since_s), meters=outage.meters),
    )


@get("/my/day", opt=_NEEDS)
async def day(
    request: AnyRequest,
    point: Point = "",
    wanted: Annotated[str, QueryParameter(name="day", max_length=40)] = "today",
) -> TwoDays:
    """A civil day and the one before it, in blocks."""
    room, own = room_of(request), await own_point(request, point)
    try:
        chosen = parse_day(wanted, now_s=room.now())
    except NotAnInstant as problem:
        raise not_valid("day", str(problem)) from problem
    both = [
        await room.in_thread(day_use, room.records, own.there, each, int(room.now()))
        for each in (chosen, chosen - timedelta(days=1))
    ]
    return TwoDays(day=_day(both[0]), before=_day(both[1]))


def _day(use: DayUse) -> DayView:
    return DayView(
        day=use.day.isoformat(),
        period_s=use.period_s,
        import_kwh=kwh(use.import_wh),
        missing=use.missing,
        slots=[
            SlotView(start=iso(slot.start_s), import_wh=slot.import_wh, export_wh=slot.export_wh)
            for slot in use.slots
        ],
    )


@get("/my/account", opt=_NEEDS)
async def account(request: AnyRequest, point: Point = "") -> AccountView:
    """Dues and payments as the billing server told them."""
    room, own = room_of(request), await own_point(request, point)
    return await room.in_thread(_account, room, own)


def _account(room: ControlRoom, own: OwnPoint) -> AccountView:
    inbox, code, since_s = room.records.billing_inbox, own.tie.usage_point, own.tie.since_s
    told: Dues | None = inbox.dues([code]).get(code)
    due = told if told is not None and told.as_of_s >= since_s else None
    paid: list[Payment] = [each for each in inbox.payments(code) if each.paid_s >= since_s]
    after = sum(each.amount_paise for each in paid if due is not None and each.paid_s > due.as_of_s)
    return AccountView(
        dues=None
        if due is None
        else DuesView(
            amount_paise=due.amount_paise,
            due_day=None if due.due_day is None else due.due_day.isoformat(),
            as_of=iso(due.as_of_s),
            reference=due.reference,
        ),
        balance_paise=None if due is None else due.amount_paise - after,
        payments=[
            PaymentView(amount_paise=each.amount_paise, paid_at=iso(each.paid_s)) for each in paid[:MOST_PAYMENTS]
        ],
    )


@get("/my/access", opt=_NEEDS)
async def access(request: AnyRequest, point: Point = "", offset: Offset = 0, limit: Limit = 50) -> LookList:
    """Who of the utility looked at one's use."""
    room, own = room_of(request), await own_point(request, point)
    return await room.in_thread(_access, room, own, offset, limit)


def _access(room: ControlRoom, own: OwnPoint, offset: int, limit: int) -> LookList:
    found = room.records.audit.entries(subject=subject_of(own.tie.usage_point), offset=offset, limit=limit + 1)
    mine = [entry for entry in found if entry.at_s >= own.tie.since_s]
    names = {person.name: person for person in room.records.people.all()} if mine else {}

    def view(entry: AuditEntry) -> LookView:
        person = names.get(entry.who)
        return LookView(
            at=iso(entry.at_s),
            who=entry.who if person is None else person.display_name,
            who_hi="" if person is None else person.display_name_hi,
            roles=list(entry.detail.get("roles", [])),
            why=str(entry.detail.get("why", "")),
        )

    rows = [view(entry) for entry in mine[:limit] if entry.what == LOOKED]
    return LookList(rows=rows, more=len(mine) > limit)


HANDLERS = (points, now, day, account, access)
