"""A worker that a test kills: per line of input a child that does one thing again and again until it is killed.

Output ``child <pid>``, ``done <version>`` for each version that was committed, at last ``end``. Run as
``python block_writer.py URL FOLDER WHAT``, where WHAT is ``seal``, ``estimate`` or ``compact``. In version n every
slot of every meter holds n.
"""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.mdm import seal
from bijlighar.mdm.measurements import KeptEstimates
from bijlighar.records import Records
from bijlighar.records.blocks import SealedBucket
from bijlighar.records.blocks_file import columns_of

JUNE = date(2026, 6, 1)
DAYS = tuple(date(2026, 6, number) for number in (1, 2, 3))
METERS = np.arange(1, 201, dtype=np.int32)


def version(number: int, on: date = JUNE) -> SealedBucket:
    """The whole day, saying ``number``."""
    day = civil_day(on)
    slots = np.tile(np.arange(48), len(METERS))
    rows = ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=np.repeat(METERS, 48),
        start_s=day.start_s + slots * 1800,
        received_s=np.full(len(slots), day.end_s + number),
        channels={"import_wh": np.full(len(slots), number)},
    )
    sealed = seal([rows], day=day, period_s=1800, meter_id=METERS)
    columns = columns_of(sealed, on, ["T1"] * len(METERS))
    return SealedBucket(bucket=0, columns=columns, segments_generation=number, network_version=1)


def estimates(number: int) -> KeptEstimates:
    """One estimate a meter, saying ``number``."""
    count = len(METERS)
    small = np.full(count, 3, dtype=np.int16)
    return KeptEstimates(
        meter_id=METERS,
        start_s=np.full(count, civil_day(JUNE).start_s),
        value=np.full(count, number),
        quality=small,
        rule=small,
        rule_version=small,
        made_s=np.full(count, number),
    )


def seal_once(records: Records) -> int:
    """A version in place of the one that stands."""
    standing = records.blocks.day(JUNE)
    number = 1 + max((block.segments_generation for block in standing), default=0)
    records.blocks.put([version(number)], standing)
    return number


def estimate_once(records: Records) -> int:
    """A version beside all that stand."""
    standing = records.estimates.read(JUNE, 0, 1800)
    told = standing.by_channel.get("import_wh")
    number = 1 + (0 if told is None else int(told.value.max()))
    records.estimates.add(JUNE, 0, 1800, standing, {"import_wh": estimates(number)})
    return number


def compact_once(records: Records) -> int:
    """A version of each day beside the month, then all in one file."""
    told = [records.blocks.read(block, day) for day in DAYS for block in records.blocks.day(day)]
    number = 1 + max((int(columns.channels["import_wh"].max()) for columns in told), default=0)
    for day in DAYS:
        records.blocks.put([version(number, day)], [each for each in records.blocks.day(day) if not each.is_month])
    records.block_compaction.compact_month(JUNE.year, JUNE.month)
    return number


WORK = {"seal": seal_once, "estimate": estimate_once, "compact": compact_once}


def work_for_ever(url: str, folder: Path, what: str) -> None:
    """Version after version."""
    with Records(url, folder) as records:
        while True:
            os.write(1, f"done {WORK[what](records)}\n".encode())


def main() -> None:
    """Fork a child per line of input."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            work_for_ever(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
        os.write(1, f"child {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
