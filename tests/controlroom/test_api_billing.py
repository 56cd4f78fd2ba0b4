"""The billing server speaks signed or not at all; people see how the link stands and decide with their names."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest

from bijlighar.cim.billing import DeliveryState, UsageStatement
from bijlighar.controlroom.room import ControlRoom
from bijlighar.operations.billing_exchange.folder_door import COLUMNS
from bijlighar.operations.billing_exchange.intake import KINDS
from bijlighar.operations.billing_exchange.reconciling import reconcile
from bijlighar.operations.billing_exchange.rows import account_of, answer_of, dues_of, payment_of
from bijlighar.operations.billing_exchange.signing import HEADER, signature
from bijlighar.records import Records
from controlroom.utility import NOW, sign_in

Client = Any
SECRET = "both sides know it, nobody else"
DAY = date(2026, 6, 14)
STATEMENT = UsageStatement(
    usage_point="UP1",
    first_day=DAY,
    last_day=DAY,
    meters=("BJ0001",),
    import_wh=4_800,
    import_vah=None,
    export_wh=None,
    export_vah=None,
    demand_w=None,
    demand_start_s=None,
    power_factor_milli=None,
    band_wh=(4_800,),
    basis="registers",
    expected_slots=48,
    missing_slots=0,
    estimated_slots=0,
    estimated_wh=0,
    determined_s=int(NOW),
)


@pytest.fixture
def room(room: ControlRoom) -> ControlRoom:
    room.settings = msgspec.structs.replace(room.settings, billing_secret=SECRET)
    return room


def say(
    client: Client,
    path: str,
    told: object,
    *,
    secret: str = SECRET,
    at_s: float | None = None,
    form: str = "application/json",
) -> Any:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    header = signature(secret, body, int(time.time() if at_s is None else at_s))
    return client.post(path, content=body, headers={HEADER: header, "content-type": form})


def dues(amount: object = 12_000, usage_point: str = "UP1") -> dict[str, object]:
    return {"usage_point": usage_point, "amount_paise": amount, "as_of": "2026-06-15T00:00:00Z", "reference": "B1"}


def test_statements_are_fetched_answered_and_shown(client: Client, records: Records) -> None:
    records.deliveries.add([(STATEMENT, ""), (replace(STATEMENT, usage_point="UP2"), "blocks-missing")], int(NOW))
    fetched = say(client, "/api/billing/statements", {"limit": 10})
    assert fetched.status_code == 200, fetched.text
    (one,) = fetched.json()["statements"]
    assert (one["usage_point"], one["import_wh"], one["meters"]) == ("UP1", 4_800, ["BJ0001"])
    assert say(client, "/api/billing/statements", {}).json() == {"statements": []}, "not twice within the hour"
    answer = {"key": one["key"], "result": "billed", "bill_reference": "B1", "billed_wh": 4_800}
    message = {"message_id": "A1", "answers": [answer]}
    assert say(client, "/api/billing/messages/answers", message).json()["taken"] == 1
    assert say(client, "/api/billing/messages/answers", message).json()["repeated"]
    reconcile(records, DAY, DAY, now_s=int(NOW))
    sign_in(client, "admin")
    link = client.get("/api/billing").json()
    assert link["deliveries"] == {s.value: 0 for s in DeliveryState} | {"acknowledged": 1, "held": 1}
    assert (link["passes"], link["decision"]) == (False, None)
    (row,) = link["reconciliations"]
    assert (row["usage_points"], row["billed"], row["explained"], row["unexplained"]) == (2, 1, 1, 0)
    whole = client.get(f"/api/billing/reconciliations/{DAY}/{DAY}").json()
    assert [(each["usage_point"], each["cause"]) for each in whole["differences"]] == [("UP2", "held")]
    assert client.get("/api/billing/reconciliations/2026-06-01/2026-06-02").status_code == 404
    assert client.get("/api/billing/reconciliations/soon/2026-06-02").status_code == 400


def test_dues_and_payments_are_taken_and_rows_for_nobody_are_shown(client: Client, records: Records) -> None:
    message = {"message_id": "D1", "dues": [dues(), dues(usage_point="NOBODY"), dues("viel")]}
    told = say(client, "/api/billing/messages/dues", message).json()
    assert told == {
        "message_id": "D1",
        "taken": 1,
        "repeated": False,
        "refused": [
            {"row": 2, "reason": "unknown-usage-point"},
            {"row": 3, "reason": "amount_paise-is-no-number"},
        ],
    }
    paid = {
        "payment_id": "P1",
        "usage_point": "UP1",
        "amount_paise": 12_000,
        "paid_at": "2026-06-15T10:00:00+05:30",
    }
    assert (
        say(client, "/api/billing/messages/payments", {"message_id": "P1", "payments": [paid]}).json()["taken"]
        == 1
    )
    assert records.billing_inbox.dues()["UP1"].amount_paise == 12_000
    assert len(records.billing_inbox.payments("UP1")) == 1
    sign_in(client, "admin")
    rows = client.get("/api/billing/refused-rows").json()
    assert {(row["row"], row["reason"]) for row in rows} == {
        (2, "unknown-usage-point"),
        (3, "amount_paise-is-no-number"),
    }


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        ("/api/billing/messages/dues", b"no json", 400),
        ("/api/billing/messages/dues", {"message_id": "", "dues": []}, 400),
        ("/api/billing/messages/dues", {"message_id": "M", "payments": []}, 400),
        ("/api/billing/messages/meters", {"message_id": "M", "meters": []}, 404),
        ("/api/billing/statements", {"limit": "all"}, 400),
        ("/api/billing/statements", b"{", 400),
    ],
)
def test_a_message_that_cannot_be_read_is_refused(client: Client, path: str, told: object, status: int) -> None:
    assert say(client, path, told).status_code == status


def test_another_content_under_a_known_number_is_refused(client: Client) -> None:
    assert say(client, "/api/billing/messages/dues", {"message_id": "D1", "dues": [dues()]}).status_code == 200
    again = say(client, "/api/billing/messages/dues", {"message_id": "D1", "dues": [dues(1)]})
    assert (again.status_code, again.json()["error"]) == (409, "message-contradicts")


def test_nobody_speaks_for_the_billing_server_without_its_secret(client: Client, room: ControlRoom) -> None:
    message = {"message_id": "D1", "dues": [dues()]}
    path = "/api/billing/messages/dues"
    for answer in (
        say(client, path, message, secret="another secret of 16"),
        say(client, path, message, at_s=time.time() - 3_600),
        client.post(path, json=message, headers={HEADER: "t=1,v1=00"}),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "signature-refused")
    client.get("/")
    token = {"x-csrftoken": client.cookies["csrftoken"]}
    assert client.post(path, json=message, headers=token).status_code == 403, "a session's token is no signature"
    room.settings = msgspec.structs.replace(room.settings, billing_secret="")
    assert say(client, path, message, secret="").status_code == 401, "without a secret nobody is let in"


def test_a_signature_opens_no_other_address(client: Client) -> None:
    answer = client.post("/api/session", json={}, headers={HEADER: signature(SECRET, b"{}", int(time.time()))})
    assert answer.status_code == 403


def test_who_may_see_and_decide(client: Client, records: Records) -> None:
    sign_in(client, "viewer")
    assert client.get("/api/billing").status_code == 403
    headers = sign_in(client, "admin")
    answer = client.post("/api/billing/decisions", json={"reason": "end of the trial"}, headers=headers)
    assert answer.json() | {"decided_at": None} == {
        "verdict": "fail",
        "decided_by": "admin",
        "decided_at": None,
        "reason": "end of the trial",
    }
    assert client.post("/api/billing/decisions", json={"reason": " "}, headers=headers).status_code == 400
    assert [entry.what for entry in records.audit.entries(subject="billing-link")] == ["decided-billing-link"]


def test_a_usage_point_shows_its_statements_and_the_bill_of_each(client: Client, records: Records) -> None:
    records.deliveries.add([(STATEMENT, "")], int(NOW))
    sign_in(client, "admin")
    point = client.get("/api/billing/usage-points/UP1").json()
    assert (point["name"], [each["serial"] for each in point["meters"]]) == ("Asha Verma", ["BJ0001"])
    (statement,) = point["statements"]
    assert (statement["import_wh"], statement["state"], statement["revision"]) == (4_800, "waiting", 1)
    bill = client.get(f"/api/billing/usage-points/UP1/preview?key={statement['key']}").json()
    assert bill["amount_paise"] == sum(line["amount_paise"] for line in bill["lines"]) > 0
    assert sum(line["quantity"] for line in bill["lines"] if line["what"] == "energy") == pytest.approx(4.8)
    assert (bill["tariff"], bill["billed_paise"]) == ("up-lmv-1-urban", None)
    assert client.get("/api/billing/usage-points/NOBODY").status_code == 404
    assert client.get("/api/billing/usage-points/UP1/preview?key=other").status_code == 404
    early = replace(STATEMENT, first_day=date(1999, 1, 1), last_day=date(1999, 1, 1))
    records.deliveries.add([(early, "")], int(NOW))
    answer = client.get("/api/billing/usage-points/UP1/preview?key=UP1/1999-01-01/1999-01-01/1")
    assert (answer.status_code, answer.json()["error"]) == (409, "no-tariff")


def test_differences_come_by_cause_in_pages_with_their_meters(client: Client, records: Records) -> None:
    records.deliveries.add([(STATEMENT, "blocks-missing")], int(NOW))
    reconcile(records, DAY, DAY, now_s=int(NOW))
    sign_in(client, "admin")
    path = f"/api/billing/reconciliations/{DAY}/{DAY}"
    whole = client.get(path).json()
    assert (whole["total"], whole["causes"]) == (2, {"held": 1, "no-reading": 1})
    held = client.get(f"{path}?cause=held").json()
    assert [(each["name"], each["meter_id"]) for each in held["differences"]] == [("Asha Verma", 1)]
    page = client.get(f"{path}?limit=1&offset=1").json()
    assert (page["total"], [each["usage_point"] for each in page["differences"]]) == (2, ["UP2"])
    lacks = client.get("/api/billing").json()["lacks"]
    assert {each["what"] for each in lacks} == {"not-reconciled", "not-billed"}
    assert lacks[-1] == {"what": "not-billed", "day": str(DAY), "count": 2, "usage_points": 2}


def account(**more: object) -> dict[str, object]:
    told = {"usage_point": "UP1", "account": "K-1", "name": "Asha Verma", "tariff": "up-lmv-1-rural"}
    return told | {"valid_from": "2026-06-01", "as_of": "2026-06-15T00:00:00Z"} | more


def test_accounts_are_taken_shown_and_billed_by(client: Client, records: Records) -> None:
    records.deliveries.add([(STATEMENT, "")], int(NOW))
    rows = [account(), account(usage_point="NOBODY"), account(tariff="by-the-moon")]
    told = say(client, "/api/billing/messages/accounts", {"message_id": "A1", "accounts": rows}).json()
    assert (told["taken"], [each["reason"] for each in told["refused"]]) == (
        1,
        ["unknown-usage-point", "tariff-unknown"],
    )
    load = {
        "usage_point": "UP1",
        "sanctioned_load_w": 7_000,
        "valid_from": "2026-06-10",
        "as_of": rows[0]["as_of"],
    }
    say(client, "/api/billing/messages/accounts", {"message_id": "A2", "accounts": [load]})
    sign_in(client, "admin")
    point = client.get("/api/billing/usage-points/UP1").json()
    assert point["account"] == {
        "valid_from": "2026-06-10",
        "as_of": None,
        "account": "K-1",
        "name": "Asha Verma",
        "tariff": "up-lmv-1-rural",
        "sanctioned_load_w": 7_000,
        "status": "active",
    }
    assert [each["valid_from"] for each in point["account_changes"]] == ["2026-06-10", "2026-06-01"]
    assert client.get("/api/billing").json()["accounts"] == 1
    bill = client.get(f"/api/billing/usage-points/UP1/preview?key={point['statements'][0]['key']}").json()
    assert (bill["tariff"], bill["amount_paise"]) == (
        "up-lmv-1-rural",
        1_682,
    )  # 3.333 kWh at 335, 1.467 at 385 paise: a day's slabs
    assert client.get("/api/billing/usage-points/UP2").json()["account"] is None


def test_a_statement_whose_terms_changed_in_between_is_previewed_in_parts_or_not_at_all(
    client: Client, records: Records
) -> None:
    records.deliveries.add([(replace(STATEMENT, first_day=date(2026, 6, 13)), "")], int(NOW))
    message = {"message_id": "A1", "accounts": [account(valid_from="2026-06-14")]}
    assert say(client, "/api/billing/messages/accounts", message).json()["taken"] == 1
    sign_in(client, "admin")
    answer = client.get("/api/billing/usage-points/UP1/preview?key=UP1/2026-06-13/2026-06-14/1")
    assert (answer.status_code, answer.json()["error"]) == (409, "tariff-changed")


LOAD = """<m:EventMessage xmlns:m="http://iec.ch/TC57/2011/schema/message"><m:Header><m:Verb>changed</m:Verb>
<m:Noun>UsagePointConfig</m:Noun><m:Timestamp>2026-06-15T00:00:00Z</m:Timestamp><m:MessageID>C1</m:MessageID>
</m:Header><m:Payload><UsagePointConfig xmlns="http://iec.ch/TC57/2011/UsagePointConfig#"><UsagePoint>
<ratedPower>7000</ratedPower><Names><name>UP1</name></Names></UsagePoint></UsagePointConfig></m:Payload>
</m:EventMessage>"""


def test_master_data_come_as_iec_61968_9_too(client: Client, records: Records) -> None:
    def post(body: str, **more: Any) -> tuple[int, str]:
        answer = say(client, "/api/billing/cim", body.encode(), form="application/xml", **more)
        return answer.status_code, answer.text

    status, text = post(LOAD)
    assert (status, "<msg:Result>OK</msg:Result>" in text) == (200, True), text
    assert post(LOAD)[0] == 200, "at least once"
    assert records.accounts.on(DAY) == {}, "it holds from the day that it was said"
    assert records.accounts.on(date(2026, 6, 15))["UP1"].sanctioned_load_w == 7_000
    assert post(LOAD.replace("7000", "8000"))[0] == 409
    assert post(LOAD.replace("UsagePointConfig", "MeterConfig"))[0] == 400
    assert post(LOAD, secret="another secret of 16")[0] == 401


class Asked(dict[str, object]):
    """A row that notes which fields are read of it."""

    def __init__(self, *values: Any) -> None:
        super().__init__(*values)
        self.read: set[str] = set()

    def get(self, name: str, default: object = None) -> object:
        self.read.add(name)
        return super().get(name, default)


def test_the_description_of_the_link_names_the_fields_that_are_read_and_written(client: Client) -> None:
    sign_in(client, "admin")
    described = client.get("/api/openapi.json").json()
    taking = described["paths"]["/api/billing/messages/{kind}"]["post"]
    assert HEADER in {each["name"] for each in taking["parameters"]}
    full = {
        "answers": {"key": "K", "result": "billed", "bill_reference": "B", "billed_wh": 1},
        "dues": dues(),
        "payments": {
            "payment_id": "P",
            "usage_point": "UP1",
            "amount_paise": 1,
            "paid_at": "2026-06-15T00:00:00Z",
        },
        "accounts": account(),
    }
    readers = {
        "answers": answer_of,
        "dues": dues_of,
        "payments": payment_of,
        "accounts": lambda row: account_of(row, {"up-lmv-1-rural"}),
    }
    told = {}
    for each in taking["requestBody"]["content"]["application/json"]["schema"]["oneOf"]:
        (kind,) = each["properties"].keys() - {"message_id"}
        told[kind] = each["properties"][kind]["items"]
    assert told.keys() == set(KINDS) == full.keys()
    for kind, row in full.items():
        asked = Asked(row)
        readers[kind](asked)
        read = asked.read | ({"reason"} if kind == "answers" else set())  # of those that are refused
        assert told[kind]["properties"].keys() == read
        assert set(told[kind]["required"]) <= row.keys()
    out = described["webhooks"]["statements"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(out["properties"]["statements"]["items"]["properties"]) == set(COLUMNS)
    assert "application/xml" in described["paths"]["/api/billing/cim"]["post"]["requestBody"]["content"]
