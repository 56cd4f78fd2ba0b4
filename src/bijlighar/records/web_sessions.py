"""Server-side web sessions, with the methods of Litestar's ``Store`` and nothing of Litestar.

Only the SHA-256 of a session's id is kept, so that a copy of the database signs nobody in. Expiry runs on the
wall clock, also when the town's clock does not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import delete, select, update

from bijlighar.records import tables
from bijlighar.records.database import Database, upsert

RENEWED_AFTER_MS = 60_000
"""An unchanged session's expiry is moved in steps of a minute, far below any session's length."""

_kept = tables.web_sessions


class WebSessions:
    """Keys to octets with an expiry. ``wall`` gives epoch seconds of the wall clock."""

    def __init__(self, database: Database, wall: Callable[[], float]) -> None:
        self._database = database
        self._wall = wall

    async def set(self, key: str, value: str | bytes, expires_in: int | timedelta | None = None) -> None:
        """Keep a value, for ``expires_in`` seconds or for ever."""
        content = value.encode() if isinstance(value, str) else value
        await asyncio.to_thread(self._set, key, content, _seconds(expires_in))

    async def get(self, key: str, renew_for: int | timedelta | None = None) -> bytes | None:
        """The value unless it has expired; ``renew_for`` moves the expiry of a value that has one."""
        return await asyncio.to_thread(self._get, key, _seconds(renew_for))

    async def renew(self, key: str, renew_for: int | timedelta) -> None:
        """Move the expiry of a value that has one and has not expired."""
        await self.get(key, renew_for)

    async def delete(self, key: str) -> None:
        """Forget a value; forgetting twice is no fault."""
        await asyncio.to_thread(self._delete, key)

    async def delete_all(self) -> None:
        """Forget all values: everybody is signed out."""
        await asyncio.to_thread(self._delete_all)

    async def delete_expired(self) -> None:
        """Forget what has expired."""
        await asyncio.to_thread(self._delete_expired)

    async def exists(self, key: str) -> bool:
        """True when the value is there and has not expired."""
        return await self.get(key) is not None

    async def expires_in(self, key: str) -> int | None:
        """Seconds until the value expires; None when there is no such value or it does not expire."""
        return await asyncio.to_thread(self._expires_in, key)

    def _now_ms(self) -> int:
        return int(self._wall() * 1000)

    def _set(self, key: str, content: bytes, seconds: float | None) -> None:
        expires_ms = None if seconds is None else self._now_ms() + int(seconds * 1000)
        if _is_near(self._find(key), content, expires_ms):
            return
        with self._database.write() as connection:
            row = {"id_hash": _hash(key), "content": content, "expires_ms": expires_ms}
            upsert(connection, _kept, [row])

    def _find(self, key: str) -> tuple[bytes, int | None] | None:
        with self._database.read() as connection:
            row = connection.execute(
                select(_kept.c.content, _kept.c.expires_ms).where(_kept.c.id_hash == _hash(key))
            ).first()
        if row is None or (row.expires_ms is not None and row.expires_ms <= self._now_ms()):
            return None
        return row.content, row.expires_ms

    def _get(self, key: str, seconds: float | None) -> bytes | None:
        found = self._find(key)
        if found is None:
            return None
        content, expires_ms = found
        if seconds is not None and expires_ms is not None:
            moved = update(_kept).where(_kept.c.id_hash == _hash(key))
            with self._database.write() as connection:
                connection.execute(moved.values(expires_ms=self._now_ms() + int(seconds * 1000)))
        return content

    def _delete(self, key: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_kept).where(_kept.c.id_hash == _hash(key)))

    def _delete_all(self) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_kept))

    def _delete_expired(self) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_kept).where(_kept.c.expires_ms <= self._now_ms()))

    def _expires_in(self, key: str) -> int | None:
        found = self._find(key)
        if found is None or found[1] is None:
            return None
        return (found[1] - self._now_ms()) // 1000


def _is_near(kept: tuple[bytes, int | None] | None, content: bytes, expires_ms: int | None) -> bool:
    """Litestar sets the session again after every answer; an unchanged one shall not cost a disk write."""
    if kept is None or kept[0] != content:
        return False
    if kept[1] is None or expires_ms is None:
        return kept[1] is expires_ms
    return abs(kept[1] - expires_ms) < RENEWED_AFTER_MS


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _seconds(length: int | timedelta | None) -> float | None:
    return length.total_seconds() if isinstance(length, timedelta) else length
