"""Work items: a piece of a day with the files and the knowledge it needs, and the one function that does it.

The function runs in a process of a pool or in a task of Spark, on this machine or another that sees the same
folder. It opens files, calls the kernels of the day, writes files under names of its attempt and tells what is to
be committed. It has no database, and running it twice is harmless: what nobody commits does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.mdm.estimation import EstimationRule
from bijlighar.mdm.outages import Spans
from bijlighar.operations.day_background import LAST_DAYS, LIKE_DAYS
from bijlighar.operations.day_estimate import DayEstimated, estimate_block, nothing_estimated
from bijlighar.operations.day_evidence import DayKnowledge, gather
from bijlighar.operations.day_seal import DayPlan, DaySealed, buckets_now, plan_day, seal_planned
from bijlighar.operations.day_validate import ZERO_DAYS, BlockFindings, validate_block
from bijlighar.records import Records
from bijlighar.records.blocks import BlockDamaged
from bijlighar.records.blocks_manifest import ESTIMATES, RAW, BlockFile
from bijlighar.records.pinned_files import Changes, Pinned, PinnedRecords
from bijlighar.records.segment import SegmentDamaged


@dataclass(frozen=True, kw_only=True)
class SealItem:
    """Some buckets of a day are to be sealed."""

    pinned: Pinned
    plan: DayPlan

    @property
    def day(self) -> date:
        """The civil day."""
        return self.plan.day


@dataclass(frozen=True, kw_only=True)
class BlockItem:
    """One block is to be estimated, as of ``estimated_s``, or validated when that is None."""

    pinned: Pinned
    known: DayKnowledge
    file: BlockFile
    estimated_s: int | None = None

    @property
    def day(self) -> date:
        """The civil day."""
        return self.known.day


Item = SealItem | BlockItem


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a task did. Of ``sealed``, ``estimated``, ``findings`` and ``damaged`` exactly one is told.

    ``damaged`` file of a segment or block that is not what was written.
    """

    day: date
    changes: Changes = field(default_factory=Changes)
    sealed: DaySealed | None = None
    estimated: DayEstimated | None = None
    findings: BlockFindings | None = None
    damaged: str | None = None


def work(item: Item) -> Outcome:
    """Do an item, anywhere. Raises Unavailable when the folder does not serve; damage is told, not raised."""
    records = PinnedRecords(item.pinned)
    try:
        if isinstance(item, SealItem):
            sealed = seal_planned(records, item.plan)
            return Outcome(day=item.day, changes=records.changes, sealed=sealed)
        if item.estimated_s is None:
            findings = validate_block(records, item.known, item.file)
            return Outcome(day=item.day, findings=findings)
        estimated = estimate_block(records, item.known, item.file, now_s=item.estimated_s)
        return Outcome(day=item.day, changes=records.changes, estimated=estimated)
    except (BlockDamaged, SegmentDamaged) as fault:
        return Outcome(day=item.day, changes=records.changes, damaged=fault.file)


def seal_items(records: Records, day: date, zone: ZoneInfo, parts: int) -> Iterator[SealItem]:
    """The day in up to ``parts`` parts of whole buckets, none where there is no meter. Raises Unavailable."""
    plan = plan_day(records, day, zone)
    bucket_of = buckets_now(records, plan)
    pin = records.readings.pin(ProfileKind.BLOCK_LOAD, plan.period)
    standing = records.blocks.day(day)
    buckets = np.unique(np.concatenate([bucket_of[bucket_of >= 0], [file.bucket for file in standing]]))
    for some in np.array_split(buckets.astype(np.int32), max(1, min(parts, len(buckets)))):
        if not len(some):
            continue
        mine = np.where(np.isin(bucket_of, some), bucket_of, np.int32(-1))
        meters = np.flatnonzero(mine >= 0).tolist()
        lowest, highest = (meters[0], meters[-1]) if meters else (0, -1)
        yield SealItem(
            pinned=records.pin_files(
                pin.generation,
                segments=[s for s in pin.segments if s.meter_min <= highest and s.meter_max >= lowest],
                blocks=[file for file in standing if file.bucket in some],
            ),
            plan=replace(
                plan,
                bucket_of=mine,
                transformer_of={meter: plan.transformer_of[meter] for meter in meters},
                expected_s={meter: plan.expected_s[meter] for meter in meters if meter in plan.expected_s},
            ),
        )


def estimate_items(records: Records, day: date, zone: ZoneInfo, now_s: int) -> Iterator[BlockItem]:
    """One item a block. Raises as ``gather``."""
    known = gather(records, day, zone)
    near = _near(records, day, raw_days=max(*LIKE_DAYS, *LAST_DAYS), estimate_days=0)
    for file in records.blocks.day(day):
        yield _block_item(records, known, file, near, now_s)


def validate_items(records: Records, day: date, zone: ZoneInfo) -> Iterator[BlockItem]:
    """One item a block. Raises as ``gather``."""
    known = gather(records, day, zone)
    near = _near(records, day, raw_days=ZERO_DAYS, estimate_days=known.limits.prolonged_days)
    for file in records.blocks.day(day):
        yield _block_item(records, known, file, near, None)


def _near(records: Records, day: date, *, raw_days: int, estimate_days: int) -> list[BlockFile]:
    """Blocks of a day and of days around it that the kernels look at."""
    manifest = records.blocks.manifest
    raw = manifest.blocks(RAW, day - timedelta(days=raw_days), day + timedelta(days=1))
    return raw + manifest.blocks(ESTIMATES, day - timedelta(days=estimate_days), day)


def _block_item(
    records: Records, known: DayKnowledge, file: BlockFile, near: Sequence[BlockFile], estimated_s: int | None
) -> BlockItem:
    same = known.orders.uses(EstimationRule.SUBTRACTIVE_ADJUST)  # then meters of other block lengths count too
    mine = [each for each in near if each.bucket == file.bucket and (same or each.period_s == file.period_s)]
    today = [each for each in records.blocks.day(known.day) if each.bucket == file.bucket] if same else [file]
    meters = np.unique(np.concatenate([records.blocks.meters_of(each) for each in today]))
    return BlockItem(
        pinned=records.pin_files(file.generation, blocks=mine),
        known=cut_to(known, meters),
        file=file,
        estimated_s=estimated_s,
    )


def cut_to(known: DayKnowledge, meter_id: NDArray[np.int32]) -> DayKnowledge:
    """What is known of these meters alone: a task is sent no more than it needs."""
    numbers = set(meter_id.tolist())

    def spells(every: Spans) -> Spans:
        mine = np.isin(every.meter_id, meter_id)
        return Spans(meter_id=every.meter_id[mine], start_s=every.start_s[mine], end_s=every.end_s[mine])

    clocks = np.isin(known.clock_meter_id, meter_id)
    return replace(
        known,
        before=known.before.only(meter_id),
        after=known.after.only(meter_id),
        earlier={days: each.only(meter_id) for days, each in known.earlier.items()},
        outages=spells(known.outages),
        relay_open=spells(known.relay_open),
        clock_meter_id=known.clock_meter_id[clocks],
        clock_offset_s=known.clock_offset_s[clocks],
        meters=known.meters.only(meter_id),
        replaced=known.replaced & numbers,
        in_service=spells(known.in_service),
        orders=known.orders.only(meter_id),
        prorated=known.prorated.only(meter_id),
        transformer_meters=known.transformer_meters & numbers,
        bills={number: known.bills[number] for number in numbers & known.bills.keys()},
    )


def together_sealed(day: date, parts: Sequence[DaySealed]) -> DaySealed:
    """What sealing did in all parts."""
    return DaySealed(
        day=day,
        blocks_written=sum(part.blocks_written for part in parts),
        blocks_unchanged=sum(part.blocks_unchanged for part in parts),
        readings=sum(part.readings for part in parts),
        corrected=sum(part.corrected for part in parts),
        strays=sum(part.strays for part in parts),
        meters_without_rows=[meter for part in parts for meter in part.meters_without_rows],
    )


def together_estimated(day: date, parts: Sequence[DayEstimated]) -> DayEstimated:
    """What estimating did in all blocks."""
    result = nothing_estimated(day)
    for part in parts:
        result.add(part)
    return result
