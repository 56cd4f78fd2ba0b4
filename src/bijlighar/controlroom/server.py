"""The control-room process: records, live columns, feed and uvicorn."""

from __future__ import annotations

import uvicorn

from bijlighar.controlroom.app import build_app
from bijlighar.controlroom.feed_reader import read_feed
from bijlighar.controlroom.opening import clock_of, open_records
from bijlighar.controlroom.room import ControlRoom, open_room
from bijlighar.controlroom.settings import Settings

LARGEST_SOCKET_MESSAGE_OCTETS = 64_000
"""A subscription of 600 topics is about 9 kB."""
REQUESTS_AT_ONCE = 500
"""Besides the live feed; beyond it a request is answered 503 at once instead of waiting in the memory."""
END_WITHIN_S = 2
"""Open pages keep their feed open; they are cut after this and connect again."""


def serve_control_room(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises Unavailable, SchemaTooNew."""
    clock = clock_of(settings)
    with open_records(settings, clock) as records:
        uvicorn_of(open_room(settings, records, clock)).run()


def uvicorn_of(room: ControlRoom) -> uvicorn.Server:
    """The server with the room's tasks, not yet running."""
    settings = room.settings

    async def listen() -> None:
        await read_feed(settings.feed_address, room.take, room.measured)

    app = build_app(
        room,
        background=[
            room.keep_flushing,
            room.keep_registry,
            room.keep_history,
            room.keep_house,
            room.keep_levels,
            listen,
        ],
    )
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=LARGEST_SOCKET_MESSAGE_OCTETS,
            limit_concurrency=settings.live_clients + REQUESTS_AT_ONCE,
            timeout_graceful_shutdown=END_WITHIN_S,
        )
    )
