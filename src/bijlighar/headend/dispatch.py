"""Begins visits, scheduled and on demand, within the limits, and sees each of them to its end."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from traceback import format_exc  # unlike a log's own trace it never shows local variables, which hold keys

import structlog

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import JobState, LeaseLost, ReadJob, Unavailable
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.asking import Asking
from bijlighar.headend.associating import READER, counts
from bijlighar.headend.clock import Clock, SystemClock
from bijlighar.headend.counters import CounterBook
from bijlighar.headend.decoding import Parcel
from bijlighar.headend.delivery import Delivery
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.jobs import JobDesk, OpenJob
from bijlighar.headend.keys import KeysNotOpened, MeterKeys
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.own_clock import OwnClock
from bijlighar.headend.permits import Permits, Turns
from bijlighar.headend.reading import Errand, Gathered, ProfileRead
from bijlighar.headend.roster import Roster
from bijlighar.headend.schedule import Priority, Task, Visit
from bijlighar.headend.settling import Settling, Ticket
from bijlighar.headend.tenure import Tenure
from bijlighar.headend.visitor import NoSuchAssociation, Visited, Visitor

_log = structlog.get_logger("headend")

STOCK = 4_096
"""Meters whose counters are reserved together: one transaction of some 30 ms, for 20 s of a city's visits."""

LOOKED_AT = 4
"""Times as many are looked at: those who have counters still and wait for their group's turn."""

LINE_VISITS, LINE_TICKS = 1_024, 10
"""How many visits are planned ahead of those that have room, and for how many ticks they stand in line. Choosing
among 300,000 who are due costs 10 ms; who becomes more urgent meanwhile waits a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings:
    """``most_sessions`` visits at once, ``most_sessions_a_group`` of one tower, gateway or pool.

    ``group_kinds``   visits at once of some kinds of groups, by the first word of their names
    ``verify_serial`` asks every meter for its serial at every visit, ``ask_signal`` for its signal strength.
    """

    most_sessions: int = 200
    most_sessions_a_group: int = 50
    group_kinds: Mapping[str, int] = field(default_factory=dict)
    verify_serial: bool = False
    ask_signal: bool = True

    @property
    def permits(self) -> Permits:
        """How many visits at once a group bears."""
        return Permits(visits=self.most_sessions_a_group, by_kind=self.group_kinds)


class Dispatcher:
    """Runs visits as tasks of the event loop."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        roster: Roster,
        jobs: JobDesk,
        visitor: Visitor,
        counters: CounterBook,
        tenure: Tenure,
        own_clock: OwnClock,
        layouts: LayoutBook,
        delivery: Delivery,
        settling: Settling,
        alarms: Alarms,
        clock: Clock,
        settings: DispatchSettings,
        in_ledger: Callable[..., Awaitable[None]],
    ) -> None:
        self._fleet = fleet
        self._roster = roster
        self._jobs = jobs
        self._visitor = visitor
        self._counters = counters
        self._tenure = tenure
        self._own_clock = own_clock
        self._in_ledger = in_ledger
        self._permits = settings.permits
        self._turns = Turns()
        self._asking = Asking()
        self._line: deque[Visit] = deque()
        self._line_ticks = 0
        self._stocking: asyncio.Task[None] | None = None
        self._layouts = layouts
        self._delivery = delivery
        self._settling = settling
        self._alarms = alarms
        self._clock = clock
        self._settings = settings
        self._groups: Counter[str] = Counter()
        self._running: dict[asyncio.Task[None], str] = {}

    @property
    def sessions(self) -> int:
        """Visits under way."""
        return len(self._running)

    def begin_due(self) -> None:
        """Begin what is due and may begin: people who wait go first, yet not for ever before the schedule."""
        full = self._delivery.full
        self._alarms.set("queue-full", "readings wait for the store, no new visits begin" if full else None)
        if full or not self._tenure.fresh or not self._room():
            return
        line = self._in_line()
        due_groups: set[str] = set()
        if self._jobs.waiting:
            due_groups = {self._group(visit.meter_id) for visit in line}
        short = False
        while self._room():
            opened = self._jobs.take(lambda job: self._may_begin(job, due_groups, due=bool(line)))
            if opened is not None:
                self._begin_job(opened)
            elif line:
                short |= not self._begin_visit(line.popleft())
            else:
                break
        if short and self._stocking is None:
            self._stocking = asyncio.create_task(self._stock())
            self._stocking.add_done_callback(self._stocked)

    def _in_line(self) -> deque[Visit]:
        """Visits that are due, most urgent first. Where all find room they are chosen anew at every tick."""
        self._line_ticks += 1
        if not self._line or self._line_ticks >= LINE_TICKS:
            most = self._room() + LINE_VISITS
            self._line = deque(self._roster.due(self._clock.now(), most, self._groups))
            self._line_ticks = 0
        return self._line

    def _begin_visit(self, visit: Visit) -> bool:
        """False when it waits for counters. Who stood in line may be busy by now, or another head-end's."""
        meter_id, group = visit.meter_id, self._group(visit.meter_id)
        free = self._roster.holds(meter_id) and not self._roster.is_busy(meter_id)
        if not free or not self._bears(group) or not self._tenure.may_begin(group):
            return True
        if self._asking and self._waits_for_layout(meter_id):
            return True
        if self._counters.in_bulk and not self._has_counters(meter_id):
            return False
        self._turns.visit_began(group)
        self._begin(visit, None)
        return True

    def _waits_for_layout(self, meter_id: int) -> bool:
        model, firmware = self._fleet.meters[meter_id].model, self._fleet.firmware.get(meter_id)
        return self._asking.waits(model, firmware, asyncio.get_running_loop().time())

    def _has_counters(self, meter_id: int) -> bool:
        address = self._reader_address(meter_id)
        return address is None or self._counters.ready(meter_id, address)

    def _reader_address(self, meter_id: int) -> int | None:
        """The client address whose counters a visit uses; None when it uses none."""
        access = self._fleet.model(meter_id).associations.get(READER)
        return access.client_address if access is not None and counts(access) else None

    async def _stock(self) -> None:
        """Counters for whoever is due and has none, thousands in one transaction."""
        wanted = []
        for meter_id in self._roster.due_meters(self._clock.now(), LOOKED_AT * STOCK):
            address = self._reader_address(meter_id)
            if address is not None and not self._counters.ready(meter_id, address):
                wanted.append((meter_id, address))
                if len(wanted) == STOCK:
                    break
        try:
            await self._in_ledger(self._counters.stock, wanted)
            self._alarms.set("counters", None)
        except LeaseLost as lost:
            _log.info("counters not reserved", cause=str(lost))
        except Unavailable as error:
            self._alarms.set("counters", f"no invocation counters: {error.reason}")

    def _stocked(self, task: asyncio.Task[None]) -> None:
        self._stocking = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("counters not reserved by our own fault", fault=type(fault).__name__)

    def cut_short(self, groups: Collection[str] | None = None) -> None:
        """End visits of these groups, or all, at once: their lease is over. What they gathered is delivered."""
        for task, group in list(self._running.items()):
            if groups is None or group in groups:
                task.cancel()

    async def end(self, grace_s: float) -> None:
        """Wait for visits under way, at most ``grace_s``, then cut them short; what they gathered is delivered."""
        if self._stocking is not None:
            self._stocking.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        self.cut_short()
        if self._running:
            await asyncio.wait(self._running)

    def _room(self) -> int:
        return max(0, self._settings.most_sessions - len(self._running))

    def _group(self, meter_id: int) -> str:
        return self._fleet.groups.get(meter_id, "")

    def _bears(self, group: str) -> bool:
        most = self._permits.of(group)
        return most is None or self._groups[group] < most

    def _may_begin(self, job: ReadJob, due_groups: Collection[str], *, due: bool) -> bool:
        meter_id = job.meter_id
        if meter_id not in self._roster:
            return True  # it fails at once
        group = self._group(meter_id)
        free = self._roster.holds(meter_id) and not self._roster.is_busy(meter_id) and self._bears(group)
        turn = self._turns.is_jobs(group, due=due, due_in_group=group in due_groups)
        return free and turn and self._tenure.may_begin(group)

    def _begin_job(self, opened: OpenJob) -> None:
        meter_id = opened.job.meter_id
        if meter_id not in self._roster:
            why = self._fleet.unreadable.get(meter_id, "is not a meter of this head-end")
            self._jobs.end(opened, JobState.FAILED, f"meter {meter_id}: {why}")
            return
        visit = Visit(
            row=-1,
            meter_id=meter_id,
            tasks=frozenset(),
            priority=Priority.ON_DEMAND,
            due_s=self._clock.now(),
            attempt=opened.attempt,
        )
        self._turns.job_began(self._group(meter_id))
        self._begin(visit, opened)

    def _begin(self, visit: Visit, opened: OpenJob | None) -> None:
        """Everything that the registry has to say is asked now, for it may change while the visit lasts."""
        started_s = self._clock.now()
        errand = self._errand(visit, opened)
        self._roster.begin(visit.meter_id)
        try:
            keys = self._fleet.keys(visit.meter_id)
        except KeysNotOpened as error:
            self._cannot(visit, opened, str(error))
            return
        group = self._group(visit.meter_id)
        self._groups[group] += 1
        self._asking.begins(errand, asyncio.get_running_loop().time())
        task = asyncio.create_task(self._visit(visit, opened, errand, keys, started_s))
        self._running[task] = group
        task.add_done_callback(lambda ended: self._ended(ended, group, errand))

    def _ended(self, task: asyncio.Task[None], group: str, errand: Errand) -> None:
        del self._running[task]
        self._asking.ended(errand)
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]

    def _cannot(self, visit: Visit, opened: OpenJob | None, why: str) -> None:
        _log.warning("meter cannot be visited", meter_id=visit.meter_id, cause=why)
        self._settling.give_back(visit, opened, why)

    async def _visit(
        self, visit: Visit, opened: OpenJob | None, errand: Errand, keys: MeterKeys, started_s: float
    ) -> None:
        """Every way out either delivers a contact or gives the meter back for a later try."""
        gathered = Gathered()
        try:
            visited = await self._visitor.visit(errand, keys, gathered)
            self._alarms.set("counters", None)
            self._alarms.set("session-replayed", self._visitor.told_of_replays())
        except Unavailable as error:
            self._alarms.set("counters", f"no invocation counters: {error.reason}")
            self._settling.give_back(visit, opened, error.reason)
            return
        except LeaseLost:
            self._settling.withdraw(visit, opened)
            return
        except NoSuchAssociation as error:
            self._cannot(visit, opened, str(error))
            return
        except asyncio.CancelledError:
            visited = _cut_short(gathered, Outcome.STOPPED, self._why_stopped())
        except Exception as error:  # noqa: BLE001 (the outer edge of a visit: told with its meter, never lost)
            _log.error("visit failed by our own fault", meter_id=visit.meter_id, trace=format_exc())
            visited = _cut_short(gathered, Outcome.INCOMPLETE, f"fault of the head-end: {type(error).__name__}")
        ticket = Ticket(
            visit=visit,
            started_s=started_s,
            opened=opened,
            orders=errand.orders,
            gathered=visited.gathered,
        )
        self._deliver(ticket, errand, visited)

    def _why_stopped(self) -> str:
        return "stopped by the head-end" if self._tenure.fresh else "the lease of its group was not renewed"

    def _errand(self, visit: Visit, opened: OpenJob | None) -> Errand:
        meter_id, now_s = visit.meter_id, self._clock.now()
        meter, jumps = self._fleet.meters[meter_id], self._own_clock.jumps
        if opened is None:
            orders = self._fleet.orders(meter_id, visit.tasks, now_s)
        else:
            orders = self._fleet.orders_for(meter_id, opened.job.kinds, opened.job.period, now_s)
            opened.chunks = sum(len(order.ranges) for order in orders)
        asked_for = opened is not None and ProfileKind.NAMEPLATE in opened.job.kinds
        return Errand(
            meter=meter,
            serial=meter.serial,
            model=self._fleet.model(meter_id),
            firmware=self._fleet.firmware.get(meter_id),
            orders=orders,
            layouts=self._layouts,
            now=self._clock.now,
            want_nameplate=Task.NAMEPLATE in visit.tasks or asked_for,
            want_signal=self._settings.ask_signal,
            verify_serial=self._settings.verify_serial,
            may_set_clock=lambda: self._may_set_clock(jumps),
            jumps=jumps,
            on_read=None if opened is None else self._on_read(opened),
        )

    def _on_read(self, opened: OpenJob) -> Callable[[ProfileRead], None]:
        """For a job, each answer goes to the store at once, so that its progress is of what is durable."""
        meter_id, model = opened.job.meter_id, self._fleet.model(opened.job.meter_id)

        def deliver(read: ProfileRead) -> None:
            parcel = Parcel(
                meter_id=meter_id,
                model=model,
                reads=(read,),
                contact=None,
                token=opened,
                repeat=True,
                urgent=True,
            )
            self._delivery.put(parcel)

        return deliver

    def _may_set_clock(self, jumps: int) -> bool:
        """Looked at once more: our clock may have been set since the last tick, or during the visit."""
        if isinstance(self._clock, SystemClock):
            self._own_clock.look(self._clock.now(), asyncio.get_running_loop().time(), self._roster.held)
        return self._own_clock.jumps == jumps and self._own_clock.is_trusted

    def _deliver(self, ticket: Ticket, errand: Errand, visited: Visited) -> None:
        visit, gathered = ticket.visit, visited.gathered
        self._own_clock.heard(visit.meter_id, gathered.clock_offset_ms, errand.jumps)
        contact = Contact(
            meter_id=visit.meter_id,
            started_ms=int(ticket.started_s * 1000),
            purpose=_purpose(ticket),
            outcome=visited.outcome,
            attempt=visit.attempt,
            latency_ms=visited.latency_ms,
            clock_offset_ms=gathered.clock_offset_ms,
            signal_dbm=gathered.signal_dbm,
            octets_sent=visited.octets_sent,
            octets_received=visited.octets_received,
            detail=visited.detail,
        )
        parcel = Parcel(
            meter_id=visit.meter_id,
            model=errand.model,
            reads=() if ticket.opened is not None else tuple(gathered.reads),
            contact=contact,
            token=ticket,
            urgent=ticket.opened is not None,
        )
        self._delivery.put(parcel)


def _purpose(ticket: Ticket) -> str:
    if ticket.opened is not None:
        return "on-demand " + "+".join(kind.value for kind in ticket.opened.job.kinds)
    return "+".join(task.name.lower().replace("_", "-") for task in sorted(ticket.visit.tasks))


def _cut_short(gathered: Gathered, outcome: Outcome, detail: str) -> Visited:
    return Visited(
        outcome=outcome, detail=detail, latency_ms=None, octets_sent=0, octets_received=0, gathered=gathered
    )
