"""The day's report over HTTP and at the terminal."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bijlighar.controlroom.cli import app
from bijlighar.operations.dated_settings import SettingRefused, set_dated
from bijlighar.operations.day_report.totals import LIMITS_KEY, keep_totals
from bijlighar.operations.day_seal import seal_day
from bijlighar.records import Records
from controlroom.utility import NOW, sign_in

Client = Any
YESTERDAY = date(2026, 6, 14)


@pytest.fixture
def totalled(records: Records) -> Records:
    """Yesterday as the worker left it: one meter of three gave its whole day."""
    seal_day(records, YESTERDAY)
    keep_totals(records, YESTERDAY, now_s=int(NOW))
    return records


def test_yesterday_is_told_unless_a_day_is_named(client: Client, totalled: Records) -> None:
    sign_in(client, "viewer")
    told = client.get("/api/day").json()
    assert (told["day"], told["default_day"], told["latest_day"]) == ("2026-06-14", "2026-06-14", "2026-06-15")
    total = told["total"]
    assert (total["meters"], total["consumers"], total["import_kwh"]) == (3, 2, 4.8)
    assert total["completeness"] == pytest.approx(48 / (48 + 48 + 96), abs=1e-6)
    assert (total["peak_kw"], total["peak_at"], total["load_factor"]) == (0.2, "2026-06-13T18:30:00Z", 1.0)
    assert (total["voltage"]["outside_share"], total["voltage"]["least_v"]) == (0.0, 231.5)
    assert total["lines"] is None, "one consumer of two is not known"
    assert told["curve"][0] == {"power_kw": 0.2, "known": 0.5}
    assert [part["name"] for part in told["parts"]] == ["Bijlighar Parade"]
    assert told["before"] is None
    assert told["over"]


def test_a_place_is_reached_step_by_step(client: Client, totalled: Records) -> None:
    sign_in(client, "viewer")
    scope, code, seen = "utility", "", []
    while True:
        told = client.get("/api/day", params={"day": "2026-06-14", "place": scope, "code": code}).json()
        seen.append(told["scope"])
        assert told["total"]["import_kwh"] == 4.8
        assert [place["scope"] for place in told["path"]] == seen
        if told["part"] is None:
            break
        (part,) = told["parts"]
        scope, code = part["scope"], part["code"]
    assert seen == ["utility", "division", "substation", "feeder", "transformer"]
    makes = client.get("/api/day", params={"by": "make"}).json()
    assert [part["code"] for part in makes["parts"]] == ["Bijli"]


def test_weeks_and_months_hold_the_days_that_were_totalled(client: Client, totalled: Records) -> None:
    sign_in(client, "viewer")
    week = client.get("/api/day", params={"period": "week", "day": "2026-06-14"}).json()
    assert (week["first_day"], week["last_day"], week["days_told"]) == ("2026-06-08", "2026-06-14", ["2026-06-14"])
    month = client.get("/api/day", params={"period": "month", "day": "2026-06-15"}).json()
    assert (month["first_day"], month["last_day"], month["over"]) == ("2026-06-01", "2026-06-30", False)
    assert month["total"]["import_kwh"] == 4.8
    assert month["curve"] is not None, "one day of it has a curve"


def test_a_day_without_totals_says_so(client: Client, records: Records) -> None:
    sign_in(client, "viewer")
    told = client.get("/api/day").json()
    assert (told["total"], told["parts"], told["days_told"]) == (None, [], [])


@pytest.mark.parametrize(
    "asked",
    [
        "day=2026-06-16",
        "day=noday",
        "period=year",
        "place=street",
        "by=utility",
        "place=division&code=D1&by=feeder",
    ],
)
def test_what_cannot_be_told_is_refused(client: Client, asked: str) -> None:
    sign_in(client, "viewer")
    answer = client.get(f"/api/day?{asked}")
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")


def test_unknown_places_and_people_without_the_right_are_refused(client: Client, totalled: Records) -> None:
    assert client.get("/api/day").status_code == 401
    sign_in(client, "household")
    for address in ("/api/day", "/api/day.csv", "/api/day.parquet"):
        assert client.get(address).status_code == 403
    sign_in(client, "viewer")
    for scope in ("division", "substation", "feeder", "transformer", "make"):
        assert client.get("/api/day", params={"place": scope, "code": "X9"}).status_code == 404


def test_sheets_hold_the_place_and_its_parts(client: Client, totalled: Records) -> None:
    sign_in(client, "viewer")
    answer = client.get("/api/day.csv?day=2026-06-14&by=transformer")
    assert answer.headers["content-disposition"] == 'attachment; filename="day-2026-06-14.csv"'
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    assert [(row["scope"], row["code"], row["import_kwh"]) for row in rows] == [
        ("utility", "", "4.8"),
        ("transformer", "T1", "4.8"),
    ]
    table = pq.read_table(io.BytesIO(client.get("/api/day.parquet?day=2026-06-14&by=transformer").content))
    assert table.column_names == list(rows[0])
    assert table["import_kwh"].to_pylist() == [4.8, 4.8]
    nothing = client.get("/api/day.parquet?day=2026-05-14")
    assert pq.read_table(io.BytesIO(nothing.content)).num_rows == 0


def test_the_office_gets_the_same_at_the_terminal(totalled: Records, records_url: str, tmp_path: Path) -> None:
    run = CliRunner(env={"BIJLIGHAR_DATABASE_URL": records_url}).invoke
    asked = ["report", "day", "--day", "2026-06-14", "--data", str(tmp_path)]
    told = run(app, [*asked, "--format", "json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["total"]["import_kwh"] == 4.8
    text = run(app, asked).stdout
    assert text.startswith("The day's report of 2026-06-14, utility: 3 meters.")
    assert "4.8 kWh" in text
    assert run(app, [*asked, "--format", "csv", "--by", "feeder"]).stdout.count("feeder,F1,") == 1
    octets = run(app, [*asked, "--format", "parquet"]).stdout_bytes
    assert pq.read_table(io.BytesIO(octets)).num_rows == 2
    wrong = run(app, [*asked, "--scope", "feeder", "--code", "F9"])
    assert (wrong.exit_code, "no feeder 'F9'" in wrong.stderr) == (2, True)


def test_the_limits_of_the_voltage_are_a_dated_setting(records: Records) -> None:
    set_dated(records, LIMITS_KEY, {"low_share": 0.1}, valid_from_s=0, by="meera", now_s=int(NOW))
    for value in ({"low": 1}, [1], {"high_share": 2}):
        with pytest.raises(SettingRefused):
            set_dated(records, LIMITS_KEY, value, valid_from_s=0, by="meera", now_s=int(NOW))
