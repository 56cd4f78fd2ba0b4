"""A meter's day over HTTP: final values, their versions, as of any instant, edits with a name and a reason."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_day
from bijlighar.controlroom.instants import iso
from bijlighar.headend.clock import TownClock
from bijlighar.mdm.measurements import Bill
from bijlighar.operations.day_estimate import estimate_day
from bijlighar.operations.day_seal import seal_day
from bijlighar.records import Records
from bijlighar.records.people import Person
from controlroom.utility import BLOCK_S, NOON, NOW, batch, sign_in

Client = Any
YESTERDAY = date(2026, 6, 14)
START_S = civil_day(YESTERDAY).start_s
SLOT = 10


@pytest.fixture
def sealed(records: Records) -> Records:
    """Yesterday of meter 1, whole, one slot of which came twice; and an officer who may edit."""
    records.landing.land(
        [
            batch(
                ProfileKind.BLOCK_LOAD,
                [(1, START_S + SLOT * BLOCK_S)],
                period_s=BLOCK_S,
                received_s=NOON - 7200,
                import_wh=[90],
            )
        ],
        [],
    )
    seal_day(records, YESTERDAY)
    known = records.people.find("operator")
    assert known is not None
    records.people.put(
        Person(
            name="officer", display_name="Officer", password_hash=known.password_hash, roles=("credit officer",)
        )
    )
    return records


def edit(value: int | None, instead_of: int | None = 100, **more: object) -> dict[str, object]:
    return {
        "start": iso(START_S + SLOT * BLOCK_S),
        "channel": "import_wh",
        "value": value,
        "instead_of": instead_of,
        "reason": "read on the site",
        **more,
    }


@pytest.mark.usefixtures("sealed")
def test_a_slot_tells_its_value_its_quality_and_what_was_said_before(client: Client) -> None:
    sign_in(client, "viewer")
    told = client.get(f"/api/meters/1/data?day={YESTERDAY}").json()
    assert (told["sealed"], told["period_s"], told["unit"], len(told["slots"])) == (True, BLOCK_S, "Wh", 48)
    slot = told["slots"][SLOT]
    assert (slot["value"], slot["source"], slot["quality"], slot["rule"]) == (100, "reading", "raw", None)
    assert slot["since"] == iso(NOON)
    assert [version["value"] for version in slot["versions"]] == [100, 90]
    before = client.get(f"/api/meters/1/data?day={YESTERDAY}&at={iso(NOON - 3600)}").json()
    assert before["slots"][SLOT]["value"] == 90
    assert (before["slots"][0]["value"], before["slots"][0]["source"]) == (None, "nothing")


@pytest.mark.usefixtures("sealed")
def test_an_edit_stands_beside_the_reading_and_can_be_withdrawn(
    client: Client, records: Records, clock: TownClock
) -> None:
    headers = sign_in(client, "officer")
    answer = client.post("/api/meters/1/edits", json=edit(120), headers=headers)
    assert answer.status_code == 200, answer.text
    slot = answer.json()["slots"][SLOT]
    assert (slot["value"], slot["source"], slot["quality"]) == (120, "edit", "edited")
    assert (slot["versions"][0]["made_by"], slot["versions"][0]["reason"]) == ("officer", "read on the site")
    assert [version["source"] for version in slot["versions"]] == ["edit", "reading", "reading"]
    withdrawn = client.post("/api/meters/1/edits", json=edit(None, 120), headers=headers).json()["slots"][SLOT]
    assert (withdrawn["value"], withdrawn["source"], len(withdrawn["versions"])) == (100, "reading", 4)
    told = [(each.who, each.what, each.detail["value"]) for each in records.audit.entries(subject="meter:1")]
    assert sorted(told, key=str) == sorted(
        [("officer", "edited-reading", 120), ("officer", "edited-reading", None)], key=str
    )


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    ("wrong", "status", "error"),
    [
        ({"value": -1}, 400, "not-valid"),
        ({"value": 10_000_001}, 400, "not-valid"),
        ({"reason": "  "}, 400, "not-valid"),
        ({"channel": "voltage_mv"}, 400, "not-valid"),
        ({"channel": "export_vah", "instead_of": None}, 400, "not-valid"),
        ({"start": iso(START_S + 7)}, 400, "not-valid"),
        ({"start": "soon"}, 400, "not-valid"),
        ({"start": iso(START_S - 86_400)}, 409, "not-sealed"),
        ({"instead_of": 99}, 409, "value-changed"),
    ],
)
def test_what_is_no_edit_changes_nothing(
    client: Client, wrong: dict[str, object], status: int, error: str
) -> None:
    headers = sign_in(client, "officer")
    answer = client.post("/api/meters/1/edits", json=edit(120) | wrong, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert client.get(f"/api/meters/1/data?day={YESTERDAY}").json()["slots"][SLOT]["value"] == 100


@pytest.mark.usefixtures("sealed")
def test_whoever_may_not_edit_does_not(client: Client) -> None:
    headers = sign_in(client, "operator")
    assert client.post("/api/meters/1/edits", json=edit(120), headers=headers).status_code == 403


def test_a_billed_estimate_is_locked_and_shown_as_billed(
    client: Client, records: Records, sealed: Records
) -> None:
    day = YESTERDAY - timedelta(days=1)
    period = civil_day(day)
    starts = [(1, period.start_s + k * BLOCK_S) for k in range(48) if k != SLOT]
    readings = batch(ProfileKind.BLOCK_LOAD, starts, period_s=BLOCK_S, import_wh=[100] * 47, received_s=NOON - 9)
    records.landing.land([readings], [])
    seal_day(records, day)
    estimate_day(records, day, now_s=NOON)
    sealed.edits.add_bills([Bill(meter_id=1, period=period, reference="B7", billed_s=NOON + 1)])
    headers = sign_in(client, "officer")
    told = client.get(f"/api/meters/1/data?day={day}").json()
    slot = told["slots"][SLOT]
    assert (slot["value"], slot["source"], slot["quality"], slot["rule"]) == (
        100,
        "estimate",
        "by-interpolation",
        "line",
    )
    assert (slot["billed"], slot["locked"], told["slots"][0]["locked"]) == (True, True, False)
    assert told["bills"] == [
        {"reference": "B7", "first_day": str(day), "last_day": str(day), "billed_at": iso(NOON + 1)}
    ]
    body = edit(120, start=iso(period.start_s + SLOT * BLOCK_S))
    answer = client.post("/api/meters/1/edits", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (409, "billed-estimate-locked")


@pytest.mark.usefixtures("sealed")
def test_a_day_that_is_not_sealed_has_no_slots_and_the_sheet_has_a_line_for_each(client: Client) -> None:
    sign_in(client, "viewer")
    told = client.get("/api/meters/1/data?day=2026-06-15").json()
    assert (told["sealed"], told["slots"]) == (False, [])
    sheet = client.get(f"/api/meters/1/data.csv?day={YESTERDAY}")
    lines = sheet.content.decode("utf-8-sig").splitlines()
    assert len(lines) == 49
    assert lines[0].startswith("start,value_wh,source,quality")
    assert lines[1 + SLOT] == f"{iso(START_S + SLOT * BLOCK_S)},100,reading,raw,,,{iso(NOON)},False,False,2"
    assert "BJ0001-2026-06-14-import_wh.csv" in sheet.headers["content-disposition"]
    for wrong in ("day=soon", "at=soon", "channel=voltage_mv"):
        assert client.get(f"/api/meters/1/data?{wrong}").status_code == 400
    assert client.get("/api/meters/99/data").status_code == 404
    assert int(NOW) > NOON
