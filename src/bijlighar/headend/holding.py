"""Which meters this head-end reads: joins the leases, the registry and the plan.

A group that is gained is read only when it is known what the store holds of its meters, for its last holder may
have read them a second ago. A group that is lost has its visits cut short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from bijlighar.cim.exchange import ReadJob, Unavailable
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.clock import Clock
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.jobs import JobDesk
from bijlighar.headend.kept import KeptRows
from bijlighar.headend.permits import Permits
from bijlighar.headend.roster import Roster
from bijlighar.headend.schedule import Task
from bijlighar.headend.tenure import Tenure

_log = structlog.get_logger("headend")

OLDER_RETRY_S = 5.0
"""Between tries to look up what is older, while the store is away."""
UNHELD_S = 30.0
"""Groups that nobody holds for so long are an alarm: longer than any take-over."""


class Fence:
    """Under which lease a meter is read."""

    def __init__(self, fleet: Fleet, tenure: Tenure) -> None:
        self._fleet = fleet
        self._tenure = tenure

    def claim(self, meter_id: int) -> tuple[str, str, int]:
        """Life, group and epoch. Raises LeaseLost."""
        group = self._fleet.groups.get(meter_id, "")
        life, epoch = self._tenure.claim(group)
        return life, group, epoch


class Holding:
    """On the event loop. ``in_library`` asks the store for what may take seconds."""

    def __init__(
        self,
        *,
        tenure: Tenure,
        fleet: Fleet,
        roster: Roster,
        jobs: JobDesk,
        alarms: Alarms,
        clock: Clock,
        permits: Permits,
        in_library: Callable[..., Awaitable[Any]],
        steady: Callable[[], float],
        cut_short: Callable[[Collection[str] | None], None],
    ) -> None:
        self._tenure = tenure
        self._fleet = fleet
        self._roster = roster
        self._jobs = jobs
        self._alarms = alarms
        self._clock = clock
        self._permits = permits
        self._in_library = in_library
        self._steady = steady
        self._cut_short = cut_short
        self._known: dict[str, int] = {}
        self._life: str | None = None
        self._looking: set[asyncio.Task[None]] = set()
        self._unheld_since: float | None = None

    async def begin(self) -> None:
        """The first round; what is held of the first meters is looked up. Raises Unavailable."""
        self.registry_changed()
        await self._tenure.round()
        wanted = self._follow()
        if len(wanted):
            await self._take_over(wanted)

    async def round(self) -> None:
        """Renew the leases and follow them. A store that is away is an alarm, and tried again."""
        try:
            await self._tenure.round()
            self._alarms.set("leases", None)
        except Unavailable as error:
            self._alarms.set("leases", f"leases are not renewed: {error.reason}")
        self.look_again()
        self.follow()
        self._tell_unheld()
        try:
            await self._jobs.give_back(self._keeps)
        except Unavailable as error:
            _log.info("jobs not handed over yet", cause=error.reason)

    def registry_changed(self) -> None:
        """Meters, or their groups, are others."""
        self._roster.change(self._fleet.groups, self._clock.now(), self._permits.of)

    def follow(self) -> None:
        """Let the plan follow what is leased."""
        wanted = self._follow()
        if len(wanted):
            self._look_up(wanted)

    def look_again(self) -> None:
        """The utility's clock was set back, perhaps while somebody still told the time before: another window."""
        if self._fleet.turned_back(self._clock.now()):
            self._look_up(self._roster.held_meters())

    def _follow(self) -> NDArray[np.int64]:
        tenure = self._tenure
        if tenure.life != self._life and self._life is not None:
            self._jobs.abandon()
        self._life = tenure.life
        epochs = dict(tenure.epochs)
        renewed = {group for group, epoch in epochs.items() if self._known.get(group, epoch) != epoch}
        lost = self._known.keys() - epochs.keys()
        self._known = epochs
        if lost or renewed:
            self._cut_short(lost | renewed)
        return self._roster.wanted(epochs, renewed)

    def _keeps(self, job: ReadJob) -> bool:
        group = self._fleet.groups.get(job.meter_id)
        return group is None or (group in self._tenure.epochs and group not in self._tenure.leaving)

    def _look_up(self, meter_ids: NDArray[np.int64]) -> None:
        self._in_background(self._take_over_or_tell(meter_ids))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def end(self) -> None:
        """Look nothing up any more."""
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)

    async def _take_over_or_tell(self, meter_ids: NDArray[np.int64]) -> None:
        try:
            await self._take_over(meter_ids)
            self._alarms.set("held", None)
        except Unavailable as error:
            self._roster.forget(meter_ids)
            self._alarms.set("held", f"meters wait until it is known what is held of them: {error.reason}")
        except Exception as error:  # noqa: BLE001 (the outer edge of a task: told, and tried again)
            self._roster.forget(meter_ids)
            self._alarms.set("held", f"what is held cannot be looked up: {type(error).__name__}")

    async def _take_over(self, meter_ids: NDArray[np.int64]) -> None:
        kept = await self._in_library(self._fleet.look_up_kept, meter_ids, self._clock.now())
        now_s = self._clock.now()
        self._fleet.take_in(kept, now_s)
        self._roster.hold(kept.meter_ids, kept.last_s, now_s)
        self._ask_for_older(kept)
        if kept.since_s is not None:
            self._in_background(self._look_up_older(kept))

    async def _look_up_older(self, kept: KeptRows) -> None:
        """Tried until it is known: before, nobody is asked for what is older."""
        while True:
            try:
                older = await self._in_library(self._fleet.look_up_older, kept, self._clock.now())
                break
            except Unavailable as error:
                _log.info("older slots are not looked up yet", cause=error.reason)
                await asyncio.sleep(OLDER_RETRY_S)
        self._fleet.take_in_older(older, self._clock.now())
        self._ask_for_older(older)
        _log.info("what is held is known", meters=len(older.meter_ids), with_gaps=len(older.backlog))

    def _ask_for_older(self, kept: KeptRows) -> None:
        now_s = self._clock.now()
        for meter_id in kept.backlog.tolist():
            self._roster.ask_for(meter_id, Task.BACKFILL, now_s)

    def _tell_unheld(self) -> None:
        if self._tenure.unheld == 0:
            self._unheld_since = None
        elif self._unheld_since is None:
            self._unheld_since = self._steady()
        since = self._unheld_since
        late = since is not None and self._steady() - since >= UNHELD_S
        self._alarms.set("groups-unheld", f"no head-end reads {self._tenure.unheld} groups" if late else None)
