"""A town for some days on virtual time: meters, radio, disk, head-ends, and whatever befalls them.

``simulate(Plan(seed=…))`` runs and returns what was found. Nothing but the plan decides what happens.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TextIO

from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.dispatch import DispatchSettings
from bijlighar.headend.retry import Backoff
from bijlighar.headend.schedule import Cadence, ScheduleSettings, Task
from bijlighar.headend.tenure import TenureSettings
from bijlighar.headend.terms import HeadEndSettings
from bijlighar.records import Records

from . import truths
from .audit import Books
from .chance import Chance
from .disk import Disk
from .headends import HeadEndLife
from .kernel import Kernel, Process
from .machinery import borrowed
from .meters import Meters
from .misfortunes import Misfortunes
from .radio import Ether
from .town import START_S, Ground, ground
from .trace import Trace
from .watch import Bounds, Violation, Watch
from .weather import DAY_S, HOUR_S, QUIET, Weather

CALM_S = 1.5 * DAY_S
"""Peace at the end: longer than the longest cadence and a back-off, so that what is missing then is lost."""
SETTLED_S = 8 * HOUR_S
"""Rows younger than this may still be on their way: a cadence of six hours, its spread, and a retry."""
_MEMORY_S = 30 * DAY_S
"""Meters forget rows after 35 days, so they are asked for the truth this often."""

SETTINGS = HeadEndSettings(
    schedule=ScheduleSettings(
        cadences={
            Task.BLOCK_LOAD: Cadence(period_s=int(6 * HOUR_S), delay_s=30, spread_s=1200),
            Task.DAILY: Cadence(period_s=int(DAY_S), delay_s=120, spread_s=1800),
        },
        backoff=Backoff(base_s=60, cap_s=1800, attempts=6),
        first_spread_s=1200.0,
    ),
    delivery=DeliverySettings(most_wait_s=15.0, queue_octets=16 << 20),
    dispatch=DispatchSettings(most_sessions=100, most_sessions_a_group=12),
    tenure=TenureSettings(renew_s=60.0, fresh_s=150.0, held_s=240.0, taken_s=360.0),
    tick_s=15.0,
    job_poll_s=60.0,
    registry_poll_s=600.0,
    refusal_poll_s=600.0,
    heartbeat_s=60.0,
    grace_s=10.0,
    landing_grace_s=30.0,
)
"""A head-end that reads four times a day; short periods of the product are longer here, for each costs a step."""
_ONE_VISIT_OCTETS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated. ``calm_s`` at the end nothing befalls anybody; ``headends`` processes share the town.

    ``stops``: the run ends within an hour of the first broken promise.
    """

    seed: int
    meters: int = 10
    days: float = 1.0
    weather: Weather = QUIET
    calm_s: float = CALM_S
    headends: int = 1
    settings: HeadEndSettings = SETTINGS
    stops: bool = False

    @property
    def end_s(self) -> float:
        """Virtual seconds from start to end."""
        return self.days * DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a run has shown. ``wall_s``, ``cpu_s`` machine seconds; ``befell`` how often each misfortune came."""

    digest: str
    events: int
    steps: int
    calls: int
    rows: int
    violations: tuple[Violation, ...]
    outcomes: Counter[str]
    befell: Counter[str]
    most_sessions: int
    most_queue_octets: int
    wall_s: float
    cpu_s: float
    trace: Trace = field(repr=False)


class Simulation:
    """One run. Built and run within ``borrowed`` machinery."""

    def __init__(self, plan: Plan, land: Ground, trace: Trace, kernel: Kernel) -> None:
        self.plan = plan
        self.kernel = kernel
        self.trace = trace
        self.headends: list[HeadEndLife] = []
        self.chance = Chance(plan.seed)
        self.weather = replace(plan.weather, until_s=min(plan.weather.until_s, plan.end_s - plan.calm_s))
        self.befell: Counter[str] = Counter()
        self.lab = land.lab()
        self.land = land
        self.folder = land.copy()
        self.jumped: set[int] = set()
        self.dark_until: dict[str, float] = {}
        limits = plan.settings.dispatch
        self.watch = Watch(
            trace,
            lambda: kernel.now_s,
            Bounds(
                sessions=limits.most_sessions,
                sessions_a_group=limits.most_sessions_a_group,
                queue_octets=plan.settings.delivery.queue_octets + limits.most_sessions * _ONE_VISIT_OCTETS,
            ),
            lambda meter: land.groups[meter],
            self.believing,
        )
        self.books = Books(self.watch, self.lab, land.indices)
        self.world = Process(kernel, "world", faulted=self.own_fault)
        self.meters = Meters(
            self.lab, self.world, self.now, accepted=self.watch.accepted, faulted=self.watch.meter_faulted
        )
        self.ether = Ether(
            kernel,
            self.world,
            self.chance,
            trace,
            self.weather,
            self.watch,
            meter_at=self.lab.town.meter_at,
            pick_up=self.meters.pick_up,
            restart=self.meters.restart,
            dark=self.dark,
        )
        self.disk = Disk(self.chance, self.weather, lambda: kernel.now_s, self.tell, self.dies_at_step)
        self.headends = [HeadEndLife(self, f"headend-{n + 1}", n) for n in range(plan.headends)]
        self.misfortunes = Misfortunes(self)

    def now(self) -> float:
        """The utility's clock."""
        return START_S + self.kernel.now_s

    def tell(self, what: str) -> None:
        """Into the trace, and counted by its first words."""
        self.trace(self.kernel.now_s, what)

    def own_fault(self, what: str) -> None:
        """The product's code, or ours, did what it never should."""
        self.watch.broken("no fault of our own", what)

    def dark(self, meter: int) -> bool:
        """Whether the meter's tower is silent."""
        return self.dark_until.get(self.land.groups[meter], 0.0) > self.kernel.now_s

    def believing(self, group: str, *, besides: Process) -> str | None:
        """Another process that runs and believes that it holds this group's lease."""
        for life in self.headends:
            if life.process is not besides and life.believes_in(group):
                return life.name
        return None

    def dies_at_step(self, process: Process) -> None:
        """Killed between two effects, as soon as the scheduler is back."""
        self.misfortunes.died_at_a_step(self.disk.steps)
        for life in self.headends:
            if life.process is process:
                self.world.call_soon(life.killed)

    def run(self) -> None:
        """From the first start to the last check."""
        for life in self.headends:
            self.world.call_soon(life.start)
        self.misfortunes.begin()
        self.world.call_at(DAY_S, self._next_day)
        while self.kernel.now_s < self.plan.end_s and not (self.plan.stops and self.watch.violations):
            self.kernel.run(min(self.kernel.now_s + HOUR_S, self.plan.end_s))
        for life in self.headends:
            life.end()
        self._last_look()

    def _next_day(self) -> None:
        self.lab.prepare(self.now())
        if not self.disk.away:
            self._tidy()
        self.world.call_later(DAY_S, self._next_day)

    def _tidy(self) -> None:
        """What the worker does beside the head-ends: thousands of small segments a day become a few."""
        with Records(None, self.folder, now=self.now, wall=self.now) as records:
            merged = records.compaction.tend()
        self.tell(f"{merged} segments are merged")

    def _last_look(self) -> None:
        nows_s = [START_S]
        while nows_s[-1] < self.now():
            nows_s.append(min(nows_s[-1] + _MEMORY_S, self.now()))
        with Records(None, self.folder, now=self.now, wall=self.now) as records:
            self.books.nothing_lost(records)
            self.books.nothing_doubled(records, self.jumped)
            for kind in truths.KINDS:
                self.books.all_true(records, kind, nows_s, self.jumped)
                if self.kernel.now_s < self.plan.end_s:
                    continue  # no peace came, in which what is missing could have been read
                until_s = self.now() - SETTLED_S
                self.books.whole(records, kind, self.now(), self.now() - _MEMORY_S, until_s)

    def close(self) -> None:
        """Bury every process and remove the folder."""
        for life in self.headends:
            life.end()
        self.world.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def simulate(plan: Plan, into: TextIO | None = None) -> Found:
    """Run a plan. Raises nothing for what goes wrong in the town: it is in ``violations``."""
    began, began_cpu, trace, kernel = time.perf_counter(), time.process_time(), Trace(into), Kernel()
    land = ground(plan.meters)
    told: list[str] = []
    gc.freeze()  # what stands now is not looked through at every collection
    with borrowed(kernel, Chance(plan.seed).stream("secrets"), START_S, told.append):
        simulation = Simulation(plan, land, trace, kernel)
        try:
            simulation.run()
        finally:
            simulation.close()
    gc.unfreeze()
    for word in told:
        simulation.own_fault(word)
    watch = simulation.watch
    return Found(
        digest=trace.digest(),
        events=trace.count,
        steps=kernel.steps,
        calls=watch.calls,
        rows=simulation.books.rows,
        violations=tuple(watch.violations),
        outcomes=watch.outcomes,
        befell=simulation.befell,
        most_sessions=watch.most_sessions,
        most_queue_octets=watch.most_queue_octets,
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - began_cpu,
        trace=trace,
    )
