"""Rows and contacts segment by segment, each as it was landed; ended jobs and what is told of a day are kept."""

from __future__ import annotations

from datetime import date

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import JobState, ReadJob
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records import Records
from bijlighar.records.service_levels import KeptLevel, LevelPart

T0 = 1_780_252_200


def blocks(meter: int, received_s: int) -> ReadingBatch:
    starts = T0 + np.arange(3) * 1800
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=np.full(3, meter, np.int32),
        start_s=starts,
        received_s=np.full(3, received_s),
        channels={"import_wh": np.array([1, 2, MISSING])},
    )


def test_every_receipt_of_a_row_is_told(trial: Records) -> None:
    trial.landing.land([blocks(1, T0 + 9000)], [])
    trial.landing.land([blocks(1, T0 + 90_000)], [])
    found = list(trial.pieces.rows(ProfileKind.BLOCK_LOAD, Period(start_s=T0, end_s=T0 + 5400), ["import_wh"]))
    assert sorted(int(piece.received_s[0]) for piece in found) == [T0 + 9000, T0 + 90_000]
    assert {piece.period_s for piece in found} == {1800}
    assert found[0].channels["import_wh"].tolist() == [1, 2, MISSING]


def test_contacts_come_in_codes(trial: Records) -> None:
    told = [
        Contact(meter_id=1, started_ms=T0 * 1000 + 1, purpose="daily", outcome=Outcome.REFUSED, signal_dbm=-91),
        Contact(meter_id=2, started_ms=T0 * 1000 + 2000, purpose="daily", outcome=Outcome.OK, clock_offset_ms=-7),
    ]
    trial.landing.land([], told)
    (piece,) = trial.pieces.contacts(Period(start_s=T0, end_s=T0 + 60))
    outcomes = list(Outcome)
    assert [outcomes[code] for code in piece.outcome] == [Outcome.REFUSED, Outcome.OK]
    assert piece.started_s.tolist() == [T0, T0 + 2]
    assert piece.signal_dbm.tolist() == [-91, MISSING]
    assert piece.clock_offset_ms.tolist() == [MISSING, -7]


def test_how_long_a_job_took_is_known_when_it_has_ended(trial: Records) -> None:
    for number in (1, 2):
        trial.jobs.ask(
            ReadJob(
                job_id=f"job-{number}",
                meter_id=1,
                kinds=(ProfileKind.INSTANTANEOUS,),
                period=None,
                asked_by="meera",
                asked_ms=T0 * 1000 + number,
            )
        )
    trial.jobs.report("job-1", state=JobState.DONE, rows=1, progress=1.0, detail="", now_ms=T0 * 1000 + 12_001)
    (ended,) = trial.jobs.ended(Period(start_s=T0, end_s=T0 + 60))
    assert (ended.job_id, ended.ended_ms - ended.asked_ms, ended.done) == ("job-1", 12_000, True)
    assert trial.jobs.ended(Period(start_s=T0 + 1, end_s=T0 + 60)) == []


def test_what_was_told_of_a_day_is_kept_and_the_last_word_holds(trial: Records) -> None:
    day = date(2026, 6, 1)
    assert trial.service_levels.get(day, LevelPart.REPORT) is None
    trial.service_levels.put(day, LevelPart.REPORT, KeptLevel(made_s=1, content={"नाम": 1}))
    trial.service_levels.put(day, LevelPart.REPORT, KeptLevel(made_s=2, content={"नाम": 2}))
    assert trial.service_levels.get(day, LevelPart.REPORT) == KeptLevel(made_s=2, content={"नाम": 2})
    assert trial.service_levels.get(day, LevelPart.ALARM_DELAYS) is None
