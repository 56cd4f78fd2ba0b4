"""On-demand reads: asked by an operator, done by a head-end, watched here."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import JSONBody, PathParameter

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import ReadJob
from bijlighar.cim.period import Period
from bijlighar.controlroom.api.asking import AnyRequest, MeterId, asked_period, place_of, room_of
from bijlighar.controlroom.errors import Refusal, not_found, not_valid
from bijlighar.controlroom.instants import iso_ms
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import JobRow, job_row
from bijlighar.operations.field_trial.checks import CHECK_PREFIX, COMPARED, Check, current_check
from bijlighar.records.jobs import UnknownJob

MOST_WAITING_A_METER = 5
"""One meter takes one association at a time; a longer queue would only be somebody's impatience."""
MOST_JOBS_SHOWN = 50
_ENDED = ("done", "failed")
_BOUNDED = frozenset({ProfileKind.BLOCK_LOAD, ProfileKind.DAILY, ProfileKind.EVENT, ProfileKind.BILLING})


class AskedRead(msgspec.Struct, forbid_unknown_fields=True):
    """What to read. ``from`` and ``to`` bound blocks, midnight registers, billing and events."""

    kinds: Annotated[list[ProfileKind], msgspec.Meta(min_length=1, max_length=len(ProfileKind))]
    start: Annotated[str, msgspec.Meta(max_length=40)] = msgspec.field(default="", name="from")
    end: Annotated[str, msgspec.Meta(max_length=40)] = msgspec.field(default="", name="to")


class JobAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The number under which the job can be watched."""

    job_id: str


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, newest first."""

    rows: list[JobRow]


@post("/meters/{meter_id:int}/reads", status_code=202, opt={"needs": Permission.ASK_READS})
async def ask_read(request: AnyRequest, meter_id: MeterId, data: JSONBody[AskedRead]) -> JobAsked:
    """Ask a head-end to read this meter now."""
    room = room_of(request)
    place_of(request, meter_id)
    kinds = tuple(dict.fromkeys(data.kinds))
    period = _period(data, now_s=room.now())
    waiting = await room.in_thread(room.records.jobs.recent, meter_id, MOST_JOBS_SHOWN)
    if sum(job.state.value not in _ENDED for job in waiting) >= MOST_WAITING_A_METER:
        raise Refusal(429, "too-many-reads", "This meter already has reads waiting.", retry_after_s=30)
    job = ReadJob(
        job_id=secrets.token_hex(8),
        meter_id=meter_id,
        kinds=kinds,
        period=period if _BOUNDED.intersection(kinds) else None,
        asked_by=request.user.person.name,
        asked_ms=int(room.now() * 1_000),
    )
    await room.in_thread(room.records.jobs.ask, job)
    await room.audit(
        who=job.asked_by,
        what="asked-read",
        subject=f"meter:{meter_id}",
        detail={"job": job.job_id, "kinds": [kind.value for kind in kinds]},
    )
    return JobAsked(job_id=job.job_id)


def _period(data: AskedRead, *, now_s: float) -> Period | None:
    if not data.start and not data.end:
        return None
    if not data.start:
        raise not_valid("from", "is needed with to")
    return asked_period(data.start, data.end or "now", now_s=now_s)


@get("/jobs/{job_id:str}", opt={"needs": Permission.READ_METERS})
async def job(request: AnyRequest, job_id: Annotated[str, PathParameter(max_length=64)]) -> JobRow:
    """How a job stands."""
    room = room_of(request)
    if job_id.startswith(CHECK_PREFIX):
        check = await room.in_thread(current_check, room.records, int(room.now()))
        if check is None or check.check_id != job_id:
            raise not_found("job")
        return _check_row(check)
    try:
        return job_row(await room.in_thread(room.records.jobs.get, job_id))
    except UnknownJob as problem:
        raise not_found("job") from problem


def _check_row(check: Check) -> JobRow:
    return JobRow(
        job_id=check.check_id,
        meter_id=None,
        state=check.state.value,
        progress=round(check.progress, 3),
        rows=check.rows,
        detail=check.detail,
        kinds=[kind.value for kind in COMPARED],
        asked_by=check.asked_by,
        asked_at=iso_ms(check.asked_ms),
    )


@get("/meters/{meter_id:int}/jobs", opt={"needs": Permission.READ_METERS})
async def jobs(request: AnyRequest, meter_id: MeterId) -> JobList:
    """The newest jobs of a meter."""
    room = room_of(request)
    place_of(request, meter_id)
    found = await room.in_thread(room.records.jobs.recent, meter_id, MOST_JOBS_SHOWN)
    return JobList(rows=[job_row(each) for each in found])


HANDLERS = (ask_read, job, jobs)
