"""Landing: where readings and contacts become durable.

One call writes one segment per kind and block length, and one manifest transaction for all. Only after that
commit is anything acknowledged. What a killed process left behind is tidied by ``recovery`` at the next opening.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from zoneinfo import ZoneInfo

import pyarrow as pa

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.exchange import PushWindow, Unavailable
from bijlighar.cim.period import civil_date
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records.arrow_columns import integers
from bijlighar.records.files import Files, Owner
from bijlighar.records.manifest import Manifest
from bijlighar.records.push_windows import put_windows
from bijlighar.records.segment import (
    Segment,
    contacts_table,
    describe,
    encode,
    quarantine_table,
    readings_table,
    with_pushes,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something the operator must see. ``code`` is a fixed word, ``detail`` one English sentence."""

    code: str
    since_s: int
    detail: str


class Landing:
    """Lands rows for one process. ``now`` gives epoch seconds of the utility's clock."""

    def __init__(
        self, manifest: Manifest, files: Files, owner: Owner, *, now: Callable[[], float], zone: ZoneInfo
    ) -> None:
        self._manifest = manifest
        self._files = files
        self._owner = owner
        self._now = now
        self._zone = zone
        self._written = count(1)
        self._unanswered: list[Segment] = []
        self._windows: tuple[PushWindow, ...] = ()
        self._refusal: Alarm | None = None

    @property
    def alarms(self) -> list[Alarm]:
        """Empty, or one alarm since the store began to refuse; the first landed row ends it."""
        return [] if self._refusal is None else [self._refusal]

    def quarantine(self, readings: ReadingBatch, reasons: Sequence[str]) -> None:
        """Keep rows whose time cannot be true, apart from readings, with one reason each; durable before return.

        Raises Unavailable, and ValueError when there are not as many reasons as rows. For the thread of ``land``.
        """
        table = quarantine_table(readings, reasons)
        self._alarmed(lambda: self._land([table] if len(readings) else []))

    def land(
        self,
        readings: Sequence[ReadingBatch],
        contacts: Sequence[Contact],
        windows: Sequence[PushWindow] = (),
    ) -> None:
        """Return only when all rows are durable. Raises Unavailable, then nothing of this call is acknowledged.

        ``windows`` become durable in the same transaction: a pushed row and the note that its counter was used
        outlive a crash together, or neither does. Landing the same rows twice is harmless: the newest of a meter
        and start is read. For one thread.
        """
        tables = _grouped(readings)
        if contacts:
            tables.append(contacts_table(contacts))
        self._alarmed(lambda: self._land(tables, windows))

    def _alarmed(self, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except Unavailable as refusal:
            if self._refusal is None:
                self._refusal = Alarm(
                    code="readings-not-stored",
                    since_s=int(self._now()),
                    detail=f"nothing is stored: {refusal.reason}",
                )
            raise
        self._refusal = None

    def _land(self, tables: Sequence[pa.Table], windows: Sequence[PushWindow] = ()) -> None:
        self._settle()
        if not tables and not windows:
            return
        segments: list[Segment] = []
        try:
            for table in map(with_pushes, tables) if windows else tables:
                segments.append(self.write(table, self._landing_day(table)))  # noqa: PERF401 - what was written counts
        except BaseException:
            for segment in segments:  # no commit was tried, so nobody can know of these
                (self._files.root / segment.file).unlink(missing_ok=True)
            raise
        self._unanswered, self._windows = segments, tuple(windows)
        self._settle()

    def _settle(self) -> None:
        """Commit what is written.

        A commit may have failed after the database took it, so the files stay and the same rows are committed
        again before anything new is written: a store that is down costs the disk of one call, not of every try.
        """
        if self._windows:
            windows = self._windows
            self._manifest.commit(self._unanswered, lambda connection: put_windows(connection, windows))
        elif self._unanswered:
            self._manifest.commit(self._unanswered)
        self._unanswered, self._windows = [], ()

    def write(self, table: pa.Table, day: date, *, landing_order: int = 0) -> Segment:
        """Write one segment file and return what the manifest is to keep of it. Raises Unavailable.

        ``landing_order`` is given when the rows were landed before. Usable from several threads.
        """
        segment_id = f"{self._owner.name}-{next(self._written):08d}"
        octets = encode(table)
        segment = describe(table, octets, segment_id=segment_id, day=day, landed_s=int(self._now()))
        segment = replace(segment, landing_order=landing_order)
        self._files.write_durably(segment.file, memoryview(octets))
        return segment

    def _landing_day(self, table: pa.Table) -> date:
        if "received_s" in table.schema.names:
            newest_s = integers(table["received_s"]).max()
        else:
            newest_s = integers(table["started_ms"]).max() // 1000
        return civil_date(int(newest_s), self._zone)


def _grouped(readings: Sequence[ReadingBatch]) -> list[pa.Table]:
    groups: dict[tuple[ProfileKind, int], list[ReadingBatch]] = defaultdict(list)
    for batch in readings:
        if len(batch):
            groups[batch.kind, batch.period_s].append(batch)
    return [readings_table(batches) for batches in groups.values()]
