"""A stand-in billing server: tells its master data, bills the statements it is sent, then tells dues and payments.

``POST /statements`` takes signed messages as docs/billing.md describes them. ``GET /bills`` shows its books, so
that a test can compare them with the product's.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import structlog

from bijlighar.operations.billing_exchange.signing import HEADER, SignatureRefused, signature, verify
from meterlab.billing_accounts import account_rows, load_message
from meterlab.billing_books import Books

LARGEST_BODY_OCTETS = 16_000_000
TRIES = 20
PATIENT_TRIES = 1_200
"""Ten minutes: whoever starts both starts one of them first."""
TRY_AGAIN_S = 0.5
PAID_AFTER_S = 60
"""After the bill: what is paid in the same second is not seen to be paid for it."""
DUE_AFTER_S = 15 * 86_400
ISO = "%Y-%m-%dT%H:%M:%SZ"

_log = structlog.get_logger("billing-server")


class BillingServer:
    """Listens on loopback. ``product`` address of the control room, "" when nothing is told back.

    ``now``: the clock by which bills are dated, epoch seconds.
    """

    def __init__(
        self, books: Books, *, port: int, secret: str, product: str, now: Callable[[], float] = time.time
    ) -> None:
        self.books = books
        self._now = now
        self._secret = secret
        self._product = product.rstrip("/")
        server = self

        class Handler(_Handler):
            billing = server

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._http.server_port

    def serve(self) -> None:
        """Tell the master data, and answer until ``stop``."""
        threading.Thread(target=self._tell_accounts, daemon=True).start()
        self._http.serve_forever()
        self._http.server_close()

    def stop(self) -> None:
        """Have ``serve`` return."""
        threading.Thread(target=self._http.shutdown).start()

    def take(self, body: bytes, told: str) -> tuple[int, dict[str, Any]]:
        """Status and answer to a message of statements."""
        try:
            verify(self._secret, body, told, int(time.time()))
        except SignatureRefused as refused:
            return 401, {"error": refused.reason}
        if not self.books.serves():
            return 503, {"error": "being repaired"}
        message = json.loads(body)
        answers = [self.books.bill(each) for each in message["statements"]]
        threading.Thread(target=self._tell, args=(message["message_id"], answers), daemon=True).start()
        if self.books.faults.later:
            return 202, {}
        return 200, {"message_id": message["message_id"], "answers": answers}

    def _tell(self, message_id: str, answers: list[dict[str, Any]]) -> None:
        """Answers when they come later, then what is owed and what was paid."""
        if not self._product:
            return
        if self.books.faults.later:
            for _ in range(1 + self.books.faults.twice):
                self._post("answers", message_id, answers)
        now_s = self._now()
        as_of, paid_at = (time.strftime(ISO, time.gmtime(now_s + later_s)) for later_s in (0, PAID_AFTER_S))
        due_day = time.strftime("%Y-%m-%d", time.gmtime(now_s + DUE_AFTER_S))
        dues: list[dict[str, Any]] = [
            {
                "usage_point": code,
                "amount_paise": self.books.owed_paise(code),
                "due_day": due_day,
                "as_of": as_of,
                "reference": reference,
            }
            for code, reference in self.books.billed_points(answers).items()
        ]
        if self.books.faults.nobody:
            dues.append({**dues[0], "usage_point": "NOBODY"} if dues else {"usage_point": "NOBODY"})
        if dues:
            self._post("dues", f"dues-{message_id}", dues)
        paid = [
            {
                "payment_id": f"P-{each['reference']}",
                "usage_point": each["usage_point"],
                "amount_paise": each["amount_paise"],
                "paid_at": paid_at,
            }
            for each in dues
            if each.get("amount_paise", 0) > 0 and self.books.pay(each["usage_point"])
        ]
        if paid:
            self._post("payments", f"payments-{message_id}", paid)

    def _tell_accounts(self) -> None:
        """Accounts as JSON, sanctioned loads as IEC 61968-9; the metering side may start later than this one."""
        contracts = self.books.contracts
        if not self._product or not contracts:
            return
        now = time.strftime(ISO, time.gmtime(self._now()))
        rows = account_rows(contracts, now, nobody=self.books.faults.nobody)
        for _ in range(1 + self.books.faults.twice):
            self._post("accounts", f"accounts-{now}", rows, tries=PATIENT_TRIES)
            loads = load_message(list(contracts.values()), f"loads-{now}", now)
            self._send("cim", loads, "application/xml", PATIENT_TRIES)

    def _post(self, kind: str, message_id: str, rows: list[dict[str, Any]], *, tries: int = TRIES) -> None:
        body = json.dumps({"message_id": message_id, kind: rows}).encode()
        self._send(f"messages/{kind}", body, "application/json", tries)

    def _send(self, where: str, body: bytes, form: str, tries: int) -> None:
        url = f"{self._product}/api/billing/{where}"
        for _ in range(tries):
            headers = {"content-type": form, HEADER: signature(self._secret, body, int(time.time()))}
            try:
                answer = httpx.post(url, content=body, headers=headers, timeout=30.0, trust_env=False)
            except httpx.HTTPError as fault:
                _log.warning("the metering side does not answer", where=where, cause=type(fault).__name__)
            else:
                if answer.status_code < 500:
                    return
            time.sleep(TRY_AGAIN_S)


class _Handler(BaseHTTPRequestHandler):
    billing: BillingServer

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        if self.path != "/statements" or not 0 < length <= LARGEST_BODY_OCTETS:
            self._answer(404, {})
            return
        self._answer(*self.billing.take(self.rfile.read(length), self.headers.get(HEADER, "")))

    def do_GET(self) -> None:
        if self.path != "/bills":
            self._answer(404, {})
            return
        with self.billing.books.lock:
            self._answer(200, {"bills": self.billing.books.answers, "messages": self.billing.books.messages})

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        _log.debug("request", line=format % arguments)

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
