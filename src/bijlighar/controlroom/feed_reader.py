"""Listens to the head-ends over ZeroMQ and hands each message to the control room.

The control room binds and head-ends connect, so that any number of them may come and go. The feed may lose: a
message that cannot be read is counted and passed over, because the records hold what it told.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import zmq
import zmq.asyncio

from bijlighar.controlroom.feed_messages import (
    LARGEST_MESSAGE_OCTETS,
    FeedMessage,
    MessageRefused,
    read_message,
)
from bijlighar.controlroom.measurements import Measurements

_LOG = structlog.get_logger(__name__)

MOST_WAITING = 10_000
"""Messages kept while the control room is busy; older ones stay, newer ones are lost beyond this."""
_REFUSED = "refused"


async def read_feed(address: str, take: Callable[[FeedMessage], None], measured: Measurements) -> None:
    """Hand every readable message to ``take``, for ever. Raises zmq.ZMQError when the address is taken."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    try:
        socket.setsockopt(zmq.RCVHWM, MOST_WAITING)
        socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE_OCTETS)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.bind(address)
        while True:
            _hand_over(await socket.recv_multipart(), take, measured)
    finally:
        socket.close()
        context.term()


def _hand_over(parts: list[bytes], take: Callable[[FeedMessage], None], measured: Measurements) -> None:
    try:
        topic, message = read_message(parts)
    except MessageRefused as problem:
        measured.feed_messages.labels(_REFUSED).inc()
        _LOG.warning("feed message refused", reason=str(problem)[:300])
        return
    measured.feed_messages.labels(topic).inc()
    try:
        take(message)
    except Exception as problem:  # noqa: BLE001 (the outer edge of the feed: one bad message ends nothing)
        _LOG.error("feed message not taken", topic=topic, exc_info=problem)
