"""Whose usage point a consumer asks for: one's own, and nobody else's.

Another's code, one that does not exist and one that was taken back all get the same answer, so that nothing can be
learnt by trying.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from bijlighar.controlroom.api.asking import LONGEST_TEXT, AnyRequest, room_of
from bijlighar.controlroom.errors import not_found
from bijlighar.controlroom.registry_index import MeterPlace, RegistryIndex
from bijlighar.operations.consumer_view import stays_at
from bijlighar.operations.day_service import Stay
from bijlighar.records.consumers import ConsumerPoint

Point = Annotated[
    str, QueryParameter(name="point", max_length=LONGEST_TEXT, description="own usage point; left out: the first")
]


class PlacesByPoint:
    """The meter in service at each usage point; made anew when the registry changes. Lives on the event loop."""

    def __init__(self) -> None:
        self._index: RegistryIndex | None = None
        self._places: dict[str, MeterPlace] = {}

    def find(self, index: RegistryIndex, usage_point: str) -> MeterPlace | None:
        """The meter in service there with its place, or None."""
        if self._index is not index:
            self._places = {each.meter.usage_point: each for each in index.places}
            self._index = index
        return self._places.get(usage_point)


@dataclass(frozen=True, kw_only=True)
class OwnPoint:
    """A usage point of the person who asks. ``place`` None: no meter is in service there; ``there`` all meters."""

    tie: ConsumerPoint
    place: MeterPlace | None
    there: tuple[Stay, ...]

    @property
    def meter_id(self) -> int | None:
        """The meter in service."""
        return None if self.place is None else self.place.meter.meter_id

    @property
    def meter_since_s(self) -> int:
        """From when on the meter in service tells of this household."""
        return max(
            (stay.start_s for stay in self.there if stay.meter_id == self.meter_id), default=self.tie.since_s
        )


class PointView(msgspec.Struct, frozen=True, kw_only=True):
    """One's own usage point, by its code, name and address."""

    usage_point: str
    name: str
    address: str


def point_view(tie: ConsumerPoint, place: MeterPlace | None) -> PointView:
    """How a usage point is named to its consumer."""
    point = None if place is None else place.point
    return PointView(
        usage_point=tie.usage_point,
        name="" if point is None else point.name,
        address="" if point is None else point.address,
    )


def kwh(energy_wh: int | None) -> float | None:
    """Wh as kWh; None for None."""
    return None if energy_wh is None else energy_wh / 1_000


def places_of(request: AnyRequest) -> PlacesByPoint:
    """The application's own."""
    places: PlacesByPoint = request.app.state.places_by_point
    return places


async def own_points(request: AnyRequest) -> list[ConsumerPoint]:
    """What the person who asks may see. Raises Unavailable."""
    room = room_of(request)
    return await room.in_thread(room.records.consumers.points, request.user.person.name)


async def own_point(request: AnyRequest, code: str) -> OwnPoint:
    """The named usage point of the person who asks, or the first. Raises Refusal 404 for any other."""
    room = room_of(request)
    tie = next((each for each in await own_points(request) if code in ("", each.usage_point)), None)
    if tie is None:
        raise not_found("usage point of yours")
    there = await room.in_thread(stays_at, room.records, tie.usage_point, tie.since_s)
    return OwnPoint(tie=tie, place=places_of(request).find(room.index, tie.usage_point), there=tuple(there))
