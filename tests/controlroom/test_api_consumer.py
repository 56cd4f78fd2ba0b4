"""The consumer's own page: one's own use and nobody else's, and who of the utility has looked."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from bijlighar.cim.billing import Dues, Payment
from bijlighar.cim.channels import ProfileKind
from bijlighar.controlroom.app import build_litestar
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.records import Records
from controlroom.utility import DAY, NOON, batch, sign_in

Client = Any
DAY_S = 86_400


@pytest.fixture
def home(records: Records) -> Records:
    """Records in which the household may see UP1."""
    records.consumers.set_points("household", ["UP1"], since_s=0, tied_by="admin")
    return records


def _own_routes(room: ControlRoom) -> list[str]:
    app: Litestar = build_litestar(room, pages={}, secret="s")
    return [
        route.path
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get("needs") is Permission.READ_OWN
    ]


def test_now_comes_from_the_live_columns(client: Client, home: Records) -> None:
    sign_in(client, "household")
    told = client.get("/api/my/now").json()
    assert told["point"] == {"usage_point": "UP1", "name": "Asha Verma", "address": "Flat 1 Sweet Home"}
    assert (told["now_w"], told["voltage_v"], told["today_kwh"]) == (740, 229.9, 2.3)
    assert (told["state"], told["relay_closed"], told["outage"]) == ("heard", True, None)
    assert client.get("/api/my").json()["points"] == [told["point"]]


def test_a_day_stands_beside_the_one_before(client: Client, home: Records) -> None:
    sign_in(client, "household")
    told = client.get("/api/my/day").json()
    assert (told["day"]["day"], told["before"]["day"]) == ("2026-06-15", "2026-06-14")
    assert (told["day"]["import_kwh"], told["day"]["missing"], len(told["day"]["slots"])) == (2.3, 1, 24)
    assert (told["before"]["import_kwh"], told["before"]["missing"]) == (4.8, 0)
    assert told["day"]["slots"][2]["import_wh"] is None
    assert client.get("/api/my/day?day=soon").status_code == 400


def test_a_month_tells_the_slab_of_the_next_unit(client: Client, home: Records) -> None:
    home.landing.land([batch(ProfileKind.DAILY, [(1, DAY.start_s - 14 * DAY_S)], import_wh=[1_120_000])], [])
    sign_in(client, "household")
    told = client.get("/api/my/month").json()
    assert (told["month"], told["running"], told["whole"]) == ("2026-06", True, True)
    assert told["import_kwh"] == 114.56
    assert told["days"][13] == {"day": "2026-06-14", "import_kwh": 4.8, "export_kwh": None}
    assert (len(told["days"]), told["days"][0]["import_kwh"], told["days"][14]["import_kwh"]) == (15, None, None)
    bill = told["bill"]
    assert bill["next_unit"] == {"from_kwh": 100, "to_kwh": 150, "left_kwh": 35.44, "paise_per_kwh": 550}
    energy, fixed = 11_456 * 550 // 100, 11_000 * 21 // 10  # 2.1 kW of demand, above 2 kW sanctioned
    assert bill["amount_paise"] == energy + fixed
    assert bill["projected_kwh"] == pytest.approx(114.56 * 30 / 14.5, abs=0.001)
    assert bill["projected_paise"] > bill["amount_paise"]


def test_a_month_of_which_too_little_is_known_says_so(client: Client, home: Records) -> None:
    sign_in(client, "household")
    told = client.get("/api/my/month").json()
    assert (told["import_kwh"], told["whole"]) == (5.56, False)
    assert told["bill"]["projected_kwh"] is None
    past = client.get("/api/my/month?month=2026-05").json()
    assert (past["import_kwh"], past["bill"], past["running"], len(past["days"])) == (None, None, False, 31)
    for wrong in ("2026-13", "June", "2026-06-01"):
        assert client.get(f"/api/my/month?month={wrong}").status_code == 400


def test_dues_less_what_was_paid_since(client: Client, home: Records) -> None:
    sign_in(client, "household")
    assert client.get("/api/my/account").json() == {"dues": None, "balance_paise": None, "payments": []}
    due = Dues(usage_point="UP1", amount_paise=150_000, due_day=None, as_of_s=NOON - DAY_S, reference="B-1")
    home.billing_inbox.take_dues("m1", [due], [], NOON)
    paid = [
        Payment(payment_id=f"p{n}", usage_point=point, amount_paise=amount, paid_s=at_s)
        for n, (point, amount, at_s) in enumerate(
            [("UP1", 99_900, NOON - 2 * DAY_S), ("UP1", 50_000, NOON - 60), ("UP2", 70_000, NOON)]
        )
    ]
    home.billing_inbox.take_payments("m2", paid, [], NOON)
    told = client.get("/api/my/account").json()
    assert (told["dues"]["amount_paise"], told["balance_paise"]) == (150_000, 100_000)
    assert [each["amount_paise"] for each in told["payments"]] == [50_000, 99_900]


def test_no_route_tells_of_anothers_usage_point(client: Client, home: Records, room: ControlRoom) -> None:
    sign_in(client, "household")
    routes = _own_routes(room)
    assert len(routes) == 8
    for path in routes:
        for code in ("UP2", "UP3", "UP9", "up1", "UP1 ", "%", "UP1,UP2"):
            answer = client.get(path, params={"point": code})
            if path == "/api/my":
                assert [each["usage_point"] for each in answer.json()["points"]] == ["UP1"]
            else:
                assert (answer.status_code, answer.json()["error"]) == (404, "not-found"), (path, code)
        assert client.get(path, params={"point": "UP1"}).status_code == 200


def test_a_tie_that_was_taken_back_opens_nothing_any_more(
    client: Client, home: Records, room: ControlRoom
) -> None:
    sign_in(client, "household")
    home.consumers.set_points("household", [], since_s=0, tied_by="admin")
    assert {client.get(path).status_code for path in _own_routes(room) if path != "/api/my"} == {404}


def test_the_utilitys_lists_stay_closed_to_consumers(client: Client, home: Records) -> None:
    sign_in(client, "household")
    for path in (
        "/api/status",
        "/api/meters",
        "/api/meters/1",
        "/api/meters/1/curve",
        "/api/audit",
        "/api/people",
    ):
        assert client.get(path).status_code == 403, path


def test_whoever_moves_in_sees_nothing_of_the_household_before(client: Client, records: Records) -> None:
    records.consumers.set_points("household", ["UP1"], since_s=DAY.start_s, tied_by="admin")
    records.billing_inbox.take_payments(
        "m1", [Payment(payment_id="p", usage_point="UP1", amount_paise=1, paid_s=NOON - DAY_S)], [], NOON
    )
    sign_in(client, "household")
    told = client.get("/api/my/day").json()
    assert (told["day"]["import_kwh"], told["before"]["import_kwh"], told["before"]["slots"]) == (2.3, None, [])
    month = client.get("/api/my/month").json()
    assert (month["first_day"], month["import_kwh"]) == ("2026-06-15", 0.76)
    assert client.get("/api/my/account").json()["payments"] == []
    sheet = client.get("/api/my/use.csv").text.splitlines()
    assert (len(sheet), sheet[1][:16]) == (1 + 23, "2026-06-15T00:00")


def test_every_opening_of_a_households_use_is_on_record_once_an_hour(client: Client, home: Records) -> None:
    sign_in(client, "operator")
    for path in ("/api/meters/1/curve", "/api/meters/1/curve?day=yesterday", "/api/meters/1/registers"):
        assert client.get(path).status_code == 200
    assert client.get("/api/meters/3/curve").status_code == 200  # a transformer's is nobody's
    assert client.get("/api/meters/1/curve?why=complaint 17").status_code == 200
    sign_in(client, "viewer")
    client.get("/api/meters/1/data")
    sign_in(client, "household")
    told = client.get("/api/my/access").json()
    assert [(each["who"], each["roles"], each["why"]) for each in told["rows"]] == [
        ("Viewer", ["viewer"], "supply"),
        ("Operator", ["operator"], "complaint 17"),
        ("Operator", ["operator"], "supply"),
    ]
    assert not told["more"]
    assert client.get("/api/my/access?limit=1").json()["more"]
    assert [entry.what for entry in home.audit.entries(subject="usage-point:UP1")] == ["looked-at-use"] * 3
    assert home.audit.entries(subject="usage-point:UP3") == []


def test_a_failure_of_supply_is_told_until_power_is_back(client: Client, home: Records, room: ControlRoom) -> None:
    sign_in(client, "household")
    gasp = batch(ProfileKind.EVENT, [(1, NOON + 30)], event_code=[85], event_log=[7])
    room.take(gasp)
    told = client.get("/api/my/now").json()["outage"]
    assert told == {"extent": "meter", "since": "2026-06-15T06:30:30Z", "meters": 1}
    room.take(batch(ProfileKind.EVENT, [(2, NOON + 31)], event_code=[101], event_log=[2]))
    assert client.get("/api/my/now").json()["outage"]["extent"] == "feeder"
    room.take(batch(ProfileKind.EVENT, [(1, NOON + 40), (2, NOON + 41)], event_code=[86, 102], event_log=[7, 2]))
    assert client.get("/api/my/now").json()["outage"] is None


def test_people_are_tied_over_the_api(client: Client, home: Records) -> None:
    headers = sign_in(client, "admin")
    person = {"name": "ravi", "password": "a long password", "roles": ["consumer"], "usage_points": ["UP2"]}
    assert client.post("/api/people", json={**person, "usage_points": ["UP3"]}, headers=headers).status_code == 400
    assert home.people.find("ravi") is None
    added = client.post("/api/people", json={**person, "since": "2026-06-01"}, headers=headers)
    assert added.json()["usage_points"] == ["UP2"]
    [tie] = home.consumers.points("ravi")
    assert (tie.since_s, tie.tied_by) == (DAY.start_s - 14 * DAY_S, "admin")
    changed = client.patch("/api/people/ravi", json={"usage_points": ["UP1", "UP2"]}, headers=headers)
    assert changed.json()["usage_points"] == ["UP1", "UP2"]
    named = client.patch("/api/people/ravi", json={"display_name": "Ravi"}, headers=headers)
    assert named.json()["usage_points"] == ["UP1", "UP2"]
    rows = {each["name"]: each["usage_points"] for each in client.get("/api/people").json()["rows"]}
    assert (rows["ravi"], rows["household"], rows["viewer"]) == (["UP1", "UP2"], ["UP1"], [])
    refused = client.patch("/api/people/viewer", json={"usage_points": ["UP1"]}, headers=headers)
    assert (refused.status_code, refused.json()["fields"]) == (400, {"usage_points": "are for the role consumer"})
    assert home.audit.entries(subject="person:ravi")[0].what in ("changed-person", "tied-usage-points")


def test_green_button_and_the_sheet_hold_the_same_blocks(client: Client, home: Records) -> None:
    sign_in(client, "household")
    feed = client.get("/api/my/green-button.xml?from=yesterday")
    assert feed.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert feed.headers["content-disposition"].endswith('green-button-2026-06-14-2026-06-15.xml"')
    assert (feed.text.count("<IntervalReading>"), feed.text.count("<IntervalBlock ")) == (71, 2)
    assert "Asha" not in feed.text
    sheet = client.get("/api/my/use.csv?from=yesterday").text.splitlines()
    assert sheet[1] == "2026-06-14T00:00+05:30,2026-06-14T00:30+05:30,import,100,14"
    assert len(sheet) == 1 + 71
    for wrong in ("from=2026-06-15&to=2026-06-14", "from=2020-01-01", "from=never"):
        assert client.get(f"/api/my/green-button.xml?{wrong}").status_code == 400
