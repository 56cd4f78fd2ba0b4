"""Everything that is kept, opened together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from bijlighar.cim.exchange import Unavailable
from bijlighar.cim.period import KOLKATA
from bijlighar.records.accounts import Accounts
from bijlighar.records.audit import Audit
from bijlighar.records.billing_checks import BillingChecks
from bijlighar.records.billing_in import Inbox
from bijlighar.records.billing_out import Deliveries
from bijlighar.records.blocks import Blocks
from bijlighar.records.blocks_compaction import BlockCompaction
from bijlighar.records.blocks_edits import Edits
from bijlighar.records.blocks_estimates import EstimateStore
from bijlighar.records.blocks_manifest import BlockFile, BlockManifest
from bijlighar.records.blocks_retention import Retention
from bijlighar.records.blocks_source import BlockSource
from bijlighar.records.compaction import Compaction
from bijlighar.records.consumers import Consumers
from bijlighar.records.copied_tables import CopiedTables
from bijlighar.records.counters import Counters
from bijlighar.records.database import BUSY_S, Database, next_number, sqlite_url
from bijlighar.records.day_progress import DayProgress
from bijlighar.records.day_totals import DayTotals
from bijlighar.records.exceptions import Exceptions
from bijlighar.records.files import Files, Owner, unavailable_when_disk_refuses
from bijlighar.records.jobs import ReadJobs
from bijlighar.records.keys import KeyBox
from bijlighar.records.landing import Alarm, Landing
from bijlighar.records.layouts import Layouts
from bijlighar.records.leases import Leases
from bijlighar.records.manifest import Manifest
from bijlighar.records.move import refuse_moved
from bijlighar.records.nameplates import Nameplates
from bijlighar.records.past import Past
from bijlighar.records.people import People
from bijlighar.records.pieces import Pieces
from bijlighar.records.pinned_files import Pinned
from bijlighar.records.push_windows import PushRecords
from bijlighar.records.readings import Readings
from bijlighar.records.recovery import Recovered, Recovery
from bijlighar.records.registry import Registry
from bijlighar.records.schema import migrate
from bijlighar.records.segment import Segment
from bijlighar.records.segment_reader import SegmentReader
from bijlighar.records.service_levels import ServiceLevelRecords
from bijlighar.records.settings import Settings
from bijlighar.records.trials import Trials
from bijlighar.records.web_sessions import WebSessions


class Records:
    """The records of one utility, as one process sees them. Safe beside other processes with the same records.

    ``url``      SQLAlchemy URL; None: the SQLite file ``records.db`` in ``data_dir``
    ``data_dir`` folder of the segments; made when absent
    ``now``      epoch seconds of the utility's clock: it dates what is kept
    ``wall``     epoch seconds of the wall clock: web sessions and files age by it
    ``zone``     the utility's zone, whose civil days name the segments' folders
    ``busy_s``   how long a statement waits for another writer

    Opening migrates the schema and tidies up after processes that died.
    Raises SchemaTooNew, RecordsMoved, Unavailable.
    """

    def __init__(
        self,
        url: str | None,
        data_dir: Path,
        *,
        now: Callable[[], float] = time.time,
        wall: Callable[[], float] = time.time,
        zone: ZoneInfo = KOLKATA,
        busy_s: float = BUSY_S,
        files: Callable[[Path], Files] = Files,
    ) -> None:
        root, owners = data_dir / "segments", data_dir / "segments" / ".owners"
        with unavailable_when_disk_refuses():
            owners.mkdir(parents=True, exist_ok=True)
        self._database = Database(url or sqlite_url(data_dir / "records.db"), busy_s=busy_s)
        try:
            migrate(self._database, data_dir)
            refuse_moved(self._database)
            self._owner = Owner(owners, _next_epoch(self._database))
        except BaseException:
            self._database.close()
            raise
        reader, manifest, segment_files = SegmentReader(root), Manifest(self._database), files(root)
        self._recovery = Recovery(self._database, manifest, segment_files, owners, now)
        self._now = now
        self._data_dir = data_dir.absolute()
        self.manifest = manifest
        self.registry = Registry(self._database, now)
        self.landing = Landing(manifest, segment_files, self._owner, now=now, zone=zone)
        self.readings = Readings(manifest, reader, examine=self._recovery.examine, now=now, zone=zone)
        self.pieces = Pieces(manifest, reader, self._recovery.examine)
        self.past = Past(self._database, manifest, reader, examine=self._recovery.examine)
        self.compaction = Compaction(
            self._database, manifest, reader, self.landing, root=root, examine=self._recovery.examine, wall=wall
        )
        self.blocks = Blocks(
            BlockManifest(self._database), files(data_dir / "blocks"), self._owner.name, now=now, wall=wall
        )
        self.block_compaction = BlockCompaction(self.blocks)
        self.block_source = BlockSource(manifest, reader, examine=self._recovery.examine)
        self.estimates = EstimateStore(self.blocks)
        self.retention = Retention(self._database, self.blocks, wall=wall)
        self.edits = Edits(self._database)
        self.exceptions = Exceptions(self._database)
        self.deliveries = Deliveries(self._database)
        self.billing_inbox, self.accounts = Inbox(self._database), Accounts(self._database)
        self.billing_checks = BillingChecks(self._database)
        self.day_progress = DayProgress(self._database)
        self.day_totals = DayTotals(self._database)
        self.service_levels = ServiceLevelRecords(self._database)
        self.copied_tables = CopiedTables(self._database)
        self.counters = Counters(self._database)
        self.leases = Leases(self._database, process=self._owner.name, owners=owners, now=now)
        self.keys = KeyBox(self._database, now)
        self.layouts = Layouts(self._database, now)
        self.nameplates = Nameplates(self._database)
        self.pushes = PushRecords(self._database)
        self.jobs = ReadJobs(self._database)
        self.people = People(self._database, now)
        self.consumers = Consumers(self._database, now)
        self.web_sessions = WebSessions(self._database, wall)
        self.audit = Audit(self._database)
        self.trials = Trials(self._database)
        self.settings = Settings(self._database)
        try:
            self.recovered = self._recovery.recover()
            self.blocks.recover(owners)
        except BaseException:
            self.close()
            raise

    def pin_files(
        self, generation: int, *, segments: Sequence[Segment] = (), blocks: Sequence[BlockFile] = ()
    ) -> Pinned:
        """What a task is given that shall work on these files, on this machine or another."""
        return Pinned(
            owner=self._owner.name,
            data_dir=self._data_dir,
            now_s=self._now(),
            generation=generation,
            segments=tuple(segments),
            blocks=tuple(blocks),
        )

    def check(self, *, contents: bool = False) -> Recovered:
        """Compare files and manifest again; ``contents`` reads every file. Raises Unavailable."""
        self.recovered = self._recovery.recover(contents=contents)
        return self.recovered

    def alarms(self) -> list[Alarm]:
        """What the operator must see of the store: a store that refuses, lost segments, unreadable files.

        Does not raise Unavailable: a database that does not serve is an alarm of its own.
        """
        try:
            losses = self.manifest.losses()
        except Unavailable as refusal:
            away = Alarm(code="records-unavailable", since_s=int(self._now()), detail=refusal.reason)
            return [*self.landing.alarms, away]
        lost = [
            Alarm(
                code="segment-lost",
                since_s=loss.since_s,
                detail=f"{loss.rows} rows of {loss.kind} in {loss.file}: {loss.reason}",
            )
            for loss in losses
        ]
        unreadable = [
            Alarm(code="segment-unreadable", since_s=0, detail=f"{file} was never acknowledged and cannot be read")
            for file in self.recovered.unreadable
        ]
        return [*self.landing.alarms, *lost, *unreadable]

    def close(self) -> None:
        """Close the database and say goodbye."""
        self._database.close()
        self._owner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _next_epoch(database: Database) -> int:
    """No two processes that open the records have the same."""
    with database.write() as connection:
        return next_number(connection, "landing epoch")
