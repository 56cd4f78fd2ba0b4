"""The warrant: the gate's signed word that one action on one meter may be sent until one moment.

A warrant binds order, meter, action and not-after with HMAC-SHA-256. The head-end checks it beside its encoder;
without a valid warrant the encoder refuses. Issuing warrants (policy, second person, undo window) belongs to the
gate's orders; here stand only the type, its signature and its check.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

MINIMUM_KEY_OCTETS = 32
"""A signing key shorter than SHA-256's own output would weaken it (RFC 2104, section 3)."""

_CONTEXT = b"bijlighar warrant 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyAction:
    """One DLMS operation that can change supply, exactly as it will be encoded.

    ``service``  "set" or "action"
    ``class_id`` COSEM class; ``obis`` six octets; ``index`` attribute or method number
    ``payload``  the A-XDR octets of the value or parameter: another threshold is another action
    """

    service: str
    class_id: int
    obis: bytes
    index: int
    payload: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warrant:
    """The gate's signed permission. ``not_after_s`` epoch seconds UTC; ``system_title`` 8 octets of the meter."""

    order_id: str
    system_title: bytes
    action: SupplyAction
    not_after_s: int
    signature: bytes


class WarrantRefused(Exception):
    """The warrant does not cover what is about to be sent. ``reason`` says which part differs."""

    def __init__(self, reason: str, *, order_id: str = "") -> None:
        super().__init__(f"warrant refused: {reason}" + (f" (order {order_id})" if order_id else ""))
        self.reason = reason
        self.order_id = order_id


def _field(octets: bytes) -> bytes:
    return len(octets).to_bytes(4, "big") + octets


def _signed_octets(order_id: str, system_title: bytes, action: SupplyAction, not_after_s: int) -> bytes:
    fields = (
        _CONTEXT,
        order_id.encode(),
        system_title,
        action.service.encode(),
        action.class_id.to_bytes(2, "big"),
        action.obis,
        action.index.to_bytes(1, "big", signed=True),
        action.payload,
        not_after_s.to_bytes(8, "big"),
    )
    return b"".join(_field(part) for part in fields)


def _key(key: bytes) -> bytes:
    if len(key) < MINIMUM_KEY_OCTETS:
        raise ValueError(f"a warrant key needs at least {MINIMUM_KEY_OCTETS} octets")
    return key


def sign(*, key: bytes, order_id: str, system_title: bytes, action: SupplyAction, not_after_s: int) -> Warrant:
    """A warrant under ``key``. Raises ValueError for a key shorter than MINIMUM_KEY_OCTETS."""
    signature = hmac.new(
        _key(key), _signed_octets(order_id, system_title, action, not_after_s), hashlib.sha256
    ).digest()
    return Warrant(
        order_id=order_id,
        system_title=system_title,
        action=action,
        not_after_s=not_after_s,
        signature=signature,
    )


def check(warrant: Warrant | None, *, key: bytes, system_title: bytes, action: SupplyAction, now_s: float) -> None:
    """Return when ``warrant`` covers exactly this action on this meter now; raise WarrantRefused otherwise."""
    if warrant is None:
        raise WarrantRefused("no warrant")
    expected = hmac.new(
        _key(key),
        _signed_octets(warrant.order_id, warrant.system_title, warrant.action, warrant.not_after_s),
        hashlib.sha256,
    ).digest()
    if not hmac.compare_digest(expected, warrant.signature):
        raise WarrantRefused("signature is not the gate's", order_id=warrant.order_id)
    if warrant.system_title != system_title:
        raise WarrantRefused("it names another meter", order_id=warrant.order_id)
    if warrant.action != action:
        raise WarrantRefused("it names another action", order_id=warrant.order_id)
    if now_s > warrant.not_after_s:
        raise WarrantRefused("it has expired", order_id=warrant.order_id)
