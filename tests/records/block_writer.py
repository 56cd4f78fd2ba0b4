"""A sealer that a test kills: per line of input a child that seals one day again and again until it is killed.

Output ``child <pid>``, ``sealed <version>`` for each block that was committed, at last ``end``. Run as
``python block_writer.py URL FOLDER``. In version n every slot of every meter holds n.
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
from bijlighar.records import Records
from bijlighar.records.blocks import SealedBucket
from bijlighar.records.blocks_file import columns_of

JUNE = date(2026, 6, 1)
METERS = np.arange(1, 201, dtype=np.int32)


def version(number: int) -> SealedBucket:
    """The whole day, saying ``number``."""
    day = civil_day(JUNE)
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
    columns = columns_of(sealed, JUNE, ["T1"] * len(METERS))
    return SealedBucket(bucket=0, columns=columns, segments_generation=number, network_version=1)


def write_for_ever(url: str, folder: Path) -> None:
    """Seal version after version in place of the one that stands."""
    with Records(url, folder) as records:
        while True:
            standing = records.blocks.day(JUNE)
            number = 1 + max((block.segments_generation for block in standing), default=0)
            records.blocks.put([version(number)], standing)
            os.write(1, f"sealed {number}\n".encode())


def main() -> None:
    """Fork a child per line of input."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            write_for_ever(sys.argv[1], Path(sys.argv[2]))
        os.write(1, f"child {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
