"""A consumer's use to take along: Green Button XML (ESPI) and CSV, up to thirteen months, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from bijlighar.cim.period import civil_date, civil_day
from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.api.consumer_scope import OwnPoint, Point, own_point
from bijlighar.controlroom.errors import not_valid
from bijlighar.controlroom.instants import NotAnInstant, parse_day
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.mdm import espi
from bijlighar.operations.green_button import SpanRefused, checked_span, use_blocks

DEFAULT_DAYS = 396
"""Thirteen months."""
_NEEDS = {"needs": Permission.READ_OWN}

First = Annotated[
    str, QueryParameter(name="from", max_length=40, description="first day; left out: 13 months ago")
]
Last = Annotated[str, QueryParameter(name="to", max_length=40, description="last day; left out: today")]


def _span(room: ControlRoom, first: str, last: str) -> tuple[date, date]:
    today = civil_date(int(room.now()))
    try:
        end = min(parse_day(last, now_s=room.now()), today) if last else today
        begin = parse_day(first, now_s=room.now()) if first else end - timedelta(days=DEFAULT_DAYS)
        checked_span(begin, end)
    except (NotAnInstant, SpanRefused) as problem:
        raise not_valid("from/to", str(problem)) from problem
    return begin, end


def _stream(pieces: Iterator[str], media_type: str, name: str) -> Stream:
    return Stream(
        (piece.encode() for piece in pieces),
        media_type=media_type,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _offset_s(day: date) -> int:
    """Of the utility's clock: a civil day begins at local midnight."""
    return -civil_day(day).start_s % 86_400


@get("/my/green-button.xml", opt=_NEEDS)
async def green_button(request: AnyRequest, point: Point = "", first: First = "", last: Last = "") -> Stream:
    """Final measurements as an ESPI 4.0 Atom feed."""
    room, own = room_of(request), await own_point(request, point)
    begin, end = _span(room, first, last)
    now_s = int(room.now())
    place = _place(room, own, _offset_s(end))
    blocks = use_blocks(room.records, own.there, begin, end, now_s=now_s)
    name = f"green-button-{begin}-{end}.xml"
    return _stream(espi.feed(place, blocks, made_s=now_s), "application/atom+xml; charset=utf-8", name)


def _place(room: ControlRoom, own: OwnPoint, offset_s: int) -> espi.Place:
    relay = -1 if own.meter_id is None else int(room.live.relay[own.meter_id])
    point = None if own.place is None else own.place.point
    return espi.Place(
        code=own.tie.usage_point,
        phase="" if point is None else point.phase,
        connected=None if relay < 0 else relay == 1,
        offset_s=offset_s,
    )


@get("/my/use.csv", opt=_NEEDS)
async def use_sheet(request: AnyRequest, point: Point = "", first: First = "", last: Last = "") -> Stream:
    """The same measurements as a CSV file."""
    room, own = room_of(request), await own_point(request, point)
    begin, end = _span(room, first, last)
    blocks = use_blocks(room.records, own.there, begin, end, now_s=int(room.now()))
    sheet = espi.sheet(blocks, offset_s=_offset_s(end))
    return _stream(sheet, "text/csv; charset=utf-8", f"use-{begin}-{end}.csv")


HANDLERS = (green_button, use_sheet)
