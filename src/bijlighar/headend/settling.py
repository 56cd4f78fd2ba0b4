"""What becomes of a visit once its readings are durable, or could not be made so: plan, coverage, jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from traceback import format_exc  # unlike a log's own trace it never shows local variables, which hold keys

import structlog

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import JobState
from bijlighar.dlms.model import Severity
from bijlighar.headend.clock import Clock
from bijlighar.headend.decoding import ParcelResult
from bijlighar.headend.delivery import Landed
from bijlighar.headend.fleet import TASKS, Fleet
from bijlighar.headend.jobs import JobDesk, OpenJob
from bijlighar.headend.layouts import KeptLayout, LayoutBook
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.ports import Nameplates
from bijlighar.headend.reading import Gathered, Order
from bijlighar.headend.roster import Roster
from bijlighar.headend.schedule import Task, Visit

_log = structlog.get_logger("headend")

FIRMWARE_ACTIVATED = 157
"""Event code of IS 15959: new firmware runs, so nameplate and layouts may have changed."""
NEWS_S = 86_400
"""An event older than this is history, not an alarm."""
DOUBT_S = 3600
"""A layout that does not fit is asked for again at most this often, for one odd meter must not cost all others."""
_GOOD = (Outcome.OK, Outcome.INCOMPLETE)
_SLOTTED = {"block-load", "daily"}
_HOPELESS = (Outcome.WRONG_METER,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A visit on its way through the store: what it was for and what it has brought.

    ``started_s`` the utility's clock when its orders were made: what fell due later was not asked for
    """

    visit: Visit
    started_s: float
    opened: OpenJob | None
    orders: tuple[Order, ...]
    gathered: Gathered


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlingSettings:
    """``job_attempts`` tries of an on-demand read, ``job_retry_s`` of the wall apart, doubling.

    ``clock_warn_s`` from which offset a meter's clock is told in the log.
    """

    job_attempts: int = 3
    job_retry_s: float = 2.0
    clock_warn_s: float = 60.0


class Settling:
    """Runs on the event loop. ``later`` keeps something in the store without anybody waiting for it."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        roster: Roster,
        jobs: JobDesk,
        layouts: LayoutBook,
        nameplates: Nameplates,
        later: Callable[[str, Callable[[], None]], None],
        publish: Callable[[str, object], None],
        metrics: Metrics,
        clock: Clock,
        settings: SettlingSettings,
    ) -> None:
        self._fleet = fleet
        self._roster = roster
        self._jobs = jobs
        self._layouts = layouts
        self._nameplates = nameplates
        self._later = later
        self._publish = publish
        self._metrics = metrics
        self._clock = clock
        self._settings = settings
        self._unmapped: set[str] = set()
        self._doubted_s: dict[tuple[str, str, str], float] = {}

    def landed(self, landed: Landed) -> None:
        """Rows are durable, or never will be: everything that waited for this."""
        now_s = self._clock.now()
        for readings in landed.readings:
            self._fleet.hold(readings, now_s)
            self._metrics.landed(readings.kind.value, len(readings))
            self._publish("readings", readings)
        for apart in landed.quarantined:
            self._fleet.kept_apart(apart.readings)
        if landed.contacts:
            self._publish("contacts", landed.contacts)
        self._metrics.contacts(landed.contacts)
        if landed.stored:
            self._answered(landed.results, now_s)
        contacts = iter(landed.contacts)
        well: list[Ticket] = []
        for result in landed.results:
            contact = next(contacts) if result.parcel.contact is not None else None
            try:
                well += self._settle_parcel(result, contact, stored=landed.stored, now_s=now_s)
            except Exception:  # noqa: BLE001 (the outer edge: told with its meter, which must not stay locked)
                _log.error("visit not settled", meter_id=result.parcel.meter_id, trace=format_exc())
                self._roster.release(result.parcel.meter_id)
        self._end_well(well, now_s)
        for result in landed.results:
            if result.faults or result.events:
                self._follow_up(result, now_s)

    def _settle_parcel(
        self, result: ParcelResult, contact: Contact | None, *, stored: bool, now_s: float
    ) -> tuple[Ticket, ...]:
        """Its ticket when the visit ended well, which ends all such visits together; else ()."""
        self._tell(result)
        token = result.parcel.token
        if isinstance(token, Ticket) and contact is not None:
            return self._settle(token, result, contact, stored=stored, now_s=now_s)
        if isinstance(token, OpenJob) and stored:
            self._jobs.landed(token, result.rows)
        return ()

    def _end_well(self, tickets: list[Ticket], now_s: float) -> None:
        """These visits are over, all done; gaps are filled at once while a meter answers well."""
        try:
            self._roster.ended_well(
                (ticket.visit.meter_id, ticket.visit.tasks, min(ticket.started_s, now_s)) for ticket in tickets
            )
            self._ask_for_older(tickets, now_s)
        except Exception:  # noqa: BLE001 (as above)
            _log.error("visits not settled", count=len(tickets), trace=format_exc())
            for ticket in tickets:
                self._roster.release(ticket.visit.meter_id)

    def _follow_up(self, result: ParcelResult, now_s: float) -> None:
        """What a scheduled visit brought that asks for another one."""
        token = result.parcel.token
        if isinstance(token, Ticket) and token.opened is None:
            self._doubt(result.parcel.meter_id, result, now_s)
            self._act_on_events(result.parcel.meter_id, result, now_s)

    def give_back(self, visit: Visit, opened: OpenJob | None, why: str) -> None:
        """The visit could not be made; nobody was called."""
        self._roster.failed(visit.meter_id, visit.tasks, self._clock.now())
        self._roster.release(visit.meter_id)
        if opened is not None:
            self._retry_job(opened, why)

    def withdraw(self, visit: Visit, opened: OpenJob | None) -> None:
        """The visit was not made, and nobody is at fault: its meter is another head-end's."""
        self._roster.release(visit.meter_id)
        if opened is not None:
            self._jobs.again(opened, 0.0, "the meter goes to another head-end")

    def _settle(
        self, ticket: Ticket, result: ParcelResult, contact: Contact, *, stored: bool, now_s: float
    ) -> tuple[Ticket, ...]:
        visit = ticket.visit
        self._note(contact)
        if stored:
            self._keep_identity(ticket)
        if ticket.opened is None and contact.outcome in _GOOD and ticket.gathered.whole:
            return (ticket,)
        self._roster.release(visit.meter_id)
        if ticket.opened is not None:
            self._settle_job(ticket.opened, contact)
        elif contact.outcome is not Outcome.STOPPED:  # which says nothing of the meter: its tasks stay due
            finished = self._finished(ticket, result) if stored else frozenset()
            self._roster.failed(visit.meter_id, visit.tasks, now_s, but=finished, started_s=ticket.started_s)
        return ()

    def _ask_for_older(self, tickets: list[Ticket], now_s: float) -> None:
        """Fill gaps of meters that answer well, unless it is the very profile that they would not give."""
        willing = [
            ticket.visit.meter_id
            for ticket in tickets
            if not ticket.gathered.refused.keys() & _SLOTTED and ticket.visit.meter_id in self._roster
        ]
        for meter_id in self._fleet.backlogs(willing, now_s):
            self._roster.ask_for(meter_id, Task.BACKFILL, now_s)

    def _finished(self, ticket: Ticket, result: ParcelResult) -> frozenset[Task]:
        """Tasks of which everything was read, is durable and was understood."""
        complete = {
            order.profile: order.profile in ticket.gathered.finished and order.profile not in result.faults
            for order in ticket.orders
        }
        done = {TASKS[order.kind] for order in ticket.orders if complete[order.profile]}
        open_tasks = {TASKS[order.kind] for order in ticket.orders if not complete[order.profile]}
        return frozenset(done - open_tasks) & ticket.visit.tasks

    def _answered(self, results: Iterable[ParcelResult], now_s: float) -> None:
        """What a meter was asked for and did not give it does not have, unless a row could not be read.

        Nor does it say anything when our clock was set back since: it was asked by one that was ahead.
        """
        try:
            self._fleet.answered(
                (result.parcel.meter_id, read.order.kind, read.asked, read.received_s)
                for result in results
                for read in result.parcel.reads
                if read.order.profile not in result.faults and read.received_s <= now_s
            )
        except Exception:  # noqa: BLE001 (as above: what is not noted is asked for again)
            _log.error("answers not noted", trace=format_exc())

    def _keep_identity(self, ticket: Ticket) -> None:
        nameplate, meter_id = ticket.gathered.nameplate, ticket.visit.meter_id
        if meter_id not in self._fleet.meters:
            return
        if nameplate is not None:
            self._fleet.introduced(nameplate)
            self._later("nameplate", lambda: self._nameplates.put_nameplate(nameplate))
        model, firmware = self._fleet.meters[meter_id].model, self._fleet.firmware.get(meter_id, "")
        for profile, layout in ticket.gathered.new_layouts.items():
            if not layout.from_meter:
                _log.warning("layout taken from the model", model=model, firmware=firmware, profile=profile)
            self._later("layout", self._keeping(model, firmware, profile, layout))

    def _keeping(self, model: str, firmware: str, profile: str, layout: KeptLayout) -> Callable[[], None]:
        return lambda: self._layouts.keep(model, firmware, profile, layout)

    def _doubt(self, meter_id: int, result: ParcelResult, now_s: float) -> None:
        """Rows that do not fit their layout: perhaps the firmware has changed. Ask anew, but not all the time."""
        if not result.faults or meter_id not in self._fleet.meters:
            return
        model, firmware = self._fleet.meters[meter_id].model, self._fleet.firmware.get(meter_id, "")
        for profile in result.faults:
            named = (model, firmware, profile)
            if now_s - self._doubted_s.get(named, float("-inf")) >= DOUBT_S:
                self._doubted_s[named] = now_s
                self._layouts.forget(*named)
                self._roster.ask_for(meter_id, Task.NAMEPLATE, now_s)

    def _act_on_events(self, meter_id: int, result: ParcelResult, now_s: float) -> None:
        if not result.events or meter_id not in self._fleet.meters:
            return
        codes = self._fleet.model(meter_id).event_codes
        for _, code, start_s in result.events:
            if now_s - start_s > NEWS_S:
                continue
            if code == FIRMWARE_ACTIVATED:
                self._roster.ask_for(meter_id, Task.NAMEPLATE, now_s)
            if code in codes and codes[code].severity is Severity.CRITICAL:
                self._roster.ask_for(meter_id, Task.INSTANTANEOUS, now_s, alarm=True)

    def _settle_job(self, opened: OpenJob, contact: Contact) -> None:
        nothing = opened.chunks > 0 and opened.chunks_landed == 0
        if contact.outcome is Outcome.OK or (contact.outcome is Outcome.INCOMPLETE and not nothing):
            self._jobs.end(opened, JobState.DONE, contact.detail)
        elif contact.outcome is Outcome.STOPPED:
            self._jobs.again(opened, 0.0, contact.detail)
        elif contact.outcome in _HOPELESS:
            self._jobs.end(opened, JobState.FAILED, f"{contact.outcome}: {contact.detail}")
        else:
            self._retry_job(opened, f"{contact.outcome}: {contact.detail}")

    def _retry_job(self, opened: OpenJob, why: str) -> None:
        if opened.attempt >= self._settings.job_attempts:
            self._jobs.end(opened, JobState.FAILED, why)
        else:
            self._jobs.again(opened, self._settings.job_retry_s * 2 ** (opened.attempt - 1), why)

    def _note(self, contact: Contact) -> None:
        told = {"meter_id": contact.meter_id, "outcome": contact.outcome.value, "purpose": contact.purpose}
        if contact.outcome is Outcome.OK:
            _log.debug("contact", rows=contact.rows, latency_ms=contact.latency_ms, **told)
        else:
            _log.warning("contact", attempt=contact.attempt, detail=contact.detail, **told)
        if abs(contact.clock_offset_ms or 0) > self._settings.clock_warn_s * 1000:
            offset_s = round((contact.clock_offset_ms or 0) / 1000, 1)
            _log.warning("clock is off", meter_id=contact.meter_id, offset_s=offset_s)

    def _tell(self, result: ParcelResult) -> None:
        for reason, rows in result.apart.items():
            self._metrics.apart(reason, rows)
        self._metrics.unreadable(sum(len(reasons) for reasons in result.faults.values()))
        fresh = result.unmapped - self._unmapped
        if fresh:
            self._unmapped |= fresh
            self._metrics.unmapped(len(self._unmapped))
            _log.warning("columns not understood", meter_id=result.parcel.meter_id, columns=sorted(fresh))
