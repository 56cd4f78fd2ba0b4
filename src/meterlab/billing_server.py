"""A stand-in billing server: bills the statements it is sent, then tells dues and payments, right or wrong.

``POST /statements`` takes signed messages as docs/billing.md describes them. ``GET /bills`` shows its books, so
that a test can compare them with the product's.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import structlog

from bijlighar.operations.billing_exchange.signing import HEADER, SignatureRefused, signature, verify
from meterlab.billing_books import Books

LARGEST_BODY_OCTETS = 16_000_000
TRIES = 20
TRY_AGAIN_S = 0.5
PAID_SHARE = 3
"""Two of three usage points pay at once."""

_log = structlog.get_logger("billing-server")


class BillingServer:
    """Listens on loopback. ``product`` address of the control room, "" when nothing is told back."""

    def __init__(self, books: Books, *, port: int, secret: str, product: str) -> None:
        self.books = books
        self._secret = secret
        self._product = product.rstrip("/")
        server = self

        class Handler(_Handler):
            billing = server

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._http.server_port

    def serve(self) -> None:
        """Answer until ``stop``."""
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
        billed = [each for each in answers if each["result"] == "billed" and each.get("amount_paise") is not None]
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        dues = [
            {
                "usage_point": self.books.statements[each["key"]]["usage_point"],
                "amount_paise": each["amount_paise"],
                "due_day": None,
                "as_of": now,
                "reference": each["bill_reference"],
            }
            for each in billed
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
                "paid_at": now,
            }
            for number, each in enumerate(dues)
            if number % PAID_SHARE and each.get("amount_paise", 0) > 0
        ]
        if paid:
            self._post("payments", f"payments-{message_id}", paid)

    def _post(self, kind: str, message_id: str, rows: list[dict[str, Any]]) -> None:
        body = json.dumps({"message_id": message_id, kind: rows}).encode()
        url = f"{self._product}/api/billing/messages/{kind}"
        for _ in range(TRIES):
            headers = {"content-type": "application/json", HEADER: signature(self._secret, body, int(time.time()))}
            try:
                answer = httpx.post(url, content=body, headers=headers, timeout=30.0, trust_env=False)
            except httpx.HTTPError as fault:
                _log.warning("the metering side does not answer", kind=kind, cause=type(fault).__name__)
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
