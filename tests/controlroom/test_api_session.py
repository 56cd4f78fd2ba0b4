from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from bijlighar.controlroom.room import ControlRoom
from bijlighar.controlroom.sessions import COOKIE, LONGEST_IDENTIFIER
from bijlighar.records import Records
from controlroom.utility import PASSWORD, sign_in

Client = Any


def _token(client: Client) -> dict[str, str]:
    client.get("/")
    return {"x-csrftoken": client.cookies["csrftoken"]}


def _try(client: Client, name: str, password: str) -> Any:
    return client.post("/api/session", json={"name": name, "password": password}, headers=_token(client))


def test_whoever_is_not_signed_in_is_told_so(client: Client) -> None:
    answer = client.get("/api/session")
    assert (answer.status_code, answer.content) == (204, b"")
    refused = client.get("/api/status")
    assert refused.status_code == 401
    assert refused.json() == {"error": "not-signed-in", "detail": "Sign in first."}


def test_a_signed_in_person_is_known_with_roles_and_what_they_allow(client: Client) -> None:
    sign_in(client, "operator")
    seen = client.get("/api/session").json()
    assert (seen["name"], seen["roles"], seen["language"]) == ("operator", ["operator"], "en")
    assert "ask-reads" in seen["permissions"]
    assert "manage-people" not in seen["permissions"]
    assert seen["csrf_token"] == client.cookies["csrftoken"]


def test_the_cookie_is_for_this_site_only_and_hidden_from_scripts(client: Client) -> None:
    answer = _try(client, "viewer", PASSWORD)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_only_the_hash_of_a_session_is_kept(client: Client, records: Records) -> None:
    sign_in(client, "viewer")
    session_id = client.cookies[COOKIE]
    with records._database.read() as connection:
        kept = connection.execute(text("SELECT id_hash, content FROM web_sessions")).all()
    assert [row.id_hash for row in kept] == [hashlib.sha256(session_id.encode()).hexdigest()]
    assert session_id not in str(kept)


@pytest.mark.parametrize(("name", "password"), [("operator", "wrong"), ("stranger", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(client: Client, name: str, password: str) -> None:
    answer = _try(client, name, password)
    assert (answer.status_code, answer.json()["error"]) == (401, "sign-in-refused")
    assert COOKIE not in client.cookies


def test_after_some_failures_even_the_right_password_must_wait(client: Client) -> None:
    for _ in range(3):
        assert _try(client, "operator", "wrong").status_code == 401
    answer = _try(client, "operator", PASSWORD)
    assert (answer.status_code, answer.json()["error"]) == (429, "too-many-tries")
    assert 0 < int(answer.headers["retry-after"]) <= 301
    assert _try(client, "viewer", PASSWORD).status_code == 200


def test_each_sign_in_draws_a_new_session_and_ends_the_old(client: Client) -> None:
    sign_in(client, "viewer")
    first = client.cookies[COOKIE]
    sign_in(client, "viewer")
    assert client.cookies[COOKIE] != first
    client.cookies.delete(COOKIE)
    assert client.get("/api/session", headers={"cookie": f"{COOKIE}={first}"}).status_code == 204


def test_a_planted_session_is_not_taken_over(client: Client) -> None:
    planted = "p" * 43
    answer = client.post(
        "/api/session",
        json={"name": "viewer", "password": PASSWORD},
        headers={**_token(client), "cookie": f"csrftoken={client.cookies['csrftoken']}; {COOKIE}={planted}"},
    )
    assert answer.status_code == 200
    assert planted not in answer.headers["set-cookie"]
    assert client.get("/api/session", headers={"cookie": f"{COOKIE}={planted}"}).status_code == 204


def test_signing_out_ends_the_session_on_the_server(client: Client) -> None:
    headers = sign_in(client, "viewer")
    session_id = client.cookies[COOKIE]
    assert client.delete("/api/session", headers=headers).status_code == 204
    assert client.get("/api/session", headers={"cookie": f"{COOKIE}={session_id}"}).status_code == 204


@pytest.mark.parametrize("session_id", ["", "x", "x" * (LONGEST_IDENTIFIER + 1), "../../etc", "a" * 4000, "%00"])
def test_an_invented_session_is_nobody(client: Client, session_id: str) -> None:
    assert client.get("/api/session", headers={"cookie": f"{COOKIE}={session_id}"}).status_code == 204


def test_a_disabled_person_is_out_at_once_and_cannot_come_back(client: Client, records: Records) -> None:
    sign_in(client, "viewer")
    person = records.people.find("viewer")
    assert person is not None
    records.people.put(replace(person, disabled=True))
    assert client.get("/api/session").status_code == 204
    assert _try(client, "viewer", PASSWORD).status_code == 401


def test_another_password_ends_the_sessions_of_the_old_one(client: Client, records: Records) -> None:
    sign_in(client, "viewer")
    person = records.people.find("viewer")
    assert person is not None
    records.people.put(replace(person, password_hash=person.password_hash + "x"))
    assert client.get("/api/session").status_code == 204


@pytest.mark.parametrize(
    ("idle_s", "absolute_s", "passed_s"), [(60, 300, 61), (200, 300, 301)], ids=["idle", "absolute"]
)
def test_a_session_ends_when_idle_and_when_old(
    client: Client, room: ControlRoom, monkeypatch: pytest.MonkeyPatch, idle_s: int, absolute_s: int, passed_s: int
) -> None:
    room.sessions._idle_s, room.sessions._absolute_s = idle_s, absolute_s
    wall_s = time.time()
    monkeypatch.setattr("bijlighar.controlroom.identity.time.time", lambda: wall_s)
    sign_in(client, "viewer")
    for later_s in range(0, passed_s, 100):
        wall_s += 50 if later_s else 0
        assert client.get("/api/session").status_code == 200
    wall_s += passed_s
    assert client.get("/api/session").status_code == 204


def test_the_language_is_kept_with_the_person(client: Client, records: Records) -> None:
    headers = sign_in(client, "viewer")
    assert client.put("/api/session/language", json={"language": "hi"}, headers=headers).json()["language"] == "hi"
    person = records.people.find("viewer")
    assert person is not None
    assert person.language == "hi"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": 1, "password": "x"}',
        b'{"name": "viewer"}',
        b'{"name": "", "password": "x"}',
        b'{"name": "viewer", "password": "x", "roles": ["administrator"]}',
        b'{"name": "viewer", "password": "' + b"x" * 201 + b'"}',
        b'{"name": "' + b"x" * 101 + b'", "password": "x"}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_a_strange_sign_in_is_refused_with_a_sentence(client: Client, body: bytes) -> None:
    answer = client.post(
        "/api/session", content=body, headers={**_token(client), "content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "not-valid"
    assert answer.json()["detail"]


def test_a_body_beyond_its_limit_is_refused(client: Client) -> None:
    answer = client.post("/api/session", json={"name": "x", "password": "x" * 100_000}, headers=_token(client))
    assert (answer.status_code, answer.json()["error"]) == (413, "too-large")


def test_an_unsafe_request_without_the_token_changes_nothing(client: Client) -> None:
    sign_in(client, "admin")
    for headers in ({}, {"x-csrftoken": "0" * 128}, {"x-csrftoken": ""}):
        answer = client.delete("/api/session", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "csrf-token-wrong")
    assert client.get("/api/session").status_code == 200


def test_signing_in_and_out_is_on_record(client: Client, records: Records) -> None:
    client.delete("/api/session", headers=sign_in(client, "viewer"))
    assert [(entry.who, entry.what) for entry in records.audit.entries()] == [
        ("viewer", "signed-out"),
        ("viewer", "signed-in"),
    ]
