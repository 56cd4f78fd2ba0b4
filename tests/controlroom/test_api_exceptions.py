"""The queue of validation exceptions over HTTP: seen by rule and day, decided one by one or in bulk, on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bijlighar.records import Records
from bijlighar.records.exceptions import FoundException
from controlroom.utility import NOW, sign_in

Client = Any
DAY = date(2026, 6, 14)
GAP = FoundException(
    meter_id=1,
    rule=13,
    rule_version=1,
    period_s=1800,
    first_slot=4,
    end_slot=6,
    severity=1,
    measured=2.0,
    held_against=0.0,
)


@pytest.fixture
def queue(records: Records) -> Records:
    sums = replace(GAP, meter_id=2, rule=14, severity=2, measured=700.0, held_against=260.0)
    records.exceptions.keep(DAY, [GAP, replace(GAP, first_slot=20, end_slot=21), sums], int(NOW))
    return records


@pytest.mark.usefixtures("queue")
def test_the_gravest_comes_first_with_its_meter_and_rule(client: Client) -> None:
    sign_in(client, "viewer")
    page = client.get("/api/exceptions").json()
    assert (page["total"], page["by_rule"]) == (3, {"missing-quantity": 2, "sum-check": 1})
    first = page["rows"][0]
    assert (first["serial"], first["name"], first["rule"], first["severity"]) == (
        "BJ0002",
        "Ravi Gupta",
        "sum-check",
        "failure",
    )
    assert (
        client.get("/api/exceptions?rule=missing-quantity&limit=1&offset=1").json()["rows"][0]["first_slot"] == 20
    )
    assert client.get("/api/exceptions?severity=2").json()["total"] == 1
    assert client.get("/api/exceptions?first_day=2026-06-15").json()["total"] == 0
    assert client.get("/api/exceptions?meter=1&last_day=2026-06-14").json()["total"] == 2
    assert client.get("/api/exceptions?rule=nonsense").status_code == 400
    assert client.get("/api/exceptions?first_day=soon").status_code == 400


def test_many_are_decided_at_once_and_the_decision_is_on_record(client: Client, queue: Records) -> None:
    headers = sign_in(client, "operator")
    decision = {"resolution": "estimate-stands", "reason": "the tower was away", "rule": "missing-quantity"}
    answer = client.post("/api/exceptions/resolutions", json=decision, headers=headers)
    assert answer.json() == {"resolved": 2}
    assert client.get("/api/exceptions").json()["total"] == 1
    resolved = client.get("/api/exceptions?state=resolved").json()["rows"]
    assert {(row["resolved_by"], row["reason"]) for row in resolved} == {("operator", "the tower was away")}
    (entry,) = queue.audit.entries(subject="exceptions")
    assert (entry.who, entry.detail["count"]) == ("operator", 2)


@pytest.mark.usefixtures("queue")
def test_one_is_decided_by_its_number(client: Client) -> None:
    headers = sign_in(client, "operator")
    number = client.get("/api/exceptions").json()["rows"][0]["exception_id"]
    decision = {"resolution": "field-visit", "reason": "look at the register", "ids": [number]}
    assert client.post("/api/exceptions/resolutions", json=decision, headers=headers).json() == {"resolved": 1}


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize(
    "wrong",
    [
        {"resolution": "fine", "reason": "x", "rule": "sum-check"},
        {"resolution": "edited", "reason": "", "rule": "sum-check"},
        {"resolution": "edited", "reason": "x" * 501, "rule": "sum-check"},
        {"resolution": "edited", "reason": "x"},
        {"resolution": "edited", "reason": "x", "ids": []},
        {"resolution": "edited", "reason": "x", "rule": "nonsense"},
        {"reason": "x"},
    ],
)
def test_a_decision_that_is_none_changes_nothing(client: Client, wrong: dict[str, object]) -> None:
    headers = sign_in(client, "operator")
    assert client.post("/api/exceptions/resolutions", json=wrong, headers=headers).status_code == 400
    assert client.get("/api/exceptions").json()["total"] == 3


def test_whoever_may_only_look_decides_nothing(client: Client) -> None:
    headers = sign_in(client, "viewer")
    decision = {"resolution": "edited", "reason": "x", "rule": "sum-check"}
    assert client.post("/api/exceptions/resolutions", json=decision, headers=headers).status_code == 403


@pytest.mark.usefixtures("queue")
def test_rules_are_counted_whatever_rule_is_chosen(client: Client) -> None:
    sign_in(client, "viewer")
    page = client.get("/api/exceptions?rule=sum-check").json()
    assert (page["total"], page["by_rule"]) == (1, {"missing-quantity": 2, "sum-check": 1})


@pytest.mark.usefixtures("queue")
def test_nothing_is_decided_when_others_are_chosen_than_the_person_was_told(client: Client) -> None:
    headers = sign_in(client, "operator")
    decision = {"resolution": "edited", "reason": "x", "rule": "missing-quantity", "expected": 3}
    answer = client.post("/api/exceptions/resolutions", json=decision, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (409, "count-changed")
    assert client.get("/api/exceptions").json()["total"] == 3
    decision["expected"] = 2
    assert client.post("/api/exceptions/resolutions", json=decision, headers=headers).json() == {"resolved": 2}
