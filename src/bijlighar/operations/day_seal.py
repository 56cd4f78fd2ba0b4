"""Sealing a civil day: the landed block loads of every bucket become sealed day blocks.

The same call does it the first time and again: what came late is dealt out to the buckets it touches, and only
those are written anew. Whatever is killed in between, each bucket's day is the old one or the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.network import MeterCategory
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.mdm import Sealed, SlotFlag, reseal, says_the_same, seal
from bijlighar.mdm.buckets import UNKNOWN_TRANSFORMER, assigned, counted
from bijlighar.operations.day_service import stays
from bijlighar.records import Records
from bijlighar.records.blocks import SealedBucket
from bijlighar.records.blocks_file import columns_of, sealed_of
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.blocks_source import Dealt, Key
from bijlighar.records.pinned_files import DayRecords

EXPECTED_PERIOD_S = {
    MeterCategory.D1: 1800,
    MeterCategory.D2: 1800,
    MeterCategory.D3: 900,
    MeterCategory.D4: 900,
}
"""Block length in which a meter is awaited that gave nothing all day (IS 15959: 30 minutes for consumers, 15 for
feeders and transformers); whoever gave rows stands where the rows are."""


@dataclass(frozen=True, kw_only=True)
class DayPlan:
    """Which meters belong to which bucket on one day.

    ``transformer_of`` transformer by meter number, ``bucket_of`` int32[meter number] with -1 for none,
    ``expected_s`` the block length awaited of the meters that were in service on that day, by meter number.
    """

    day: date
    period: Period
    network_version: int
    transformer_of: dict[int, str]
    expected_s: dict[int, int]
    bucket_of: NDArray[np.int32]

    def awaited(self) -> dict[Key, list[int]]:
        """Meters by bucket and awaited block length."""
        result: dict[Key, list[int]] = {}
        for meter_id in sorted(self.expected_s):
            key = (int(self.bucket_of[meter_id]), self.expected_s[meter_id])
            result.setdefault(key, []).append(meter_id)
        return result


@dataclass(kw_only=True)
class DaySealed:
    """What sealing did. ``strays``: rows that have no slot, such as a start between two slots.

    Readings and corrections are those of the buckets that got a row or a meter.
    """

    day: date
    blocks_written: int = 0
    blocks_unchanged: int = 0
    readings: int = 0
    corrected: int = 0
    strays: int = 0
    meters_without_rows: list[int] = field(default_factory=list)


def plan_day(records: Records, day: date, zone: ZoneInfo = KOLKATA) -> DayPlan:
    """Whole transformers as they are connected now; new transformers get a bucket for good. Raises Unavailable."""
    period = civil_day(day, zone)
    version = records.registry.version()
    meters = {meter.meter_id: meter for meter in records.registry.meters()}
    at = {point.code: point.transformer for point in records.registry.usage_points()}
    place: dict[int, str] = {}
    expected: dict[int, int] = {}
    for stay in stays(records.registry.installations()):  # by start: the last that touches the day wins
        if stay.meter_id not in place or stay.touches(period):
            place[stay.meter_id] = at.get(stay.usage_point, UNKNOWN_TRANSFORMER)
        if stay.touches(period):
            category = meters[stay.meter_id].category if stay.meter_id in meters else MeterCategory.D1
            expected[stay.meter_id] = EXPECTED_PERIOD_S[category]
    known = records.blocks.manifest.places()
    wanted = assigned(counted([place[meter_id] for meter_id in sorted(place)]), known)
    fresh = {code: bucket for code, bucket in wanted.items() if code not in known}
    if fresh:
        wanted = records.blocks.manifest.keep_places(fresh)
    bucket_of = np.full(max(place, default=0) + 1, -1, dtype=np.int32)
    for meter_id, transformer in place.items():
        bucket_of[meter_id] = wanted[transformer]
    return DayPlan(
        day=day,
        period=period,
        network_version=version,
        transformer_of=place,
        expected_s=expected,
        bucket_of=bucket_of,
    )


def seal_day(records: Records, day: date, zone: ZoneInfo = KOLKATA) -> DaySealed:
    """Seal a day, or seal it anew where something came late; bucket by bucket, each committed by itself.

    Raises Superseded when another process seals the same day, BlockDamaged and SegmentDamaged (told once, then
    they count no more and the call can be repeated), Unavailable.
    """
    return seal_planned(records, plan_day(records, day, zone))


def buckets_now(records: DayRecords, plan: DayPlan) -> NDArray[np.int32]:
    """``plan.bucket_of``, but whoever moved since stays where the day was sealed."""
    bucket_of = plan.bucket_of.copy()
    for block in records.blocks.day(plan.day):
        meters = records.blocks.meters_of(block)
        bucket_of[meters[meters < len(bucket_of)]] = block.bucket
    return bucket_of


def seal_planned(records: DayRecords, plan: DayPlan) -> DaySealed:
    """As ``seal_day``, for meters and buckets that are known already."""
    result = DaySealed(day=plan.day)
    standing = {(block.bucket, block.period_s): block for block in records.blocks.day(plan.day)}
    plan = replace(plan, bucket_of=buckets_now(records, plan))
    awaited = plan.awaited()
    complete = {bucket for bucket, _ in awaited} <= {bucket for bucket, _ in standing}
    after = min((block.segments_generation for block in standing.values()), default=0) if complete else None
    for dealt in records.block_source.deal(plan.period, plan.bucket_of, after_generation=after):
        quiet: list[BlockFile] = []
        for bucket in dealt.buckets:
            mine = [block for key, block in standing.items() if key[0] == bucket]
            if after is not None and _stays(records, bucket, mine, awaited, dealt):
                quiet += mine
                continue
            _seal_bucket(records, plan, bucket, awaited, standing, dealt, result)
            for key in [key for key in dealt.rows if key[0] == bucket]:
                del dealt.rows[key]  # let go before the next pass, which is as large
        if quiet:
            records.blocks.manifest.confirm(quiet, dealt.generation)
            result.blocks_unchanged += len(quiet)
    return result


def _stays(
    records: DayRecords, bucket: int, blocks: Sequence[BlockFile], awaited: dict[Key, list[int]], dealt: Dealt
) -> bool:
    """Whether a bucket got neither a row nor a meter: then it is not even read."""
    if any(key[0] == bucket for key in dealt.rows):
        return False
    there = {meter_id for block in blocks for meter_id in records.blocks.meters_of(block).tolist()}
    return all(there.issuperset(meters) for key, meters in awaited.items() if key[0] == bucket)


def _seal_bucket(
    records: DayRecords,
    plan: DayPlan,
    bucket: int,
    awaited: dict[Key, list[int]],
    standing: dict[Key, BlockFile],
    dealt: Dealt,
    result: DaySealed,
) -> None:
    """One transaction for the bucket's block lengths."""
    keys = sorted({key for key in (*awaited, *standing, *dealt.rows) if key[0] == bucket})
    seen = {key: _seen(dealt, key) for key in keys}
    somewhere = set().union(*seen.values()) | {
        meter_id
        for key in keys
        if key in standing
        for meter_id in records.blocks.meters_of(standing[key]).tolist()
    }
    new: list[SealedBucket] = []
    old: list[BlockFile] = []
    for key in keys:
        silent = [meter_id for meter_id in awaited.get(key, ()) if meter_id not in somewhere]
        sealed, before = _sealed(records, plan, key, seen[key], silent, standing.get(key), dealt)
        if before is not None and says_the_same(sealed, before):
            records.blocks.manifest.confirm([standing[key]], dealt.generation)
            result.blocks_unchanged += 1
        elif len(sealed.blocks):
            new.append(_bucketful(plan, bucket, sealed, dealt.generation))
            old += [standing[key]] if before is not None and not standing[key].is_month else []
        _count(result, sealed)
    if new:
        records.blocks.put(new, old)
        result.blocks_written += len(new)


def _seen(dealt: Dealt, key: Key) -> set[int]:
    return {meter_id for rows in dealt.rows.get(key, ()) for meter_id in np.unique(rows.meter_id).tolist()}


def _sealed(
    records: DayRecords,
    plan: DayPlan,
    key: Key,
    seen: set[int],
    silent: Sequence[int],
    standing: BlockFile | None,
    dealt: Dealt,
) -> tuple[Sealed, Sealed | None]:
    """The block as it is to stand, and as it stands."""
    batches = [rows.batch(plan.period) for rows in dealt.rows.get(key, ())]
    if standing is None:
        meters = np.array(sorted(seen.union(silent)), dtype=np.int32)
        return seal(batches, day=plan.period, period_s=key[1], meter_id=meters), None
    before = sealed_of(records.blocks.read(standing, plan.day), plan.period)
    meters = np.array(sorted(seen.union(silent, before.blocks.meter_id.tolist())), dtype=np.int32)
    return reseal(before, batches, meters), before


def _bucketful(plan: DayPlan, bucket: int, sealed: Sealed, generation: int) -> SealedBucket:
    places = [
        plan.transformer_of.get(meter_id, UNKNOWN_TRANSFORMER) for meter_id in sealed.blocks.meter_id.tolist()
    ]
    return SealedBucket(
        bucket=bucket,
        columns=columns_of(sealed, plan.day, places),
        segments_generation=generation,
        network_version=plan.network_version,
    )


def _count(result: DaySealed, sealed: Sealed) -> None:
    held = sealed.blocks.held
    result.readings += int(np.count_nonzero(held))
    result.corrected += int(np.count_nonzero(sealed.blocks.flags & SlotFlag.CORRECTED))
    result.strays += len(sealed.strays)
    result.meters_without_rows += sealed.blocks.meter_id[~held.any(axis=1)].tolist()
