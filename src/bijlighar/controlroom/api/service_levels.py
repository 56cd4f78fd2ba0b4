"""Service levels of a civil day, for the page and as a sheet."""

from __future__ import annotations

from datetime import date, timedelta

from litestar import Response, get

from bijlighar.cim.period import civil_date
from bijlighar.controlroom.api.asking import AnyRequest, Text, room_of
from bijlighar.controlroom.errors import not_valid
from bijlighar.controlroom.instants import NotAnInstant, parse_day
from bijlighar.controlroom.roles import Permission
from bijlighar.operations.service_levels.documents import Document, sheet


def _asked_day(text: str, *, now_s: float) -> date:
    """A day that has begun. Raises Refusal 400."""
    try:
        day = parse_day(text or "yesterday", now_s=now_s)
    except NotAnInstant as problem:
        raise not_valid("day", str(problem)) from problem
    if day > civil_date(int(now_s)):
        raise not_valid("day", "has not begun yet")
    return day


async def _document(request: AnyRequest, day: str) -> Document:
    room = room_of(request)
    now_s = room.now()
    return await room.in_thread(room.levels.document, room.records, _asked_day(day, now_s=now_s), now_s)


@get("/service-levels", opt={"needs": Permission.READ_METERS})
async def service_levels(request: AnyRequest, day: Text = "") -> Document:
    """Completeness by hour and kind, answering times, groups, ranked faults; yesterday unless a day is named."""
    told = await _document(request, day)
    latest = civil_date(int(room_of(request).now()))
    return {**told, "latest_day": latest.isoformat(), "default_day": (latest - timedelta(days=1)).isoformat()}


@get("/service-levels.csv", opt={"needs": Permission.READ_METERS})
async def service_levels_sheet(request: AnyRequest, day: Text = "") -> Response[bytes]:
    """The same for a spreadsheet: UTF-8 with a byte-order mark, because Excel asks for one."""
    told = await _document(request, day)
    headers = {"content-disposition": f'attachment; filename="service-levels-{told["day"]}.csv"'}
    return Response(sheet(told).encode("utf-8-sig"), media_type="text/csv", headers=headers)


HANDLERS = (service_levels, service_levels_sheet)
