"""The doors of the billing link: whatever comes is read or named, whoever speaks is known, nothing hangs."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.billing import Acknowledgement, Delivery, DeliveryState, Dues, Payment, UsageStatement
from bijlighar.operations.billing_exchange import http_door
from bijlighar.operations.billing_exchange.delivering import BillingServerAway
from bijlighar.operations.billing_exchange.http_door import LARGEST_ANSWER_OCTETS, HttpDoor
from bijlighar.operations.billing_exchange.json_form import MessageRefused, read_message
from bijlighar.operations.billing_exchange.rows import answer_of, dues_of, parsed, payment_of
from bijlighar.operations.billing_exchange.signing import (
    HEADER,
    TOLERANCE_S,
    SignatureRefused,
    signature,
    verify,
)

SECRET = "a secret of the test, long enough"
NOW_S = 1_780_000_000
DELIVERY = Delivery(
    key="U1/2026-06-01/2026-06-30/1",
    statement=UsageStatement(
        usage_point="U1",
        first_day=date(2026, 6, 1),
        last_day=date(2026, 6, 30),
        meters=("BJ0001",),
        import_wh=310_000,
        import_vah=None,
        export_wh=None,
        export_vah=None,
        demand_w=None,
        demand_start_s=NOW_S,
        power_factor_milli=None,
        band_wh=(310_000,),
        basis="registers",
        expected_slots=1_440,
        missing_slots=0,
        estimated_slots=0,
        estimated_wh=0,
        determined_s=NOW_S,
    ),
    revision=1,
    state=DeliveryState.WAITING,
    reason="",
    attempts=0,
    created_s=NOW_S,
    tried_s=None,
    answered_s=None,
    bill_reference=None,
    billed_wh=None,
    amount_paise=None,
)
BILLED = {"key": DELIVERY.key, "result": "billed", "bill_reference": "B1", "billed_wh": 310_000}


def test_rows_of_json_and_of_a_sheet_mean_the_same() -> None:
    row = {
        "usage_point": "U1",
        "amount_paise": 12_345,
        "due_day": "2026-07-20",
        "as_of": "2026-07-01T00:00:00+05:30",
        "reference": "B-1",
    }
    meant = Dues(
        usage_point="U1",
        amount_paise=12_345,
        due_day=date(2026, 7, 20),
        as_of_s=1_782_844_200,
        reference="B-1",
    )
    assert parsed([row, {**row, "amount_paise": "12345"}], dues_of).rows == (meant, meant)
    assert parsed([{**row, "due_day": ""}], dues_of).rows[0].due_day is None
    paid = {"payment_id": "P1", "usage_point": "U1", "amount_paise": "1", "paid_at": "2026-07-01T00:00:00Z"}
    assert parsed([paid], payment_of).rows == (
        Payment(payment_id="P1", usage_point="U1", amount_paise=1, paid_s=1_782_864_000),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"usage_point": ""}, "usage_point-missing"),
        ({"usage_point": "U" * 201}, "usage_point-wrong"),
        ({"usage_point": "U1\n"}, "usage_point-wrong"),
        ({"amount_paise": "12.50"}, "amount_paise-is-no-number"),
        ({"amount_paise": True}, "amount_paise-is-no-number"),
        ({"amount_paise": None}, "amount_paise-missing"),
        ({"amount_paise": 10**13}, "amount_paise-out-of-range"),
        ({"due_day": "20/07/2026"}, "due_day-is-no-day"),
        ({"as_of": "2026-07-01"}, "as_of-has-no-offset"),
        ({"as_of": "now"}, "as_of-is-no-instant"),
        ({"reference": None}, "reference-missing"),
    ],
)
def test_a_row_that_cannot_be_read_says_which_field_is_wrong(change: dict[str, object], reason: str) -> None:
    row = {"usage_point": "U1", "amount_paise": 1, "as_of": "2026-07-01T00:00:00Z", "reference": "B"}
    found = parsed([row, {**row, **change}, 7], dues_of)
    assert [(each.row, each.reason) for each in found.refused] == [(2, reason), (3, "no-row")]
    assert len(found.rows) == 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(
    ["key", "result", "usage_point", "amount_paise", "as_of", "paid_at", "reference", "due_day"]
)


@given(rows=st.lists(st.dictionaries(_names, _json, max_size=8) | _json, max_size=5))
def test_no_row_breaks_the_reading_and_none_is_lost(rows: list[object]) -> None:
    for meaning in (answer_of, dues_of, payment_of):
        found = parsed(rows, meaning)
        assert len(found.rows) + len(found.refused) == len(rows)


@given(body=st.binary(max_size=80) | _json.map(lambda told: json.dumps(told).encode()))
def test_no_message_breaks_the_reading(body: bytes) -> None:
    with contextlib.suppress(MessageRefused):
        message_id, rows = read_message(body, "dues")
        assert message_id
        assert isinstance(rows, list)


def test_a_message_without_a_number_is_refused() -> None:
    for told in (
        {"dues": []},
        {"dues": [], "message_id": ""},
        {"dues": [], "message_id": "x" * 201},
        {"dues": {}},
    ):
        with pytest.raises(MessageRefused):
            read_message(json.dumps(told).encode(), "dues")
    assert read_message(b'{"message_id": "M", "dues": [1]}', "dues") == ("M", [1])


def test_a_signature_holds_for_this_body_secret_and_time_alone() -> None:
    told = signature(SECRET, b"body", NOW_S)
    verify(SECRET, b"body", told, NOW_S + TOLERANCE_S)
    for secret, body, header, now_s in [
        (SECRET, b"bodY", told, NOW_S),
        (SECRET + "x", b"body", told, NOW_S),
        (SECRET, b"body", told, NOW_S + TOLERANCE_S + 1),
        (SECRET, b"body", told, NOW_S - TOLERANCE_S - 1),
        (SECRET, b"body", told.replace(f"t={NOW_S}", f"t={NOW_S + 1}"), NOW_S),
        (SECRET, b"body", "", NOW_S),
        (SECRET, b"body", "t=x,v1=y", NOW_S),
        ("", b"body", signature("", b"body", NOW_S), NOW_S),
    ]:
        with pytest.raises(SignatureRefused):
            verify(secret, body, header, now_s)


class _Server:
    """A billing server on loopback that says what the test wants."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.received: list[tuple[bytes, str]] = []
        self.answers = threading.Event()
        self.answers.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.received.append((body, self.headers[HEADER]))
                outer.answers.wait(60)
                self.send_response(outer.status)
                self.send_header("content-length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                """Nothing on the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/statements"

    def close(self) -> None:
        self.answers.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[_Server]:
    """One that answers."""
    running = _Server()
    yield running
    running.close()


def test_statements_go_out_signed_and_answers_come_back(server: _Server) -> None:
    server.body = json.dumps({"message_id": "A", "answers": [BILLED, {**BILLED, "key": "not asked for"}]}).encode()
    with HttpDoor(server.url, SECRET, lambda: NOW_S) as door:
        answers = door.send([DELIVERY])
        server.status = 202
        assert door.send([DELIVERY]) == []
    assert answers == [Acknowledgement(key=DELIVERY.key, accepted=True, bill_reference="B1", billed_wh=310_000)]
    (body, header), (again, _) = server.received
    verify(SECRET, body, header, NOW_S)
    assert body == again, "the same statements are the same message"
    (told,) = json.loads(body)["statements"]
    assert (told["key"], told["import_wh"], told["demand_start"]) == (
        DELIVERY.key,
        310_000,
        "2026-05-28T20:26:40Z",
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (404, b"{}"),
        (302, b""),
        (200, b""),
        (200, b"<html>"),
        (200, b"x" * (LARGEST_ANSWER_OCTETS + 1)),
    ],
)
def test_a_billing_server_that_answers_nonsense_counts_as_away(server: _Server, status: int, body: bytes) -> None:
    server.status, server.body = status, body
    with HttpDoor(server.url, SECRET, lambda: NOW_S) as door, pytest.raises(BillingServerAway):
        door.send([DELIVERY])


def test_nobody_at_the_address_counts_as_away(server: _Server) -> None:
    server.close()
    with HttpDoor(server.url, SECRET, lambda: NOW_S) as door, pytest.raises(BillingServerAway, match="reached"):
        door.send([DELIVERY])


def test_a_billing_server_that_takes_and_does_not_answer_counts_as_away(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_door, "ANSWER_WITHIN_S", 0.2)
    server.answers.clear()
    with HttpDoor(server.url, SECRET, lambda: NOW_S) as door, pytest.raises(BillingServerAway):
        door.send([DELIVERY])
    server.answers.set()
    server.status = 202
    with HttpDoor(server.url, SECRET, lambda: NOW_S) as door:
        assert door.send([DELIVERY]) == [], "it is asked again, with the same message"
    assert len({body for body, _ in server.received}) == 1
