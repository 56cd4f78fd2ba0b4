"""The queue of on-demand reads, shared by processes through the database.

A job goes to the head-end that holds the lease of its meter's communication group (``leases``), and waits again
as soon as that head-end's life has ended. Whoever claims without leases has a job for a while only, and each
report renews it. After a few owners that ended in the middle a job fails, so that one poisonous job cannot stop
the queue.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, case, exc, insert, or_, select, update

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState, ReadJob
from bijlighar.cim.period import Period
from bijlighar.records import tables
from bijlighar.records.counters import UnknownMeter
from bijlighar.records.database import Database
from bijlighar.records.leases import leased_group

LEASE_MS = 120_000
"""A silent owner keeps a job this long: twice the slowest session, so that a slow meter is not read by two."""

CLAIM_LIMIT = 3
"""A job whose third owner died fails instead of being tried again."""

_kept = tables.jobs
_ENDED = (JobState.DONE.value, JobState.FAILED.value)


class UnknownJob(Exception):
    """No such job was asked for."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} is not known")
        self.job_id = job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """How long a job took: instants of the utility's clock in milliseconds; ``done`` False when it failed."""

    job_id: str
    asked_ms: int
    ended_ms: int
    done: bool


class ReadJobs:
    """Ask, claim, report, look."""

    def __init__(self, database: Database, *, lease_ms: int = LEASE_MS) -> None:
        self._database = database
        self._lease_ms = lease_ms

    def ask(self, job: ReadJob) -> None:
        """Queue a job. Asking for the same ``job_id`` again changes nothing. Raises UnknownMeter, Unavailable."""
        values = {
            "job_id": job.job_id,
            "meter_id": job.meter_id,
            "kinds": json.dumps([kind.value for kind in job.kinds]),
            "start_s": None if job.period is None else job.period.start_s,
            "end_s": None if job.period is None else job.period.end_s,
            "asked_by": job.asked_by,
            "asked_ms": job.asked_ms,
            "state": job.state.value,
            "rows": job.rows,
            "progress": job.progress,
            "detail": job.detail,
            "claims": 0,
            "changed_ms": job.asked_ms,
        }
        try:
            with self._database.write() as connection:
                if connection.execute(select(_kept.c.job_id).where(_kept.c.job_id == job.job_id)).first() is None:
                    connection.execute(insert(_kept).values(values))
        except exc.IntegrityError as refusal:
            raise UnknownMeter(job.meter_id) from refusal

    def get(self, job_id: str) -> ReadJob:
        """One job as it stands. Raises UnknownJob, Unavailable."""
        with self._database.read() as connection:
            row = connection.execute(select(_kept).where(_kept.c.job_id == job_id)).mappings().first()
        if row is None:
            raise UnknownJob(job_id)
        return _job(row)

    def recent(self, meter_id: int | None = None, limit: int = 50) -> list[ReadJob]:
        """The newest jobs of one meter, or of all."""
        query = select(_kept).order_by(_kept.c.asked_ms.desc(), _kept.c.job_id).limit(limit)
        if meter_id is not None:
            query = query.where(_kept.c.meter_id == meter_id)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def ended(self, asked: Period) -> list[EndedJob]:
        """Jobs asked for in a period that have ended, by the moment they were asked for. Raises Unavailable."""
        query = select(_kept.c.job_id, _kept.c.asked_ms, _kept.c.changed_ms, _kept.c.state).where(
            _kept.c.asked_ms >= asked.start_s * 1000, _kept.c.asked_ms < asked.end_s * 1000
        )
        query = query.where(_kept.c.state.in_(_ENDED)).order_by(_kept.c.asked_ms, _kept.c.job_id)
        with self._database.read() as connection:
            return [
                EndedJob(job_id=job_id, asked_ms=asked_ms, ended_ms=ended_ms, done=state == JobState.DONE.value)
                for job_id, asked_ms, ended_ms, state in connection.execute(query)
            ]

    def claim(self, owner: str, limit: int, now_ms: int, *, life: str | None = None) -> list[ReadJob]:
        """Take up to ``limit`` waiting jobs, oldest first; each goes to one owner only. Raises Unavailable.

        With ``life`` only those of meters whose group is leased to it, or to nobody ever; the owner is the life.
        """
        wanted = _kept.c.state == JobState.WAITING.value
        if life is not None:
            wanted &= _leased_to(life)
        if not self._anything_to_claim(wanted, now_ms):
            return []
        waiting = (
            select(_kept.c.job_id)
            .where(wanted)
            .order_by(_kept.c.asked_ms, _kept.c.job_id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=_kept)
        )
        with self._database.write() as connection:
            _release_lapsed(connection, now_ms)
            taken = list(connection.execute(waiting).scalars())
            if not taken:
                return []
            until_ms = now_ms + self._lease_ms if life is None else None
            lease = {"owner": life or owner, "lease_until_ms": until_ms, "changed_ms": now_ms}
            connection.execute(
                update(_kept)
                .where(_kept.c.job_id.in_(taken))
                .values(state=JobState.RUNNING.value, claims=_kept.c.claims + 1, **lease)
            )
            rows = connection.execute(select(_kept).where(_kept.c.job_id.in_(taken))).mappings().all()
        return sorted((_job(row) for row in rows), key=lambda job: (job.asked_ms, job.job_id))

    def give_back(self, life: str, job_ids: Sequence[str]) -> None:
        """These jobs of ``life`` wait again, as if never claimed: their group goes to another head-end."""
        mine = (_kept.c.owner == life) & _kept.c.job_id.in_(job_ids) & (_kept.c.state == JobState.RUNNING.value)
        free = {"state": JobState.WAITING.value, "owner": None, "lease_until_ms": None}
        with self._database.write() as connection:
            connection.execute(update(_kept).where(mine).values(claims=_kept.c.claims - 1, **free))

    def _anything_to_claim(self, wanted: ColumnElement[bool], now_ms: int) -> bool:
        """Look before taking the writer's lock: an idle head-end asks several times a second."""
        query = select(_kept.c.job_id).where(or_(wanted, _lapsed(now_ms))).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def report(
        self,
        job_id: str,
        *,
        state: JobState,
        rows: int,
        progress: float,
        detail: str,
        now_ms: int,
        life: str | None = None,
    ) -> None:
        """Keep how a job stands and renew its lease. ``progress`` runs from 0 to 1.

        A job that has ended stays as it ended: a late word of an owner whose lease lapsed changes nothing. Nor
        does a ``life`` that has the job no more, unless it says that the job is done: then its rows are durable.
        Raises UnknownJob, Unavailable, and ValueError for a progress outside [0, 1].
        """
        if not 0 <= progress <= 1:
            raise ValueError(f"progress {progress} is not between 0 and 1")
        values = {"state": state.value, "rows": rows, "progress": progress, "detail": detail, "changed_ms": now_ms}
        lease = None
        if state is JobState.RUNNING:
            lease = case((_kept.c.lease_until_ms.is_not(None), now_ms + self._lease_ms))
        statement = update(_kept).where(_kept.c.job_id == job_id, _kept.c.state.not_in(_ENDED))
        if life is not None and state is not JobState.DONE:
            statement = statement.where(_kept.c.owner == life)
        with self._database.write() as connection:
            changed = connection.execute(statement.values(lease_until_ms=lease, **values)).rowcount
            known = select(_kept.c.job_id).where(_kept.c.job_id == job_id)
            if changed == 0 and connection.execute(known).first() is None:
                raise UnknownJob(job_id)


def _leased_to(life: str) -> ColumnElement[bool]:
    """Jobs of meters whose group ``life`` holds; nobody's groups are anybody's, so that no job waits for ever."""
    meters, leases = tables.meters, tables.leases
    group = select(leased_group()).where(meters.c.meter_id == _kept.c.meter_id).scalar_subquery()
    mine = select(leases.c.communication_group).where(leases.c.life == life)
    known = select(leases.c.communication_group)
    return or_(group.in_(mine), group.not_in(known))


def _lapsed(now_ms: int) -> ColumnElement[bool]:
    """Running jobs whose owner's life has ended, or who claimed without one and was silent for too long."""
    lives = select(tables.headends.c.life)
    over = or_(_kept.c.lease_until_ms <= now_ms, _kept.c.lease_until_ms.is_(None) & _kept.c.owner.not_in(lives))
    return (_kept.c.state == JobState.RUNNING.value) & over


def _release_lapsed(connection: Connection, now_ms: int) -> None:
    lapsed = _lapsed(now_ms)
    free = {"owner": None, "lease_until_ms": None, "changed_ms": now_ms}
    connection.execute(
        update(_kept)
        .where(lapsed, _kept.c.claims >= CLAIM_LIMIT)
        .values(
            state=JobState.FAILED.value, detail=f"given up: {CLAIM_LIMIT} owners stopped in the middle", **free
        )
    )
    connection.execute(update(_kept).where(lapsed).values(state=JobState.WAITING.value, **free))


def _job(row: RowMapping) -> ReadJob:
    bounded = row["start_s"] is not None
    return ReadJob(
        job_id=row["job_id"],
        meter_id=row["meter_id"],
        kinds=tuple(ProfileKind(kind) for kind in json.loads(row["kinds"])),
        period=Period(start_s=row["start_s"], end_s=row["end_s"]) if bounded else None,
        asked_by=row["asked_by"],
        asked_ms=row["asked_ms"],
        state=JobState(row["state"]),
        rows=row["rows"],
        progress=row["progress"],
        detail=row["detail"],
    )
