"""How the control room stands: for pages, for watchers and for Prometheus."""

from __future__ import annotations

import ipaddress
import time

from litestar import Response, get

from bijlighar.controlroom.api.asking import AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal
from bijlighar.controlroom.health import Health
from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.measurements import CONTENT_TYPE
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.status import Status


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
