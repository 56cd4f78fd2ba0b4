from __future__ import annotations

import asyncio
import csv
from dataclasses import replace
from typing import Any

import pytest

from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.meter_list import MeterQuery
from bijlighar.controlroom.meter_sheet import sheet
from bijlighar.controlroom.registry_index import RegistryIndex
from bijlighar.controlroom.room import ControlRoom
from controlroom.utility import BLOCK_S, DAY, NOON, NOW, sign_in

Client = Any


@pytest.fixture
def viewer(client: Client) -> Client:
    sign_in(client, "viewer")
    return client


def test_the_list_tells_how_each_meter_stands(viewer: Client) -> None:
    page = viewer.get("/api/meters").json()
    assert page["total"] == 3
    first, second, third = page["rows"]
    assert {key: first[key] for key in ("serial", "name", "transformer", "feeder", "division", "category")} == {
        "serial": "BJ0001",
        "name": "Asha Verma",
        "transformer": "T1",
        "feeder": "F1",
        "division": "D1",
        "category": "D1",
    }
    assert (first["power_w"], first["voltage_v"], first["signal_dbm"]) == (740, 229.9, -85)
    assert (first["state"], first["last_outcome"], first["last_contact"]) == ("heard", "ok", iso(NOON))
    assert (first["today_kwh"], first["success_rate"], first["clock_offset_s"]) == (2.3, 1.0, 1.5)
    assert (second["state"], second["last_outcome"], second["last_contact"]) == ("silent", "no-answer", None)
    assert (second["power_w"], second["today_kwh"], second["success_rate"]) == (None, None, 0.0)
    assert third["last_outcome"] is None
    assert page["facets"]["state"] == {"heard": 1, "late": 0, "silent": 2}


@pytest.mark.parametrize(
    ("query", "serials"),
    [
        ("q=asha", ["BJ0001"]),
        ("q=sweet+home&category=D1", ["BJ0001", "BJ0002"]),
        ("state=heard", ["BJ0001"]),
        ("state=silent&sort=serial&direction=desc", ["BJ0003", "BJ0002"]),
        ("sort=power_w&direction=desc&limit=1", ["BJ0001"]),
        ("division=D9", []),
        ("offset=2", ["BJ0003"]),
        ("offset=9999999", []),
        ("q=%00", []),
        ("q=%27%3B+DROP+TABLE+meters%3B--", []),
    ],
)
def test_the_list_is_searched_filtered_sorted_and_paged(viewer: Client, query: str, serials: list[str]) -> None:
    assert [row["serial"] for row in viewer.get(f"/api/meters?{query}").json()["rows"]] == serials


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("limit=1e400", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999999", "offset"),
        ("sort=password_hash", "sort"),
        ("sort=__class__", "sort"),
        ("direction=up", "direction"),
        ("state=dead", "state"),
        ("q=" + "x" * 101, "q"),
        ("division=" + "x" * 201, "division"),
    ],
)
def test_a_strange_question_is_refused_by_field(viewer: Client, query: str, field: str) -> None:
    answer = viewer.get(f"/api/meters?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")
    assert list(answer.json()["fields"]) == [field]


def test_one_meter_tells_nameplate_registers_relay_and_gaps(viewer: Client) -> None:
    meter = viewer.get("/api/meters/1").json()
    assert meter["serial"] == "BJ0001"
    assert meter["nameplate"]["firmware"] == "1.0.4"
    assert meter["registers"] == {
        "import_kwh": 1234.56,
        "import_kvah": None,
        "export_kwh": None,
        "export_kvah": None,
        "demand_w": 2100,
        "demand_time": iso(NOON - 3600),
        "read_at": iso(NOON),
    }
    assert meter["relay"] == {"closed": True, "read_at": iso(NOON)}
    assert meter["instantaneous"]["frequency_hz"] == 49.98
    assert meter["instantaneous"]["active_power_w"] == 740
    third = DAY.start_s + 2 * BLOCK_S
    assert meter["gaps"][-1] == {"start": iso(third), "end": iso(third + BLOCK_S), "slots": 1}
    assert meter["gaps"][0]["slots"] == 6 * 48


def test_a_meter_never_heard_says_nothing_instead_of_zero(viewer: Client) -> None:
    meter = viewer.get("/api/meters/3").json()
    assert meter["nameplate"] is None
    assert meter["relay"] == {"closed": None, "read_at": None}
    assert meter["instantaneous"] == {}
    assert meter["registers"]["import_kwh"] is None


def test_a_curve_has_every_block_that_has_ended_and_shows_the_missing_ones(viewer: Client) -> None:
    curve = viewer.get("/api/meters/1/curve?day=2026-06-15").json()
    assert (curve["period_s"], curve["now_w"], len(curve["slots"])) == (1800, 740, 24)
    assert curve["slots"][2] == {
        "start": iso(DAY.start_s + 2 * BLOCK_S),
        "import_wh": None,
        "voltage_v": None,
        "current_a": None,
    }
    assert curve["slots"][3]["import_wh"] == 100
    assert curve["slots"][3]["voltage_v"] == 231.5
    assert len(curve["previous_day"]) == 48
    assert curve["previous_day"][0] == {
        "start": iso(DAY.start_s - 86_400),
        "import_wh": 100,
        "voltage_v": 231.5,
        "current_a": None,
    }


def test_a_curve_of_another_day_has_no_power_now(viewer: Client) -> None:
    curve = viewer.get("/api/meters/1/curve?day=yesterday").json()
    assert (curve["day"], curve["now_w"], curve["previous_day"]) == ("2026-06-14", None, None)
    future = viewer.get("/api/meters/1/curve?day=2026-06-17").json()
    assert future["slots"] == []


def test_midnight_registers_stand_under_their_day(viewer: Client) -> None:
    rows = viewer.get("/api/meters/1/registers").json()["rows"]
    assert [(row["day"], row["import_kwh"]) for row in rows] == [("2026-06-14", 1229.0), ("2026-06-15", 1233.8)]
    rows = viewer.get("/api/meters/1/registers?from=2026-06-15&to=2026-06-15").json()["rows"]
    assert [row["day"] for row in rows] == ["2026-06-15"]


def test_events_and_contacts_come_newest_first_in_pages(viewer: Client) -> None:
    events = viewer.get("/api/meters/1/events?limit=1").json()
    assert (events["total"], [row["code"] for row in events["rows"]]) == (2, [102])
    assert viewer.get("/api/meters/1/events?limit=5&offset=1").json()["rows"][0]["code"] == 101
    assert viewer.get("/api/meters/1/events?offset=2").json()["rows"] == []
    contacts = viewer.get("/api/meters/1/contacts").json()
    assert contacts["total"] == 2
    assert contacts["rows"][0] == {
        "at": iso(NOON),
        "purpose": "block-load",
        "outcome": "ok",
        "attempt": 1,
        "latency_ms": 380,
        "clock_offset_s": 1.5,
        "signal_dbm": -85,
        "octets_sent": 0,
        "octets_received": 0,
        "rows": 1,
        "detail": "",
    }


@pytest.mark.parametrize("part", ["", "/curve", "/registers", "/events", "/contacts", "/jobs"])
@pytest.mark.parametrize("meter", ["4", "2147483647"])
def test_a_meter_that_is_not_there_is_not_found(viewer: Client, meter: str, part: str) -> None:
    answer = viewer.get(f"/api/meters/{meter}{part}")
    assert (answer.status_code, answer.json()["error"]) == (404, "not-found")


@pytest.mark.parametrize("meter", ["0", "-1", "2147483648", "99999999999999999999", "x", "1.5", "..%2f..%2fetc"])
def test_a_number_that_is_no_meters_is_refused(viewer: Client, meter: str) -> None:
    answer = viewer.get(f"/api/meters/{meter}")
    assert answer.status_code in (400, 404)
    assert answer.json()["error"] in ("not-valid", "not-found")


@pytest.mark.parametrize(
    "path",
    [
        "curve?day=2026-13-01",
        "curve?day=0001-01-01",
        "curve?day=" + "9" * 201,
        "registers?from=never",
        "registers?from=2026-06-15&to=2026-06-01",
        "registers?from=2020-01-01&to=2026-06-01",
        "registers?from=9999-12-31&to=9999-12-31",
        "events?limit=1000",
        "contacts?offset=-5",
    ],
)
def test_strange_days_and_pages_are_refused(viewer: Client, path: str) -> None:
    answer = viewer.get(f"/api/meters/1/{path}")
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")
    assert answer.json()["fields"]


def test_the_status_counts_the_day(viewer: Client, room: ControlRoom) -> None:
    status = viewer.get("/api/status").json()
    assert (status["now"], status["meters"], status["meters_heard_today"]) == (iso(NOW), 3, 1)
    assert (status["contacts_today"], status["success_rate_today"]) == (3, 0.6667)
    assert status["readings_today"] == 76
    assert status["alarms"][0]["code"] == "no-head-end"
    assert status["lag_s"] is None


def test_the_sheet_holds_every_row_of_the_view_in_its_order(client: Client) -> None:
    sign_in(client, "viewer")
    answer = client.get("/api/meters.csv?q=sweet&sort=name&direction=desc&category=D1")
    assert answer.headers["content-disposition"] == 'attachment; filename="meters-2026-06-15.csv"'
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    assert [(row["serial"], row["name"], row["state"]) for row in rows] == [
        ("BJ0002", "Ravi Gupta", "silent"),
        ("BJ0001", "Asha Verma", "heard"),
    ]
    assert (rows[1]["power_w"], rows[1]["division"], rows[0]["power_w"]) == ("740", "D1", "")


def test_the_sheet_refuses_what_the_list_refuses(client: Client) -> None:
    assert client.get("/api/meters.csv").status_code == 401
    sign_in(client, "viewer")
    assert client.get("/api/meters.csv?sort=nothing").status_code == 400


@pytest.mark.parametrize("narrowed", ["tower=TOWER-1", "feeder=F1", "maker=Bijli"])
def test_links_narrow_the_list_by_tower_feeder_and_make(client: Client, narrowed: str) -> None:
    sign_in(client, "viewer")
    assert client.get(f"/api/meters?{narrowed}").json()["total"] == 3
    assert client.get(f"/api/meters?{narrowed}x").json()["total"] == 0


def test_a_cell_of_the_sheet_is_never_a_formula(room: ControlRoom) -> None:
    async def whole(index: RegistryIndex) -> bytes:
        return b"".join([piece async for piece in sheet(index, room.live, MeterQuery(), now_s=NOW)])

    point = replace(room.index.places[0].point, name="=1+1")
    places = (replace(room.index.places[0], point=point), *room.index.places[1:])
    index = replace(room.index, places=places)
    assert b",'=1+1," in asyncio.run(whole(index))
