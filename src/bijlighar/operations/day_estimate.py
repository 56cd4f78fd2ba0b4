"""Estimating what is missing in a sealed day, showing any state of it, and editing it by hand.

Estimates are kept beside the blocks, every version of them. What stands and would come out the same is not kept
again; what a rule made that the meter's order has no more is withdrawn; what was billed is left alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import KOLKATA, civil_date, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks, Sealed
from bijlighar.mdm.estimation import RULE_VERSION, Background, Estimates, estimate
from bijlighar.mdm.measurements import Edit, Final, KeptEstimates, Source, final_state
from bijlighar.mdm.validation.evidence import ENERGY
from bijlighar.operations.day_background import background_of
from bijlighar.operations.day_evidence import DayKnowledge, evidence_of, gather
from bijlighar.operations.day_registers import ENERGY_CHANNELS
from bijlighar.operations.estimation_order import MeterOrders
from bijlighar.records import Records
from bijlighar.records.blocks_estimates import joined
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.pinned_files import DayRecords


class BilledEstimateLocked(Exception):
    """The slot was billed from an estimate, which stands. ``meter_id`` and ``start_s`` name it."""

    def __init__(self, meter_id: int, start_s: int) -> None:
        super().__init__(f"meter {meter_id}: the estimate of the block at {start_s} was billed and is locked")
        self.meter_id = meter_id
        self.start_s = start_s


class NotSealed(Exception):
    """No sealed block holds that meter on that day. ``meter_id``, ``day``."""

    def __init__(self, meter_id: int, day: date) -> None:
        super().__init__(f"meter {meter_id} is in no sealed block of {day}")
        self.meter_id = meter_id
        self.day = day


@dataclass(kw_only=True)
class DayEstimated:
    """What was done: estimates kept now, slots that no rule can estimate, estimates withdrawn, by channel."""

    day: date
    made: dict[str, int]
    left: dict[str, int]
    withdrawn: dict[str, int]

    def add(self, other: DayEstimated) -> None:
        """Count what was done in another block too."""
        for channel in ENERGY_CHANNELS:
            self.made[channel] += other.made[channel]
            self.left[channel] += other.left[channel]
            self.withdrawn[channel] += other.withdrawn[channel]


def estimate_day(
    records: Records,
    day: date,
    *,
    now_s: int,
    holidays: Collection[date] | None = None,
    zone: ZoneInfo = KOLKATA,
    known: DayKnowledge | None = None,
    buckets: Collection[int] | None = None,
) -> DayEstimated:
    """Estimate what is missing in every block of a day (of some buckets), each meter by the rules of its group.

    ``holidays`` are no like days; None: the public holidays of the state. ``known``: what was gathered before.

    Raises Superseded when another process estimates the same bucket, and as ``validate_day``.
    """
    known = known or gather(records, day, zone)
    result = nothing_estimated(day)
    for file in records.blocks.day(day):
        if buckets is not None and file.bucket not in buckets:
            continue
        result.add(estimate_block(records, known, file, now_s=now_s, holidays=holidays))
    return result


def nothing_estimated(day: date) -> DayEstimated:
    """A day to which what was done is added."""
    made, left, withdrawn = (dict.fromkeys(ENERGY_CHANNELS, 0) for _ in range(3))
    return DayEstimated(day=day, made=made, left=left, withdrawn=withdrawn)


def estimate_block(
    records: DayRecords,
    known: DayKnowledge,
    file: BlockFile,
    *,
    now_s: int,
    holidays: Collection[date] | None = None,
) -> DayEstimated:
    """Estimate what is missing in one block of the day of ``known``. Raises as ``estimate_day``."""
    result = nothing_estimated(known.day)
    sealed = sealed_of(records.blocks.read(file, known.day), known.period)
    evidence = evidence_of(known, sealed)
    standing = records.estimates.read(known.day, file.bucket, file.period_s)
    fresh: dict[str, KeptEstimates] = {}
    for channel in ENERGY_CHANNELS:
        if channel not in sealed.blocks.channels and channel != ENERGY:
            continue  # the meters do not give it
        background = background_of(records, known, file, evidence, channel, holidays)
        made = _estimated(sealed.blocks, known.orders, channel, background)
        result.left[channel] += len(made.left_row)
        state = final_state(
            sealed,
            channel,
            estimates=standing.by_channel.get(channel),
            bills=known.bills_of(sealed.blocks.meter_id),
            at_s=now_s,
        )
        changed = _changed(sealed.blocks, made, state, now_s)
        gone = _withdrawn(sealed.blocks, channel, known.orders, made, state, now_s)
        if len(changed) or len(gone):
            fresh[channel] = joined(changed, gone)
            result.made[channel] += len(changed)
            result.withdrawn[channel] += len(gone)
    if fresh:
        records.estimates.add(known.day, file.bucket, file.period_s, standing, fresh)
    return result


def _estimated(blocks: DayBlocks, orders: MeterOrders, channel: str, background: Background) -> Estimates:
    """Group by group, each in its order."""
    values = blocks.channel(channel)
    dealt = orders.dealt(blocks.meter_id)
    if len(dealt) == 1:
        return estimate(values, blocks.period_s, background, dealt[0][0])
    parts = [
        estimate(values[rows], blocks.period_s, background.only(rows), order).in_rows(rows)
        for order, rows in dealt
    ]
    return Estimates(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Estimates.__dataclass_fields__
        }
    )


def final_day(
    records: Records, meter_id: int, day: date, channel: str, *, at_s: int, zone: ZoneInfo = KOLKATA
) -> Final:
    """One meter's day as it stood at an instant: "as billed on" is the state of the bill's ``billed_s``.

    Raises NotSealed, BlockDamaged, Unavailable.
    """
    file, sealed = meter_day(records, meter_id, day, zone)
    period = civil_day(day, zone)
    kept = records.estimates.read(day, file.bucket, file.period_s)
    return final_state(
        sealed,
        channel,
        estimates=kept.by_channel.get(channel),
        edits=records.edits.edits(period, meter_id),
        bills=records.edits.bills(period, meter_id),
        at_s=at_s,
    )


def edit_reading(records: Records, edit: Edit, zone: ZoneInfo = KOLKATA) -> None:
    """Put a value in place of a reading, or withdraw it; every version is kept.

    Raises BilledEstimateLocked, NotSealed, ValueError (no reason, no name, no such slot or channel), Unavailable.
    """
    day = civil_date(edit.start_s, zone)
    file, sealed = meter_day(records, edit.meter_id, day, zone, edit.period_s)
    slot, between = divmod(edit.start_s - civil_day(day, zone).start_s, file.period_s)
    if between:
        raise ValueError(f"no block of {file.period_s} s starts at {edit.start_s}")
    if edit.channel not in sealed.blocks.channels:
        raise ValueError(f"the meter gives no {edit.channel}")
    state = final_day(records, edit.meter_id, day, edit.channel, at_s=edit.made_s, zone=zone)
    if state.locked[0, slot]:
        raise BilledEstimateLocked(edit.meter_id, edit.start_s)
    records.edits.add(edit)


def meter_day(
    records: Records, meter_id: int, day: date, zone: ZoneInfo, period_s: int | None = None
) -> tuple[BlockFile, Sealed]:
    """The block that holds most of a meter's day, cut down to that meter.

    Raises NotSealed, BlockDamaged, Unavailable.
    """
    best: tuple[BlockFile, Sealed] | None = None
    for file in records.blocks.day(day):
        if period_s is not None and file.period_s != period_s:
            continue
        columns = records.blocks.read(file, day, meter_id=meter_id)
        if not len(columns):
            continue
        sealed = sealed_of(columns, civil_day(day, zone))
        if best is None or sealed.blocks.held.sum() > best[1].blocks.held.sum():
            best = (file, sealed)
    if best is None:
        raise NotSealed(meter_id, day)
    return best


def _changed(blocks: DayBlocks, made: Estimates, state: Final, now_s: int) -> KeptEstimates:
    """Estimates that are new or differ from what stands, leaving out what was billed."""
    at = (made.row, made.slot)
    same = (state.source[at] == Source.ESTIMATE) & (state.value[at] == made.value) & (state.rule[at] == made.rule)
    keep = ~same & ~state.locked[at]
    return _kept(
        blocks, made.row[keep], made.slot[keep], now_s, made.value[keep], made.quality[keep], made.rule[keep]
    )


def _withdrawn(
    blocks: DayBlocks, channel: str, orders: MeterOrders, made: Estimates, state: Final, now_s: int
) -> KeptEstimates:
    """Estimates that stand, that nothing takes the place of now, and whose rule the meter's order has no more.

    And those of slots that a reading holds after all: it was received before the estimate and landed after it.
    """
    stands = (state.source == Source.ESTIMATE) & ~state.locked
    stands[made.row, made.slot] = False
    gone = stands.copy()
    for order, rows in orders.dealt(blocks.meter_id):
        gone[rows] &= ~np.isin(state.rule[rows], np.array(order, dtype=np.int16))
    gone |= stands & (blocks.channel(channel) != MISSING)
    row, slot = np.nonzero(gone)
    nothing = np.zeros(len(row), dtype=np.int16)
    return _kept(blocks, row, slot, now_s, np.full(len(row), MISSING, dtype=np.int64), nothing, nothing)


def _kept(
    blocks: DayBlocks,
    row: NDArray[np.int64],
    slot: NDArray[np.int64],
    now_s: int,
    value: NDArray[np.int64],
    quality: NDArray[np.int16],
    rule: NDArray[np.int16],
) -> KeptEstimates:
    return KeptEstimates(
        meter_id=blocks.meter_id[row],
        start_s=blocks.day.start_s + slot * blocks.period_s,
        value=value,
        quality=quality,
        rule=rule,
        rule_version=np.full(len(row), RULE_VERSION, dtype=np.int16),
        made_s=np.full(len(row), now_s, dtype=np.int64),
    )
