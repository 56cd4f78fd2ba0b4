"""Service levels of a day from real records: levels, bars, groups, faults in words, what is kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.exchange import JobState, ReadJob
from bijlighar.cim.readings import ReadingBatch
from bijlighar.mdm.service_levels.faults import Cause
from bijlighar.mdm.service_levels.limits import UnknownServiceLimit
from bijlighar.operations.service_levels.documents import Document, document, lines, sheet
from bijlighar.operations.service_levels.judged import LIMITS_KEY, judge
from bijlighar.operations.service_levels.keeping import ServiceLevelBoard
from bijlighar.operations.service_levels.places import read_places
from bijlighar.records import Records
from bijlighar.records.service_levels import KeptLevel, LevelPart
from bijlighar.records.settings import Setting
from operations.levels_town import DAY, DAY_S, HOUR, METERS, MIDNIGHT, PERIOD, Reading, write_registry

MORNING = PERIOD.end_s + 8 * HOUR
WHOLE = PERIOD.end_s + 72 * HOUR


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    with Records(records_url, tmp_path / "data", now=lambda: MIDNIGHT - HOUR) as opened:
        assert opened.registry.import_folder(write_registry(tmp_path / "sheets")).error_count == 0
        yield opened


def told(records: Records, now_s: int = WHOLE) -> Document:
    return document(judge(records, read_places(records), DAY, now_s))


def kind_of(report: Document, kind: str) -> Document:
    return next(each for each in report["kinds"] if each["kind"] == kind)


def bars(report: Document, kind: str) -> dict[str, tuple[float | None, bool | None]]:
    return {bar["code"]: (bar["measured"], bar["kept"]) for bar in kind_of(report, kind)["bars"]}


def test_a_day_read_as_it_should_keeps_every_bar_and_names_no_fault(records: Records) -> None:
    Reading().land(records)
    report = told(records)
    assert report["meters"] == METERS
    assert bars(report, "block-load") == dict.fromkeys(("morning", "day", "backfill", "second"), (1.0, True))
    assert bars(report, "daily")["morning"] == (1.0, True)
    assert kind_of(report, "instantaneous")["expected_rows"] == METERS * 3
    assert [each["kind"] for each in report["kinds"]] == ["block-load", "daily", "instantaneous"]
    assert (report["faults"], report["causes"], report["final"]) == ([], [], True)


def test_hours_to_come_are_not_told_and_their_bars_neither_kept_nor_missed(records: Records) -> None:
    Reading().land(records)
    report = told(records, MORNING + 60)
    assert kind_of(report, "block-load")["share"][:3] == [1.0, 1.0, None]
    assert bars(report, "block-load")["morning"] == (1.0, True)
    assert bars(report, "block-load")["day"] == (None, None)
    assert report["final"] is False
    assert report["groups"]["tower"][0]["block-load"] == [1.0, None, None]


def test_a_silent_tower_is_named_first_with_its_hours_and_its_meters(records: Records) -> None:
    reading = Reading()
    reading.spoil(slice(20, 40), slice(22, 32))
    reading.spoil([3], slice(0, 32), Outcome.REFUSED)
    reading.land(records)
    report = told(records)
    first, second = report["faults"]
    assert (first["rank"], first["scope"], first["name"], first["cause"]) == (
        1,
        "tower",
        "tower-1",
        "tower-outage",
    )
    assert first["lost_h"] == 200.0
    assert "01-06-2026 22:00–02-06-2026 08:00: 20 of its 20 meters" in first["detail_en"]
    assert "टावर tower-1" in first["detail_hi"]
    assert (second["cause"], second["name"], second["meter_id"]) == ("keys-refused", "ML0003", 4)
    assert "64 of 64" in second["detail_en"]
    # the tower's meters lack the blocks that end after 21:30: 5 of 48; the refusing meter lacks all
    assert bars(report, "block-load")["morning"][0] == pytest.approx((39 + 20 * 43 / 48) / 60, abs=1e-5)
    worst = report["groups"]["tower"]
    assert [(group["code"], group["meters"]) for group in worst[:2]] == [("tower-1", 20), ("tower-0", 20)]
    division = {group["code"]: group for group in report["groups"]["division"]}
    assert (division["D1"]["name"], division["D1"]["name_hi"]) == ("Bijlighar Parade", "बिजलीघर परेड")
    assert division["D2"]["block-load"][0] == 1.0


def test_blocks_without_supply_are_not_owed(records: Records) -> None:
    reading = Reading()
    reading.land(records)
    day = records.readings.table(ProfileKind.BLOCK_LOAD, [1], PERIOD)
    assert len(day) == 48
    with_cut = told(records)
    at_s = np.array([MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR])
    records.landing.land(
        [
            ReadingBatch(
                kind=ProfileKind.EVENT,
                period_s=0,
                meter_id=np.full(2, 1, np.int32),
                start_s=at_s,
                received_s=at_s + 60,
                channels={"event_code": np.array([101, 102])},
            )
        ],
        [],
    )
    assert told(records)["kinds"][0]["expected_rows"] == with_cut["kinds"][0]["expected_rows"], "it has them all"


def test_a_meter_that_came_in_the_middle_of_the_day_is_not_expected_of_it(
    records_url: str, tmp_path: Path
) -> None:
    with Records(records_url, tmp_path / "data", now=lambda: MIDNIGHT + HOUR) as late:
        late.registry.import_folder(write_registry(tmp_path / "sheets"))
        Reading().land(late)
        report = told(late)
        assert report["meters"] == 0
        assert bars(report, "block-load")["morning"] == (None, None)
        assert ServiceLevelBoard().keep_final(late, WHOLE + HOUR) is None


def test_limits_are_dated_rows_of_the_settings(records: Records) -> None:
    reading = Reading()
    reading.spoil(slice(0, 6), slice(0, 32))
    reading.land(records)
    assert bars(told(records), "block-load")["morning"] == (0.9, False)

    def put(value: object) -> None:
        records.settings.put(
            Setting(key=LIMITS_KEY, value=value, valid_from_s=MIDNIGHT, changed_by="meera", changed_s=MIDNIGHT)
        )

    put({"morning_share": 0.9})
    assert bars(told(records), "block-load")["morning"] == (0.9, True)
    put({"morning_sahre": 0.9})
    with pytest.raises(UnknownServiceLimit):
        told(records)


def test_reads_on_demand_are_held_against_their_bars_and_the_trial_s_own_checks_are_not(records: Records) -> None:
    Reading().land(records)
    for number, took_s in enumerate([5] * 18 + [90, 400]):
        _job(records, f"job-{number}", took_s, JobState.DONE)
    _job(records, "job-failed", 30, JobState.FAILED)
    _job(records, "check-1-1", 5000, JobState.DONE)
    asked = told(records)["on_demand"]
    assert (asked["done"], asked["failed"]) == (20, 1)
    assert [(bar["code"], bar["kept"]) for bar in asked["bars"]] == [
        ("on-demand-p90", True),
        ("on-demand-p99", False),
    ]


def _job(records: Records, name: str, took_s: int, state: JobState) -> None:
    asked_ms = (MIDNIGHT + HOUR) * 1000
    records.jobs.ask(
        ReadJob(
            job_id=name,
            meter_id=1,
            kinds=(ProfileKind.INSTANTANEOUS,),
            period=None,
            asked_by="meera",
            asked_ms=asked_ms,
        )
    )
    records.jobs.report(name, state=state, rows=1, progress=1.0, detail="", now_ms=asked_ms + took_s * 1000)


def test_alarms_are_told_as_the_control_room_counted_them(records: Records) -> None:
    assert told(records)["alarms"]["bars"][0]["measured"] is None
    counted = KeptLevel(made_s=WHOLE, content={"0": 90, "2": 5, "40": 5})
    records.service_levels.put(DAY, LevelPart.ALARM_DELAYS, counted)
    alarms = told(records)["alarms"]
    assert (alarms["done"], alarms["bars"][0]["measured"], alarms["bars"][0]["kept"]) == (100, 2.0, True)


def test_the_last_day_of_a_month_is_held_against_the_bar_of_billing(records: Records) -> None:
    may = DAY - timedelta(days=1)
    report = document(judge(records, read_places(records), may, MIDNIGHT + 9 * HOUR))
    assert report["meters"] == 0
    billing = kind_of(report, "billing")
    assert [bar["code"] for bar in billing["bars"]] == ["morning", "backfill"]


def test_a_day_whose_last_cut_off_has_passed_is_kept_for_good(records: Records) -> None:
    Reading().land(records)
    board = ServiceLevelBoard()
    early = board.document(records, DAY, MORNING)
    assert records.service_levels.get(DAY, LevelPart.REPORT) is None
    assert board.document(records, DAY, MORNING + 1) is early, "fresh enough"
    assert board.keep_final(records, WHOLE - 1) is None
    assert board.keep_final(records, WHOLE + HOUR) == DAY
    assert board.keep_final(records, WHOLE + HOUR) is None
    records.landing.land([], [])
    kept = ServiceLevelBoard().document(records, DAY, WHOLE + 300 * DAY_S)
    assert kept["final"] is True
    assert kept["made_at"] == "2026-06-04T19:30:00Z"


def test_the_sheet_names_every_bar_and_runs_no_formula(records: Records) -> None:
    reading = Reading()
    reading.spoil(slice(20, 40), slice(22, 32))
    reading.land(records)
    report = told(records)
    report["faults"][0]["name"] = "=cmd()"
    rows = list(csv.DictReader(io.StringIO(sheet(report))))
    assert {row["table"] for row in rows} >= {"completeness", "bar", "division", "tower", "make", "fault"}
    morning = next(row for row in rows if (row["table"], row["name"], row["what"]) == ("bar", "daily", "morning"))
    assert (morning["hours"], morning["limit"], morning["kept"]) == ("8", "0.95", "False")
    assert next(row for row in rows if row["table"] == "fault")["name"] == "'=cmd()"
    text = "\n".join(lines(report))
    assert "block-load       8 h" in text
    assert "MISSED" in text
    assert Cause.TOWER_OUTAGE.value not in text, "people read sentences"
