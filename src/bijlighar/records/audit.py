"""The audit log: entries are only added, and each bears the SHA-256 of the one before, so that a change shows.

The chain shows that entries were altered, removed or put between others. It cannot show that the newest ones were
cut off together with the count; for that, note the newest hash elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from bijlighar.records import tables
from bijlighar.records.database import Database, current_number, next_number

FIRST_HASH = "0" * 64
"""What stands before the first entry."""

VERIFIED_AT_ONCE = 10_000
"""Entries held in memory while verifying."""

_kept = tables.audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry. ``number`` counts from 1 without gaps; ``who`` did ``what`` to ``subject``."""

    number: int
    at_s: int
    who: str
    what: str
    subject: str
    detail: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """``entries`` verified; ``broken_at`` the number of the first entry that does not fit, None when all fit."""

    entries: int
    broken_at: int | None
    reason: str = ""


class Audit:
    """Appends, reads and verifies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, *, who: str, what: str, subject: str, detail: Mapping[str, Any], at_s: int) -> AuditEntry:
        """Add an entry; durable before return. ``detail`` must be JSON. Raises Unavailable."""
        told = json.dumps(detail, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        with self._database.write() as connection:
            number = next_number(connection, "audit")  # holds the chain until the commit
            before = connection.execute(select(_kept.c.hash).where(_kept.c.number == number - 1)).scalar()
            row: dict[str, Any] = {
                "number": number,
                "at_s": at_s,
                "who": who,
                "what": what,
                "subject": subject,
                "detail": told,
                "previous_hash": before or FIRST_HASH,
            }
            row["hash"] = _hash(row)
            connection.execute(insert(_kept).values(row))
        return AuditEntry(**{**row, "detail": json.loads(told)})

    def entries(self, *, subject: str | None = None, offset: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Entries, newest first, of one subject or of all."""
        query = select(_kept).order_by(_kept.c.number.desc()).offset(offset).limit(limit)
        if subject is not None:
            query = query.where(_kept.c.subject == subject)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [AuditEntry(**{**row, "detail": json.loads(row["detail"])}) for row in rows]

    def count(self) -> int:
        """How many entries were ever added."""
        with self._database.read() as connection:
            return current_number(connection, "audit")

    def verify(self) -> AuditVerdict:
        """Walk the whole chain. Raises Unavailable."""
        with self._database.read() as connection:
            return verify_chain(connection)


def verify_chain(connection: Connection) -> AuditVerdict:
    """Walk the whole chain, as a transaction sees it."""
    number, before = 0, FIRST_HASH
    counted = current_number(connection, "audit")
    while rows := _after(connection, number):
        for row in rows:
            reason = _fault(row, number + 1, before)
            if reason:
                return AuditVerdict(entries=number, broken_at=number + 1, reason=reason)
            number, before = row["number"], row["hash"]
    if number != counted:
        reason = f"the log ends at {number}, but {counted} entries were added"
        return AuditVerdict(entries=number, broken_at=number + 1, reason=reason)
    return AuditVerdict(entries=number, broken_at=None)


def _after(connection: Connection, number: int) -> Sequence[RowMapping]:
    query = select(_kept).where(_kept.c.number > number).order_by(_kept.c.number).limit(VERIFIED_AT_ONCE)
    return connection.execute(query).mappings().all()


def _fault(row: RowMapping, number: int, before: str) -> str:
    if row["number"] != number:
        return f"entry {number} is missing"
    if row["previous_hash"] != before:
        return f"entry {number} does not follow the one before it"
    if row["hash"] != _hash(row):
        return f"entry {number} was altered"
    return ""


def _hash(row: RowMapping | Mapping[str, Any]) -> str:
    fields = [row[name] for name in ("number", "at_s", "who", "what", "subject", "detail", "previous_hash")]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()
