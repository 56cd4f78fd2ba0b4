"""Statements and answers as JSON: names as in ``cim.billing``, instants ISO 8601 UTC, energies Wh, money paise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bijlighar.cim.billing import Delivery, Receipt, RowRefused


class MessageRefused(ValueError):
    """A message as a whole cannot be read. The text is one sentence."""


def statement_of(delivery: Delivery) -> dict[str, Any]:
    """One statement with its key and revision."""
    told = asdict(delivery.statement)
    demand_start_s, determined_s = told.pop("demand_start_s"), told.pop("determined_s")
    return {
        "key": delivery.key,
        "revision": delivery.revision,
        **told,
        "first_day": delivery.statement.first_day.isoformat(),
        "last_day": delivery.statement.last_day.isoformat(),
        "demand_start": None if demand_start_s is None else _iso(demand_start_s),
        "determined": _iso(determined_s),
    }


def message_id_for(deliveries: Sequence[Delivery]) -> str:
    """The same statements are the same message, so that one sent again is known."""
    return hashlib.sha256("\n".join(each.key for each in deliveries).encode()).hexdigest()[:32]


def message_of(message_id: str, deliveries: Sequence[Delivery]) -> bytes:
    """A message of statements."""
    told = {"message_id": message_id, "statements": [statement_of(each) for each in deliveries]}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def read_message(body: bytes, kind: str) -> tuple[str, list[object]]:
    """``message_id`` and the rows under ``kind`` of a message. Raises MessageRefused."""
    try:
        told = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise MessageRefused("the message is no JSON in UTF-8") from None
    if not isinstance(told, dict) or not isinstance(told.get(kind), list):
        raise MessageRefused(f"the message has no list {kind!r}")
    message_id = told.get("message_id")
    if not isinstance(message_id, str) or not 1 <= len(message_id) <= 200 or not message_id.isprintable():
        raise MessageRefused("the message has no message_id of 1 to 200 characters")
    return message_id, told[kind]


def receipt_of(receipt: Receipt) -> dict[str, Any]:
    """What became of a message, for its sender."""
    return {
        "message_id": receipt.message_id,
        "taken": receipt.taken,
        "repeated": receipt.repeated,
        "refused": [_refused(each) for each in receipt.refused],
    }


def _refused(each: RowRefused) -> dict[str, Any]:
    return {"row": each.row, "reason": each.reason}


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
