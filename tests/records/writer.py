"""A writer that a test kills: forks a child per line of input; the child lands and reserves until it is killed.

Input ``<first slot>``; output ``child <pid>``, then for each acknowledged call ``slot <slot> counter
<number>``, at last ``end``. Run as ``python writer.py URL FOLDER``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records

METERS = 12


def value(meter_id: np.ndarray, slot: int) -> np.ndarray:
    """What the register of a meter shows at a slot."""
    return meter_id.astype(np.int64) * 1_000_000 + slot


def batch(slot: int) -> ReadingBatch:
    """One row of each meter."""
    meter_id = np.arange(1, METERS + 1, dtype=np.int32)
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=meter_id,
        start_s=np.full(METERS, slot * 1800),
        received_s=np.full(METERS, slot * 1800 + 1800),
        channels={"import_wh": value(meter_id, slot)},
    )


def contact(slot: int) -> Contact:
    """One contact at the end of the slot."""
    return Contact(meter_id=1, started_ms=(slot + 1) * 1_800_000, purpose="block-load", outcome=Outcome.OK)


def write_for_ever(url: str, folder: Path, first_slot: int) -> None:
    """Land slot after slot and tell each that was acknowledged."""
    with Records(url, folder) as records:
        slot = first_slot
        while True:
            counter = records.counters.reserve(1, 48, 1)
            records.landing.land([batch(slot)], [contact(slot)])
            os.write(1, f"slot {slot} counter {counter}\n".encode())
            slot += 1


def main() -> None:
    """Fork a child per line of input."""
    url, folder = sys.argv[1], Path(sys.argv[2])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            write_for_ever(url, folder, int(line))
        os.write(1, f"child {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
