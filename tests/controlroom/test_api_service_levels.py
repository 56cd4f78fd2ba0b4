"""Service levels over HTTP and at the terminal, and the delay of alarms on their way to the screens."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bijlighar.cim.channels import ProfileKind
from bijlighar.controlroom.alarm_delays import AlarmDelays
from bijlighar.controlroom.cli import app
from bijlighar.controlroom.room import ControlRoom
from bijlighar.records import Records
from bijlighar.records.service_levels import LevelPart
from controlroom.utility import DAY, NOON, NOW, batch, sign_in

Client = Any


def test_yesterday_is_told_unless_a_day_is_named(client: Client) -> None:
    sign_in(client, "viewer")
    told = client.get("/api/service-levels").json()
    assert (told["day"], told["default_day"], told["latest_day"]) == ("2026-06-14", "2026-06-14", "2026-06-15")
    assert told["cut_off_hours"][:2] == [7, 8]
    assert [kind["kind"] for kind in told["kinds"]] == ["block-load", "daily", "instantaneous"]
    assert set(told["groups"]) == {"division", "feeder", "transformer", "make", "tower"}
    assert client.get("/api/service-levels?day=2026-06-15").json()["day"] == "2026-06-15"


@pytest.mark.parametrize("day", ["2026-06-16", "tomorrow", "noday", "2026-13-01"])
def test_a_day_that_has_not_begun_and_no_day_at_all_are_refused(client: Client, day: str) -> None:
    sign_in(client, "viewer")
    answer = client.get(f"/api/service-levels?day={day}")
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")


def test_service_levels_are_for_whoever_may_see_meters(client: Client) -> None:
    assert client.get("/api/service-levels").status_code == 401
    sign_in(client, "household")
    assert client.get("/api/service-levels").status_code == 403
    assert client.get("/api/service-levels.csv").status_code == 403


def test_the_sheet_comes_as_a_file_of_its_day(client: Client) -> None:
    sign_in(client, "viewer")
    answer = client.get("/api/service-levels.csv?day=2026-06-14")
    assert answer.headers["content-disposition"] == 'attachment; filename="service-levels-2026-06-14.csv"'
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    assert {row["day"] for row in rows} == {"2026-06-14"}


def test_the_office_gets_the_same_at_the_terminal(records: Records, records_url: str, tmp_path: Path) -> None:
    run = CliRunner(env={"BIJLIGHAR_DATABASE_URL": records_url}).invoke
    asked = ["report", "service-levels", "--day", "2026-06-14", "--data", str(tmp_path)]
    told = run(app, [*asked, "--format", "json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["day"] == "2026-06-14"
    assert run(app, [*asked, "--format", "csv"]).stdout.startswith("day,table,name,")
    assert run(app, asked).stdout.startswith("Service levels of 2026-06-14: ")
    wrong = run(app, ["report", "service-levels", "--day", "sometime", "--data", str(tmp_path)])
    assert wrong.exit_code == 2
    assert "is no time" in wrong.stderr


def test_the_delay_of_events_is_counted_by_the_wall_and_kept_by_day(records: Records) -> None:
    delays = AlarmDelays()
    received = batch(ProfileKind.EVENT, [(1, NOON), (2, NOON)], event_code=[101, 102], received_s=int(NOW) - 20)
    delays.count(received, now_s=NOW, speed=10.0)
    delays.count(batch(ProfileKind.DAILY, [(1, DAY.start_s)], import_wh=[1]), now_s=NOW, speed=1.0)
    delays.keep(records, NOW)
    delays.count(received, now_s=NOW + 10_000, speed=1.0)
    delays.keep(records, NOW)
    delays.keep(records, NOW)
    kept = records.service_levels.get(date(2026, 6, 15), LevelPart.ALARM_DELAYS)
    assert kept is not None
    assert kept.content == {"2": 2, "600": 2}


def test_an_event_that_reaches_the_room_is_counted(room: ControlRoom) -> None:
    room.clock.set_speed(1.0)  # type: ignore[attr-defined]
    room.take(batch(ProfileKind.EVENT, [(1, NOON)], event_code=[101], received_s=int(room.now())))
    room.delays.keep(room.records, room.now())
    kept = room.records.service_levels.get(date(2026, 6, 15), LevelPart.ALARM_DELAYS)
    assert kept is not None
    assert np.sum(list(kept.content.values())) == 1
