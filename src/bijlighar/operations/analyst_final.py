"""Final measurements for questions in SQL: what counts of reading, estimate and edit, by the rules of billing.

They are not kept anywhere; they are made from the pinned files by the same kernel as a bill, and written to a
folder that ends with the session.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.measurements import Final, final_state
from bijlighar.operations.analyst_files import PinnedFiles
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile

MOST_METER_DAYS = 3_000_000
"""Ten days of a city: some 2 GB of scratch files and half a minute."""

ENERGY_CHANNELS = ("import_wh", "import_vah", "export_wh", "export_vah")

_LISTS: dict[str, Any] = {
    "value": pa.int64(),
    "source": pa.int16(),
    "quality": pa.int16(),
    "rule": pa.int16(),
    "since_s": pa.int64(),
    "locked": pa.bool_(),
}

_COLUMNS: dict[str, Any] = {
    "meter_id": pa.int32(),
    "day": pa.date32(),
    "period_s": pa.int32(),
    "channel": pa.string(),
    **{name: pa.list_(kind) for name, kind in _LISTS.items()},
}
SCHEMA = pa.schema(_COLUMNS)


class TooManyDays(Exception):
    """Final measurements of so many meter-days are not made for one question."""

    def __init__(self, meter_days: int) -> None:
        super().__init__(
            f"final_measurements of {meter_days} meter-days are more than {MOST_METER_DAYS}: "
            "narrow with --from and --to"
        )


def write_final(pinned: PinnedFiles, folder: Path, at_s: int) -> None:
    """Write a file for each block of the pinned days. Raises TooManyDays, BlockDamaged, Unavailable."""
    days: list[tuple[date, BlockFile]] = []
    day = max(pinned.first, min((file.first_day for file in pinned.blocks()), default=pinned.last))
    latest = min(pinned.last, max((file.last_day for file in pinned.blocks()), default=pinned.first))
    while day <= latest:
        days += [(day, file) for file in pinned.records.blocks.day(day, generation=pinned.generation)]
        day += timedelta(days=1)
    meter_days = sum(file.rows // ((file.last_day - file.first_day).days + 1) for _, file in days)
    if meter_days > MOST_METER_DAYS:
        raise TooManyDays(meter_days)
    for number, (each, file) in enumerate(days):
        pq.write_table(_block(pinned, each, file, at_s), folder / f"{number:06d}.parquet", compression="lz4")


def _block(pinned: PinnedFiles, day: date, file: BlockFile, at_s: int) -> pa.Table:
    records, period = pinned.records, civil_day(day)
    sealed = sealed_of(records.blocks.read(file, day, ENERGY_CHANNELS), period)
    kept = records.estimates.read(day, file.bucket, file.period_s, generation=pinned.generation)
    mine = set(sealed.blocks.meter_id.tolist())
    edits = [edit for edit in records.edits.edits(period) if edit.meter_id in mine]
    bills = [bill for bill in records.edits.bills(period) if bill.meter_id in mine]
    parts = []
    for channel in ENERGY_CHANNELS:
        if channel in sealed.blocks.channels:
            state = final_state(
                sealed, channel, estimates=kept.by_channel.get(channel), edits=edits, bills=bills, at_s=at_s
            )
            parts.append(_rows(state, sealed.blocks.meter_id, day, file.period_s, channel))
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def _rows(state: Final, meter_id: NDArray[np.int32], day: date, period_s: int, channel: str) -> pa.Table:
    count, slots = state.value.shape
    ends = np.arange(0, count * slots + 1, slots, dtype=np.int32)
    columns: dict[str, Any] = {
        "meter_id": pa.array(meter_id),
        "day": pa.array([day] * count, type=pa.date32()),
        "period_s": pa.array(np.full(count, period_s, dtype=np.int32)),
        "channel": pa.array([channel] * count, type=pa.string()),
    }
    for name, kind in _LISTS.items():
        flat = getattr(state, name).reshape(-1)
        missing = flat == MISSING if name in ("value", "since_s") else None
        values: Any = pa.array(flat, type=kind, mask=missing)
        offsets: Any = pa.array(ends)
        columns[name] = pa.ListArray.from_arrays(offsets, values)
    return pa.table(columns, schema=SCHEMA)
