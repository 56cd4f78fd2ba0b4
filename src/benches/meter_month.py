"""``meter-month``: one meter's 30 days out of a closed month that was compacted meter-major, in milliseconds.

Wall time of one call that asks the manifest, opens the file and decodes one meter's rows with all channels; the
files are in the system's cache. ``first_ms`` is the first call of a process, which also learns the row groups.
``days_ms`` is the same question before the month was compacted: 30 files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import numpy as np

from benches.day_town import PERIOD, City, city, loads
from benches.meter_month_rivals import month_elsewhere
from benches.report import Goal, Report, say, versions
from bijlighar.cim.period import Period, civil_day
from bijlighar.mdm import DayBlocks, Sealed
from bijlighar.mdm.blocks import empty_blocks
from bijlighar.records import Records
from bijlighar.records.blocks import SealedBucket
from bijlighar.records.blocks_file import columns_of, no_rows

CONSUMERS = 4_000
"""One bucket: the manifest leads to it however many there are."""

READS = 40
GOAL_MS = 20.0
FIRST = date(2026, 6, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(30)]


def run(consumers: int = CONSUMERS, reads: int = READS) -> Report:
    """Measure, in a folder that is removed afterwards."""
    town = city(consumers)
    now_s = float(PERIOD.end_s)
    with tempfile.TemporaryDirectory(prefix="bijlighar-month-") as name:
        folder = Path(name)
        with Records(None, folder, now=lambda: now_s) as records:
            meters = [_seal(records, town, day) for day in DAYS][-1]
            chosen = np.random.default_rng(1).choice(meters, reads).tolist()
            days_ms = median(_read(records, chosen[: max(1, reads // 4)]))
            records.block_compaction.compact_month(FIRST.year, FIRST.month)
            say(f"meter-month: {len(meters)} meters, {len(DAYS)} days compacted")
        with Records(None, folder, now=lambda: now_s) as records:
            first_ms, *others = _read(records, chosen)
            octets = sum(file.octets for file in records.blocks.day(FIRST))
            ms = median(others)
            elsewhere = month_elsewhere(records, folder, list(dict.fromkeys(chosen)), DAYS, ms)
    return Report(
        name="meter-month",
        input=f"{len(meters)} meters x {len(DAYS)} days x 48 slots, 6 channels; {reads} meters read",
        figures={
            "ms": round(ms, 2),
            "worst_ms": round(max(others), 2),
            "first_ms": round(first_ms, 2),
            "days_ms": round(days_ms, 2),
            "month_bytes_per_reading": round(octets / (len(meters) * len(DAYS) * 48), 3),
            "vs": elsewhere,
        },
        goals=[Goal(figure="ms", measured=ms, limit=GOAL_MS)],
        versions=versions("pyarrow", "duckdb"),
    )


def _seal(records: Records, town: City, day: date) -> list[int]:
    """One day of the bucket; its meters."""
    told = loads(town, 1, len(town.transformer), seed=day.toordinal())
    period: Period = civil_day(day)
    shape = told.wh.shape
    blocks = DayBlocks(
        day=period,
        period_s=1800,
        meter_id=told.meter_id,
        received_s=np.full(shape, period.end_s + 600),
        flags=np.zeros(shape, dtype=np.uint8),
        channels={
            "import_wh": told.wh,
            "import_vah": told.vah,
            "export_wh": np.zeros_like(told.wh),
            "export_vah": np.zeros_like(told.wh),
            "voltage_mv": told.mv,
            "current_ma": told.ma,
        },
    )
    older = empty_blocks(period, 1800, told.meter_id[:0])
    sealed = Sealed(blocks=blocks, older=older, strays=no_rows(1800))
    owner = [f"T{number:05d}" for number in town.transformer[told.meter_id].tolist()]
    columns = columns_of(sealed, day, owner)
    records.blocks.put([SealedBucket(bucket=0, columns=columns, segments_generation=1, network_version=1)])
    return [int(meter) for meter in told.meter_id]


def _read(records: Records, meters: Sequence[int]) -> list[float]:
    """Milliseconds of each meter's month."""
    result = []
    for meter in meters:
        begun = time.perf_counter()
        (month,) = records.blocks.meter_days(meter, DAYS[0], DAYS[-1])
        result.append(1000 * (time.perf_counter() - begun))
        assert len(month) == len(DAYS)
        assert set(month.meter_id.tolist()) == {meter}
    return result
