"""Validating a sealed day: every rule on every bucket, with what the records know beside the blocks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import KOLKATA
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import Sealed
from bijlighar.mdm.estimation import EstimationRule
from bijlighar.mdm.validation import Findings, Limits, validate
from bijlighar.operations.day_evidence import DayKnowledge, aligned_day, evidence_of, gather
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.pinned_files import DayRecords

ZERO_DAYS = 2
"""Days before this one that are looked at for zeros in a row: the longest limit is 48 hours."""


@dataclass(frozen=True, kw_only=True)
class BlockFindings:
    """Findings of one block: slots are those of its block length."""

    block_id: str
    period_s: int
    findings: Findings


@dataclass(frozen=True, kw_only=True)
class DayFindings:
    """Findings of a day, and the limits that they were held against."""

    day: date
    limits: Limits
    blocks: tuple[BlockFindings, ...]

    def __len__(self) -> int:
        return sum(len(block.findings) for block in self.blocks)


def validate_day(
    records: Records,
    day: date,
    zone: ZoneInfo = KOLKATA,
    *,
    known: DayKnowledge | None = None,
    buckets: Collection[int] | None = None,
) -> DayFindings:
    """Validate every sealed block of a day (of some buckets); nothing is changed.

    ``known``: what was gathered before. Raises UnknownLimit, BlockDamaged and SegmentDamaged (told once, then
    repeat the call), Unavailable.
    """
    known = known or gather(records, day, zone)
    files = [file for file in records.blocks.day(day) if buckets is None or file.bucket in buckets]
    found = [validate_block(records, known, file) for file in files]
    return DayFindings(day=day, limits=known.limits, blocks=tuple(found))


def validate_block(records: DayRecords, known: DayKnowledge, file: BlockFile) -> BlockFindings:
    """Validate one block of the day of ``known``. Raises BlockDamaged, Unavailable."""
    day = known.day
    sealed = sealed_of(records.blocks.read(file, day), known.period)
    kept = records.estimates.read(day, file.bucket, file.period_s)
    evidence = evidence_of(
        known,
        sealed,
        zero_slots_before=zero_slots_before(records, day, file, sealed),
        estimated_days=estimated_days(records, day, file, sealed, known.limits.prolonged_days),
        estimates=kept.by_channel.get("import_wh"),
    )
    findings = validate(evidence, known.limits)
    return BlockFindings(block_id=file.block_id, period_s=file.period_s, findings=findings)


def zero_slots_before(records: DayRecords, day: date, file: BlockFile, sealed: Sealed) -> NDArray[np.int64]:
    """int64[meter]: zeros in a row that end with the day before."""
    meters = sealed.blocks.meter_id
    count = np.zeros(len(meters), dtype=np.int64)
    going_on = np.ones(len(meters), dtype=bool)
    for ago in range(1, ZERO_DAYS + 1):
        values = aligned_day(records, day - timedelta(days=ago), file, meters, "import_wh")
        if values is None or not going_on.any():
            break
        used = values[:, ::-1] != 0
        trailing = np.where(used.any(axis=1), used.argmax(axis=1), values.shape[1])
        count += np.where(going_on, trailing, 0)
        going_on &= ~used.any(axis=1)
    return count


def estimated_days(
    records: DayRecords, day: date, file: BlockFile, sealed: Sealed, most: int
) -> NDArray[np.int64]:
    """int64[meter]: days with estimates in a row that end with the day before, counted up to ``most``."""
    meters = sealed.blocks.meter_id
    count = np.zeros(len(meters), dtype=np.int64)
    going_on = np.ones(len(meters), dtype=bool)
    for ago in range(1, most + 1):
        kept = records.estimates.read(day - timedelta(days=ago), file.bucket, file.period_s)
        energy = kept.by_channel.get("import_wh")
        if energy is None or not going_on.any():
            break
        real = (energy.value != MISSING) & (energy.rule != EstimationRule.OUTAGE)
        going_on &= np.isin(meters, energy.meter_id[real])
        count += going_on
    return count
