"""What all connections of the listener share."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Protocol

from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.headend.clock import Clock
from meterlab.eavesdropper import Tape, play
from meterlab.lab import Lab
from meterlab.usual import Usual

DEFAULT_MOST_CONNECTIONS = 20_000
"""Each costs a descriptor; the usual hard limit of descriptors is just above."""

DEFAULT_IDLE_S = 180.0
"""A silent client loses its meter after this: longer than a reader's time-outs, shorter than its patience."""


@dataclass(slots=True)
class Tally:
    """What happened since the start, for the closing line."""

    accepted: int = 0
    unreachable: int = 0
    busy: int = 0
    foreign: int = 0
    full: int = 0
    faults: int = 0
    failures: int = 0
    replayed: int = 0

    def counts(self) -> dict[str, int]:
        """Names and numbers."""
        return asdict(self)


class Line(Protocol):
    """A connection that is open. ``dialled``: the meter opened it."""

    heard_at_s: float

    @property
    def dialled(self) -> bool:
        """Whether silence is no reason to end it."""

    def abort(self) -> None:
        """Tear it down."""


@dataclass(eq=False, kw_only=True)
class Exchange:
    """The lab, its clock, which meters are busy and which connections are open.

    ``hdlc`` None = TCP wrapper; ``usual`` what answers visits that go as nearly all do, None over HDLC.
    """

    lab: Lab
    clock: Clock
    idle_s: float = DEFAULT_IDLE_S
    most_connections: int = DEFAULT_MOST_CONNECTIONS
    hdlc: HdlcSettings | None = None
    busy: set[int] = field(default_factory=set)
    open: set[Line] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    usual: Usual | None = field(init=False)
    _replays: set[asyncio.Task[None]] = field(init=False, default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.usual = Usual(self.lab) if self.hdlc is None else None

    def loop_time(self) -> float:
        """Seconds of the event loop's clock."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.time()

    def called(self, host: str) -> int | None:
        """The meter at an address, or None when nobody can answer there; tallied by reason."""
        meter = self.lab.town.meter_at(host) if host.startswith("127.") else None
        if meter is None:
            self.tally.foreign += 1
            return None
        if not self.lab.town.is_called(meter):
            self.tally.unreachable += 1
            return None
        if len(self.open) >= self.most_connections:
            self.tally.full += 1
            return None
        return meter

    def recorded(self, tape: Tape, meter: int, called: tuple[str, int] | None) -> None:
        """A visit has ended that was listened to: one that moved the relay comes again after a while."""
        after_s = self.lab.conduct(meter).commands_return_s
        moved = int(self.lab.state.control_state[meter]) != tape.relay_before
        if moved and called is not None and after_s is not None:
            asyncio.get_running_loop().call_later(after_s, self._replay, tape, *called[:2])

    def _replay(self, tape: Tape, host: str, port: int) -> None:
        self.tally.replayed += 1
        task = asyncio.get_running_loop().create_task(play(tape, host, port))
        self._replays.add(task)
        task.add_done_callback(self._replays.discard)

    def drop_idle(self) -> None:
        """Tear down every connection that a client began and that has been silent for ``idle_s``."""
        limit = self.loop_time() - self.idle_s
        for connection in [c for c in self.open if c.heard_at_s < limit and not c.dialled]:
            connection.abort()
