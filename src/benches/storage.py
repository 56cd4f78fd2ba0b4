"""``storage``: octets a reading of sealed blocks on disk, against what order-0 entropy of their channels allows.

Everything counts: times of receipt, flags, older versions, the files' own footers. The entropy is that of each
channel's values, channel by channel and bucket by bucket, summed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benches.day import NOW_S, land
from benches.day_town import DAY, PERIOD, city
from benches.report import Goal, Report, say, versions
from benches.storage_rivals import stored_elsewhere
from bijlighar.mdm import DayBlocks
from bijlighar.operations.day_seal import seal_planned
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of

CONSUMERS = 30_000
GOAL_BYTES = 4.5
GOAL_RATIO = 1.15


def run(consumers: int = CONSUMERS) -> Report:
    """Measure, in a folder that is removed afterwards."""
    town = city(consumers)
    with (
        tempfile.TemporaryDirectory(prefix="bijlighar-storage-") as folder,
        Records(None, Path(folder), now=lambda: NOW_S) as records,
    ):
        rows, segments = land(records, town)
        landed = sum(path.stat().st_size for path in Path(folder).glob("segments/block-load/*/*.parquet"))
        sealed = seal_planned(records, town.plan())
        say(f"storage: {sealed.readings} readings sealed from {segments} segments")
        files = records.blocks.day(DAY)
        octets = sum(file.octets for file in files)
        elsewhere = stored_elsewhere(records, Path(folder), town, octets / sealed.readings)
        entropy = sum(entropy_octets(sealed_of(records.blocks.read(file, DAY), PERIOD).blocks) for file in files)
    per_reading, ratio = octets / sealed.readings, octets / entropy
    return Report(
        name="storage",
        input=f"{consumers} consumers, one generated day, 6 channels, 2 % corrections kept; {len(files)} files",
        figures={
            "bytes_per_reading": round(per_reading, 3),
            "entropy_ratio": round(ratio, 3),
            "entropy_bytes_per_reading": round(entropy / sealed.readings, 3),
            "landed_bytes_per_row": round(landed / rows, 3),
            "readings": sealed.readings,
            "vs": elsewhere,
        },
        goals=[
            Goal(figure="bytes_per_reading", measured=per_reading, limit=GOAL_BYTES),
            Goal(figure="entropy_ratio", measured=ratio, limit=GOAL_RATIO),
        ],
        versions=versions("pyarrow", "duckdb"),
    )


def entropy_octets(blocks: DayBlocks) -> float:
    """Octets that the values of a block's channels need at least, each taken for itself."""
    octets = 0.0
    for values in blocks.channels.values():
        held = values[blocks.held]
        if len(held):
            count = np.unique(held, return_counts=True)[1]
            octets += float((count * np.log2(len(held) / count)).sum()) / 8
    return octets
