"""Comparing every stored value with what the meter itself holds.

A check reads all meters of the trial again, whole, and compares the rows that come back with those that were kept
before: the store keeps every version, so nothing is lost by reading twice. A check survives a restart: its jobs
and the store's generation before it are kept with the settings.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState, ReadJob
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.operations.field_trial.collect import picked
from bijlighar.records import Records
from bijlighar.records.settings import Setting
from bijlighar.records.trials import Trial, TrialCheck

COMPARED = (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY, ProfileKind.BILLING)
"""Profiles that a meter still holds after days; an instantaneous value is gone the next second."""

MOST_EXAMPLES = 20
"""Wrong values told one by one for a meter and kind; the count tells the rest."""

CHECK_PREFIX = "check-"
"""Check numbers begin with this, so that they cannot be taken for a read job's."""

_KEY = "trial-check"
_ENDED = (JobState.DONE, JobState.FAILED)


class CheckUnderWay(Exception):
    """A check of this trial is still running. ``check_id`` is its number."""

    def __init__(self, check_id: str) -> None:
        super().__init__(f"check {check_id} is still running")
        self.check_id = check_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check as it stands. ``progress`` runs from 0 to 1, ``rows`` counts rows read again."""

    check_id: str
    trial_id: int
    asked_by: str
    asked_ms: int
    generation: int
    jobs: tuple[str, ...]
    state: JobState = JobState.RUNNING
    rows: int = 0
    progress: float = 0.0
    detail: str = ""


def request_check(records: Records, trial: Trial, *, asked_by: str, now_ms: int) -> Check:
    """Ask for every meter of the trial to be read again. Raises CheckUnderWay, Unavailable."""
    running = current_check(records, now_ms // 1000)
    if running is not None and running.trial_id == trial.trial_id and running.state not in _ENDED:
        raise CheckUnderWay(running.check_id)
    check_id = CHECK_PREFIX + secrets.token_hex(8)
    period = Period(start_s=trial.started_s, end_s=now_ms // 1000)
    jobs = [
        ReadJob(
            job_id=f"{check_id}-{meter_id}",
            meter_id=meter_id,
            kinds=COMPARED,
            period=period,
            asked_by=asked_by,
            asked_ms=now_ms,
        )
        for meter_id in trial.meters
    ]
    check = Check(
        check_id=check_id,
        trial_id=trial.trial_id,
        asked_by=asked_by,
        asked_ms=now_ms,
        generation=records.readings.pin(ProfileKind.BLOCK_LOAD).generation,
        jobs=tuple(job.job_id for job in jobs),
    )
    _keep(records, check, "asked")
    for job in jobs:
        records.jobs.ask(job)
    return check


def current_check(records: Records, now_s: int) -> Check | None:
    """The newest check as it stands, compared and kept as soon as its last read has ended. Raises Unavailable."""
    kept = records.settings.setting(_KEY, now_s)
    if kept is None:
        return None
    check, stage = _from(kept.value), kept.value["stage"]
    jobs = [records.jobs.get(job_id) for job_id in check.jobs]
    ended = [job for job in jobs if job.state in _ENDED]
    failed = [job for job in jobs if job.state is JobState.FAILED]
    if stage == "asked" and len(ended) == len(jobs):
        _compare(records, check, [job.meter_id for job in jobs if job.state is JobState.DONE], now_s)
        _keep(records, check, "compared")
        stage = "compared"
    done = stage == "compared"
    return Check(
        check_id=check.check_id,
        trial_id=check.trial_id,
        asked_by=check.asked_by,
        asked_ms=check.asked_ms,
        generation=check.generation,
        jobs=check.jobs,
        state=JobState.DONE if done else JobState.RUNNING,
        rows=sum(job.rows for job in jobs),
        progress=1.0 if done else sum(1.0 if job in ended else job.progress for job in jobs) / max(1, len(jobs)),
        detail=f"{len(failed)} of {len(jobs)} meters were not reached" if done and failed else "",
    )


def _compare(records: Records, check: Check, meter_ids: list[int], now_s: int) -> None:
    trial = records.trials.get(check.trial_id)
    period = Period(start_s=trial.started_s, end_s=check.asked_ms // 1000)
    found = []
    for meter_id in meter_ids:
        for kind in COMPARED:
            before = records.readings.table(kind, [meter_id], period, generation=check.generation)
            now = records.readings.rows(kind, meter_id, period)
            fresh = picked(now, now.received_s >= check.asked_ms // 1000)
            compared, wrong, examples = compare_rows(before, fresh)
            found.append(
                TrialCheck(
                    trial_id=check.trial_id,
                    meter_id=meter_id,
                    kind=kind,
                    compared=compared,
                    wrong=wrong,
                    examples=examples,
                    at_s=now_s,
                )
            )
    records.trials.put_checks(found)


def compare_rows(before: ReadingBatch, fresh: ReadingBatch) -> tuple[int, int, list[dict[str, Any]]]:
    """Values of one meter kept ``before`` against those read ``fresh``, row by row of the same start.

    Returns values compared, values that differ, and some that do. A row that only one side has is not compared.
    """
    _, left, right = np.intersect1d(before.start_s, fresh.start_s, return_indices=True)
    compared = wrong = 0
    examples: list[dict[str, Any]] = []
    for name, column in fresh.channels.items():
        read = column[right]
        kept = before.channels.get(name, np.full(len(before), MISSING, np.int64))[left]
        there = (read != MISSING) | (kept != MISSING)
        differs = np.flatnonzero(there & (read != kept))
        compared += int(np.count_nonzero(there))
        wrong += len(differs)
        for row in differs[: MOST_EXAMPLES - len(examples)].tolist():
            start_s = int(fresh.start_s[right[row]])
            examples.append({"start_s": start_s, "channel": name, "kept": int(kept[row]), "meter": int(read[row])})
    return compared, wrong, examples


def _keep(records: Records, check: Check, stage: str) -> None:
    value = {
        "check_id": check.check_id,
        "trial_id": check.trial_id,
        "asked_by": check.asked_by,
        "asked_ms": check.asked_ms,
        "generation": check.generation,
        "jobs": list(check.jobs),
        "stage": stage,
    }
    at_s = check.asked_ms // 1000
    records.settings.put(
        Setting(key=_KEY, value=value, valid_from_s=at_s, changed_by=check.asked_by, changed_s=at_s)
    )


def _from(value: Mapping[str, Any]) -> Check:
    names = ("check_id", "trial_id", "asked_by", "asked_ms", "generation")
    return Check(jobs=tuple(value["jobs"]), **{name: value[name] for name in names})
