"""The control room's state in one process, and the tasks that keep it up: registry, live columns, feed, status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import anyio
import msgspec
import numpy as np
import structlog

import bijlighar
from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.exchange import ReadJob, Unavailable
from bijlighar.cim.period import Period, civil_date
from bijlighar.cim.readings import ReadingBatch
from bijlighar.controlroom.alarm_delays import AlarmDelays
from bijlighar.controlroom.feed import FeedHub, meter_of
from bijlighar.controlroom.feed_messages import FeedMessage
from bijlighar.controlroom.first_reading import MOST_COUNTED_METERS, history_share
from bijlighar.controlroom.headend_watch import HeadEndWatch
from bijlighar.controlroom.instants import iso, iso_ms
from bijlighar.controlroom.live import STATES, LiveColumns
from bijlighar.controlroom.measurements import Measurements
from bijlighar.controlroom.meter_list import scaled, whole
from bijlighar.controlroom.registry_index import RegistryIndex
from bijlighar.controlroom.registry_reading import level_places, read_index
from bijlighar.controlroom.sessions import Sessions
from bijlighar.controlroom.settings import Settings
from bijlighar.controlroom.status import Status, status_of
from bijlighar.controlroom.supply_watch import SupplyWatch
from bijlighar.controlroom.throttle import SignInThrottle
from bijlighar.headend.clock import Clock
from bijlighar.headend.service import Heartbeat
from bijlighar.mdm.service_levels.limits import UnknownServiceLimit
from bijlighar.operations.housekeeping import tend
from bijlighar.operations.service_levels.keeping import ServiceLevelBoard
from bijlighar.records import Records
from bijlighar.records.landing import Alarm
from bijlighar.records.segment import SegmentDamaged

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LOG = structlog.get_logger(__name__)

FLUSH_S = 0.5
"""Twice a second: an eye notices half a second, and a client's line carries it."""
STATUS_FLUSHES = 4
STATE_FLUSHES = 20
"""Every ten seconds meters are looked over for those that fell late or silent without a word."""
REGISTRY_S = 2.0
HOUSE_S = 60.0
BLOCK_LENGTHS_S = (900, 1_800, 3_600)
CONTACTS_BACK_S = 86_400
"""Contacts older than a day no longer change a meter's state: it is silent then."""
MOST_ROWS_A_FRAME = 2_000
"""About 250 kB. What does not fit waits for the next flush, newest state each time."""
LEVELS_S = 600.0
HISTORY_S = 2.0
WHOLE_HISTORY = 0.999
PASSWORD_CHECKS_AT_ONCE = 2
"""One check takes 64 MiB and some 50 ms of a core; a storm of sign-ins waits instead of filling the memory."""
MOST_SNAPSHOT_ROWS = 5_000
"""A larger registry's page follows what it looks at (the window, ``meter:N``) instead of all."""


class FeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a meter stands, in short."""

    meter_id: int
    power_w: int | None
    voltage_v: float | None
    last_contact: str | None
    state: str
    signal_dbm: int | None
    today_kwh: float | None


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """An on-demand read, or a check of the trial (then without ``meter_id``), as the API tells it.

    ``rows`` kept so far; ``progress`` 0 to 1.
    """

    job_id: str
    meter_id: int | None
    state: str
    progress: float
    rows: int
    detail: str
    kinds: list[str]
    asked_by: str
    asked_at: str | None


def job_row(job: ReadJob) -> JobRow:
    """A job as the API tells it."""
    return JobRow(
        job_id=job.job_id,
        meter_id=job.meter_id,
        state=job.state.value,
        progress=round(job.progress, 3),
        rows=job.rows,
        detail=job.detail,
        kinds=[kind.value for kind in job.kinds],
        asked_by=job.asked_by,
        asked_at=iso_ms(job.asked_ms),
    )


class ControlRoom:
    """Everything that requests share. Built by ``open_room``; lives on the event loop's thread."""

    def __init__(
        self, *, settings: Settings, records: Records, clock: Clock, index: RegistryIndex, live: LiveColumns
    ) -> None:
        self.settings = settings
        self.records = records
        self.clock = clock
        self.index = index
        self.live = live
        self.supply = SupplyWatch(index.largest_meter_id)
        self.watch = HeadEndWatch()
        self.measured = Measurements()
        self.throttle = SignInThrottle(failures=settings.sign_in_failures, lock_s=settings.sign_in_lock_s)
        self.sessions = Sessions(
            records.web_sessions, idle_s=settings.session_idle_s, absolute_s=settings.session_absolute_s
        )
        self.password_checks = anyio.CapacityLimiter(PASSWORD_CHECKS_AT_ONCE)
        self.levels = ServiceLevelBoard(lambda records: level_places(self.index, records))
        self.delays = AlarmDelays()
        self.hub = FeedHub(self._snapshot, most_clients=settings.live_clients)
        self._sent_states = live.states(index.meter_id, clock.now())
        self.history_share: float | None = None
        self.store_alarms: list[Alarm] = []
        self._trial_changed = False
        self._changed_jobs: dict[str, ReadJob] = {}
        self._flushes = 0

    async def in_thread(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do blocking work on records away from the event loop."""
        return await asyncio.to_thread(work, *args, **kwargs)

    async def audit(self, *, who: str, what: str, subject: str, detail: Mapping[str, Any] | None = None) -> None:
        """Add to the audit log; durable before return. Raises Unavailable."""
        await self.in_thread(
            self.records.audit.append,
            who=who,
            what=what,
            subject=subject,
            detail=detail or {},
            at_s=int(self.now()),
        )

    def now(self) -> float:
        """The utility's clock, epoch seconds."""
        return self.clock.now()

    def speed(self) -> float:
        """Seconds of the utility's clock in one of the wall: 1 except in a demo."""
        return float(getattr(self.clock, "speed", 1.0))

    def status(self) -> Status:
        """How the whole stands now."""
        return status_of(
            index=self.index,
            live=self.live,
            watch=self.watch,
            now_s=self.now(),
            wall_s=time.monotonic(),
            speed=self.speed(),
            town=self.settings.town,
            version=bijlighar.__version__,
            stored=self.store_alarms,
        )

    def take(self, message: FeedMessage) -> None:
        """Take over one message of the feed between processes."""
        if isinstance(message, ReadingBatch):
            self.live.roll(self.now())
            self.live.apply_readings(message)
            self.supply.apply(message)
            self.delays.count(message, now_s=self.now(), speed=self.speed())
        elif isinstance(message, Heartbeat):
            self.watch.heard(message, wall_s=time.monotonic())
            return
        else:
            contacts = [each for each in message if isinstance(each, Contact)]
            self.live.roll(self.now())
            self.live.apply_contacts(contacts)
            self._changed_jobs |= {each.job_id: each for each in message if isinstance(each, ReadJob)}
        self._trial_changed = True

    def replace_index(self, index: RegistryIndex) -> None:
        """Show another registry from now on."""
        self.index = index
        self.live.ensure(index.largest_meter_id)
        self.supply.ensure(index.largest_meter_id)
        self._sent_states = self.live.states(index.meter_id, self.now())

    def rows_of(self, meter_ids: list[int]) -> list[FeedRow]:
        """Short rows of meters of the registry; others are left out."""
        known = [meter for meter in meter_ids if self.index.place(meter) is not None]
        states = self.live.states(np.array(known, dtype=np.int32), self.now())
        return [self._row(meter, int(state)) for meter, state in zip(known, states, strict=True)]

    def _row(self, meter: int, state: int) -> FeedRow:
        live = self.live
        return FeedRow(
            meter_id=meter,
            power_w=whole(live.power_w[meter]),
            voltage_v=scaled(live.voltage_mv[meter], 1_000),
            last_contact=iso_ms(int(live.last_contact_ms[meter])),
            state=STATES[state],
            signal_dbm=whole(live.signal_dbm[meter]),
            today_kwh=scaled(live.today_wh[meter], 1_000),
        )

    def _snapshot(self, topic: str) -> list[Any]:
        meter = meter_of(topic)
        if meter is not None:
            return self.rows_of([meter])
        if topic == "meters":
            return self.rows_of(self.index.meter_id[:MOST_SNAPSHOT_ROWS].tolist())
        if topic == "status":
            return [self.status()]
        if topic == "trial":
            return [{"changed_at": iso(self.now())}]
        return []

    def flush(self) -> None:
        """Tell pages what changed since the last flush."""
        self._flushes += 1
        self.live.roll(self.now())
        if self._flushes % STATE_FLUSHES == 0:
            self._mark_changed_states()
        self._publish_meters()
        if self._changed_jobs:
            jobs, self._changed_jobs = self._changed_jobs, {}
            self.hub.publish("jobs", [job_row(job) for job in jobs.values()])
        if self._flushes % STATUS_FLUSHES == 0:
            self._publish_status()

    def _publish_meters(self) -> None:
        """Only what somebody looks at is told: a city changes some hundred meters in each half second."""
        if "meters" in self.hub.topics():
            changed = self.live.take_changed(MOST_ROWS_A_FRAME).tolist()
        else:
            changed = self.live.take_changed_of(self.hub.looked_at())
        if changed:
            rows = self.rows_of(changed)
            self.hub.publish("meters", rows)
            self.hub.publish_meters({row.meter_id: row for row in rows})

    def _publish_status(self) -> None:
        status = self.status()
        self.hub.publish("status", [status])
        self.measured.feed_clients.set(self.hub.clients)
        self.measured.meters.set(status.meters)
        self.measured.meters_heard.set(status.meters_heard_today)
        self.measured.lag_s.set(status.lag_s or 0.0)
        self.measured.headends_alive.set(sum(headend.alive for headend in status.headends))
        if self._trial_changed:
            self._trial_changed = False
            self.hub.publish("trial", [{"changed_at": status.now}])

    def _mark_changed_states(self) -> None:
        states = self.live.states(self.index.meter_id, self.now())
        self.live.mark_changed(self.index.meter_id[states != self._sent_states])
        self._sent_states = states

    async def keep_flushing(self) -> None:
        """Flush for ever; a fault is logged and the next flush tried."""
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                self.flush()
            except Exception as problem:  # noqa: BLE001 (the outer edge of this task)
                _LOG.error("flush failed", exc_info=problem)

    async def keep_registry(self) -> None:
        """Look for a changed registry, and for alarms of the store, for ever."""
        while True:
            await asyncio.sleep(REGISTRY_S)
            try:
                await self.refresh_registry()
                self.store_alarms = await self.in_thread(self.records.alarms)
            except Unavailable as problem:
                _LOG.warning("registry not read", reason=problem.reason)

    async def keep_house(self) -> None:
        """Once a minute of the wall: merge what is due, forget expired sessions, end a trial's check, for ever."""
        while True:
            await asyncio.sleep(HOUSE_S)
            try:
                await self.in_thread(tend, self.records, self.now())
                await self.in_thread(self.delays.keep, self.records, self.now())
                await self.records.web_sessions.delete_expired()
            except Unavailable as problem:
                _LOG.warning("housekeeping put off", reason=problem.reason)

    async def keep_levels(self) -> None:
        """Keep the service levels of each day that has become final, for ever."""
        while True:
            await asyncio.sleep(LEVELS_S)
            try:
                await self.in_thread(self.levels.keep_final, self.records, self.now())
            except (Unavailable, SegmentDamaged, UnknownServiceLimit) as problem:
                _LOG.warning("service levels put off", reason=str(problem))

    async def keep_history(self) -> None:
        """Count the history until it is whole, for whoever waits for the first reading."""
        while self.history_share is None or self.history_share < WHOLE_HISTORY:
            meters = len(self.index)
            if 0 < meters <= MOST_COUNTED_METERS or (meters and self.settings.clock_file):
                try:
                    self.history_share = await self.in_thread(
                        history_share, self.records, meters, int(self.now()), self.settings.backfill_days
                    )
                except Unavailable as problem:
                    _LOG.warning("history not counted", reason=problem.reason)
            await asyncio.sleep(HISTORY_S)

    async def refresh_registry(self) -> None:
        """Read the registry again when its version changed."""
        version = await asyncio.to_thread(self.records.registry.version)
        if version != self.index.version:
            self.replace_index(await asyncio.to_thread(read_index, self.records))


def open_room(settings: Settings, records: Records, clock: Clock) -> ControlRoom:
    """A control room whose live columns are rebuilt from records. Blocking; raises Unavailable."""
    index = read_index(records)
    now_s = clock.now()
    live = LiveColumns(index.largest_meter_id, now_s=now_s)
    rebuild(live, records, now_s=now_s)
    room = ControlRoom(settings=settings, records=records, clock=clock, index=index, live=live)
    room.supply.rebuild(records, now_s)
    return room


def rebuild(live: LiveColumns, records: Records, *, now_s: float) -> None:
    """Fill live columns from records: last rows, today's blocks and contacts, and the last day's contacts."""
    readings = records.readings
    live.apply_readings(readings.last(ProfileKind.INSTANTANEOUS))
    for rows in records.pieces.rows(ProfileKind.BLOCK_LOAD, live.day, ["import_wh"]):
        live.apply_readings(
            ReadingBatch(
                kind=ProfileKind.BLOCK_LOAD,
                period_s=rows.period_s,
                meter_id=rows.meter_id.astype(np.int32),
                start_s=rows.start_s,
                received_s=rows.received_s,
                channels=rows.channels,
            )
        )
    recent = Period(start_s=live.day.start_s - CONTACTS_BACK_S, end_s=max(int(now_s), live.day.start_s) + 1)
    for told in records.pieces.contacts(recent):
        within = np.flatnonzero((told.started_s >= recent.start_s) & (told.started_s < recent.end_s))
        live.apply_contact_columns(
            told.meter_id[within],
            told.started_s[within] * 1000,
            told.outcome[within],
            told.clock_offset_ms[within],
            told.signal_dbm[within],
        )
    landed = readings.landed_on(civil_date(int(now_s)))
    live.readings_today = sum(rows for kind, rows in landed.items() if kind != "contact")
    live.take_changed()
