"""What the rules of estimation are told of one channel of a block: other days, registers, the class, neighbours.

What no order uses is not looked for: registers of days around, and what other meters of a transformer used.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks
from bijlighar.mdm.estimation import Background, EstimationRule
from bijlighar.mdm.sums import coarser
from bijlighar.mdm.validation import Evidence
from bijlighar.mdm.validation.evidence import ENERGY
from bijlighar.operations.day_evidence import RESOLUTION_WH, DayKnowledge, aligned_day, usual_daily_wh
from bijlighar.operations.public_holidays import public_holidays
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.pinned_files import DayRecords

LIKE_DAYS = (7, 14, 21)
LAST_DAYS = (1, 2, 3)

Integers = NDArray[np.int64]


def background_of(
    records: DayRecords,
    known: DayKnowledge,
    file: BlockFile,
    evidence: Evidence,
    channel: str,
    holidays: Collection[date] | None,
) -> Background:
    """Of all meters of the block; ``holidays`` None: the state's public ones. Raises as ``estimate_day``."""
    blocks = evidence.blocks
    values = blocks.channel(channel)
    meters = blocks.meter_id
    resolution = np.full(len(meters), RESOLUTION_WH)
    if not (values == MISSING).any():
        return Background(resolution=resolution, absent=evidence.absent)
    nothing = np.full(values.shape, MISSING, dtype=np.int64)

    def other(days: int) -> Integers:
        found = aligned_day(records, known.day + timedelta(days=days), file, meters, channel)
        return nothing if found is None else found

    no_like_days = {
        ago for ago in (*LIKE_DAYS, *LAST_DAYS) if _is_holiday(known.day - timedelta(days=ago), holidays)
    }
    last = {ago: other(-ago) for ago in LAST_DAYS}
    usual, _ = usual_daily_wh(known, meters)
    profile = _profile(values) if channel == ENERGY else None
    return Background(
        resolution=resolution,
        absent=evidence.absent,
        dark=evidence.dark,
        register_moved=evidence.advance(channel),
        before=last[1][:, -1],
        after=other(1)[:, 0],
        like_days=np.stack([nothing if ago in no_like_days else other(-ago) for ago in LIKE_DAYS]),
        last_days=np.stack([nothing if ago in no_like_days else last[ago] for ago in LAST_DAYS]),
        class_profile=profile,
        class_total=None if profile is None else profile.sum(axis=1),
        daily_average=usual if channel == ENERGY else None,
        prorated=known.prorated.of(meters, channel),
        remainder=_remainder(records, known, file, blocks, channel),
    )


def _is_holiday(day: date, holidays: Collection[date] | None) -> bool:
    return bool(public_holidays([day])) if holidays is None else day in holidays


def _profile(values: Integers) -> NDArray[np.float64] | None:
    """float64[meter, slot]: mean day of the block's whole meters, the same for all; None when there is none."""
    whole = ~(values == MISSING).any(axis=1)
    if not whole.any():
        return None
    return np.broadcast_to(values[whole].mean(axis=0), values.shape)


def _remainder(
    records: DayRecords, known: DayKnowledge, file: BlockFile, blocks: DayBlocks, channel: str
) -> Integers | None:
    """int64[meter, slot]: what a transformer's meter saw, less its other consumers, as the silent meter counts.

    MISSING where the transformer has no meter that gave the slot, or where more than one of its consumers is
    silent. A transformer's meter itself gets none.
    """
    if not known.orders.uses(EstimationRule.SUBTRACTIVE_ADJUST):
        return None
    slots = blocks.slots
    used: dict[str, NDArray[np.float64]] = {}
    seen: dict[str, NDArray[np.float64]] = {}
    silent: dict[str, Integers] = {}
    own: dict[str, list[int]] = {}
    for other in records.blocks.day(known.day):
        if other.bucket != file.bucket:
            continue
        columns = records.blocks.read(other, known.day, [channel])
        there = sealed_of(columns, known.period).blocks
        place = dict(zip(columns.meter_id.tolist(), columns.transformer.tolist(), strict=True))
        times = known.meters.of(there.meter_id)["multiplier"]
        values = _in_slots(there, channel, slots)
        for row, meter in enumerate(there.meter_id.tolist()):
            code = place[meter]
            missing = values[row] == MISSING
            told = np.where(missing, 0, values[row] * (1.0 if np.isnan(times[row]) else times[row]))
            if meter in known.transformer_meters:
                seen[code] = np.where(missing, np.nan, told)
                continue
            used[code] = used.get(code, np.zeros(slots)) + told
            silent[code] = silent.get(code, np.zeros(slots, dtype=np.int64)) + missing
            if other.period_s == file.period_s:
                own.setdefault(code, []).append(int(np.searchsorted(blocks.meter_id, meter)))
    result = np.full((len(blocks), slots), MISSING, dtype=np.int64)
    factor = known.meters.of(blocks.meter_id)["multiplier"]
    factor = np.where(np.isnan(factor), 1.0, factor)
    for code in seen.keys() & own.keys():
        left = np.where((silent[code] == 1) & ~np.isnan(seen[code]), seen[code] - used[code], np.nan)
        counted = left[None, :] / factor[own[code], None]
        result[own[code]] = np.where(np.isnan(counted), MISSING, np.nan_to_num(counted)).astype(np.int64)
    return result


def _in_slots(blocks: DayBlocks, channel: str, slots: int) -> Integers:
    """A channel in slots of another block's length; MISSING where the own ones are longer."""
    times, between = divmod(blocks.slots, slots)
    if between or times < 1:
        return np.full((len(blocks), slots), MISSING, dtype=np.int64)
    return coarser(blocks.channel(channel), times)
