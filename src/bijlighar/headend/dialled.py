"""Meters that cannot be called and dial in: who they are is proven by their greeting, never by their address.

A meter opens the connection and says a data-notification of its push association: system title in clear, tag over
its keys, its push counter, and in the body the setup "on connectivity" (0.7.25.9.0.255). A greeting is good when a
meter that the registry tells to dial in (one without host) has this title, the tag is its own, and the counter is
above that of every greeting of its before; that is judged and made durable in one transaction, so that of several
head-ends one alone can admit it. From then on the connection is the meter's line.

Several head-ends: only the one that holds the lease of the meter's group may speak with it. Another one hangs up
after the tag was verified, without judging the counter, and the meter dials the next address of its list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, Final, Protocol

import structlog

from bijlighar.cim.exchange import PushWindow, RefusedPush, Unavailable
from bijlighar.cim.network import Meter
from bijlighar.dlms import axdr
from bijlighar.dlms.errors import Malformed, NotAuthentic, RemoteProtocolError
from bijlighar.dlms.notification import Push, open_push, sender_title
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import BOTH, KEY_OCTETS, SecurityControl, SecurityMaterial
from bijlighar.dlms.window import CounterWindow
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.clock import Clock
from bijlighar.headend.dialled_line import DialledLine
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.keys import KeysNotOpened
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.ports import Pushes
from bijlighar.headend.push_refusals import Reason, Refusals
from bijlighar.headend.push_senders import PUSH

_log = structlog.get_logger("headend")

ON_CONNECTIVITY: Final = Obis.parse("0.7.25.9.0.255")
"""Push setup "on connectivity" (IDIS package 2); IS 15959 tells nothing of meters that dial in."""
BACKLOG: Final = 4096
"""What Linux grants at most by default (net.core.somaxconn): a town that dials again at once."""
ADMITTED_AT_ONCE: Final = 500
"""Greetings judged in one transaction."""
STORE_RETRY_S: Final = 1.0
SWEEP_S: Final = 1.0

_ALARMS: Final = {
    Reason.NOT_AUTHENTIC: "dial-in-forged",
    Reason.UNKNOWN_SENDER: "dial-in-forged",
    Reason.UNPROTECTED: "dial-in-forged",
    Reason.NOT_UNDERSTOOD: "dial-in-forged",
    Reason.REPLAYED: "dial-in-replayed",
}


class DialInAddressTaken(Exception):
    """Nothing can listen where meters shall dial in. ``address`` as set, ``reason`` one sentence."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"meters cannot dial in at {address}: {reason}")
        self.address = address
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DialInSettings:
    """Where meters dial in, and what they may use. Seconds of the wall.

    ``most_lines``    meters on the line at once: 4 kB and one descriptor each
    ``most_unproven`` connections that have not proven who they are; beyond, the oldest of them is closed, so that
                      whoever holds its greeting back makes room for those who greet
    ``unproven_s``    for a greeting to come and to be judged
    ``idle_s``        a line that was not used for so long is closed: the meter dials again, and is proven again
    """

    host: str
    port: int
    most_lines: int = 20_000
    most_unproven: int = 1_024
    unproven_s: float = 30.0
    idle_s: float = 43_200.0


class Owned(Protocol):
    """Which groups are this head-end's."""

    def may_begin(self, group: str) -> bool:
        """Whether a visit to a meter of this group may begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """A verified greeting that waits for its counter to be judged."""

    line: DialledLine
    meter_id: int
    title: bytes
    key_id: bytes
    counter: int
    apdu: bytes

    @property
    def window(self) -> PushWindow:
        """What is kept of it: nothing up to its counter is admitted again."""
        closed = CounterWindow.closed(self.counter)
        return PushWindow(
            system_title=self.title, key_id=self.key_id, highest=self.counter, window=closed.to_octets()
        )


def greeting_key_id(encryption_key: bytes, authentication_key: bytes) -> bytes:
    """Eight octets that tell a meter's keys apart; another id than that of its pushes, which have their own."""
    return blake2b(encryption_key + authentication_key, digest_size=8, person=b"bijlighar greet").digest()


def verified(apdu: bytes, material: SecurityMaterial, protection: SecurityControl) -> Push:
    """The greeting of the meter with this title and these keys. Raises RemoteProtocolError for anything else."""
    push = open_push(apdu, material, protection)
    body = axdr.plain(axdr.decode(push.notification.octets))
    if not isinstance(body, list) or len(body) < 2 or body[1] != ON_CONNECTIVITY.octets:
        raise Malformed("a notification of another setup is no greeting")
    return push


class DialledDesk:
    """On the event loop. ``in_ledger`` runs what asks the store in a thread of its own."""

    def __init__(
        self,
        store: Pushes,
        settings: DialInSettings,
        *,
        fleet: Fleet,
        owned: Owned,
        reachable: Callable[[int], None],
        alarms: Alarms,
        metrics: Metrics,
        clock: Clock,
        in_ledger: Callable[..., Awaitable[Any]],
    ) -> None:
        self._store = store
        self._settings = settings
        self._fleet = fleet
        self._owned = owned
        self._reachable = reachable
        self._metrics = metrics
        self._clock = clock
        self._in_ledger = in_ledger
        self.refusals = Refusals(alarms, metrics, alarm_of=_ALARMS, count=metrics.greeting, noun="greetings")
        self._by_title: dict[bytes, Meter] = {}
        self._unproven: dict[DialledLine, None] = {}
        self._lines: dict[int, DialledLine] = {}
        self._missed: set[int] = set()
        """Who was to be visited and had not dialled in: when they do, they are visited at once."""
        self._waiting: list[Greeting] = []
        self._judging: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._server: asyncio.AbstractServer | None = None
        self.port = 0

    async def open(self) -> None:
        """Begin to listen. Raises DialInAddressTaken."""
        host, port = self._settings.host, self._settings.port
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: DialledLine(self, loop.time), host, port, backlog=BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise DialInAddressTaken(f"{host}:{port}", error.strerror or str(error)) from None
        self.port = self._server.sockets[0].getsockname()[1]
        self._keeper = asyncio.create_task(self._keep())
        _log.info("meters may dial in", host=host, port=self.port)

    async def close(self) -> None:
        """Answer nobody any more, and hang up on everybody."""
        tasks = [task for task in (self._keeper, self._judging) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is None:
            return
        self._server.close()
        for line in [*self._unproven, *self._lines.values()]:
            line.turn_away("stopped")
        await self._server.wait_closed()
        self._server = None

    @property
    def lines(self) -> int:
        """Meters on the line."""
        return len(self._lines)

    def line_of(self, meter_id: int) -> DialledLine | None:
        """The meter's line, when it is free for a visit."""
        line = self._lines.get(meter_id)
        if line is None:
            self._missed.add(meter_id)
        return line if line is not None and line.is_free else None

    def fleet_changed(self) -> None:
        """Meters, keys or groups may be others: who dials in is found anew, and lines of others are closed."""
        before, meters = self._by_title, self._fleet.meters
        dialling = [meter for meter in meters.values() if not meter.host]
        self._by_title = {meter.system_title: meter for meter in dialling}
        known = {meter.meter_id: meter for meter in before.values()}
        for meter_id, line in list(self._lines.items()):
            if meters.get(meter_id) != known.get(meter_id):
                line.turn_away("registry-changed")

    def let_go(self, groups: Collection[str] | None = None) -> None:
        """These groups, or all, are no longer ours: their meters dial the next head-end."""
        for meter_id, line in list(self._lines.items()):
            if groups is None or self._fleet.groups.get(meter_id) in groups:
                line.turn_away("not-ours")

    def tell(self) -> Callable[[], None] | None:
        """Metrics and alarms; and what is to be done in the ledger to keep what was refused, when there is any."""
        self._metrics.dialled_lines.set(len(self._lines))
        self._metrics.dialled_unproven.set(len(self._unproven))
        self.refusals.tell(self._clock.now())
        waiting = self.refusals.waiting
        return partial(self._store.keep_refused, waiting[:]) if waiting else None

    # What lines tell

    def opened(self, line: DialledLine) -> None:
        """Somebody calls."""
        if len(self._unproven) >= self._settings.most_unproven:
            oldest = next(iter(self._unproven))
            del self._unproven[oldest]
            oldest.turn_away("too-many-unproven")
        self._unproven[line] = None

    def ended(self, line: DialledLine) -> None:
        """A connection is over."""
        self._unproven.pop(line, None)
        if line.meter_id is not None and self._lines.get(line.meter_id) is line:
            del self._lines[line.meter_id]

    def turned_away(self, reason: str) -> None:
        """Count it."""
        self._metrics.dialled_closed(reason)

    def greeted(self, line: DialledLine, apdu: bytes) -> None:
        """Judge all of a greeting but its counter."""
        title = b""
        try:
            title = sender_title(apdu)
            meter = self._by_title.get(title)
            if meter is None:
                self._refuse(line, apdu, Reason.UNKNOWN_SENDER, title)
                return
            greeting = self._verified(line, apdu, meter)
        except NotAuthentic:
            self._refuse(line, apdu, Reason.NOT_AUTHENTIC, title)
        except RemoteProtocolError:
            self._refuse(line, apdu, Reason.NOT_UNDERSTOOD if title else Reason.UNPROTECTED, title)
        else:
            if greeting is None:
                self._refuse(line, apdu, Reason.UNKNOWN_SENDER, title)
            elif not self._owned.may_begin(self._fleet.groups[meter.meter_id]):
                line.turn_away("not-ours")
            else:
                self._waiting.append(greeting)
                if self._judging is None:
                    self._judging = asyncio.create_task(self._judge())
                    self._judging.add_done_callback(self._judged)

    def _verified(self, line: DialledLine, apdu: bytes, meter: Meter) -> Greeting | None:
        """None for a meter without keys, or of a make that does not push. Raises RemoteProtocolError."""
        access = self._fleet.model(meter.meter_id).associations.get(PUSH)
        try:
            keys = self._fleet.keys(meter.meter_id)
        except KeysNotOpened:
            return None
        if access is None or {len(keys.encryption_key), len(keys.authentication_key)} != {KEY_OCTETS}:
            return None
        material = SecurityMaterial(
            system_title=meter.system_title,
            encryption_key=keys.encryption_key,
            authentication_key=keys.authentication_key,
        )
        push = verified(apdu, material, access.protection or SecurityControl(BOTH))
        return Greeting(
            line=line,
            meter_id=meter.meter_id,
            title=meter.system_title,
            key_id=greeting_key_id(keys.encryption_key, keys.authentication_key),
            counter=push.counter,
            apdu=apdu,
        )

    async def _judge(self) -> None:
        """Judge what waits; while the store is away greetings wait, and their connections' time runs out."""
        while self._waiting:
            batch = self._waiting[:ADMITTED_AT_ONCE]
            try:
                admitted = await self._in_ledger(self._store.admit, [greeting.window for greeting in batch])
            except Unavailable as error:
                _log.info("greetings wait for the store", count=len(self._waiting), cause=error.reason)
                await asyncio.sleep(STORE_RETRY_S)
                self._waiting = [greeting for greeting in self._waiting if greeting.line in self._unproven]
                continue
            del self._waiting[: len(batch)]
            for greeting, good in zip(batch, admitted, strict=True):
                self._admit(greeting) if good else self._replayed(greeting)

    def _judged(self, task: asyncio.Task[None]) -> None:
        self._judging = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._waiting.clear()  # their connections' time runs out, and they dial again
            _log.error("greetings not judged by our own fault", fault=type(fault).__name__)

    def _replayed(self, greeting: Greeting) -> None:
        self._refuse(greeting.line, greeting.apdu, Reason.REPLAYED, greeting.title, greeting)

    def _admit(self, greeting: Greeting) -> None:
        """The line is the meter's, and its former one is closed."""
        line, meter_id = greeting.line, greeting.meter_id
        if line not in self._unproven:
            return  # gone meanwhile
        meter = self._by_title.get(greeting.title)
        if meter is None or not self._owned.may_begin(self._fleet.groups[meter_id]):
            line.turn_away("not-ours")
            return
        before = self._lines.pop(meter_id, None)
        if before is not None:
            before.turn_away("dialled-again")
        elif len(self._lines) >= self._settings.most_lines:
            line.turn_away("too-many")
            return
        del self._unproven[line]
        line.meter_id, self._lines[meter_id] = meter_id, line
        line.since_s = asyncio.get_running_loop().time()
        self._metrics.greeting("admitted")
        if meter_id in self._missed:
            self._missed.discard(meter_id)
            self._reachable(meter_id)

    def _refuse(
        self, line: DialledLine, apdu: bytes, reason: Reason, title: bytes, greeting: Greeting | None = None
    ) -> None:
        meter = self._by_title.get(title)
        now_s = self._clock.now()
        refused = RefusedPush(
            received_s=int(now_s),
            reason=reason.value,
            system_title=title,
            meter_id=None if meter is None else meter.meter_id,
            counter=None if greeting is None else greeting.counter,
            peer=line.peer,
            octets=apdu,
        )
        self.refusals.add(refused, now_s)
        line.turn_away("refused")

    async def _keep(self) -> None:
        """Drop who is silent, until cancelled."""
        loop, settings = asyncio.get_running_loop(), self._settings
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = loop.time()
            for line in list(self._unproven):
                if now_s - line.since_s > settings.unproven_s:
                    line.turn_away("unproven")
            for line in list(self._lines.values()):
                if line.is_free and now_s - line.since_s > settings.idle_s:
                    line.turn_away("idle")
