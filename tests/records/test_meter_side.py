"""Counters, keys, layouts, nameplates and jobs: what the head-end keeps of a meter."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState, Nameplate, ReadJob, SealedKeys, Unavailable
from bijlighar.cim.period import Period
from bijlighar.records import Records
from bijlighar.records.counters import COUNTER_LIMIT, CountersExhausted, UnknownMeter
from bijlighar.records.jobs import CLAIM_LIMIT, LEASE_MS, UnknownJob

NAMEPLATE = Nameplate(
    meter_id=1,
    serial="BJ0001",
    device_id="BIJ424A4C01",
    manufacturer="Bijli",
    firmware="1.0",
    meter_type=6,
    category="D1",
    current_rating="5-30A",
    year=2025,
    read_s=1_000,
)


def _job(name: str, asked_ms: int = 0, meter_id: int = 1) -> ReadJob:
    return ReadJob(
        job_id=name,
        meter_id=meter_id,
        kinds=(ProfileKind.INSTANTANEOUS, ProfileKind.BLOCK_LOAD),
        period=Period(start_s=0, end_s=1800),
        asked_by="asha",
        asked_ms=asked_ms,
    )


def test_counters_follow_each_other(trial: Records) -> None:
    assert trial.counters.reserve(1, 48, 10) == 0
    assert trial.counters.reserve(1, 48, 5) == 10
    assert trial.counters.reserve(1, 32, 5) == 0
    assert trial.counters.reserve(2, 48, 5, at_least=1_000) == 1_000
    assert trial.counters.reserve(2, 48, 5, at_least=7) == 1_005


def test_a_counter_is_never_handed_out_past_its_32_bits(trial: Records) -> None:
    assert trial.counters.reserve(1, 48, 1, at_least=COUNTER_LIMIT - 1) == COUNTER_LIMIT - 1
    with pytest.raises(CountersExhausted):
        trial.counters.reserve(1, 48, 1)


def test_counters_of_an_unknown_meter_are_refused(trial: Records) -> None:
    with pytest.raises(UnknownMeter):
        trial.counters.reserve(99, 48, 1)
    with pytest.raises(ValueError, match="cannot reserve"):
        trial.counters.reserve(1, 48, 0)


def test_restored_counters_are_advanced(trial: Records) -> None:
    trial.counters.reserve(1, 48, 10)
    trial.counters.advance_all(1_000_000)
    assert trial.counters.reserve(1, 48, 1) == 1_000_010


def test_threads_get_different_counters(trial: Records) -> None:
    firsts: list[int] = []
    threads = [
        threading.Thread(target=lambda: firsts.extend(trial.counters.reserve(1, 48, 3) for _ in range(10)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == list(range(0, 120, 3))


def test_newest_sealed_keys_win(trial: Records) -> None:
    version = trial.registry.version()
    trial.keys.put_sealed_keys([SealedKeys(meter_id=2, sealed=b"new")])
    assert trial.keys.sealed_keys([2, 1]) == [
        SealedKeys(meter_id=1, sealed=b"sealed BJ0001"),
        SealedKeys(meter_id=2, sealed=b"new"),
    ]
    assert len(trial.keys.sealed_keys()) == 12
    assert trial.registry.version() > version
    with pytest.raises(UnknownMeter):
        trial.keys.put_sealed_keys([SealedKeys(meter_id=99, sealed=b"")])


def test_layouts_are_kept_by_model_firmware_and_profile(records: Records) -> None:
    assert records.layouts.layout("is15959-d1", "1.0", "daily") is None
    records.layouts.put_layout("is15959-d1", "1.0", "daily", b"one")
    records.layouts.put_layout("is15959-d1", "1.0", "daily", b"two")
    records.layouts.put_layout("is15959-d1", "1.1", "daily", b"three")
    assert records.layouts.layout("is15959-d1", "1.0", "daily") == b"two"


def test_every_change_of_a_nameplate_is_kept(trial: Records) -> None:
    assert trial.nameplates.nameplate(1) is None
    trial.nameplates.put_nameplate(NAMEPLATE)
    trial.nameplates.put_nameplate(replace(NAMEPLATE, read_s=2_000))
    trial.nameplates.put_nameplate(replace(NAMEPLATE, read_s=3_000, firmware="1.1"))
    assert trial.nameplates.nameplate(1) == replace(NAMEPLATE, read_s=3_000, firmware="1.1")
    assert [plate.firmware for plate in trial.nameplates.history(1)] == ["1.0", "1.1"]
    with pytest.raises(UnknownMeter):
        trial.nameplates.put_nameplate(replace(NAMEPLATE, meter_id=99))


def test_jobs_are_claimed_oldest_first_and_once(trial: Records) -> None:
    for name, asked_ms in (("c", 3), ("a", 1), ("b", 2)):
        trial.jobs.ask(_job(name, asked_ms))
    assert [job.job_id for job in trial.jobs.claim("one", 2, 10)] == ["a", "b"]
    assert [job.job_id for job in trial.jobs.claim("two", 2, 10)] == ["c"]
    assert trial.jobs.claim("two", 2, 10) == []
    assert trial.jobs.get("a") == replace(_job("a", 1), state=JobState.RUNNING)


def test_a_report_is_kept(trial: Records) -> None:
    trial.jobs.ask(_job("a"))
    trial.jobs.claim("one", 1, 0)
    trial.jobs.report("a", state=JobState.RUNNING, rows=10, progress=0.5, detail="half", now_ms=5)
    assert (trial.jobs.get("a").progress, trial.jobs.get("a").detail) == (0.5, "half")
    trial.jobs.report("a", state=JobState.DONE, rows=20, progress=1.0, detail="", now_ms=6)
    trial.jobs.report("a", state=JobState.FAILED, rows=0, progress=0.0, detail="late", now_ms=7)
    assert (trial.jobs.get("a").state, trial.jobs.get("a").rows) == (JobState.DONE, 20)


def test_a_dead_owners_jobs_wait_again_and_are_given_up_in_the_end(trial: Records) -> None:
    trial.jobs.ask(_job("a"))
    now_ms = 0
    for _ in range(CLAIM_LIMIT):
        assert len(trial.jobs.claim("one", 1, now_ms)) == 1
        assert trial.jobs.claim("two", 1, now_ms + LEASE_MS - 1) == []
        now_ms += LEASE_MS
    assert trial.jobs.claim("two", 1, now_ms) == []
    assert trial.jobs.get("a").state is JobState.FAILED


def test_a_report_renews_the_lease(trial: Records) -> None:
    trial.jobs.ask(_job("a"))
    trial.jobs.claim("one", 1, 0)
    trial.jobs.report("a", state=JobState.RUNNING, rows=0, progress=0.1, detail="", now_ms=LEASE_MS - 1)
    assert trial.jobs.claim("two", 1, LEASE_MS + 1) == []


def test_many_claimers_share_the_jobs(trial: Records) -> None:
    for number in range(40):
        trial.jobs.ask(_job(f"{number:02d}", number))
    taken: list[str] = []

    def claim(owner: str) -> None:
        while True:
            try:
                jobs = trial.jobs.claim(owner, 3, 100)
            except Unavailable:  # a disk that stood still for seconds: nothing was claimed
                continue
            if not jobs:
                return
            taken.extend(job.job_id for job in jobs)

    threads = [threading.Thread(target=claim, args=(f"owner {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [f"{number:02d}" for number in range(40)]


def test_jobs_are_listed_newest_first_and_unknown_ones_told(trial: Records) -> None:
    trial.jobs.ask(_job("a", 1))
    trial.jobs.ask(_job("b", 2, meter_id=2))
    trial.jobs.ask(_job("b", 3, meter_id=2))
    assert [job.job_id for job in trial.jobs.recent()] == ["b", "a"]
    assert [job.job_id for job in trial.jobs.recent(1)] == ["a"]
    with pytest.raises(UnknownJob):
        trial.jobs.get("z")
    with pytest.raises(UnknownJob):
        trial.jobs.report("z", state=JobState.DONE, rows=0, progress=1, detail="", now_ms=0)
    with pytest.raises(UnknownMeter):
        trial.jobs.ask(_job("d", meter_id=99))
