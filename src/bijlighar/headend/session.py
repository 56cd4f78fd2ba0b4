"""One association with one meter over TCP: connect, associate, run a script, release.

Event-driven: octets go into the association machine, its events drive the script, and one future tells how it
ended. There are three time-outs, all wall-clock. ``connect_s`` for the connection; ``answer_s`` for each complete
answer or block, which finds a meter that hangs as well as one that drips; ``visit_s`` for everything. After any
fault the connection is aborted, so a late answer can never be taken for the answer to a later question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Generic, Protocol, TypeVar, cast

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms.association import (
    NEED_DATA,
    ActionDone,
    AssociationOpened,
    AssociationRefused,
    ClientAssociation,
    GetFailed,
    GetSucceeded,
    Released,
    ServiceRefused,
    SetDone,
)
from bijlighar.dlms.errors import CountersSpent, CounterWentBack, NotAuthentic, RemoteProtocolError, Replayed
from bijlighar.dlms.xdlms import ActionResult, ConfirmedServiceError, DataAccessResult, ExceptionResponse
from bijlighar.headend.guard import Guard
from bijlighar.headend.script import Act, Get, ReadRefused, Request, Script, Set, WrongMeter

T = TypeVar("T")

STOOD_STILL = 0.1
"""A timer that comes later than this share of ``answer_s`` tells that this process stood still (a slow disk, a
machine with too much to do, a stopped process). What the meter sent meanwhile waits in the socket: it is given its
time again before it is called silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Wall-clock seconds. The defaults suit GPRS: median 700 ms, p99 6 s a round trip."""

    connect_s: float = 15.0
    answer_s: float = 20.0
    visit_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd(Generic[T]):
    """How a session ended.

    ``connected``, ``opened`` how far it came; ``value`` what the script returned, None unless it ended by itself
    ``latency_ms`` from the first step to the end, None when nothing was heard
    ``next_counter`` the invocation counter to go on with
    ``went_back`` whether the meter's own counter was not above that of an earlier session
    """

    outcome: Outcome
    detail: str
    connected: bool
    opened: bool
    value: T | None
    octets_sent: int
    octets_received: int
    latency_ms: int | None
    next_counter: int
    went_back: bool = False


class Session(asyncio.Protocol, Generic[T]):
    """The protocol object of one connection; ``ended`` is set exactly once."""

    def __init__(
        self,
        association: ClientAssociation,
        script: Script[T],
        *,
        limits: TimeLimits,
        expected_title: bytes | None,
        warrant_key: bytes | None,
        now: Callable[[], float],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[SessionEnd[T]] = self._loop.create_future()
        self._association = association
        self._script = script
        self._limits = limits
        self._expected_title = expected_title
        self._warrant_key = warrant_key
        self._now = now
        self._guard: Guard | None = None
        self._proven_title: bytes | None = None
        self._request: Request | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._value: T | None = None
        self._opened = self._releasing = self._went_back = False
        self._sent = self._received = self._received_before = 0
        self._begun = self._loop.time()
        self._answer_due = self._visit_due = self._begun + limits.visit_s
        self._watch_due = self._begun

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the association."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's inherit from none of asyncio's
        if self.ended.done():
            self._transport.abort()
            return
        try:
            self._association.open()
            self._flush()
        except Exception as error:  # noqa: BLE001 (an event loop callback must hand its error on, not lose it)
            self._fail(error)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Feed the association and act on its events."""
        ended = self.ended.done
        if ended():
            return
        self._received += len(data)
        association = self._association
        try:
            association.receive_data(data)
            while (event := association.next_event()) is not NEED_DATA:
                handle = self._ON.get(type(event))
                if handle is not None:
                    handle(self, event)
                    if ended():
                        return
            self._flush()
        except Exception as error:  # noqa: BLE001 (an event loop callback must hand its error on, not lose it)
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, or the network, closed."""
        if self._releasing:
            self.finish(Outcome.OK)
        else:
            cause = "" if exc is None else f": {type(exc).__name__}"
            self.finish(Outcome.RESET, f"connection lost {self._stage()}{cause}")

    # What the association tells

    def _on_opened(self, event: AssociationOpened) -> None:
        found = event.meter_title or None
        if self._expected_title and found and found != self._expected_title:
            raise WrongMeter(self._expected_title.hex(), found.hex())
        self._opened = True
        self._proven_title = found if found == self._expected_title else None
        self._advance(self._script.__next__)

    def _on_refused(self, event: AssociationRefused) -> None:
        self.finish(Outcome.REFUSED, f"association refused: {_word(event.diagnostic)}")

    def _on_read(self, event: GetSucceeded) -> None:
        self._advance(self._script.send, event.octets)

    def _on_read_failed(self, event: GetFailed) -> None:
        self._refuse(_word(event.result))

    def _on_set(self, event: SetDone) -> None:
        if event.result is DataAccessResult.SUCCESS:
            self._advance(self._script.send, b"")
        else:
            self._refuse(_word(event.result))

    def _on_action(self, event: ActionDone) -> None:
        if event.result is ActionResult.SUCCESS:
            self._advance(self._script.send, event.octets or b"")
        else:
            self._refuse(_word(event.result))

    def _on_service_refused(self, event: ServiceRefused) -> None:
        if self._opened:
            self._refuse(_exception_word(event.exception))
        else:
            self.finish(Outcome.REFUSED, f"association refused: {_exception_word(event.exception)}")

    def _on_released(self, _: Released) -> None:
        self.finish(Outcome.OK)

    _ON: ClassVar[dict[type, Callable[..., None]]] = {
        AssociationOpened: _on_opened,
        AssociationRefused: _on_refused,
        GetSucceeded: _on_read,
        GetFailed: _on_read_failed,
        SetDone: _on_set,
        ActionDone: _on_action,
        ServiceRefused: _on_service_refused,
        Released: _on_released,
    }
    """Events that a session acts on; others (a notification in between) are passed over."""

    # Driving the script

    def _refuse(self, result: str) -> None:
        self._advance(self._script.throw, ReadRefused(_named(self._request), result))

    def _advance(self, resume: Callable[..., Request], *answer: object) -> None:
        try:
            self._request = request = resume(*answer)
        except StopIteration as stop:
            self._value = stop.value
            self._releasing = True
            self._association.release()
            return
        if isinstance(request, Get):
            self._association.get(request.ref, request.selection)
        elif isinstance(request, Set):
            self._guarding().set(request.ref, request.value, request.warrant)
        else:
            self._guarding().action(request.ref, request.parameter, request.warrant)

    def _guarding(self) -> Guard:
        if self._guard is None:
            self._guard = Guard(
                self._association,
                system_title=self._proven_title or b"",
                warrant_key=self._warrant_key,
                now=self._now,
            )
        return self._guard

    # Time and ends

    def _watch(self) -> None:
        """Look whether an answer or the visit is overdue; look again when the next of the two falls due."""
        now = self._loop.time()
        late_s = now - self._watch_due
        if self._timer is not None and late_s > STOOD_STILL * self._limits.answer_s:
            self._visit_due += late_s
            self._answer_due = max(self._answer_due, now + self._limits.answer_s)
        if now >= self._visit_due:
            self.finish(Outcome.HUNG, f"not finished after {self._limits.visit_s:g} s")
        elif now >= self._answer_due:
            self._overdue()
        if not self.ended.done():
            self._watch_due = min(self._answer_due, self._visit_due)
            self._timer = self._loop.call_at(self._watch_due, self._watch)

    def _overdue(self) -> None:
        if self._releasing:
            self.finish(Outcome.OK, "release was not answered")
            return
        came = self._received - self._received_before
        how = f"dripping, {came} octets" if came else "silent"
        self.finish(Outcome.HUNG, f"{how} for {self._limits.answer_s:g} s {self._stage()}")

    def _stage(self) -> str:
        return f"at {_named(self._request)}" if self._request is not None else "while associating"

    def _fail(self, error: Exception) -> None:
        """What a step raised ends the session with its cause, or with the error itself."""
        if isinstance(error, NotAuthentic | Replayed):
            self._not_authentic(error)
        elif isinstance(error, RemoteProtocolError):
            self.finish(Outcome.PROTOCOL, f"{type(error).__name__}: {error.reason} {self._stage()}")
        elif isinstance(error, WrongMeter):
            self.finish(Outcome.WRONG_METER, str(error))
        elif isinstance(error, ReadRefused):
            self.finish(Outcome.INCOMPLETE, str(error))
        elif isinstance(error, CountersSpent):
            self.finish(Outcome.INCOMPLETE, error.reason)
        else:
            self._end(error=error)

    def _not_authentic(self, error: NotAuthentic | Replayed) -> None:
        """Another meter has other keys, so its answer fails as a forged one would; its title tells them apart."""
        self._went_back = isinstance(error, CounterWentBack)
        found = self._association.meter_title
        if self._expected_title and found and found != self._expected_title:
            self.finish(Outcome.WRONG_METER, f"expected title {self._expected_title.hex()}, found {found.hex()}")
        else:
            self.finish(Outcome.NOT_AUTHENTIC, f"{error.reason} {self._stage()}")

    def _flush(self) -> None:
        octets = self._association.data_to_send()
        transport = self._transport
        if octets and transport is not None:
            transport.write(octets)
            self._sent += len(octets)
            self._received_before = self._received
            self._answer_due = self._loop.time() + self._limits.answer_s

    def finish(self, outcome: Outcome, detail: str = "") -> None:
        """End the session; the first end counts."""
        if not self.ended.done():
            heard = self._received > 0
            latency_ms = round((self._loop.time() - self._begun) * 1000) if heard else None
            self._end(
                SessionEnd(
                    outcome=outcome,
                    detail=detail,
                    connected=self._transport is not None,
                    opened=self._opened,
                    value=self._value if outcome is Outcome.OK else None,
                    octets_sent=self._sent,
                    octets_received=self._received,
                    latency_ms=latency_ms,
                    next_counter=self._association.next_invocation_counter,
                    went_back=self._went_back,
                )
            )

    def abandon(self) -> None:
        """Nobody waits for the end any more: close at once."""
        self._end()

    def _end(self, end: SessionEnd[T] | None = None, error: Exception | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            if end is not None and end.outcome is Outcome.OK and not end.detail:
                self._transport.close()  # a line that a meter opened serves the next visit
            else:
                self._transport.abort()
        self._script.close()
        if end is not None and not self.ended.done():
            self.ended.set_result(end)
        elif error is not None and not self.ended.done():
            self.ended.set_exception(error)


class StandingLine(Protocol):
    """A connection that stands already, as a meter that dials in has opened it."""

    def carry(self, visit: asyncio.Protocol) -> None:
        """``visit`` has the line until it closes or aborts it."""


async def converse(
    host: str,
    port: int,
    association: ClientAssociation,
    script: Script[T],
    *,
    limits: TimeLimits,
    expected_title: bytes | None,
    warrant_key: bytes | None,
    now: Callable[[], float],
    line: StandingLine | None = None,
) -> SessionEnd[T]:
    """Run ``script`` over a fresh connection, or over ``line``; ``host`` empty: over nothing else.

    Raises only what our own code did wrong, WarrantRefused included. Cancelling aborts the connection.
    """
    session = Session(
        association,
        script,
        limits=limits,
        expected_title=expected_title,
        warrant_key=warrant_key,
        now=now,
    )
    loop = asyncio.get_running_loop()
    try:
        if line is not None:
            line.carry(session)
        elif not host:
            session.finish(Outcome.NO_ANSWER, "has not dialled in")
        else:
            async with asyncio.timeout(limits.connect_s):
                await loop.create_connection(lambda: session, host, port)
    except TimeoutError:
        session.finish(Outcome.NO_ANSWER, f"no connection within {limits.connect_s:g} s")
    except OSError as error:
        session.finish(Outcome.NO_ANSWER, f"no connection: {error.strerror or type(error).__name__}")
    try:
        return await session.ended
    except asyncio.CancelledError:
        session.abandon()
        raise


def _named(request: Request | None) -> str:
    if request is None:
        return "association"
    if isinstance(request, Act):
        return f"action {request.ref.class_id}/{request.ref.obis}/{request.ref.method}"
    service = "get" if isinstance(request, Get) else "set"
    return f"{service} {request.ref.class_id}/{request.ref.obis}/{request.ref.attribute}"


def _word(result: IntEnum | int) -> str:
    return result.name.lower().replace("_", "-") if isinstance(result, IntEnum) else f"number {result}"


def _exception_word(exception: ExceptionResponse | ConfirmedServiceError) -> str:
    if isinstance(exception, ExceptionResponse):
        return _word(exception.service_error)
    return f"service error {exception.kind}/{exception.value}"
