"""The door over HTTP: signed messages to the billing server's address, answers at once or later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import httpx

from bijlighar.cim.billing import Acknowledgement, Delivery
from bijlighar.operations.billing_exchange import cim_form
from bijlighar.operations.billing_exchange.delivering import BillingServerAway
from bijlighar.operations.billing_exchange.json_form import (
    MessageRefused,
    message_id_for,
    message_of,
    read_message,
)
from bijlighar.operations.billing_exchange.rows import answer_of, parsed
from bijlighar.operations.billing_exchange.signing import HEADER, signature

ANSWER_WITHIN_S = 30.0
LARGEST_ANSWER_OCTETS = 4_000_000
"""Answers to a batch are some 100 octets each."""


class HttpDoor:
    """Sends to ``url``, as JSON or, with ``cim``, as IEC 61968-9 messages.

    ``wall`` tells the wall clock's epoch seconds, by which signatures age.
    """

    def __init__(self, url: str, secret: str, wall: Callable[[], float], *, cim: bool = False) -> None:
        self._cim = cim
        self._url = url
        self._secret = secret
        self._wall = wall
        self._client = httpx.Client(timeout=ANSWER_WITHIN_S, follow_redirects=False, trust_env=False)

    def send(self, deliveries: Sequence[Delivery]) -> Sequence[Acknowledgement]:
        """Send one message. Raises BillingServerAway."""
        message_id = message_id_for(deliveries)
        now_s = int(self._wall())
        if self._cim:
            body = cim_form.message_of(message_id, deliveries, now_s)
        else:
            body = message_of(message_id, deliveries)
        headers = {
            "content-type": "application/xml" if self._cim else "application/json",
            "idempotency-key": message_id,
            HEADER: signature(self._secret, body, now_s),
        }
        status, answer = self._exchange(body, headers)
        if status == httpx.codes.ACCEPTED:
            return []
        if status != httpx.codes.OK:
            raise BillingServerAway(f"the billing server answered with status {status}")
        if self._cim:
            return _taken(answer)
        try:
            _, rows = read_message(answer, "answers")
        except MessageRefused as refused:
            raise BillingServerAway(f"the billing server's answer cannot be read: {refused}") from None
        keys = {each.key for each in deliveries}
        return [each for each in parsed(rows, answer_of).rows if each.key in keys]

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                read = bytearray()
                for piece in answer.iter_bytes():
                    read += piece
                    if len(read) > LARGEST_ANSWER_OCTETS:
                        raise BillingServerAway("the billing server's answer has no end")
                return answer.status_code, bytes(read)
        except httpx.TimeoutException:
            raise BillingServerAway(f"no answer within {ANSWER_WITHIN_S:.0f} s") from None
        except httpx.HTTPError as fault:
            raise BillingServerAway(f"the billing server cannot be reached: {type(fault).__name__}") from None


def _taken(answer: bytes) -> Sequence[Acknowledgement]:
    """Nothing is answered yet. Raises BillingServerAway unless the whole message was taken."""
    try:
        reply = cim_form.read_reply(answer)
    except cim_form.ReplyRefused as refused:
        raise BillingServerAway(f"the billing server's reply cannot be read: {refused}") from None
    if reply.result != "OK":
        raise BillingServerAway(f"the billing server replied {reply.result}: {'; '.join(reply.errors)[:200]}")
    return []
