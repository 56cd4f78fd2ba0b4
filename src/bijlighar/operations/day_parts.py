"""Which buckets of a day a step has to do again: those that would see something else than they saw.

A late row touches the blocks of one bucket, a late midnight register a meter of one. In a city some come with
every round, so what is done again is the bucket and not the day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from bijlighar.operations.day_evidence import DayKnowledge
from bijlighar.operations.day_registers import ENERGY_CHANNELS
from bijlighar.records import Records
from bijlighar.records.blocks_manifest import RAW, BlockFile
from bijlighar.records.day_progress import name_of


def seen_by_bucket(
    records: Records, known: DayKnowledge, files: Sequence[BlockFile], setting: str
) -> dict[int, str]:
    """A name for what a step sees of each bucket: its ``files``, its meters' midnight registers, the setting.

    Raises BlockDamaged, Unavailable.
    """
    by_bucket: dict[int, list[BlockFile]] = {}
    for file in files:
        by_bucket.setdefault(file.bucket, []).append(file)
    return {
        bucket: _name(records, known, some, setting)
        for bucket, some in sorted(by_bucket.items())
        if any(file.kind == RAW for file in some)
    }


def changed(before: Mapping[int, str], now: Mapping[int, str]) -> frozenset[int]:
    """Buckets to be done again: all of them where one is gone, or where nothing is known of before."""
    if not before or before.keys() - now.keys():
        return frozenset(now)
    return frozenset(bucket for bucket, name in now.items() if before.get(bucket) != name)


def _name(records: Records, known: DayKnowledge, files: Sequence[BlockFile], setting: str) -> str:
    told = hashlib.sha256(f"{name_of(files)}\n{setting}\n".encode())
    meters = np.unique(np.concatenate([records.blocks.meters_of(file) for file in files if file.kind == RAW]))
    for registers in (known.before, known.after):
        for channel in ENERGY_CHANNELS:
            told.update(registers.of(meters, channel).tobytes())
    return told.hexdigest()
