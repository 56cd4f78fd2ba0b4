"""Evidence of a trial from real records: sums, power cuts, comparisons with the meters' own rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import JobState
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.headend.keys import Keyring
from bijlighar.operations.field_trial.checks import CheckUnderWay, compare_rows, current_check, request_check
from bijlighar.operations.field_trial.collect import power_cuts, register_sums
from bijlighar.operations.field_trial.current import current_scorecard
from bijlighar.operations.field_trial.define import NoMetersForTrial, begin_trial, common_place, consumer_meters
from bijlighar.operations.housekeeping import tend
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records

MIDNIGHT = 1_780_252_200  # 2026-06-01 00:00 in Kolkata
DAY = 86_400


def batch(
    kind: ProfileKind,
    meter_id: int,
    start_s: list[int],
    *,
    period_s: int = 0,
    received_s: int = 0,
    **channels: list[int],
) -> ReadingBatch:
    rows = len(start_s)
    return ReadingBatch(
        kind=kind,
        period_s=period_s,
        meter_id=np.full(rows, meter_id, np.int32),
        start_s=np.array(start_s, np.int64),
        received_s=np.full(rows, received_s or MIDNIGHT, np.int64),
        channels={name: np.array(column, np.int64) for name, column in channels.items()},
    )


def whole_days(days: int, meter_id: int = 1, wh: int = 20, received_s: int = 0) -> ReadingBatch:
    starts = [MIDNIGHT + k * 1800 for k in range(days * 48)]
    return batch(
        ProfileKind.BLOCK_LOAD,
        meter_id,
        starts,
        period_s=1800,
        received_s=received_s,
        import_wh=[wh] * len(starts),
    )


def midnights(days: int, meter_id: int = 1, wh_a_day: int = 960, received_s: int = 0) -> ReadingBatch:
    starts = [MIDNIGHT + k * DAY for k in range(days + 1)]
    registers = [1_000_000 + k * wh_a_day for k in range(days + 1)]
    return batch(ProfileKind.DAILY, meter_id, starts, received_s=received_s, import_wh=registers)


@pytest.mark.parametrize(("wh_a_day", "off"), [(960, 0), (960 + 260, 0), (960 + 261, 1), (960 - 261, 1)])
def test_blocks_are_held_against_midnight_registers(wh_a_day: int, off: int) -> None:
    """48 blocks of 10 Wh resolution may be 20 + 240 Wh from the register difference, and no more."""
    sums = register_sums(whole_days(1), midnights(1, wh_a_day=wh_a_day))
    assert (sums.days_compared, sums.days_off) == (1, off)


def test_a_day_with_a_missing_block_is_not_compared() -> None:
    blocks = whole_days(2)
    blocks.channels["import_wh"][5] = MISSING
    sums = register_sums(blocks, midnights(2))
    assert (sums.days_compared, sums.days_off) == (1, 0)


def test_power_cuts_are_paired_and_an_open_one_lasts() -> None:
    whole = Period(start_s=MIDNIGHT, end_s=MIDNIGHT + DAY)
    at = [MIDNIGHT + minute * 60 for minute in (10, 50, 600)]
    cuts = power_cuts(batch(ProfileKind.EVENT, 4, at, event_code=[101, 102, 101]), whole)
    assert cuts == {4: [Period(start_s=at[0], end_s=at[1]), Period(start_s=at[2], end_s=whole.end_s)]}


def test_rows_are_compared_value_by_value() -> None:
    kept, fresh = whole_days(1), whole_days(1)
    fresh.channels["import_wh"][[3, 7]] += 10
    kept.channels["import_wh"][9] = MISSING
    compared, wrong, examples = compare_rows(kept, fresh)
    assert (compared, wrong) == (48, 3)
    assert examples[0] == {"start_s": MIDNIGHT + 3 * 1800, "channel": "import_wh", "kept": 20, "meter": 30}
    assert examples[2]["kept"] == MISSING


SHEETS = {
    "divisions": "code,name,name_hi\nD1,Bijlighar Parade,बिजलीघर परेड\n",
    "substations": "code,name,division\nS1,Parade 33/11,D1\n",
    "feeders": "code,name,substation,limit_a\nF1,Parade feeder,S1,300\n",
    "transformers": "code,name,feeder,rating_kva,latitude,longitude\nT1,Sweet Home,F1,100,26.47,80.35\n",
    "usage_points": "code,kind,name,transformer,phase,sanctioned_load_w,address,latitude,longitude\n"
    "U1,consumer,Flat 101,T1,R,2000,Sweet Home,26.47,80.35\n"
    "U2,consumer,Flat 102,T1,Y,2000,Sweet Home,26.47,80.35\n"
    "UT,transformer,Sweet Home DT,T1,RYB,0,Sweet Home,26.47,80.35\n",
    "meters": "serial,system_title,category,model,usage_point,host,port,group,maker\n"
    "BJ00001,424A4C0000000001,D1,is15959-d1,U1,127.16.0.1,4059,Tower 1,BJL\n"
    "BJ00002,424A4C0000000002,D1,is15959-d1,U2,127.16.0.2,4059,Tower 1,BJL\n"
    "BJ00003,424A4C0000000003,D4,is15959-d4-transformer,UT,127.16.0.3,4059,Tower 1,BJL\n",
    "keys": "serial,encryption_key,authentication_key,reader_secret,setting_secret,master_key\n"
    + "".join(
        f"BJ0000{n},{'0' * 31}{n},{'1' * 31}{n},READER0{n},{'2' * 31}{n},{'3' * 31}{n}\n" for n in (1, 2, 3)
    ),
}


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    folder = tmp_path / "sheets"
    folder.mkdir()
    for name, text in SHEETS.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def test_the_registry_comes_in_with_sealed_keys_and_a_second_time_changes_nothing(
    sheets: Path, records_url: str, tmp_path: Path
) -> None:
    keyring = Keyring(bytes(range(32)))
    with Records(records_url, tmp_path / "data") as records:
        first = import_registry(records, sheets, keyring)
        assert (first.error_count, first.added) == (0, 13)
        again = import_registry(records, sheets, keyring)
        assert (again.added, again.changed, again.unchanged) == (0, 0, 13)
        sealed = records.keys.sealed_keys([1])[0]
        assert b"READER01" not in sealed.sealed
        assert keyring.unseal(sealed, "BJ00001").reader_secret == b"READER01"


def test_keys_without_a_master_key_are_refused_and_nothing_is_kept(
    sheets: Path, records_url: str, tmp_path: Path
) -> None:
    with Records(records_url, tmp_path / "data") as records:
        report = import_registry(records, sheets, None)
        assert report.error_count == 1
        assert records.registry.meters() == []


def test_a_trial_is_judged_from_records_and_a_check_compares_every_value(
    sheets: Path, records_url: str, tmp_path: Path
) -> None:
    now_s = MIDNIGHT + 4 * DAY
    with Records(records_url, tmp_path / "data", now=lambda: float(now_s)) as records:
        with pytest.raises(NoMetersForTrial):
            begin_trial(records, name="Sweet Home", name_hi="", now_s=now_s, meter_ids=consumer_meters(records))
        import_registry(records, sheets, Keyring(bytes(range(32))))
        members = consumer_meters(records)
        assert members == [1, 2]
        trial = begin_trial(records, name="Sweet Home", name_hi="", now_s=now_s, meter_ids=members, history_days=4)
        contacts = [
            Contact(
                meter_id=meter_id,
                started_ms=(MIDNIGHT + 600 + k * 1800) * 1000,
                purpose="block-load",
                outcome=Outcome.OK,
                latency_ms=800,
                clock_offset_ms=0,
            )
            for meter_id in members
            for k in range(4 * 48)
        ]
        contacts.append(
            Contact(meter_id=1, started_ms=(now_s - 60) * 1000, purpose="block-load", outcome=Outcome.STOPPED)
        )
        landed = [part for m in members for part in (whole_days(4, m), midnights(4, m))]
        records.landing.land(landed, contacts)

        check = request_check(records, trial, asked_by="meera", now_ms=now_s * 1000)
        with pytest.raises(CheckUnderWay):
            request_check(records, trial, asked_by="arun", now_ms=now_s * 1000 + 1)
        records.landing.land(
            [
                whole_days(4, 1, received_s=now_s + 5),
                midnights(4, 1, received_s=now_s + 5),
                whole_days(4, 2, wh=30, received_s=now_s + 5),
            ],
            [],
        )
        assert current_check(records, now_s).state is JobState.RUNNING  # type: ignore[union-attr]
        for job in records.jobs.claim("head-end", 10, now_s * 1000 + 10):
            records.jobs.report(
                job.job_id, state=JobState.DONE, rows=197, progress=1.0, detail="", now_ms=now_s * 1000 + 20
            )
        done = current_check(records, now_s + 10)
        assert done is not None
        assert (done.check_id, done.state, done.progress) == (check.check_id, JobState.DONE, 1.0)

        card = current_scorecard(records, now_s + 10)
        assert card is not None
        first, second = card.meters
        assert (first.kept.values_compared, first.kept.values_wrong) == (
            4 * 48 + 4,
            0,
        )  # the midnight of the asking itself is not over
        assert (second.kept.values_compared, second.kept.values_wrong) == (4 * 48, 4 * 48)
        assert first.kept.register_days_compared == 4
        assert first.sessions.tried == 4 * 48  # the one that ended with the head-end does not count
        assert card.evidence.division == "Bijlighar Parade"
        assert any("BJ00002" in found.detail_en for found in card.findings)


def test_housekeeping_ends_a_check_that_nobody_looks_at(sheets: Path, records_url: str, tmp_path: Path) -> None:
    now_s = MIDNIGHT + 4 * DAY
    with Records(records_url, tmp_path / "data", now=lambda: float(now_s)) as records:
        import_registry(records, sheets, Keyring(bytes(range(32))))
        members = consumer_meters(records)
        trial = begin_trial(records, name="T", name_hi="", now_s=now_s, meter_ids=members, history_days=4)
        records.landing.land([whole_days(4, 1)], [])
        request_check(records, trial, asked_by="meera", now_ms=now_s * 1000)
        records.landing.land([whole_days(4, 1, received_s=now_s + 5)], [])
        for job in records.jobs.claim("head-end", 10, now_s * 1000 + 10):
            state = JobState.DONE if job.meter_id == 1 else JobState.FAILED
            records.jobs.report(
                job.job_id, state=state, rows=192, progress=1.0, detail="", now_ms=now_s * 1000 + 20
            )
        tend(records, now_s + 60)
        assert [(c.meter_id, c.compared) for c in records.trials.checks(trial.trial_id) if c.compared] == [
            (1, 192)
        ]
        done = current_check(records, now_s + 61)
        assert done is not None
        assert done.detail == "1 of 2 meters were not reached"


@pytest.mark.parametrize(
    ("addresses", "place"),
    [
        (["Flat 1, Park House, Kanpur", "Flat 2, Park House, Kanpur"], "Park House, Kanpur"),
        (["Park House, Kanpur"], "Park House, Kanpur"),
        (["A, Kanpur", "B, Lucknow"], ""),
        ([], ""),
    ],
)
def test_a_trials_place_is_what_all_addresses_share(addresses: list[str], place: str) -> None:
    assert common_place(addresses) == place
