"""Begins visits, scheduled and on demand, within the limits, and sees each of them to its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from traceback import format_exc  # unlike a log's own trace it never shows local variables, which hold keys

import structlog

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import JobState, ReadJob, Unavailable
from bijlighar.dlms.model import MeterModel
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.clock import Clock
from bijlighar.headend.decoding import Parcel
from bijlighar.headend.delivery import Delivery
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.jobs import JobDesk, OpenJob
from bijlighar.headend.keys import KeysNotOpened, MeterKeys
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.reading import Errand, Gathered, ProfileRead
from bijlighar.headend.roster import Roster
from bijlighar.headend.schedule import Priority, Task, Visit
from bijlighar.headend.settling import Settling, Ticket
from bijlighar.headend.visitor import NoSuchAssociation, Visited, Visitor

_log = structlog.get_logger("headend")

PLAN_AHEAD = 4
"""Visits looked at for each that may begin: some belong to a group that is at its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings:
    """``most_sessions`` visits at once, ``most_sessions_a_group`` of one tower, gateway or pool.

    ``verify_serial`` asks every meter for its serial at every visit, ``ask_signal`` for its signal strength.
    """

    most_sessions: int = 200
    most_sessions_a_group: int = 50
    verify_serial: bool = False
    ask_signal: bool = True


class Dispatcher:
    """Runs visits as tasks of the event loop."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        roster: Roster,
        jobs: JobDesk,
        visitor: Visitor,
        layouts: LayoutBook,
        delivery: Delivery,
        settling: Settling,
        alarms: Alarms,
        clock: Clock,
        settings: DispatchSettings,
    ) -> None:
        self._fleet = fleet
        self._roster = roster
        self._jobs = jobs
        self._visitor = visitor
        self._layouts = layouts
        self._delivery = delivery
        self._settling = settling
        self._alarms = alarms
        self._clock = clock
        self._settings = settings
        self._groups: Counter[str] = Counter()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def sessions(self) -> int:
        """Visits under way."""
        return len(self._running)

    def begin_due(self) -> None:
        """Begin what is due and may begin; people who wait go first."""
        full = self._delivery.full
        self._alarms.set("queue-full", "readings wait for the store, no new visits begin" if full else None)
        if full:
            return
        while self._room() and (opened := self._jobs.take(self._may_begin)) is not None:
            self._begin_job(opened)
        if not self._room():
            return
        for visit in self._roster.due(self._clock.now(), limit=PLAN_AHEAD * self._room()):
            if self._room() and self._groups[self._group(visit.meter_id)] < self._settings.most_sessions_a_group:
                self._begin(visit, None)

    async def end(self, grace_s: float) -> None:
        """Wait for visits under way, at most ``grace_s``, then cut them short; what they gathered is delivered."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _room(self) -> int:
        return max(0, self._settings.most_sessions - len(self._running))

    def _group(self, meter_id: int) -> str:
        return self._fleet.meters[meter_id].group

    def _may_begin(self, job: ReadJob) -> bool:
        return not self._roster.is_busy(job.meter_id)

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
        group = errand.meter.group
        self._groups[group] += 1
        task = asyncio.create_task(self._visit(visit, opened, errand, keys, started_s))
        self._running.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, group))

    def _ended(self, task: asyncio.Task[None], group: str) -> None:
        self._running.discard(task)
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
        except Unavailable as error:
            self._alarms.set("counters", f"no invocation counters: {error.reason}")
            self._settling.give_back(visit, opened, error.reason)
            return
        except NoSuchAssociation as error:
            self._cannot(visit, opened, str(error))
            return
        except asyncio.CancelledError:
            visited = _cut_short(gathered, Outcome.STOPPED, "stopped by the head-end")
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
        self._deliver(ticket, errand.model, visited)

    def _errand(self, visit: Visit, opened: OpenJob | None) -> Errand:
        meter_id, now_s = visit.meter_id, self._clock.now()
        meter = self._fleet.meters[meter_id]
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
            on_read=None if opened is None else self._on_read(opened),
        )

    def _on_read(self, opened: OpenJob) -> Callable[[ProfileRead], None]:
        """For a job, each answer goes to the store at once, so that its progress is of what is durable."""
        meter_id = opened.job.meter_id
        model = self._fleet.model(meter_id)

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

    def _deliver(self, ticket: Ticket, model: MeterModel, visited: Visited) -> None:
        visit, gathered = ticket.visit, visited.gathered
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
            model=model,
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
