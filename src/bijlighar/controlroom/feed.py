"""The live feed's hub: one encoding of a change for all clients, sequence numbers, snapshot first, limits.

A frame is UTF-8 JSON ``{"seq": n, "topic": t, "snapshot": true?, "rows": [...]}``. ``seq`` counts per topic; a
client that misses a number subscribes again and gets a snapshot. Topic ``window`` is the client's own: the meters
that it looks at, of a list of any length, in one frame. The hub knows no sockets: a client is a queue of octets,
so that it is tested with plain values.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

MOST_TOPICS_A_CLIENT = 600
"""A page of 500 meters, each a topic of its own, and the standing topics."""
MOST_WAITING_FRAMES = 16
"""Eight seconds of two flushes a second; whoever is further behind is served by a snapshot."""
MOST_OVERFLOWS = 8
"""A client that fell behind this often gets no further snapshots: it costs more than it can read."""
MOST_WINDOW_METERS = 500
"""The longest page of the list; a screen holds some sixty rows."""
STANDING_TOPICS = frozenset({"meters", "trial", "status", "jobs"})
WINDOW = "window"
_METER_TOPIC = re.compile(r"meter:(\d{1,9})")

Rows = Sequence[Any]
Snapshot = Callable[[str], Rows]


class TopicRefused(ValueError):
    """A client asked for something the feed has not. ``reason`` is one sentence."""


class TooManyClients(Exception):
    """The hub has as many clients as it may."""


class _Subscribe(msgspec.Struct, forbid_unknown_fields=True):
    subscribe: list[str] | None = None
    window: list[int] | None = None


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for; None leaves as it was."""

    topics: frozenset[str] | None
    window: frozenset[int] | None


class _Frame(msgspec.Struct, omit_defaults=True):
    seq: int
    topic: str
    rows: Rows
    snapshot: bool = False


def parse_subscription(message: str | bytes) -> Subscription:
    """A client's ``{"subscribe": [topic, …], "window": [meter id, …]}``, either or both. Raises TopicRefused."""
    try:
        asked = msgspec.json.decode(message, type=_Subscribe)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise TopicRefused(
            'the feed takes {"subscribe": ["meters", "meter:12", "trial", "status"], "window": [12, 13]}'
        ) from problem
    if asked.subscribe is None and asked.window is None:
        raise TopicRefused("the message asks for nothing")
    window = None if asked.window is None else frozenset(asked.window)
    if window is not None and len(window) > MOST_WINDOW_METERS:
        raise TopicRefused(f"a window holds {MOST_WINDOW_METERS} meters")
    topics = None if asked.subscribe is None else _known(frozenset(asked.subscribe))
    return Subscription(topics=topics, window=window)


def _known(topics: frozenset[str]) -> frozenset[str]:
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
        self.window: frozenset[int] = frozenset()
        self.window_seq = 0
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
        self._followed: set[str] | None = None
        self._encode = msgspec.json.Encoder().encode

    @property
    def clients(self) -> int:
        """Connected clients."""
        return len(self._clients)

    def topics(self) -> set[str]:
        """Topics that somebody follows."""
        if self._followed is None:
            self._followed = {topic for client in self._clients for topic in client.topics}
        return self._followed

    def looked_at(self) -> set[int]:
        """Meters that somebody follows or has in the window."""
        meters = {meter for client in self._clients for meter in client.window}
        return meters | {meter for topic in self.topics() if (meter := meter_of(topic)) is not None}

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
        self._followed = None
        followed = self.topics()
        for topic in client.topics - followed:
            if topic not in STANDING_TOPICS:
                self._sequences.pop(topic, None)

    def subscribe(self, client: FeedClient, topics: frozenset[str]) -> None:
        """Follow exactly these topics from now on; each, and the window, begins with a snapshot."""
        frames = [self._snapshot_frame(topic) for topic in sorted(topics)]
        if client.window:
            frames.append(self._window_snapshot(client))
        client.restart(topics, frames)
        self._followed = None

    def look(self, client: FeedClient, window: frozenset[int]) -> None:
        """Have exactly these meters in the window from now on; the frame that says how they stand comes next."""
        client.window = window
        client.window_seq += 1
        if not client.offer(self._window_snapshot(client)):
            self._coalesce(client)

    def ask(self, client: FeedClient, asked: Subscription) -> None:
        """Do what a client asked for."""
        if asked.topics is None:
            self.look(client, asked.window or frozenset())
            return
        if asked.window is not None:
            client.window = asked.window
        self.subscribe(client, asked.topics)

    def publish_meters(self, rows: Mapping[int, Any]) -> None:
        """Send changed meters to all who look at them: each row encoded once, one frame a client."""
        encoded = {meter: msgspec.Raw(self._encode(row)) for meter, row in rows.items()}
        for meter, row in encoded.items():
            topic = f"meter:{meter}"
            if topic in self.topics():
                self.publish(topic, [row])
        for client in self._clients:
            inside = [row for meter, row in encoded.items() if meter in client.window] if client.window else []
            if inside:
                client.window_seq += 1
                frame = self._encode(_Frame(seq=client.window_seq, topic=WINDOW, rows=inside))
                self._deliver([client], frame)

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

    def _window_snapshot(self, client: FeedClient) -> bytes:
        rows = [row for meter in sorted(client.window) for row in self._snapshot(f"meter:{meter}")]
        return self._encode(_Frame(seq=client.window_seq, topic=WINDOW, rows=rows, snapshot=True))

    def _snapshot_frame(self, topic: str) -> bytes:
        seq = self._sequences.setdefault(topic, 0)
        return self._encode(_Frame(seq=seq, topic=topic, rows=self._snapshot(topic), snapshot=True))
