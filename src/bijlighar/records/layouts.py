"""Capture objects and scalers as the head-end wrote them down, once per model, firmware and profile."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from bijlighar.records import tables
from bijlighar.records.database import Database, upsert


class Layouts:
    """Kept layouts; the octets are the head-end's own. ``now`` gives epoch seconds."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def layout(self, model: str, firmware: str, profile: str) -> bytes | None:
        """The kept layout, or None."""
        kept = tables.layouts
        named = (kept.c.model == model) & (kept.c.firmware == firmware) & (kept.c.profile == profile)
        with self._database.read() as connection:
            found: bytes | None = connection.execute(select(kept.c.layout).where(named)).scalar()
        return found

    def put_layout(self, model: str, firmware: str, profile: str, layout: bytes) -> None:
        """Keep a layout; newest wins."""
        row = {
            "model": model,
            "firmware": firmware,
            "profile": profile,
            "layout": layout,
            "kept_s": int(self._now()),
        }
        with self._database.write() as connection:
            upsert(connection, tables.layouts, [row])
