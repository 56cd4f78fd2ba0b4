"""The audit log, newest first, and whether its chain still holds."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get

from bijlighar.controlroom.api.asking import AnyRequest, Limit, Offset, Text, room_of
from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.roles import Permission
from bijlighar.records.audit import AuditEntry


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: ``who`` did ``what`` to ``subject``."""

    number: int
    at: str | None
    who: str
    what: str
    subject: str
    detail: dict[str, Any]
    hash: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, newest first; ``total`` counts all entries of the log."""

    total: int
    rows: list[AuditRow]


class ChainVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """``broken_at`` is the first entry that does not fit, None when all fit."""

    entries: int
    broken_at: int | None
    reason: str


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        number=entry.number,
        at=iso(entry.at_s),
        who=entry.who,
        what=entry.what,
        subject=entry.subject,
        detail=dict(entry.detail),
        hash=entry.hash,
    )


@get("/audit", opt={"needs": Permission.READ_AUDIT})
async def audit(request: AnyRequest, subject: Text = "", offset: Offset = 0, limit: Limit = 100) -> AuditPage:
    """Who did what, newest first; ``subject`` such as ``meter:12`` narrows."""
    log = room_of(request).records.audit

    def read() -> AuditPage:
        found = log.entries(subject=subject or None, offset=offset, limit=limit)
        return AuditPage(total=log.count(), rows=[_row(entry) for entry in found])

    return await room_of(request).in_thread(read)


@get("/audit/verification", opt={"needs": Permission.READ_AUDIT})
async def verification(request: AnyRequest) -> ChainVerdict:
    """Walk the whole chain."""
    room = room_of(request)
    verdict = await room.in_thread(room.records.audit.verify)
    return ChainVerdict(entries=verdict.entries, broken_at=verdict.broken_at, reason=verdict.reason)


HANDLERS = (audit, verification)
