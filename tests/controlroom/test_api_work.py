"""What an operator asks for, what an administrator changes, and what the feed tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from litestar.exceptions import WebSocketDisconnect

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState
from bijlighar.controlroom.feed_messages import CONTACTS, JOBS, READINGS, MessageRefused, read_message
from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.room import ControlRoom
from bijlighar.headend.keys import create_master_key
from bijlighar.headend.service import Heartbeat
from bijlighar.operations.field_trial.define import begin_trial, consumer_meters
from bijlighar.records import Records
from controlroom.utility import DAY, NOW, PASSWORD, batch, sign_in

Client = Any


def test_an_operator_asks_for_a_read_and_watches_it(client: Client, records: Records) -> None:
    headers = sign_in(client, "operator")
    asked = client.post(
        "/api/meters/1/reads",
        json={"kinds": ["block-load", "instantaneous"], "from": "2026-06-14", "to": "yesterday"},
        headers=headers,
    )
    assert asked.status_code == 202
    job_id = asked.json()["job_id"]
    kept = records.jobs.get(job_id)
    assert kept.kinds == (ProfileKind.BLOCK_LOAD, ProfileKind.INSTANTANEOUS)
    assert kept.period is not None
    assert (kept.period.start_s, kept.period.end_s) == (DAY.start_s - 86_400, DAY.start_s)
    seen = client.get(f"/api/jobs/{job_id}").json()
    assert (seen["state"], seen["asked_by"], seen["asked_at"]) == ("waiting", "operator", iso(NOW))
    records.jobs.claim("headend-1", 5, int(NOW * 1000))
    records.jobs.report(job_id, state=JobState.DONE, rows=49, progress=1.0, detail="", now_ms=int(NOW * 1000))
    assert client.get(f"/api/jobs/{job_id}").json()["rows"] == 49
    assert [row["job_id"] for row in client.get("/api/meters/1/jobs").json()["rows"]] == [job_id]
    assert [(entry.who, entry.what, entry.subject) for entry in records.audit.entries(limit=1)] == [
        ("operator", "asked-read", "meter:1")
    ]


def test_a_read_without_bounds_has_none(client: Client, records: Records) -> None:
    headers = sign_in(client, "operator")
    asked = client.post("/api/meters/1/reads", json={"kinds": ["instantaneous"]}, headers=headers)
    assert records.jobs.get(asked.json()["job_id"]).period is None


def test_a_meter_has_only_so_many_reads_waiting(client: Client) -> None:
    headers = sign_in(client, "operator")
    answers = [
        client.post("/api/meters/1/reads", json={"kinds": ["nameplate"]}, headers=headers).status_code
        for _ in range(6)
    ]
    assert answers == [202] * 5 + [429]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kinds": []},
        {"kinds": "block-load"},
        {"kinds": ["disconnect"]},
        {"kinds": ["block-load"] * 50},
        {"kinds": ["block-load"], "from": "never"},
        {"kinds": ["block-load"], "to": "today"},
        {"kinds": ["block-load"], "from": "2026-06-15", "to": "2026-06-14"},
        {"kinds": ["block-load"], "from": "2000-01-01"},
        {"kinds": ["block-load"], "from": 1},
        {"kinds": ["block-load"], "meter_id": 2},
        {"kinds": [None]},
    ],
)
def test_a_strange_read_is_refused(client: Client, records: Records, body: dict[str, Any]) -> None:
    headers = sign_in(client, "operator")
    answer = client.post("/api/meters/1/reads", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")
    assert records.jobs.recent() == []


@pytest.mark.parametrize("job_id", ["nothing", "x" * 64, "check-nothing", "'"])
def test_a_job_that_is_not_there_is_not_found(client: Client, job_id: str) -> None:
    sign_in(client, "viewer")
    assert client.get(f"/api/jobs/{job_id}").status_code == 404


def test_without_a_trial_there_is_no_scorecard(client: Client) -> None:
    headers = sign_in(client, "operator")
    for method, path in (("GET", "/api/trial"), ("GET", "/api/trial.csv"), ("POST", "/api/trial/checks")):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (404, "no-trial")


def test_the_trial_is_judged_shown_and_checked(client: Client, records: Records) -> None:
    begin_trial(records, name="Sweet Home", name_hi="", now_s=NOW, meter_ids=consumer_meters(records))
    headers = sign_in(client, "operator")
    card = client.get("/api/trial").json()
    assert card["trial"]["name"] == "Sweet Home"
    assert [meter["serial"] for meter in card["meters"]] == ["BJ0001", "BJ0002"]
    assert card["verdict"] == "running"
    sheet = client.get("/api/trial.csv")
    assert sheet.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in sheet.headers["content-disposition"]
    assert len(sheet.content.decode("utf-8-sig").splitlines()) == 3
    asked = client.post("/api/trial/checks", headers=headers)
    assert asked.status_code == 202
    check = client.get(f"/api/jobs/{asked.json()['job_id']}").json()
    assert (check["state"], check["progress"], check["meter_id"]) == ("running", 0.0, None)
    again = client.post("/api/trial/checks", headers=headers)
    assert (again.status_code, again.json()["error"]) == (409, "check-under-way")
    assert records.audit.entries(limit=1)[0].what == "asked-trial-check"


def _sheet(text: str) -> tuple[str, bytes, str]:
    return ("sheet.csv", text.encode(), "text/csv")


def test_an_administrator_imports_sheets_and_the_list_shows_them(client: Client, room: ControlRoom) -> None:
    headers = sign_in(client, "admin")
    files = {
        "usage_points": _sheet("code,kind,name,transformer\nUP4,consumer,Zoya Khan,T1\n"),
        "meters": _sheet(
            "serial,system_title,category,model,usage_point,host\nBJ0004,424a480000000004,D1,is15959-d1,UP4,127.16.0.4\n"
        ),
    }
    answer = client.post("/api/registry/imports", files=files, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["sheets"]["meters"] == {"added": 1, "changed": 0, "unchanged": 0}
    assert [row["serial"] for row in client.get("/api/meters?q=zoya").json()["rows"]] == ["BJ0004"]
    assert client.get("/api/registry").json()["meters"] == 4
    assert room.records.audit.entries(limit=1)[0].what == "imported-registry"


def test_a_faulty_sheet_imports_nothing_and_is_told_by_row_and_column(client: Client, tmp_path: Path) -> None:
    headers = sign_in(client, "admin")
    files = {"transformers": _sheet("code,name,feeder,rating_kva\nT2,ok,F1,100\nT3,bad,F9,much\n")}
    answer = client.post("/api/registry/imports", files=files, headers=headers)
    assert answer.status_code == 422
    faults = {(fault["row"], fault["column"]) for fault in answer.json()["errors"]}
    assert (3, "rating_kva") in faults
    assert [each["code"] for each in client.get("/api/registry").json()["transformers"]] == ["T1"]
    assert list(tmp_path.glob(".import-*")) == []


def test_keys_are_sealed_under_the_master_key_or_refused(
    client: Client, room: ControlRoom, tmp_path: Path
) -> None:
    headers = sign_in(client, "admin")
    files = {"keys": _sheet(f"serial,encryption_key,authentication_key\nBJ0001,{'11' * 16},{'22' * 16}\n")}
    assert client.post("/api/registry/imports", files=files, headers=headers).status_code == 422
    create_master_key(tmp_path / "master.key")
    assert client.post("/api/registry/imports", files=files, headers=headers).status_code == 200
    [sealed] = room.records.keys.sealed_keys()
    assert bytes.fromhex("11" * 16) not in sealed.sealed


@pytest.mark.parametrize(
    "name", ["passwords", "../meters", "meters/../../x", "meters.csv", "", "METERS", "x" * 300]
)
def test_a_file_that_is_no_sheet_is_refused(client: Client, name: str) -> None:
    headers = sign_in(client, "admin")
    answer = client.post("/api/registry/imports", files={name: _sheet("a,b\n")}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")


def test_a_sheet_that_is_no_file_is_refused(client: Client) -> None:
    headers = sign_in(client, "admin")
    for content in (
        {"data": {"meters": "x"}},
        {"content": b"{}", "headers": {"content-type": "application/json"}},
    ):
        more = content.pop("headers", {})
        answer = client.post("/api/registry/imports", headers={**headers, **more}, **content)
        assert answer.status_code == 400, answer.text


def test_people_are_added_changed_and_closed_on_record(client: Client, records: Records) -> None:
    headers = sign_in(client, "admin")
    new = {"name": "sunita", "password": "ten letters!", "roles": ["installer"], "display_name_hi": "सुनीता"}
    added = client.post("/api/people", json=new, headers=headers)
    assert added.status_code == 201
    assert "password" not in added.text
    changed = client.patch("/api/people/sunita", json={"roles": ["viewer"], "disabled": True}, headers=headers)
    assert changed.json() == {
        "name": "sunita",
        "display_name": "sunita",
        "display_name_hi": "सुनीता",
        "roles": ["viewer"],
        "language": "en",
        "disabled": True,
        "usage_points": [],
    }
    assert (
        client.put("/api/people/sunita/password", json={"password": PASSWORD}, headers=headers).status_code == 204
    )
    assert [entry.what for entry in records.audit.entries(subject="person:sunita")] == [
        "set-password",
        "changed-person",
        "added-person",
    ]
    assert "argon2" not in client.get("/api/people").text
    assert client.post("/api/people", json=new, headers=headers).json()["error"] == "name-taken"


def test_an_administrator_cannot_lock_the_last_door_behind_himself(client: Client) -> None:
    headers = sign_in(client, "admin")
    for change in ({"disabled": True}, {"roles": ["viewer"]}):
        answer = client.patch("/api/people/admin", json=change, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (409, "own-account")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Sunita", "password": "ten letters!", "roles": []},
        {"name": "", "password": "ten letters!", "roles": []},
        {"name": "../x", "password": "ten letters!", "roles": []},
        {"name": "sunita", "password": "short", "roles": []},
        {"name": "sunita", "password": "ten letters!", "roles": ["overlord"]},
        {"name": "sunita", "password": "ten letters!", "roles": [], "password_hash": "x"},
        {"name": "sunita", "password": "ten letters!", "roles": [], "language": "fr"},
    ],
)
def test_a_strange_person_is_refused(client: Client, records: Records, body: dict[str, Any]) -> None:
    headers = sign_in(client, "admin")
    answer = client.post("/api/people", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "not-valid")
    assert records.people.count() == 5


def test_the_audit_log_is_read_and_verified(client: Client) -> None:
    sign_in(client, "viewer")
    sign_in(client, "admin")
    page = client.get("/api/audit?limit=1").json()
    assert (page["total"], page["rows"][0]["who"]) == (2, "admin")
    assert client.get("/api/audit?subject=person:viewer").json()["rows"][0]["who"] == "viewer"
    assert client.get("/api/audit/verification").json() == {"entries": 2, "broken_at": None, "reason": ""}


def _live(client: Client) -> Any:
    return client.websocket_connect("/api/live", headers={"origin": "http://127.0.0.1"})


def _frame(socket: Any) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.receive_bytes(timeout=60))
    return frame


def test_the_feed_begins_with_a_snapshot_and_tells_what_changes(client: Client, room: ControlRoom) -> None:
    sign_in(client, "viewer")
    with _live(client) as socket:
        socket.send_text('{"subscribe": ["meters", "meter:1", "status"]}')
        frames = {frame["topic"]: frame for frame in (_frame(socket) for _ in range(3))}
        assert all(frame["snapshot"] for frame in frames.values())
        assert [row["meter_id"] for row in frames["meters"]["rows"]] == [1, 2, 3]
        assert frames["meter:1"]["rows"][0]["power_w"] == 740
        assert frames["status"]["rows"][0]["meters"] == 3
        room.take(batch(ProfileKind.INSTANTANEOUS, [(1, int(NOW))], active_power_w=[900]))
        with client.portal() as portal:
            portal.call(room.flush)
        changed = _frame(socket)
        assert (changed["topic"], changed["seq"]) == ("meters", frames["meters"]["seq"] + 1)
        assert [(row["meter_id"], row["power_w"]) for row in changed["rows"]] == [(1, 900)]
        assert _frame(socket)["topic"] == "meter:1"


@pytest.mark.parametrize("message", ["", "{}", '{"subscribe": ["passwords"]}', "[" * 1000])
def test_a_strange_subscription_closes_the_feed(client: Client, message: str) -> None:
    sign_in(client, "viewer")
    with _live(client) as socket:
        socket.send_text(message)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_bytes(timeout=60)
        assert closed.value.code == 4400


def test_there_is_room_for_so_many_pages(client: Client, room: ControlRoom) -> None:
    sign_in(client, "viewer")
    with _live(client) as first, _live(client) as second:
        for socket in (first, second):
            socket.send_text('{"subscribe": ["status"]}')
            _frame(socket)
        with _live(client) as third, pytest.raises(WebSocketDisconnect) as closed:
            third.receive_bytes(timeout=60)
        assert closed.value.code == 1013


def test_a_head_ends_word_is_shown_with_its_alarms(client: Client, room: ControlRoom) -> None:
    sign_in(client, "viewer")
    word = {
        "owner": "headend-1",
        "now_s": NOW,
        "lag_s": 4000.5,
        "sessions": 3,
        "queue_octets": 0,
        "meters": 12,
        "groups": 3,
        "alarms": [],
    }
    _, message = read_message([b"heartbeat", json.dumps(word).encode()])
    assert isinstance(message, Heartbeat)
    room.take(message)
    status = client.get("/api/status").json()
    [headend] = status["headends"]
    assert headend.pop("last_seen") == iso(NOW)
    assert headend == {"id": "headend-1", "alive": True, "lag_s": 4000.5, "groups": 3, "meters": 12}
    assert (status["lag_s"], status["alarms"]) == (4000.5, [])
    health = client.get("/api/health").json()
    assert (health["headends_alive"], health["lag_s"]) == (1, 4000.5)


def test_what_the_store_lost_is_an_alarm(client: Client, room: ControlRoom, tmp_path: Path) -> None:
    for file in (tmp_path / "segments").rglob("*.parquet"):
        file.unlink()
    room.records.check()
    room.store_alarms = room.records.alarms()
    sign_in(client, "viewer")
    codes = {alarm["code"] for alarm in client.get("/api/status").json()["alarms"]}
    assert "segment-lost" in codes


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"readings"],
        [b"readings", b""],
        [b"readings", b"\x00" * 100],
        [b"readings", b"ARROW1"],
        [CONTACTS.encode(), b"{}"],
        [CONTACTS.encode(), b'[{"meter_id": "x"}]'],
        [JOBS.encode(), b"[1]"],
        [READINGS.encode(), b"x", b"y"],
        [b"orders", b"[]"],
        [b"\xff", b"[]"],
    ],
)
def test_a_strange_message_of_the_feed_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(MessageRefused):
        read_message(parts)
