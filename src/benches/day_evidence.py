"""What stands beside the blocks of a generated day: registers, outages, history, as a utility would have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benches.day_town import STEP_WH
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks
from bijlighar.mdm.estimation import Background
from bijlighar.mdm.validation import Evidence

OUTAGE_SHARE = 0.02
"""Meters that had no supply for an hour: a feeder in ten a day, and what hangs on it."""

REGISTERS_MISSING = 0.02


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Evidence and background of one block."""

    evidence: Evidence
    background: Background


def beside(blocks: DayBlocks, seed: int = 1) -> Beside:
    """By seed and bucket. The made-up history is drawn from the day itself, so that it fits."""
    draw = np.random.default_rng((seed, int(blocks.meter_id[0]) if len(blocks) else 0))
    meters, slots = len(blocks), blocks.slots
    values = blocks.channel("import_wh")
    known = np.where(values == MISSING, 0, values)
    total = known.sum(axis=1)
    dark = _dark(draw, meters, slots)
    before = draw.integers(10_000, 5_000_000, meters) * STEP_WH
    whole = ~(values == MISSING).any(axis=1)
    after = before + np.where(whole, total, total + known.max(axis=1, initial=0) * 4)
    after[draw.random(meters) < REGISTERS_MISSING] = MISSING
    usual = np.where(total > 0, total, 8000) * draw.lognormal(0, 0.3, meters)
    evidence = Evidence(
        blocks=blocks,
        resolution_wh=np.full(meters, STEP_WH),
        sanctioned_load_w=draw.choice([1000, 2000, 4000, 5000], meters),
        greatest_current_ma=np.full(meters, 60_000),
        phases=np.where(draw.random(meters) < 0.06, 3, 1),
        is_shop=draw.random(meters) < 0.1,
        outage_s=dark * blocks.period_s,
        relay_open=np.repeat(draw.random((meters, 1)) < 0.002, slots, axis=1),
        registers_before={"import_wh": before},
        registers_after={"import_wh": after},
        register_wraps_at=np.full(meters, 10**9),
        replaced=np.zeros(meters, dtype=bool),
        usual_daily_wh=usual,
        usual_days=np.full(meters, 20),
        zero_slots_before=np.zeros(meters, dtype=np.int64),
        estimated_days=(draw.random(meters) < 0.002) * 3,
        final_before=np.where(draw.random(meters)[:, None] < 0.02, values, MISSING),
        billed=np.zeros(values.shape, dtype=bool),
        expected_period_s=np.full(meters, blocks.period_s),
        told_period_s=np.full(meters, blocks.period_s),
        expected_unit=np.full(meters, 30),
        told_unit=np.full(meters, 30),
        expected_scaler=np.ones(meters, dtype=np.int64),
        told_scaler=np.ones(meters, dtype=np.int64),
        expected_ratio=np.ones(meters),
        told_ratio=np.ones(meters),
        multiplier=np.ones(meters),
        another_meter=draw.random(meters) < 0.0001,
        clock_offset_s=draw.normal(0, 15, meters),
    )
    moved = np.where((after == MISSING), MISSING, after - before)
    return Beside(evidence=evidence, background=_background(draw, blocks, dark, moved, usual))


def _dark(draw: np.random.Generator, meters: int, slots: int) -> NDArray[np.int64]:
    dark = np.zeros((meters, slots), dtype=np.int64)
    first = int(draw.integers(0, slots - 1))
    out = draw.random(meters) < OUTAGE_SHARE
    dark[out, first : first + 2] = 1
    return dark


def _background(
    draw: np.random.Generator,
    blocks: DayBlocks,
    dark: NDArray[np.int64],
    moved: NDArray[np.int64],
    usual: NDArray[np.float64],
) -> Background:
    values = blocks.channel("import_wh")
    meters, slots = len(blocks), blocks.slots
    known = np.where(values == MISSING, 0, values)
    like = np.stack([known[draw.permutation(meters)] for _ in range(3)])
    return Background(
        resolution=np.full(meters, STEP_WH),
        dark=dark > 0,
        register_moved=moved,
        before=known[:, 0],
        after=known[:, -1],
        like_days=like,
        last_days=like,
        class_profile=np.broadcast_to(np.ones(slots), values.shape),
        class_total=np.full(meters, 6000.0),
        daily_average=usual,
        prorated=usual.astype(np.int64),
        remainder=like[0],
    )
