"""Sealed day blocks on disk: written whole, committed by a manifest, read by day and bucket or by meter and month.

A killed process leaves the old block or the new one: the file is synchronised under its own name before its row is
committed, and a file without a row is removed at the next opening, because it can be sealed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bijlighar.records.blocks_file import (
    DAY_GROUP_ROWS,
    BlockColumns,
    Footer,
    day_named,
    day_number,
    decode,
    encode,
    footer_of,
    joined,
)
from bijlighar.records.blocks_manifest import RAW, BlockFile, BlockManifest
from bijlighar.records.files import TEMPORARY, Files, is_alive, unavailable_when_disk_refuses
from bijlighar.records.remembered import Remembered

PIN_GRACE_S = 3_600
"""Files of retired blocks stay this long for readers that pinned an older list."""

REMEMBERED_OCTETS = 64 * 2**20
"""Room for the footers of some thirty months of buckets: reading one again is the longest part of asking for one
meter's month."""


class BlockDamaged(Exception):
    """A block's file is not what was written; it counts no more and its days are to be sealed anew.

    ``file`` below the blocks' folder, ``reason`` one sentence.
    """

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"block {file}: {reason}")
        self.file = file
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBucket:
    """What is to be written: the rows of a bucket, and what they hold."""

    bucket: int
    columns: BlockColumns
    segments_generation: int
    network_version: int


class Blocks:
    """Writes and reads blocks below ``files.root``.

    ``owner`` begins the names of what is written; ``now`` dates it, ``wall`` ages retired files.
    """

    def __init__(
        self,
        manifest: BlockManifest,
        files: Files,
        owner: str,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.manifest = manifest
        self._files = files
        self._owner = owner
        self._now = now
        self._wall = wall
        self._written = count(1)
        self._footers = Remembered[Footer](REMEMBERED_OCTETS, lambda footer: footer.octets)

    def write(self, sealed: SealedBucket, *, group_rows: int = DAY_GROUP_ROWS) -> BlockFile:
        """Write one file and return what the manifest is to keep of it. Raises Unavailable."""
        columns = sealed.columns
        octets, steps = encode(columns, group_rows=group_rows)
        days = columns.day if len(columns) else np.zeros(1, dtype=np.int32)
        meters = columns.meter_id if len(columns) else np.zeros(1, dtype=np.int32)
        block = BlockFile(
            block_id=self.new_id(),
            kind=RAW,
            period_s=columns.period_s,
            bucket=sealed.bucket,
            first_day=day_named(int(days.min())),
            last_day=day_named(int(days.max())),
            rows=len(columns),
            meter_min=int(meters.min()),
            meter_max=int(meters.max()),
            octets=octets.size,
            sha256=hashlib.sha256(octets).hexdigest(),
            steps=steps,
            sealed_s=self.now_s(),
            segments_generation=sealed.segments_generation,
            network_version=sealed.network_version,
        )
        self._files.write_durably(block.file, memoryview(octets))
        return block

    def new_id(self) -> str:
        """A name for a file that nobody else gives."""
        return f"{self._owner}-b{next(self._written):08d}"

    def now_s(self) -> int:
        """The utility's clock, in epoch seconds."""
        return int(self._now())

    def put(
        self,
        sealed: Sequence[SealedBucket],
        old: Sequence[BlockFile] = (),
        *,
        group_rows: int = DAY_GROUP_ROWS,
    ) -> list[BlockFile]:
        """Write blocks and let them stand for ``old``, in one transaction.

        Raises Superseded when an old one stands no more, Unavailable; then nothing is changed.
        """
        new: list[BlockFile] = []
        with self._undone(new):
            for each in sealed:
                new.append(self.write(each, group_rows=group_rows))  # noqa: PERF401 - what was written counts
            self.manifest.commit(new, old, now_s=int(self._wall()))
        return new

    def put_file(self, file: BlockFile, octets: pa.Buffer, old: Sequence[BlockFile] = ()) -> None:
        """Write one encoded file and let it stand for ``old``. Raises as ``put``."""
        with self._undone([file]):
            self._files.write_durably(file.file, memoryview(octets))
            self.manifest.commit([file], old, now_s=int(self._wall()))

    def put_written(self, new: Sequence[BlockFile], old: Sequence[BlockFile]) -> None:
        """Let files that others have written below the folder stand for ``old``. Raises as ``put``."""
        with self._undone(new):
            self.manifest.commit(new, old, now_s=int(self._wall()))

    def remove_written(self, files: Sequence[BlockFile]) -> None:
        """Take away files that nobody committed."""
        known = self.manifest.known_files()  # a commit may have failed after the database took it
        for block in files:
            if block.file not in known:
                (self._files.root / block.file).unlink(missing_ok=True)

    @contextmanager
    def _undone(self, new: Sequence[BlockFile]) -> Iterator[None]:
        """Take files away again of which the manifest does not know."""
        try:
            yield
        except BaseException:
            self.remove_written(new)
            raise

    def day(self, day: date, *, generation: int | None = None) -> list[BlockFile]:
        """The blocks that hold a day: one for each bucket and block length, by both."""
        standing: dict[tuple[int, int], BlockFile] = {}
        for block in self.manifest.blocks(RAW, day, day, generation=generation):  # newest first
            standing.setdefault((block.bucket, block.period_s), block)
        return [standing[key] for key in sorted(standing)]

    def read(
        self, block: BlockFile, day: date, channels: Sequence[str] | None = None, *, meter_id: int | None = None
    ) -> BlockColumns:
        """One day of a block, of all its meters or of one. Raises BlockDamaged, Unavailable."""
        columns = self._read(block, channels, meter_id)
        wanted = columns.day == day_number(day)
        return columns if wanted.all() else columns.only(wanted)

    def whole(self, block: BlockFile) -> BlockColumns:
        """All days of a block. Raises BlockDamaged, Unavailable."""
        return self._read(block, None, None)

    def meter_days(
        self,
        meter_id: int,
        first: date,
        last: date,
        channels: Sequence[str] | None = None,
        *,
        generation: int | None = None,
    ) -> list[BlockColumns]:
        """The newest version of one meter's days, both ends included, by day; one item for each block length.

        A day that several blocks hold is taken from the newest of them. Raises BlockDamaged, Unavailable.
        """
        parts: dict[int, list[BlockColumns]] = {}
        seen: set[tuple[int, int]] = set()
        for block in self.manifest.blocks(RAW, first, last, meter_id=meter_id, generation=generation):
            columns = self._read(block, channels, meter_id)
            fresh = np.array([(block.period_s, day) not in seen for day in columns.day.tolist()], dtype=bool)
            wanted = fresh & (columns.version == 0)
            wanted &= (columns.day >= day_number(first)) & (columns.day <= day_number(last))
            found = columns.only(wanted)
            seen |= {(block.period_s, day) for day in found.day.tolist()}
            if len(found):
                parts.setdefault(block.period_s, []).append(found)
        whole = [joined(found) for _, found in sorted(parts.items())]
        return [each.only(np.argsort(each.day, kind="stable")) for each in whole]

    def meters_of(self, block: BlockFile) -> NDArray[np.int32]:
        """The meters of a block, ascending. Raises BlockDamaged, Unavailable."""
        with self.opened(block) as file:
            return np.unique(np.asarray(file.read(columns=["meter_id"])["meter_id"].to_numpy()))

    def expire(self, before: date, kind: str = RAW) -> int:
        """Let blocks whose last day lies before ``before`` count no more; returns how many.

        Readers that pinned them go on for an hour. Midnight registers and events are segments: they stay.
        """
        return self.manifest.retire_before(before, kind, now_s=int(self._wall()))

    def sweep(self) -> int:
        """Remove the files of blocks retired more than an hour ago; returns how many."""
        files = self.manifest.retired_files(int(self._wall()) - PIN_GRACE_S)
        for file in files:
            (self._files.root / file).unlink(missing_ok=True)
        self.manifest.drop(files)
        return len(files)

    def recover(self, owners: Path) -> list[str]:
        """Remove what processes left that died before they committed; returns the files. Raises Unavailable."""
        known = self.manifest.known_files()
        removed = []
        with unavailable_when_disk_refuses():
            for path in sorted(self._files.root.glob("*/*/*")):
                name = path.relative_to(self._files.root).as_posix()
                owner = "-".join(path.name.split("-")[:2])
                if name in known or not name.removesuffix(TEMPORARY).endswith(".parquet"):
                    continue
                if not is_alive(owners, owner) and name not in self.manifest.known_files():
                    path.unlink(missing_ok=True)
                    removed.append(name)
        return removed

    def _read(self, block: BlockFile, channels: Sequence[str] | None, meter_id: int | None) -> BlockColumns:
        if meter_id is None:  # whole days are read in passing: their footers are not kept
            with self.opened(block) as file:
                return decode(file, footer_of(file), channels)
        footer = self._footers.get(block.block_id, lambda: self._footer(block))
        with self.opened(block, footer.metadata) as file:
            return decode(file, footer, channels, meter_id=meter_id)

    def _footer(self, block: BlockFile) -> Footer:
        with self.opened(block) as file:
            return footer_of(file)

    def opened(self, block: BlockFile, metadata: pq.FileMetaData | None = None) -> _Guarded:
        """The file of a block, to be read in a with statement; ``metadata``: its footer, if it was read before.

        Raises BlockDamaged, Unavailable.
        """

        def damaged() -> None:
            self.manifest.forget(block, now_s=int(self._wall()))

        return _Guarded(self._files.root / block.file, block, damaged, metadata)


class _Guarded:
    """Opens a block's file; what cannot be read is told as BlockDamaged, after the manifest was told."""

    def __init__(
        self, path: Path, block: BlockFile, damaged: Callable[[], None], metadata: pq.FileMetaData | None
    ) -> None:
        self._path = path
        self._metadata = metadata
        self._block = block
        self._damaged = damaged
        self._file: pq.ParquetFile | None = None

    def __enter__(self) -> pq.ParquetFile:
        try:
            with unavailable_when_disk_refuses():
                self._file = pq.ParquetFile(
                    self._path, metadata=self._metadata, page_checksum_verification=True, pre_buffer=False
                )
        except (pa.ArrowException, OSError) as fault:
            self._tell(fault)
        assert self._file is not None
        return self._file

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _trace: object) -> None:
        if self._file is not None:
            self._file.close()
        if isinstance(fault, (pa.ArrowException, OSError)):
            self._tell(fault)

    def _tell(self, fault: BaseException) -> None:
        self._damaged()
        reason = "the file is missing" if isinstance(fault, FileNotFoundError) else f"it cannot be read: {fault}"
        raise BlockDamaged(file=self._block.file, reason=reason) from fault
