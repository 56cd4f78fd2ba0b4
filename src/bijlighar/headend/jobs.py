"""On-demand reads: claimed from the store, tried a few times, reported as they go.

Among several head-ends a job belongs to the life that claimed it, for as long as that life holds the lease of the
meter's group. Alone, it belongs to the process for a while of the wall's clock, which each report prolongs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from bijlighar.cim.exchange import JobState, ReadJob, Unavailable
from bijlighar.headend.ports import LeasedJobs, ReadJobs

CLAIM_LIMIT = 50
"""Jobs taken at once; more wait in the store, where another head-end may take them."""
REPORT_EVERY_S = 20.0
"""A running job is reported at least this often, well within its lease."""
SEND_EVERY_S = 0.05
"""Reports of one twentieth of a second go out together; the newest of each job is sent."""
RETRY_S = 1.0
"""Wall-clock wait when the store does not take reports."""


@dataclass(slots=True)
class OpenJob:
    """A claimed job. ``attempt`` from 1; ``not_before`` monotonic seconds; chunks count ranges read and landed.

    ``life`` that claimed it
    """

    job: ReadJob
    life: str | None = None
    attempt: int = 1
    not_before: float = 0.0
    chunks: int = 1
    chunks_landed: int = 0
    rows: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def progress(self) -> float:
        """Share of the ranges that are durable, below 1 until the end."""
        return min(0.99, self.chunks_landed / max(self.chunks, 1))


class JobDesk:
    """Claims and reports. All methods run on the event loop; the store is asked through ``in_ledger``.

    ``life`` of this head-end among several, None when it is alone (then ``jobs`` need know nothing of lives).
    """

    def __init__(
        self,
        jobs: ReadJobs,
        *,
        owner: str,
        in_ledger: Callable[..., Awaitable[object]],
        publish: Callable[[str, object], None],
        life: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._jobs = jobs
        self._life = life
        self._owner = owner
        self._in_ledger = in_ledger
        self._publish = publish
        self._unsent: dict[str, ReadJob] = {}
        self._reported: dict[str, float] = {}
        self.waiting: list[OpenJob] = []
        self.running: dict[str, OpenJob] = {}

    async def claim(self) -> None:
        """Take jobs, when there is room for more. Raises Unavailable."""
        room = CLAIM_LIMIT - len(self.waiting)
        if room > 0:
            act, named = self._jobs.claim, self._named()
            claimed = await self._in_ledger(lambda: act(self._owner, room, _wall_ms(), **named))
            assert isinstance(claimed, list)
            self.waiting += [OpenJob(job=job, life=named.get("life")) for job in claimed]

    def abandon(self) -> None:
        """Our life was ended: what waits here waits in the store again, and runs out here."""
        self.waiting.clear()

    async def give_back(self, keeps: Callable[[ReadJob], bool]) -> None:
        """Waiting jobs that this head-end is not to keep go back to the store. Raises Unavailable."""
        life = self._life()
        given = [opened for opened in self.waiting if not keeps(opened.job)]
        if not given or life is None:
            return
        names = [opened.job.job_id for opened in given]
        for name in names:
            self._unsent.pop(name, None)
            self._reported.pop(name, None)
        await self._in_ledger(cast("LeasedJobs", self._jobs).give_back, life, names)
        self.waiting = [opened for opened in self.waiting if opened not in given]

    def take(self, may_begin: Callable[[ReadJob], bool]) -> OpenJob | None:
        """The oldest job that may begin now."""
        now = time.monotonic()
        for place, opened in enumerate(self.waiting):
            if opened.not_before <= now and may_begin(opened.job):
                del self.waiting[place]
                self.running[opened.job.job_id] = opened
                self._tell(opened, JobState.RUNNING, "")
                return opened
        return None

    def landed(self, opened: OpenJob, rows: int) -> None:
        """One more range of the job is durable."""
        opened.chunks_landed += 1
        opened.rows += rows
        self._tell(opened, JobState.RUNNING, "")

    def again(self, opened: OpenJob, wait_s: float, why: str) -> None:
        """Try once more after ``wait_s`` of the wall."""
        self.running.pop(opened.job.job_id, None)
        if opened.life != self._life():
            return
        opened.attempt += 1
        opened.not_before = time.monotonic() + wait_s
        opened.chunks_landed = opened.rows = 0
        self.waiting.append(opened)
        self._tell(opened, JobState.RUNNING, why)

    def end(self, opened: OpenJob, state: JobState, detail: str) -> None:
        """The job is done or has failed for good."""
        self.running.pop(opened.job.job_id, None)
        self._tell(opened, state, detail, progress=1.0 if state is JobState.DONE else opened.progress)

    def remind(self) -> None:
        """Renew the leases of jobs that have been silent for a while."""
        now = time.monotonic()
        for opened in [*self.running.values(), *self.waiting]:
            if now - self._reported.get(opened.job.job_id, 0.0) >= REPORT_EVERY_S:
                self._tell(opened, JobState.RUNNING, "")

    async def send(self) -> bool:
        """Bring what is unsent to the store; True when nothing is left. An unavailable store is tried later."""
        while self._unsent:
            job_id, job = next(iter(self._unsent.items()))
            try:
                await self._in_ledger(self._report, job)
            except Unavailable:
                return False
            if self._unsent.get(job_id) is job:
                del self._unsent[job_id]
        return True

    async def keep_sending(self, stopped: asyncio.Event) -> None:
        """Send reports until stopped."""
        while not stopped.is_set():
            wait_s = SEND_EVERY_S if await self.send() else RETRY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stopped.wait()

    def _report(self, job: ReadJob) -> None:
        self._jobs.report(
            job.job_id,
            state=job.state,
            rows=job.rows,
            progress=job.progress,
            detail=job.detail,
            now_ms=_wall_ms(),
            **self._named(),
        )

    def _named(self) -> dict[str, Any]:
        life = self._life()
        return {} if life is None else {"life": life}

    def _tell(self, opened: OpenJob, state: JobState, detail: str, progress: float | None = None) -> None:
        opened.job = replace(
            opened.job,
            state=state,
            rows=opened.rows,
            progress=opened.progress if progress is None else progress,
            detail=detail,
        )
        self._unsent[opened.job.job_id] = opened.job
        if state in (JobState.DONE, JobState.FAILED):
            self._reported.pop(opened.job.job_id, None)
        else:
            self._reported[opened.job.job_id] = time.monotonic()
        self._publish("jobs", opened.job)


def _wall_ms() -> int:
    return int(time.time() * 1000)
