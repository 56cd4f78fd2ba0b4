"""What routes share: the room, the person who asks, pages of lists, and periods out of query parameters."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request
from litestar.params import PathParameter, QueryParameter

from bijlighar.cim.period import Period
from bijlighar.controlroom.errors import not_found, not_valid
from bijlighar.controlroom.identity import Identity
from bijlighar.controlroom.instants import NotAnInstant, parse_period
from bijlighar.controlroom.registry_index import MeterPlace
from bijlighar.controlroom.room import ControlRoom
from bijlighar.controlroom.use_looks import UseLooks

AnyRequest = Request[Identity, str | None, Any]

MOST_ROWS = 500
FARTHEST_OFFSET = 10_000_000
LARGEST_METER_ID = 2**31 - 1
LONGEST_TEXT = 200
LONGEST_PERIOD_S = 400 * 86_400
"""A billing year and a month: more is a job for exports, not for a page."""

Limit = Annotated[int, QueryParameter(ge=1, le=MOST_ROWS, description="rows a page")]
Offset = Annotated[int, QueryParameter(ge=0, le=FARTHEST_OFFSET, description="rows to pass over")]
MeterId = Annotated[int, PathParameter(ge=1, le=LARGEST_METER_ID)]
Text = Annotated[str, QueryParameter(max_length=LONGEST_TEXT)]
Start = Annotated[str, QueryParameter(name="from", max_length=LONGEST_TEXT)]
End = Annotated[str, QueryParameter(name="to", max_length=LONGEST_TEXT)]
Why = Annotated[
    str, QueryParameter(max_length=LONGEST_TEXT, description="why it is opened; left out: as goes with the role")
]


def room_of(request: AnyRequest) -> ControlRoom:
    """The control room of this application."""
    room: ControlRoom = request.app.state.room
    return room


def place_of(request: AnyRequest, meter_id: int) -> MeterPlace:
    """The meter of that number. Raises Refusal 404."""
    place = room_of(request).index.place(meter_id)
    if place is None:
        raise not_found("meter")
    return place


async def on_record(request: AnyRequest, place: MeterPlace, why: str) -> None:
    """Put on record that somebody opens a household's use. Raises Unavailable."""
    looks: UseLooks = request.app.state.use_looks
    await looks.looked(room_of(request), request.user.person, place, why)


def asked_period(start: str, end: str, *, now_s: float) -> Period:
    """``[start, end)`` out of two query parameters. Raises Refusal 400."""
    try:
        period = parse_period(start, end, now_s=now_s)
    except NotAnInstant as problem:
        raise not_valid("from/to", str(problem)) from problem
    except ValueError as problem:
        raise not_valid("to", str(problem)) from problem
    if period.seconds > LONGEST_PERIOD_S:
        raise not_valid("from", "the period is longer than 400 days")
    return period
