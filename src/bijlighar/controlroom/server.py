"""The control-room process: records, live columns, feed and uvicorn."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog
import uvicorn

from bijlighar.controlroom.app import build_app
from bijlighar.controlroom.feed_reader import read_feed
from bijlighar.controlroom.room import ControlRoom, open_room
from bijlighar.controlroom.settings import Settings
from bijlighar.headend.clock import Clock, SystemClock, TownClock
from bijlighar.records import Records

LARGEST_SOCKET_MESSAGE_OCTETS = 64_000
"""A subscription of 600 topics is about 9 kB."""
REQUESTS_AT_ONCE = 500
"""Besides the live feed; beyond it a request is answered 503 at once instead of waiting in the memory."""
END_WITHIN_S = 2
"""Open pages keep their feed open; they are cut after this and connect again."""


def clock_of(settings: Settings) -> Clock:
    """The town's clock when the settings name its file, else the machine's."""
    return TownClock.open(Path(settings.clock_file)) if settings.clock_file else SystemClock()


def open_records(settings: Settings, clock: Clock) -> Records:
    """The records of these settings. Raises Unavailable, SchemaTooNew."""
    settings.data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Records(settings.records_url, settings.data_path, now=clock.now)


def set_up_logs(level: str) -> None:
    """Structured lines on standard error, which the supervisor keeps in a file."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(),
    )


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
