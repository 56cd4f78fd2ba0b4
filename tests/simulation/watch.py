"""The promises, looked at after every step that could break one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bijlighar.cim.contacts import Contact
from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.service import Heartbeat

from . import wire
from .radio import Line
from .trace import Trace

WRAPPER_HEADER_OCTETS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken promise. ``event``: the newest of the trace when it was found; ``about``: a word to look for."""

    promise: str
    detail: str
    event: int
    now_s: float
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a head-end may hold at once."""

    sessions: int
    sessions_a_group: int
    queue_octets: int


class Watch:
    """Looks at lines, counters, leases, heartbeats and what was acknowledged.

    ``believing(group, besides=process)``: a running process other than this that believes it holds the group.
    """

    def __init__(
        self,
        trace: Trace,
        now: Callable[[], float],
        bounds: Bounds,
        group_of: Callable[[int], str],
        believing: Callable[..., str | None],
    ) -> None:
        self._trace, self._now, self._bounds, self._group_of = trace, now, bounds, group_of
        self._believing = believing
        self.violations: list[Violation] = []
        self.outcomes: Counter[str] = Counter()
        self.meter_faults: Counter[str] = Counter()
        self.calls = 0
        self.landed: list[ReadingBatch] = []
        self.contacts: list[Contact] = []
        self.most_queue_octets = self.most_sessions = 0
        self._open: dict[int, dict[Line, None]] = {}
        self._groups: Counter[tuple[str, str]] = Counter()
        self._processes: Counter[str] = Counter()
        self._used: dict[tuple[int, bytes], dict[int, int]] = {}
        self._accepted: dict[tuple[int, int], int] = {}

    def broken(self, promise: str, detail: str, about: str = "") -> None:
        """A promise was broken."""
        self._trace(self._now(), f"BROKEN {promise}: {detail}")
        found = Violation(promise=promise, detail=detail, event=self._trace.count, now_s=self._now(), about=about)
        self.violations.append(found)

    # Lines

    def begins(self, line: Line) -> None:
        """A process calls a meter."""
        self.calls += 1
        mine, process = self._open.setdefault(line.meter, {}), line.process.name
        if any(other.process is line.process for other in mine):
            self.broken("one association per meter", f"{process} calls while it talks", f"meter {line.meter} ")
        rival = self._believing(self._group_of(line.meter), besides=line.process)
        if rival is not None:
            word = f"{process} calls meter {line.meter}, whose group {rival} holds"
            self.broken("one holder of a lease", word, f"meter {line.meter} ")
        mine[line] = None
        group = (process, self._group_of(line.meter))
        self._groups[group] += 1
        self._processes[process] += 1
        if self._groups[group] > self._bounds.sessions_a_group:
            self.broken("permits of a tower", f"{process} has {self._groups[group]} lines to {group[1]}")
        if self._processes[process] > self._bounds.sessions:
            self.broken("permits of a head-end", f"{process} has {self._processes[process]} lines")

    def ends(self, line: Line) -> None:
        """It has given the line up."""
        self._open[line.meter].pop(line, None)
        self._groups[line.process.name, self._group_of(line.meter)] -= 1
        self._processes[line.process.name] -= 1

    # Counters

    def sent(self, line: Line, octets: bytes) -> None:
        """Every counter that a head-end hands to the network, whether it arrives or not."""
        at = 0
        while at + WRAPPER_HEADER_OCTETS <= len(octets):
            end = at + WRAPPER_HEADER_OCTETS + int.from_bytes(octets[at + 6 : at + 8], "big")
            frame = octets[at:end]
            at = end
            line.title = wire.title(frame) or line.title
            number = wire.counter(frame)
            if number is not None:
                self._count(line, wire.caller(frame), number)

    def _count(self, line: Line, client: int, number: int) -> None:
        """A meter's keys, a title and a counter are a nonce, whoever of us uses it."""
        used = self._used.setdefault((line.meter, line.title), {})
        before = used.get(number)
        if before is not None:
            self.broken(
                "no counter twice",
                f"meter {line.meter}: {number} used by client {client} of {line.process.name}, before by {before}",
                f"meter {line.meter} ",
            )
        used[number] = client

    def accepted(self, meter: int, client: int, number: int) -> None:
        """The newest counter that a meter has taken from a client."""
        before = self._accepted.get((meter, client), -1)
        if number < before:
            self.broken("counters rise", f"meter {meter} took {number} after {before}", f"meter {meter} ")
        self._accepted[meter, client] = number

    def meter_faulted(self, meter: int, fault: str) -> None:
        """A meter refused what came."""
        self._trace(self._now(), f"meter {meter} refuses: {fault}")
        self.meter_faults[fault] += 1

    # What a head-end tells

    def published(self, process: str, topic: str, payload: object) -> None:
        """Readings and contacts are published when they are durable, so this acknowledges them."""
        if topic == "readings":
            assert isinstance(payload, ReadingBatch)
            self._trace(self._now(), f"{process} landed {payload.kind} {len(payload)} {_sum(payload)}")
            self.landed.append(replace(payload, channels={}))  # a month's values are a gigabyte
        elif topic == "contacts":
            for contact in payload:
                self.outcomes[contact.outcome.value] += 1
                if contact.outcome.value != "not-stored":
                    self.contacts.append(contact)
                self._trace(
                    self._now(),
                    f"{process} registry {contact.meter_id} {contact.outcome.value} {contact.purpose}"
                    f" {contact.rows} rows {contact.detail}",
                )
        elif topic == "heartbeat":
            assert isinstance(payload, Heartbeat)
            self._heard(process, payload)

    def _heard(self, process: str, beat: Heartbeat) -> None:
        self.most_queue_octets = max(self.most_queue_octets, beat.queue_octets)
        self.most_sessions = max(self.most_sessions, beat.sessions)
        if beat.queue_octets > self._bounds.queue_octets:
            self.broken("queues are bounded", f"{process} holds {beat.queue_octets} octets")


def _sum(batch: ReadingBatch) -> int:
    """One number over meters and starts."""
    keys = batch.meter_id.astype(np.int64) * 1_000_003 + batch.start_s
    return int(np.bitwise_xor.reduce(keys)) if len(batch) else 0


def keys_of(meter_id: np.ndarray, start_s: np.ndarray) -> np.ndarray:
    """Meter and start as one number."""
    return (meter_id.astype(np.int64) << 40) + start_s
