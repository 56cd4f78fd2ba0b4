"""The manifest of sealed blocks: which files hold which days. A block counts when its row here is committed.

Generations are those of the segments' manifest: one number names a state of both. A block that takes the place of
another retires it in the same transaction, so a reader finds the old one or the new one, never half.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, or_, select, update

from bijlighar.records import blocks_tables as tables
from bijlighar.records.database import Database, current_number, next_number, upsert

_kept = tables.blocks

RAW = "block-load"
"""Kind of the blocks that hold what meters said."""

ESTIMATES = "estimates"
"""Kind of the files that hold what was put in place of what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFile:
    """A file as the manifest knows it; columns as in docs/objects.md."""

    block_id: str
    kind: str
    period_s: int
    bucket: int
    first_day: date
    last_day: date
    rows: int
    meter_min: int
    meter_max: int
    octets: int
    sha256: str
    steps: dict[str, int]
    sealed_s: int
    segments_generation: int
    network_version: int
    generation: int = 0

    @property
    def file(self) -> str:
        """Where the file lies below the blocks' folder."""
        return f"{self.kind}/{self.first_day:%Y-%m}/{self.block_id}.parquet"

    @property
    def is_month(self) -> bool:
        """True for a file that holds more than one day."""
        return self.first_day != self.last_day


class Superseded(Exception):
    """Another process committed a newer block meanwhile. ``file`` is the one that was to be retired."""

    def __init__(self, file: str) -> None:
        super().__init__(f"block {file} stands no more")
        self.file = file


_NAMES = tuple(BlockFile.__dataclass_fields__)
_COLUMNS = [_kept.c[name] for name in _NAMES]
_LIVE = _kept.c.retired_generation.is_(None)


class BlockManifest:
    """Commits and lists blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, new: Sequence[BlockFile], old: Sequence[BlockFile] = (), *, now_s: int) -> int:
        """Make blocks count and retire those they take the place of; returns the generation.

        Raises Superseded when one of ``old`` stands no more, and then nothing is changed; Unavailable.
        """
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            _retire(connection, old, generation, now_s)
            upsert(connection, _kept, [_row(block, generation) for block in new], keep=True)
        return generation

    def confirm(self, blocks: Sequence[BlockFile], segments_generation: int) -> None:
        """Note that later segments changed nothing in these blocks."""
        named = _kept.c.block_id.in_([block.block_id for block in blocks])
        with self._database.write() as connection:
            connection.execute(update(_kept).where(named).values(segments_generation=segments_generation))

    def blocks(
        self,
        kind: str,
        first: date,
        last: date,
        *,
        meter_id: int | None = None,
        generation: int | None = None,
    ) -> list[BlockFile]:
        """Blocks that hold a day of ``[first, last]``, the newest generation first.

        ``meter_id`` leaves out files that cannot hold that meter; ``generation`` asks for an older list.
        """
        conditions = [
            _kept.c.kind == kind,
            _live_at(generation),
            _kept.c.last_day >= first.isoformat(),
            _kept.c.first_day <= last.isoformat(),
        ]
        if meter_id is not None:
            conditions += [_kept.c.meter_min <= meter_id, _kept.c.meter_max >= meter_id]
        query = select(*_COLUMNS).where(*conditions)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_kept.c.generation.desc(), _kept.c.block_id)).all()
        return [_block(row) for row in rows]

    def generation(self) -> int:
        """The generation that stands."""
        with self._database.read() as connection:
            return current_number(connection, "manifest")

    def retire_before(self, day: date, kind: str, *, now_s: int) -> int:
        """Retire blocks whose last day lies before ``day``; returns how many."""
        old = (_kept.c.kind == kind, _LIVE, _kept.c.last_day < day.isoformat())
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            gone = update(_kept).where(*old).values(retired_generation=generation, retired_s=now_s)
            return connection.execute(gone).rowcount

    def forget(self, block: BlockFile, *, now_s: int) -> None:
        """Retire one block whose file is damaged, so that its days are sealed anew from their segments.

        Blocks beside it in the bucket are taken to hold no segment, so that every row is dealt out again.
        """
        beside = (
            _kept.c.kind == block.kind,
            _kept.c.bucket == block.bucket,
            _kept.c.last_day >= block.first_day.isoformat(),
            _kept.c.first_day <= block.last_day.isoformat(),
        )
        with self._database.write() as connection:
            generation = next_number(connection, "manifest")
            named = update(_kept).where(_kept.c.block_id == block.block_id, _LIVE)
            connection.execute(named.values(retired_generation=generation, retired_s=now_s))
            connection.execute(update(_kept).where(_LIVE, *beside).values(segments_generation=0))

    def retired_files(self, before_s: int) -> list[str]:
        """Files of blocks that were retired before an instant of the wall clock."""
        query = select(_kept.c.file).where(_kept.c.retired_s < before_s)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def drop(self, files: Sequence[str]) -> None:
        """Forget the rows of files that are gone."""
        with self._database.write() as connection:
            for file in files:
                connection.execute(delete(_kept).where(_kept.c.file == file))

    def known_files(self) -> dict[str, int]:
        """Octets of every file that has a row, retired ones too."""
        with self._database.read() as connection:
            rows = connection.execute(select(_kept.c.file, _kept.c.octets)).all()
        return {str(file): int(octets) for file, octets in rows}

    def places(self) -> dict[str, int]:
        """Bucket by transformer."""
        kept = tables.bucket_places
        with self._database.read() as connection:
            rows = connection.execute(select(kept.c.transformer, kept.c.bucket)).all()
        return {str(transformer): int(bucket) for transformer, bucket in rows}

    def keep_places(self, places: dict[str, int]) -> dict[str, int]:
        """Add transformers and return all: where two processes add the same one, the first wins."""
        rows = [{"transformer": code, "bucket": bucket} for code, bucket in places.items()]
        with self._database.write() as connection:
            upsert(connection, tables.bucket_places, rows, keep=True)
        return self.places()


def _live_at(generation: int | None) -> ColumnElement[bool]:
    if generation is None:
        return _LIVE
    not_yet = or_(_kept.c.retired_generation.is_(None), _kept.c.retired_generation > generation)
    return and_(_kept.c.generation <= generation, not_yet)


def _retire(connection: Connection, old: Sequence[BlockFile], generation: int, now_s: int) -> None:
    for block in old:
        named = update(_kept).where(_kept.c.block_id == block.block_id, _LIVE)
        if connection.execute(named.values(retired_generation=generation, retired_s=now_s)).rowcount != 1:
            raise Superseded(block.file)


def _row(block: BlockFile, generation: int) -> dict[str, Any]:
    return {
        **asdict(block),
        "first_day": block.first_day.isoformat(),
        "last_day": block.last_day.isoformat(),
        "steps": json.dumps(block.steps),
        "file": block.file,
        "generation": generation,
    }


def _block(row: Row[*tuple[Any, ...]]) -> BlockFile:
    fields = dict(zip(_NAMES, row, strict=True))
    fields["first_day"] = date.fromisoformat(fields["first_day"])
    fields["last_day"] = date.fromisoformat(fields["last_day"])
    fields["steps"] = json.loads(fields["steps"])
    return BlockFile(**fields)
