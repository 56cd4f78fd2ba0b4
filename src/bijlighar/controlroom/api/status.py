"""How the control room stands: for pages, for watchers and for Prometheus."""

from __future__ import annotations

import ipaddress
import time

import msgspec
from litestar import Response, get

from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal
from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.measurements import CONTENT_TYPE
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.status import Status


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a watcher needs and everybody may know: nothing about meters or people.

    ``silent_for_s``  wall seconds since a head-end last spoke; None before the first word
    ``readings``      rows kept this civil day
    ``history_share`` share of the last 35 days' blocks that are kept; None for a registry too large to count often
    """

    status: str
    now: str | None
    headends_alive: int
    lag_s: float | None
    silent_for_s: float | None
    readings: int
    history_share: float | None


@get("/status", opt={"needs": Permission.READ_METERS})
async def status(request: AnyRequest) -> Status:
    """How the whole stands now."""
    return room_of(request).status()


@get("/health", opt={"needs": Permission.ANYBODY})
async def health(request: AnyRequest) -> Health:
    """Answers when the control room serves."""
    room = room_of(request)
    wall_s = time.monotonic()
    return Health(
        status="ok",
        now=iso(room.now()),
        headends_alive=sum(alive for _, alive in room.watch.beats(wall_s=wall_s)),
        lag_s=room.watch.lag_s(wall_s=wall_s),
        silent_for_s=room.watch.silent_for_s(wall_s=wall_s),
        readings=room.live.readings_today,
        history_share=room.history_share,
    )


@get("/metrics", opt={"needs": Permission.ANYBODY}, include_in_schema=False)
async def metrics(request: AnyRequest) -> Response[bytes]:
    """Figures for Prometheus, for this machine only."""
    if not _is_loopback(request.client.host if request.client is not None else ""):
        raise Refusal(403, "not-allowed", "The metrics are for this machine only.")
    return Response(room_of(request).measured.exposition(), media_type=CONTENT_TYPE)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


HANDLERS = (status, health)
