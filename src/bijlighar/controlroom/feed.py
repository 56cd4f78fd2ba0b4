"""The live feed's hub: one encoding of a change for all clients, sequence numbers, snapshot first, limits.

A frame is UTF-8 JSON ``{"seq": n, "topic": t, "snapshot": true?, "rows": [...]}``. ``seq`` counts per topic; a
client that misses a number subscribes again and gets a snapshot. The hub knows no sockets: a client is a queue
of octets, so that it is tested with plain values.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

MOST_TOPICS_A_CLIENT = 600
"""A page of 500 meters, each a topic of its own, and the standing topics."""
MOST_WAITING_FRAMES = 16
"""Eight seconds of two flushes a second; whoever is further behind is served by a snapshot."""
MOST_OVERFLOWS = 8
"""A client that fell behind this often gets no further snapshots: it costs more than it can read."""
STANDING_TOPICS = frozenset({"meters", "trial", "status", "jobs"})
_METER_TOPIC = re.compile(r"meter:(\d{1,9})")

Rows = Sequence[Any]
Snapshot = Callable[[str], Rows]


class TopicRefused(ValueError):
    """A client asked for something the feed has not. ``reason`` is one sentence."""


class TooManyClients(Exception):
    """The hub has as many clients as it may."""


class _Subscribe(msgspec.Struct, forbid_unknown_fields=True):
    subscribe: list[str]


class _Frame(msgspec.Struct, omit_defaults=True):
    seq: int
    topic: str
    rows: Rows
    snapshot: bool = False


def parse_subscription(message: str | bytes) -> frozenset[str]:
    """The topics of a client's ``{"subscribe": [...]}``. Raises TopicRefused."""
    try:
        topics = frozenset(msgspec.json.decode(message, type=_Subscribe).subscribe)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise TopicRefused('the feed takes {"subscribe": ["meters", "meter:12", "trial", "status"]}') from problem
    if len(topics) > MOST_TOPICS_A_CLIENT:
        raise TopicRefused(f"a client may follow {MOST_TOPICS_A_CLIENT} topics")
    for topic in topics:
        if topic not in STANDING_TOPICS and meter_of(topic) is None:
            raise TopicRefused(f"there is no topic {topic[:40]!r}")
    return topics


def meter_of(topic: str) -> int | None:
    """The meter id of ``meter:N``, or None for another topic."""
    found = _METER_TOPIC.fullmatch(topic)
    return int(found[1]) if found else None


class FeedClient:
    """One connected page. ``next_frame`` waits; ``closed`` tells why the hub gave it up, or is None."""

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self.closed: str | None = None
        self.waiting: deque[bytes] = deque()
        self.overflows = 0
        self._wake = asyncio.Event()

    async def next_frame(self) -> bytes | None:
        """The next frame to send; None when the hub has closed this client."""
        while not self.waiting and self.closed is None:
            self._wake.clear()
            await self._wake.wait()
        return self.waiting.popleft() if self.closed is None else None

    def offer(self, frame: bytes) -> bool:
        """Queue a frame; False when the client is too far behind to take it."""
        if len(self.waiting) >= MOST_WAITING_FRAMES:
            return False
        self.waiting.append(frame)
        self._wake.set()
        return True

    def restart(self, topics: frozenset[str], frames: Iterable[bytes]) -> None:
        """Follow these topics; ``frames`` stand in place of whatever still waited."""
        self.topics = topics
        self.waiting = deque(frames)
        self._wake.set()

    def close(self, reason: str) -> None:
        """Give this client up."""
        self.closed = reason
        self._wake.set()


class FeedHub:
    """All clients of the live feed. ``snapshot(topic)`` gives the rows as they stand now."""

    def __init__(self, snapshot: Snapshot, *, most_clients: int) -> None:
        self._snapshot = snapshot
        self._most_clients = most_clients
        self._clients: set[FeedClient] = set()
        self._sequences: dict[str, int] = {}
        self._encode = msgspec.json.Encoder().encode

    @property
    def clients(self) -> int:
        """Connected clients."""
        return len(self._clients)

    def topics(self) -> set[str]:
        """Topics that somebody follows."""
        return {topic for client in self._clients for topic in client.topics}

    def join(self) -> FeedClient:
        """A new client. Raises TooManyClients."""
        if len(self._clients) >= self._most_clients:
            raise TooManyClients
        client = FeedClient()
        self._clients.add(client)
        return client

    def leave(self, client: FeedClient) -> None:
        """Forget a client; its topics' numbers are forgotten with the last one who followed them."""
        self._clients.discard(client)
        followed = self.topics()
        for topic in client.topics - followed:
            if topic not in STANDING_TOPICS:
                self._sequences.pop(topic, None)

    def subscribe(self, client: FeedClient, topics: frozenset[str]) -> None:
        """Follow exactly these topics from now on; each begins with a snapshot."""
        client.restart(topics, [self._snapshot_frame(topic) for topic in sorted(topics)])

    def publish(self, topic: str, rows: Rows) -> None:
        """Send rows to all who follow the topic: encoded once."""
        followers = [client for client in self._clients if topic in client.topics]
        self._sequences[topic] = self._sequences.get(topic, 0) + 1
        if not followers:
            return
        frame = self._encode(_Frame(seq=self._sequences[topic], topic=topic, rows=rows))
        self._deliver(followers, frame)

    def _deliver(self, followers: Iterable[FeedClient], frame: bytes) -> None:
        for client in followers:
            if not client.offer(frame):
                self._coalesce(client)

    def _coalesce(self, client: FeedClient) -> None:
        """What waits for a slow client is replaced by how things stand now."""
        client.overflows += 1
        if client.overflows > MOST_OVERFLOWS:
            client.close("too slow")
            return
        self.subscribe(client, client.topics)

    def _snapshot_frame(self, topic: str) -> bytes:
        seq = self._sequences.setdefault(topic, 0)
        return self._encode(_Frame(seq=seq, topic=topic, rows=self._snapshot(topic), snapshot=True))
