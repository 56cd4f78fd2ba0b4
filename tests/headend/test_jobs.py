import asyncio

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState, ReadJob, Unavailable
from bijlighar.headend.jobs import CLAIM_LIMIT, JobDesk


class Queue:
    """The store's side of on-demand reads."""

    def __init__(self, count):
        self.waiting = [
            ReadJob(job_id=f"J{n}", meter_id=n, kinds=(ProfileKind.DAILY,), period=None, asked_by="op", asked_ms=n)
            for n in range(count)
        ]
        self.reports = []
        self.unavailable = False

    def claim(self, owner, limit, now_ms):  # noqa: ARG002
        if self.unavailable:
            raise Unavailable("locked")
        claimed, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return claimed

    def report(self, job_id, *, state, rows, progress, detail, now_ms):  # noqa: ARG002
        if self.unavailable:
            raise Unavailable("locked")
        self.reports.append((job_id, state, rows, progress, detail))


async def directly(act, *arguments):
    return act(*arguments)


def desk(queue):
    published = []
    return JobDesk(queue, owner="h1", in_ledger=directly, publish=lambda *news: published.append(news)), published


def test_a_job_goes_from_waiting_through_progress_to_done():
    async def main():
        queue = Queue(1)
        jobs, published = desk(queue)
        await jobs.claim()
        opened = jobs.take(lambda _: True)
        opened.chunks = 4
        for rows in (48, 48):
            jobs.landed(opened, rows)
        assert opened.progress == 0.5
        jobs.end(opened, JobState.DONE, "")
        await jobs.send()
        assert queue.reports == [("J0", JobState.DONE, 96, 1.0, "")]
        states = [(job.state, job.rows, job.progress) for _, job in published]
        assert states == [
            (JobState.RUNNING, 0, 0.0),
            (JobState.RUNNING, 48, 0.25),
            (JobState.RUNNING, 96, 0.5),
            (JobState.DONE, 96, 1.0),
        ]

    asyncio.run(main())


def test_a_job_whose_meter_is_busy_lets_others_pass():
    async def main():
        jobs, _ = desk(Queue(3))
        await jobs.claim()
        assert jobs.take(lambda job: job.meter_id == 2).job.job_id == "J2"
        assert jobs.take(lambda _: True).job.job_id == "J0"

    asyncio.run(main())


def test_another_try_waits_and_begins_anew():
    async def main():
        jobs, _ = desk(Queue(1))
        await jobs.claim()
        opened = jobs.take(lambda _: True)
        jobs.landed(opened, 10)
        jobs.again(opened, 60.0, "hung: silent")
        assert jobs.take(lambda _: True) is None
        opened.not_before = 0.0
        again = jobs.take(lambda _: True)
        assert (again.attempt, again.rows, again.progress) == (2, 0, 0.0)

    asyncio.run(main())


def test_reports_survive_a_store_that_is_unavailable_for_a_while():
    async def main():
        queue = Queue(1)
        jobs, _ = desk(queue)
        await jobs.claim()
        opened = jobs.take(lambda _: True)
        queue.unavailable = True
        jobs.end(opened, JobState.FAILED, "no-answer")
        assert not await jobs.send()
        queue.unavailable = False
        assert await jobs.send()
        assert queue.reports == [("J0", JobState.FAILED, 0, 0.0, "no-answer")]

    asyncio.run(main())


def test_no_more_jobs_are_claimed_than_can_be_held():
    async def main():
        queue = Queue(CLAIM_LIMIT + 5)
        jobs, _ = desk(queue)
        await jobs.claim()
        await jobs.claim()
        assert len(jobs.waiting) == CLAIM_LIMIT
        assert len(queue.waiting) == 5
        queue.unavailable = True
        jobs.take(lambda _: True)
        with pytest.raises(Unavailable):
            await jobs.claim()

    asyncio.run(main())


def test_a_silent_job_is_reported_again_before_its_lease_lapses():
    async def main():
        queue = Queue(1)
        jobs, _ = desk(queue)
        await jobs.claim()
        jobs.remind()
        await jobs.send()
        assert [state for _, state, *_ in queue.reports] == [JobState.RUNNING]
        jobs.remind()
        assert await jobs.send()
        assert len(queue.reports) == 1

    asyncio.run(main())
