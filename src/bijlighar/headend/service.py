"""The head-end: reads its meters by schedule and on demand, and hands every reading to the store.

One event loop visits meters; one thread lands what they said. Three more ask the store, so that a long question
holds up no short one: the ledger (counters, jobs), the tenure (leases), the library (the registry, what is held).
``run`` returns after ``stop``; what was acknowledged is durable, what was not is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import structlog

from bijlighar.cim.exchange import Unavailable
from bijlighar.dlms.model import MeterModel
from bijlighar.dlms.models import load_model
from bijlighar.headend.alarms import Alarm, Alarms
from bijlighar.headend.clock import Clock, SystemClock
from bijlighar.headend.counters import CounterBook
from bijlighar.headend.delivery import Delivery, Landed
from bijlighar.headend.dialled import DialledDesk
from bijlighar.headend.dispatch import Dispatcher
from bijlighar.headend.doors import Doors
from bijlighar.headend.fleet import Fleet, FleetPorts
from bijlighar.headend.holding import Fence, Holding
from bijlighar.headend.jobs import JobDesk
from bijlighar.headend.keys import Keyring
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.own_clock import OwnClock
from bijlighar.headend.ports import Pushes
from bijlighar.headend.push import PushDesk
from bijlighar.headend.roster import Roster
from bijlighar.headend.seen import SeenRows
from bijlighar.headend.session import StandingLine
from bijlighar.headend.settling import Settling
from bijlighar.headend.tenure import Tenure
from bijlighar.headend.terms import HeadEndSettings, Heartbeat, Ports
from bijlighar.headend.visitor import Visitor

__all__ = ["HeadEnd", "HeadEndSettings", "Heartbeat", "Ports"]

_log = structlog.get_logger("headend")

P = ParamSpec("P")
T = TypeVar("T")

TURNED_BACK_S = 1.0
"""A clock that is slewed never goes back; one that was set does, and by more than this it matters to the plan."""


class HeadEnd:
    """One head-end process. ``publish(topic, payload)`` is called on the event loop and may lose.

    Topics: "readings" (ReadingBatch), "contacts" (list of Contact), "jobs" (ReadJob), "heartbeat" (Heartbeat).
    """

    def __init__(
        self,
        ports: Ports,
        clock: Clock,
        keyring: Keyring,
        settings: HeadEndSettings,
        publish: Callable[[str, object], None],
        *,
        load_model: Callable[[str], MeterModel] = load_model,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._publish = publish
        self.metrics = Metrics()
        self._alarms = Alarms(self.metrics, clock.now)
        self._own_clock = OwnClock(self._alarms, doubt_s=settings.visits.clock.set_s / 2)
        self._ledger, self._leases, self._library = (
            ThreadPoolExecutor(max_workers=1, thread_name_prefix=name) for name in ("ledger", "leases", "library")
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._kept: set[asyncio.Task[None]] = set()
        self._last_now_s = float("-inf")
        self._roster = Roster(settings.schedule)
        self._meters = ports.meters
        seen, layouts = SeenRows(), LayoutBook(ports.layouts)
        self._share(ports, keyring, seen, layouts, load_model)
        self._visit(ports, seen, layouts)
        self._doors = self._open_to(ports.pushes, layouts)

    def _share(
        self,
        ports: Ports,
        keyring: Keyring,
        seen: SeenRows,
        layouts: LayoutBook,
        load_model: Callable[[str], MeterModel],
    ) -> None:
        """Build what knows the meters, and which of them and of the jobs are this head-end's."""
        settings = self._settings
        self._fleet = Fleet(
            FleetPorts(
                meters=ports.meters, keys=ports.keys, held=ports.held, nameplates=ports.nameplates, past=ports.past
            ),
            keyring=keyring,
            layouts=layouts,
            seen=seen,
            load_model=load_model,
            backfill_days=settings.backfill_days,
        )
        self._tenure = Tenure(
            ports.leases,
            owner=settings.owner,
            settings=settings.tenure,
            in_thread=self._in(self._leases),
            steady=self._steady,
            meters=lambda: self._fleet.group_sizes,
            idle=self._roster.idle,
        )
        fence = None if ports.leases is None else Fence(self._fleet, self._tenure)
        self._counters = CounterBook(ports.counters, leases=ports.leases, fence=fence)
        self._jobs = JobDesk(
            ports.jobs,
            owner=settings.owner,
            in_ledger=self._in_ledger,
            publish=self._publish,
            life=lambda: self._tenure.life,
        )

    def _visit(self, ports: Ports, seen: SeenRows, layouts: LayoutBook) -> None:
        """Build what begins visits, and sees what they brought through to the store."""
        settings, clock = self._settings, self._clock
        self._settling = Settling(
            fleet=self._fleet,
            roster=self._roster,
            jobs=self._jobs,
            layouts=layouts,
            nameplates=ports.nameplates,
            later=self._later,
            publish=self._publish,
            metrics=self.metrics,
            clock=clock,
            settings=settings.settling,
        )
        self._delivery = Delivery(
            ports.landing,
            seen,
            now=clock.now,
            on_landed=self._on_loop(self._landed),
            on_trouble=self._on_loop(self._store_trouble),
            settings=settings.delivery,
        )
        self._dispatcher = Dispatcher(
            fleet=self._fleet,
            roster=self._roster,
            jobs=self._jobs,
            visitor=Visitor(
                counters=self._counters,
                clock=clock,
                settings=settings.visits,
                ledger=self._ledger,
                line_of=self._line_of,
            ),
            counters=self._counters,
            tenure=self._tenure,
            own_clock=self._own_clock,
            layouts=layouts,
            delivery=self._delivery,
            settling=self._settling,
            alarms=self._alarms,
            clock=clock,
            settings=settings.dispatch,
            in_ledger=self._in_ledger,
        )
        self._holding = Holding(
            tenure=self._tenure,
            fleet=self._fleet,
            roster=self._roster,
            jobs=self._jobs,
            alarms=self._alarms,
            clock=clock,
            permits=settings.dispatch.permits,
            in_library=self._in(self._library),
            steady=self._steady,
            cut_short=self._cut_short,
        )

    def _open_to(self, store: Pushes | None, layouts: LayoutBook) -> Doors:
        """Build where meters push and dial in."""
        return Doors(
            store,
            push=self._settings.push,
            dial_in=self._settings.dial_in,
            fleet=self._fleet,
            layouts=layouts,
            delivery=self._delivery,
            roster=self._roster,
            tenure=self._tenure,
            alarms=self._alarms,
            metrics=self.metrics,
            clock=self._clock,
            in_ledger=self._in_ledger,
        )

    @property
    def push(self) -> PushDesk | None:
        """Where meters push, if anywhere."""
        return self._doors.push

    @property
    def dialled(self) -> DialledDesk | None:
        """Where meters dial in, if anywhere."""
        return self._doors.dialled

    async def run(self) -> None:
        """Work until ``stop``.

        Raises Unavailable when the store cannot even be read at the start, PushAddressTaken or DialInAddressTaken
        when meters cannot be heard where they shall be.
        """
        self._loop = asyncio.get_running_loop()
        try:
            self._fleet.apply(await self._in(self._library)(self._fleet.look_up))
            await self._doors.load()
            self._fleet_changed()
            await self._holding.begin()
            self._delivery.start()
            _log.info("head-end started", owner=self._settings.owner, meters=self._roster.held)
            try:
                await self._doors.open()
                await self._work()
            finally:
                await self._wind_up()
        finally:
            for executor in (self._ledger, self._leases, self._library):
                executor.shutdown(wait=False)
            self._ended.set()

    async def stop(self) -> None:
        """Begin no more visits, let those under way end for a moment, land what came, and return."""
        self._stopping.set()
        await self._ended.wait()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Alarms that stand now."""
        return self._alarms.standing

    async def _work(self) -> None:
        every = self._settings
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(every.tick_s, self._tick))
            group.create_task(self._every(every.tenure.renew_s, self._holding.round))
            group.create_task(self._every(every.job_poll_s, self._poll_jobs))
            group.create_task(self._every(every.registry_poll_s, self._poll_registry))
            group.create_task(self._every(every.heartbeat_s, self._beat))
            group.create_task(self._jobs.keep_sending(self._stopping))
            group.create_task(self._every(every.refusal_poll_s, self._doors.tell))

    async def _every(self, period_s: float, act: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            await act()
            try:
                async with asyncio.timeout(period_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _tick(self) -> None:
        now_s = self._clock.now()
        if isinstance(self._clock, SystemClock):
            self._own_clock.look(now_s, self._steady(), self._roster.held)
        if now_s < self._last_now_s - TURNED_BACK_S:
            _log.warning("the clock was set back", by_s=round(self._last_now_s - now_s, 1))
            self._roster.turned_back(now_s)
            self._holding.look_again()
        self._last_now_s = now_s
        if self._tenure.lapsed:
            self._cut_short()
        self._dispatcher.begin_due()

    async def _poll_jobs(self) -> None:
        try:
            await self._jobs.claim()
            self._alarms.set("jobs", None)
        except Unavailable as error:
            self._alarms.set("jobs", f"on-demand reads cannot be taken: {error.reason}")
        self._jobs.remind()

    async def _poll_registry(self) -> None:
        try:
            if await self._in_ledger(self._meters.version) != self._fleet.version:
                self._fleet.apply(await self._in(self._library)(self._fleet.look_up))
                self._fleet_changed()
                self._holding.registry_changed()
                self._holding.follow()
            self._alarms.set("registry", None)
        except Unavailable as error:
            self._alarms.set("registry", f"the registry cannot be read: {error.reason}")

    def _line_of(self, meter_id: int) -> StandingLine | None:
        return self._doors.line_of(meter_id)

    def _cut_short(self, groups: Collection[str] | None = None) -> None:
        """End visits of these groups, or all, and hang up on their meters: their lease is over."""
        self._dispatcher.cut_short(groups)
        self._doors.let_go(groups)

    def _landed(self, landed: Landed) -> None:
        self._settling.landed(landed)
        if self.push is not None and landed.pushes:
            self.push.landed(landed.pushes, stored=landed.stored)

    async def _beat(self) -> None:
        now_s = self._clock.now()
        beat = Heartbeat(
            owner=self._settings.owner,
            now_s=now_s,
            lag_s=self._roster.lag_s(now_s),
            sessions=self._dispatcher.sessions,
            queue_octets=self._delivery.octets,
            meters=self._roster.held,
            alarms=self._alarms.standing,
            groups=len(self._tenure.epochs),
            groups_unheld=self._tenure.unheld,
        )
        self.metrics.lag.set(beat.lag_s)
        self.metrics.sessions.set(beat.sessions)
        self.metrics.groups.set(beat.groups)
        self.metrics.meters.set(beat.meters)
        self.metrics.queue_octets.set(beat.queue_octets)
        self.metrics.counters_reserved.set(self._counters.reserved)
        self._publish("heartbeat", beat)

    def _fleet_changed(self) -> None:
        self._doors.fleet_changed(self._fleet.meters.values())
        count = len(self._fleet.unreadable)
        why = next(iter(self._fleet.unreadable.values()), "")
        self._alarms.set("meters-unreadable", f"{count} meters cannot be read, one {why}" if count else None)

    def _store_trouble(self, reason: str | None) -> None:
        self._alarms.set("store", None if reason is None else f"readings cannot be stored: {reason}")

    async def _wind_up(self) -> None:
        """In the order that loses nothing: visits, their landing, then what is to be told of them."""
        self._stopping.set()
        await self._doors.close()
        await self._holding.end()
        await self._dispatcher.end(self._settings.grace_s)
        await self._doors.hang_up()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._delivery.stop, self._settings.landing_grace_s)
        await asyncio.sleep(0)  # what the landing thread has handed over runs now
        if self._kept:
            await asyncio.wait(self._kept, timeout=self._settings.landing_grace_s)
        await self._doors.tell()
        await self._jobs.send()
        await self._tenure.leave()
        _log.info("head-end stopped", owner=self._settings.owner)

    def _later(self, what: str, act: Callable[[], None]) -> None:
        """Keep something that can be learnt again: tried once, told when it fails."""
        task = asyncio.create_task(self._keep(what, act))
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _keep(self, what: str, act: Callable[[], None]) -> None:
        try:
            await self._in_ledger(act)
        except Unavailable as error:
            _log.warning("not kept, will be read again", what=what, cause=error.reason)

    async def _in_ledger(self, act: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._ledger, lambda: act(*arguments, **named))

    @staticmethod
    def _in(executor: ThreadPoolExecutor) -> Callable[..., Awaitable[Any]]:
        async def run(act: Callable[..., object], *arguments: object) -> object:
            return await asyncio.get_running_loop().run_in_executor(executor, act, *arguments)

        return run

    def _steady(self) -> float:
        """Seconds of the loop's clock, which no setting of any clock moves."""
        assert self._loop is not None
        return self._loop.time()

    def _on_loop(self, act: Callable[[T], None]) -> Callable[[T], None]:
        """``act`` for another thread to call."""

        def hand_over(argument: T) -> None:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(act, argument)

        return hand_over
