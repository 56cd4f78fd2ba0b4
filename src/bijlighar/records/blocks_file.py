"""One file of day blocks: immutable Parquet, a row per meter and day, a fixed-size list of slots per channel.

Measured values are divided by the step that all values of the file share (a meter of 10 Wh counts in tens; the
step stands in the file and in the manifest), byte-stream-split and packed with zstd. MISSING becomes null and
back. Rows with ``version`` above 0 are older versions, at the end of the file; in them only the slots that were
superseded are held. Nothing here touches the disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm import DayBlocks, Sealed

BLOCK_KEYS = ("meter_id", "day", "version", "transformer")
"""What stands once a row; every other column is a list with one value a slot."""

SLOT_KEYS = ("received_after_s", "flags")

DAY_GROUP_ROWS = 2730
"""Rows of a row group of one day: each byte stream of a channel then fills one block of zstd (128 kB), so that the
skewed high octets have a code of their own. One meter of it is read in some 5 ms."""

MONTH_GROUP_ROWS = 256
"""Rows of a row group of a month, meter-major: some 8 meters, so that one meter's month is one small read. Halving
them once more would make files 4 % larger."""

STEPS = (1000, 100, 10)
"""Steps that are looked for, the coarsest first: scalers of IS 15959 are powers of ten."""

FORMAT = "1"
_NOTHING = int(np.iinfo(np.int32).min)
_ZSTD_LEVEL = 3
_EPOCH = date(1970, 1, 1).toordinal()

Cells = NDArray[np.int32] | NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BlockColumns:
    """Rows of a block file.

    meter_id    int32[row]
    day         int32[row]  days since 1970-01-01 of the civil day
    version     int32[row]  0: the newest; 1, 2, …: older ones, newest first
    transformer str[row]    on which the meter hung when the block was sealed
    received_after_s, flags, channels  [row, slot]: seconds after the day's start, SlotFlag, values in the
                channel's unit, the least value of the dtype (int32 or int64) where there is none
    """

    period_s: int
    meter_id: NDArray[np.int32]
    day: NDArray[np.int32]
    version: NDArray[np.int32]
    transformer: NDArray[np.object_]
    received_after_s: Cells
    flags: NDArray[np.uint8]
    channels: dict[str, Cells]

    def __len__(self) -> int:
        return len(self.meter_id)

    def only(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> BlockColumns:
        """The named rows, in that order."""
        return BlockColumns(
            period_s=self.period_s,
            meter_id=self.meter_id[rows],
            day=self.day[rows],
            version=self.version[rows],
            transformer=self.transformer[rows],
            received_after_s=self.received_after_s[rows],
            flags=self.flags[rows],
            channels={name: cells[rows] for name, cells in self.channels.items()},
        )


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def day_named(number: int) -> date:
    """The civil day of a number."""
    return date.fromordinal(_EPOCH) + timedelta(days=number)


def columns_of(sealed: Sealed, day: date, transformer: Sequence[str]) -> BlockColumns:
    """A sealed block as rows; ``transformer`` one for each meter of it."""
    blocks, older = sealed.blocks, sealed.older
    own = np.array(transformer, dtype=object)
    begins = np.searchsorted(older.meter_id, older.meter_id)
    version = np.concatenate([np.zeros(len(blocks), dtype=np.int64), np.arange(1, len(older) + 1) - begins])
    of_older = own[np.searchsorted(blocks.meter_id, older.meter_id)]
    both = (blocks, older) if len(older) else (blocks,)
    names = sorted({*blocks.channels, *older.channels})
    return BlockColumns(
        period_s=blocks.period_s,
        meter_id=np.concatenate([part.meter_id for part in both]),
        day=np.full(len(version), day_number(day), dtype=np.int32),
        version=version.astype(np.int32),
        transformer=np.concatenate([own, of_older]),
        received_after_s=narrow(np.concatenate([part.received_s for part in both]), blocks.day.start_s),
        flags=np.concatenate([part.flags for part in both]),
        channels={name: narrow(np.concatenate([part.channel(name) for part in both])) for name in names},
    )


def sealed_of(columns: BlockColumns, day: Period) -> Sealed:
    """The sealed block that rows of one day stand for."""

    def blocks(chosen: NDArray[np.bool_]) -> DayBlocks:
        part = columns.only(chosen) if not chosen.all() else columns
        return DayBlocks(
            day=day,
            period_s=part.period_s,
            meter_id=part.meter_id,
            received_s=widened(part.received_after_s, day.start_s),
            flags=part.flags,
            channels={name: widened(cells) for name, cells in part.channels.items()},
        )

    newest = columns.version == 0
    return Sealed(blocks=blocks(newest), older=blocks(~newest), strays=no_rows(columns.period_s))


def no_rows(period_s: int) -> ReadingBatch:
    """A batch of no block loads."""
    nothing = np.zeros(0, dtype=np.int64)
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=period_s,
        meter_id=nothing.astype(np.int32),
        start_s=nothing,
        received_s=nothing,
    )


def narrow(column: NDArray[np.int64], origin: int = 0) -> Cells:
    """``column - origin`` as int32 when every value fits, else as int64; the dtype's least value is MISSING."""
    missing = column == MISSING
    value = np.where(missing, 0, column - origin) if origin or missing.any() else column
    if value.size and (value.max(initial=0) >= 2**31 or value.min(initial=0) <= _NOTHING):
        return np.where(missing, MISSING, value)
    small = value.astype(np.int32)
    small[missing] = _NOTHING
    return small


def widened(cells: Cells, origin: int = 0) -> NDArray[np.int64]:
    """The opposite of ``narrow``."""
    nothing = np.iinfo(cells.dtype).min
    wide = cells.astype(np.int64)
    if origin:
        wide += origin
    missing = cells == nothing
    if missing.any():
        wide[missing] = MISSING
    return wide


def joined(parts: Sequence[BlockColumns]) -> BlockColumns:
    """Rows of several files of one block length below each other."""
    names = sorted({name for part in parts for name in part.channels})

    def cells(name: str) -> Cells:
        given = [
            p.channels[name] if name in p.channels else np.full(p.flags.shape, _NOTHING, np.int32) for p in parts
        ]
        return _concatenated(given)

    return BlockColumns(
        period_s=parts[0].period_s,
        meter_id=np.concatenate([part.meter_id for part in parts]),
        day=np.concatenate([part.day for part in parts]),
        version=np.concatenate([part.version for part in parts]),
        transformer=np.concatenate([part.transformer for part in parts]),
        received_after_s=_concatenated([part.received_after_s for part in parts]),
        flags=np.concatenate([part.flags for part in parts]),
        channels={name: cells(name) for name in names},
    )


def _concatenated(parts: Sequence[Cells]) -> Cells:
    if all(part.dtype == np.int32 for part in parts):
        return np.concatenate([part.astype(np.int32, copy=False) for part in parts])
    return np.concatenate([widened(part) for part in parts])


def encode(columns: BlockColumns, *, group_rows: int) -> tuple[pa.Buffer, dict[str, int]]:
    """The Parquet octets of rows, and the step of each channel."""
    steps = {name: step_of(cells) for name, cells in columns.channels.items()}
    arrays: dict[str, pa.Array[Any]] = {
        "meter_id": pa.array(columns.meter_id),
        "day": pa.array(columns.day, type=pa.int32()).cast(pa.date32()),
        "version": pa.array(columns.version),
        "transformer": pa.array(columns.transformer, type=pa.string()),
        "received_after_s": _listed(columns.received_after_s, 1),
        "flags": pa.FixedSizeListArray.from_arrays(pa.array(columns.flags.reshape(-1)), columns.flags.shape[1]),
        **{name: _listed(cells, steps[name]) for name, cells in columns.channels.items()},
    }
    labels = {
        "bijlighar.format": FORMAT,
        "bijlighar.period_s": str(columns.period_s),
        "bijlighar.steps": json.dumps(steps),
    }
    split = ["received_after_s", *columns.channels]
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(arrays).replace_schema_metadata(labels),
        sink,
        row_group_size=group_rows,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=["transformer"],  # type: ignore[arg-type]  # the stubs know only bool, Arrow takes names
        column_encoding={
            **{f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in split},
            **dict.fromkeys(("meter_id", "day", "version"), "DELTA_BINARY_PACKED"),
        },
        write_statistics=["meter_id", "day"],
        data_page_version="1.0",  # version 2 leaves the levels of lists unpacked
        write_page_checksum=True,
    )
    return sink.getvalue(), steps


def _listed(cells: Cells, step: int) -> pa.FixedSizeListArray[Any, Any]:
    flat = cells.reshape(-1)
    missing = flat == np.iinfo(flat.dtype).min
    value = flat if step == 1 else flat // flat.dtype.type(step)
    return pa.FixedSizeListArray.from_arrays(pa.array(value, mask=missing), cells.shape[1])


def step_of(cells: Cells) -> int:
    """The coarsest of STEPS that divides every value; 1 when none does."""
    flat = cells.reshape(-1)
    for part in (flat[:1000], flat):  # most steps fail among the first values
        missing = part == np.iinfo(flat.dtype).min
        for step in STEPS:
            width = flat.dtype.type(step)
            if np.all((part // width * width == part) | missing):
                break
        else:
            return 1
    return step


@dataclass(frozen=True, kw_only=True)
class Footer:
    """What stands at a file's end: where everything lies, block length, steps by channel."""

    metadata: pq.FileMetaData
    period_s: int
    steps: dict[str, int]

    @property
    def octets(self) -> int:
        """Memory that it takes, roughly: Arrow keeps some six octets for each of the file's."""
        return 6 * self.metadata.serialized_size

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """int64[2, row group]: least and greatest meter; their column is the first."""
        bounds = np.zeros((2, self.metadata.num_row_groups), dtype=np.int64)
        for group in range(self.metadata.num_row_groups):
            told = self.metadata.row_group(group).column(0).statistics
            least, greatest = (None, None) if told is None else (told.min, told.max)
            assert least is not None, "blocks are written with the bounds of their meters"
            assert greatest is not None
            bounds[:, group] = (least, greatest)
        return bounds

    def groups_of(self, meter_id: int) -> list[int]:
        """Row groups that may hold a meter."""
        return [int(each) for each in np.flatnonzero((self.bounds[0] <= meter_id) & (self.bounds[1] >= meter_id))]


def footer_of(file: pq.ParquetFile) -> Footer:
    """The footer of an open file. Raises what Arrow raises."""
    labels: Mapping[bytes, bytes] = file.schema_arrow.metadata or {}
    return Footer(
        metadata=file.metadata,
        period_s=int(labels[b"bijlighar.period_s"]),
        steps=json.loads(labels[b"bijlighar.steps"]),
    )


def decode(
    file: pq.ParquetFile, footer: Footer, channels: Sequence[str] | None = None, *, meter_id: int | None = None
) -> BlockColumns:
    """All rows of a file, or those of one meter; ``channels`` None means all that there are. Raises as Arrow."""
    groups = range(footer.metadata.num_row_groups) if meter_id is None else footer.groups_of(meter_id)
    steps = footer.steps
    names = [name for name in steps if channels is None or name in channels]
    table = file.read_row_groups(list(groups), columns=[*BLOCK_KEYS, *SLOT_KEYS, *names], use_threads=False)
    if meter_id is not None:
        table = _of_meter(table, meter_id)
    return BlockColumns(
        period_s=footer.period_s,
        meter_id=np.asarray(table["meter_id"].to_numpy()),
        day=np.asarray(table["day"].cast(pa.int32()).to_numpy()),
        version=np.asarray(table["version"].to_numpy()),
        transformer=_words(table["transformer"]),
        received_after_s=_cells(table["received_after_s"], 1),
        flags=np.asarray(_cells(table["flags"], 1), dtype=np.uint8),
        channels={name: _cells(table[name], steps[name]) for name in names},
    )


def _of_meter(table: pa.Table, meter_id: int) -> pa.Table:
    """The rows of one meter: they stand together, except for older versions at the end of the file."""
    rows = np.flatnonzero(table["meter_id"].to_numpy() == meter_id)
    if not len(rows):
        return table.slice(0, 0)
    first, last = int(rows[0]), int(rows[-1])
    return table.slice(first, len(rows)) if last - first + 1 == len(rows) else table.take(rows)


def _words(column: pa.ChunkedArray[Any]) -> NDArray[np.object_]:
    """Text with few different words: each is made once."""
    whole: Any = column.combine_chunks().dictionary_encode()
    names: NDArray[np.object_] = np.array(whole.dictionary.to_pylist() or [""], dtype=object)
    return names[np.asarray(whole.indices.to_numpy(), dtype=np.int64)]


def _cells(column: pa.ChunkedArray[Any], step: int) -> Cells:
    whole: Any = column.combine_chunks()
    values = whole.flatten()
    kind = np.dtype(values.type.to_pandas_dtype())
    if values.null_count:
        values = values.fill_null(np.iinfo(kind).min)
    flat = np.array(values.to_numpy(zero_copy_only=False), dtype=kind)
    if step != 1:
        missing = flat == np.iinfo(kind).min
        flat *= kind.type(step)
        flat[missing] = np.iinfo(kind).min
    return flat.reshape(len(whole), whole.type.list_size)
