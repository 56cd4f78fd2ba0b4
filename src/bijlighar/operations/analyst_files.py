"""The files of one pinned generation as Arrow datasets: what the manifest names, never what a folder holds.

Every file carries what the manifest knows of it as columns of its own: its landing order, and the steps by which
its values were divided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from bijlighar.cim.channels import CHANNELS, ProfileKind
from bijlighar.cim.period import Period, civil_day
from bijlighar.records import Records
from bijlighar.records.blocks_manifest import RAW, BlockFile
from bijlighar.records.segment import CONTACT, CONTACT_SCHEMA, Segment

PERIODS_S = (1800, 900)
"""Block lengths of IS 15959: of consumers, and of feeders and transformers."""

EARLIEST, LATEST = date(1970, 1, 2), date(2100, 1, 1)


@dataclass(frozen=True, kw_only=True)
class PinnedFiles:
    """Which files are asked: those of ``generation`` that may hold the days ``[first, last]``."""

    records: Records
    folder: Path
    generation: int
    first: date
    last: date

    @property
    def period(self) -> Period:
        """All instants of the days."""
        return Period(start_s=civil_day(self.first).start_s, end_s=civil_day(self.last).end_s)

    def blocks(self) -> list[BlockFile]:
        """Sealed blocks, the newest first."""
        return self.records.blocks.manifest.blocks(RAW, self.first, self.last, generation=self.generation)


def block_channels() -> list[str]:
    """Channels of a block load: energies and what has phases."""
    return [name for name in CHANNELS if _is_plain(name) and name.split("_")[0] in _BLOCK]


def channels_of(kind: ProfileKind) -> list[str]:
    """Channels that a meter may give in a profile."""
    if kind is ProfileKind.BLOCK_LOAD:
        return block_channels()
    if kind is ProfileKind.EVENT:
        return ["event_code", "event_log", *block_channels(), "tamper_count"]
    return [name for name in CHANNELS if not name.startswith(("event_", "status_word_"))]


_BLOCK = {"import", "export", "q1", "q2", "q3", "q4", "voltage", "current", "power", "neutral", "frequency"}


def _is_plain(name: str) -> bool:
    return "_tz" not in name and not name.startswith("power_o") and name != "power_failures"


def readings(pinned: PinnedFiles, kind: ProfileKind) -> ds.Dataset:
    """Rows as they were landed, every version, with ``period_s`` and ``landing_order`` of their segment."""
    numbers = ("start_s", "received_s", "landing_order", *channels_of(kind))
    small = [(name, pa.int32()) for name in ("meter_id", "period_s")]
    schema = pa.unify_schemas([pa.schema(small), pa.schema([(name, pa.int64()) for name in numbers])])
    segments = pinned.records.readings.pin(kind, pinned.period, pinned.generation).segments
    return _segments(pinned, segments, schema, "start_s", 1)


def contacts(pinned: PinnedFiles) -> ds.Dataset:
    """Every visit."""
    segments = pinned.records.manifest.pin(CONTACT, period=pinned.period, generation=pinned.generation).segments
    own = pa.schema([("period_s", pa.int32()), ("landing_order", pa.int64())])
    schema = pa.unify_schemas([CONTACT_SCHEMA, own])
    return _segments(pinned, segments, schema, "started_ms", 1000)


def _segments(
    pinned: PinnedFiles, segments: Iterable[Segment], schema: pa.Schema, instant: str, units: int
) -> ds.Dataset:
    def known(each: Segment) -> Any:  # noqa: ANN401 - Arrow's own type
        return (
            (ds.field("period_s") == each.period_s)
            & (ds.field("landing_order") == each.landing_order)
            & (ds.field(instant) >= each.start_min_s * units)
            & (ds.field(instant) < (each.start_max_s + 1) * units)
        )

    return _dataset(schema, [(pinned.folder / "segments" / each.file, known(each)) for each in segments])


def blocks(pinned: PinnedFiles, period_s: int) -> ds.Dataset:
    """Rows of sealed blocks of one length, with ``block`` and, for each channel, its ``step``."""
    slots = 86_400 // period_s
    listed: pa.DataType = pa.list_(pa.int64(), slots)
    names = block_channels()
    columns: list[tuple[str, pa.DataType]] = [
        ("meter_id", pa.int32()),
        ("day", pa.date32()),
        ("version", pa.int32()),
        ("transformer", pa.string()),
        ("received_after_s", listed),
        ("flags", pa.list_(pa.uint8(), slots)),
        *((name, listed) for name in names),
        ("block", pa.string()),
        *((f"step_{name}", pa.int64()) for name in names),
    ]

    def known(file: BlockFile) -> Any:  # noqa: ANN401 - Arrow's own type
        steps = [ds.field(f"step_{name}") == file.steps.get(name, 1) for name in names]
        days = (ds.field("day") >= file.first_day) & (ds.field("day") <= file.last_day)
        return reduce(and_, steps, (ds.field("block") == file.block_id) & days)

    files = [file for file in pinned.blocks() if file.period_s == period_s]
    return _dataset(pa.schema(columns), [(pinned.folder / "blocks" / file.file, known(file)) for file in files])


def overtaken(files: Sequence[BlockFile]) -> pa.Table:
    """Days of blocks that a newer block of the same bucket holds too: ``block``, ``day``. Newest first given."""
    seen: set[tuple[int, int, int]] = set()
    lost: list[tuple[str, date]] = []
    for file in files:
        for number in range(file.first_day.toordinal(), file.last_day.toordinal() + 1):
            key = (file.bucket, file.period_s, number)
            if key in seen:
                lost.append((file.block_id, date.fromordinal(number)))
            seen.add(key)
    return pa.table(
        {
            "block": pa.array([block for block, _ in lost], type=pa.string()),
            "day": pa.array([day for _, day in lost], type=pa.date32()),
        }
    )


def _dataset(schema: pa.Schema, files: Sequence[tuple[Path, Any]]) -> ds.Dataset:
    form, system = ds.ParquetFileFormat(), LocalFileSystem()
    fragments = [form.make_fragment(str(path), system, partition_expression=known) for path, known in files]
    return ds.FileSystemDataset(fragments, schema, form, system)


def files_below(folder: Path, schema: pa.Schema) -> ds.Dataset:
    """Files that were just written for this question."""
    return _dataset(schema, [(path, ds.scalar(True)) for path in sorted(folder.glob("*.parquet"))])
