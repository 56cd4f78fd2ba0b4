"""Sealing: the newest received wins, older versions stay within reach, nothing is dropped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks, Sealed, SlotFlag, as_of, flattened, reseal, seal
from bijlighar.mdm.buckets import assigned, by_bucket, counted
from mdm.days import DAY, DAY_S, rows

METERS = np.array([3, 5, 9], dtype=np.int32)

cells = st.tuples(st.sampled_from([3, 5, 9]), st.integers(0, 3), st.integers(DAY_S, DAY_S + 3), st.integers(0, 3))
batches = st.lists(st.lists(cells, max_size=8), max_size=4)


def sealed(*given_batches: list[tuple[int, int, int, int]]) -> Sealed:
    return seal([rows(cells) for cells in given_batches], day=DAY, period_s=1800, meter_id=METERS)


def value(blocks: DayBlocks, meter: int, slot: int) -> int:
    return int(blocks.channel("import_wh")[METERS.tolist().index(meter), slot])


def test_a_meter_without_rows_keeps_its_place_and_is_missing() -> None:
    blocks = sealed([(5, 7, DAY_S, 120)]).blocks
    assert blocks.meter_id.tolist() == [3, 5, 9]
    assert value(blocks, 5, 7) == 120
    assert np.count_nonzero(blocks.held) == 1
    assert value(blocks, 3, 7) == MISSING


def test_the_newest_received_wins_whatever_the_order_of_landing() -> None:
    result = sealed([(3, 0, DAY_S + 9, 2), (5, 0, DAY_S, 1)], [(3, 0, DAY_S + 5, 1)])
    assert value(result.blocks, 3, 0) == 2
    assert result.blocks.flags[0, 0] == SlotFlag.CORRECTED
    assert flattened(result.older).channels["import_wh"].tolist() == [1]


def test_the_same_said_again_is_a_repeat_and_a_row_landed_twice_is_kept_once() -> None:
    again = sealed([(3, 0, DAY_S, 1)], [(3, 0, DAY_S + 5, 1)])
    assert again.blocks.flags[0, 0] == SlotFlag.REPEATED
    assert len(flattened(again.older)) == 1
    twice = sealed([(3, 0, DAY_S, 1)], [(3, 0, DAY_S, 1)])
    assert twice.blocks.flags[0, 0] == 0
    assert len(twice.older) == 0


def test_rows_without_a_place_come_back_as_strays() -> None:
    odd = rows([(3, 0, DAY_S, 1), (4, 0, DAY_S, 2), (3, 48, DAY_S, 3), (3, -1, DAY_S, 4), (9, 1, DAY_S, 5)])
    odd.start_s[4] += 60
    result = seal([odd], day=DAY, period_s=1800, meter_id=METERS)
    assert result.strays.channels["import_wh"].tolist() == [2, 3, 4, 5]
    assert np.count_nonzero(result.blocks.held) == 1


def test_thirty_and_fifteen_minutes_stand_side_by_side() -> None:
    quarter = seal([rows([(3, 95, DAY_S, 7)], period_s=900)], day=DAY, period_s=900, meter_id=METERS)
    assert quarter.blocks.slots == 96
    assert quarter.blocks.channel("import_wh")[0, 95] == 7
    with pytest.raises(ValueError, match="block of 1800 s"):
        seal([rows([(3, 95, DAY_S, 7)], period_s=900)], day=DAY, period_s=1800, meter_id=METERS)
    with pytest.raises(ValueError, match="whole number"):
        seal([], day=DAY, period_s=7000, meter_id=METERS)


def test_a_channel_that_one_batch_lacks_is_missing_there() -> None:
    both = seal(
        [rows([(3, 0, DAY_S, 1)]), rows([(3, 1, DAY_S, 230_000)], channel="voltage_mv")],
        day=DAY,
        period_s=1800,
        meter_id=METERS,
    ).blocks
    assert both.channel("voltage_mv")[0, :2].tolist() == [MISSING, 230_000]
    assert both.channel("import_wh")[0, :2].tolist() == [1, MISSING]


@settings(max_examples=40, deadline=None)
@given(batches)
def test_every_state_can_be_shown_again(landed: list[list[tuple[int, int, int, int]]]) -> None:
    whole = sealed(*landed)
    for instant_s in range(DAY_S - 1, DAY_S + 4):
        known = sealed(*[[cell for cell in cells if cell[2] <= instant_s] for cells in landed])
        shown = as_of(whole, instant_s)
        assert np.array_equal(shown.channel("import_wh"), known.blocks.channel("import_wh"))
        assert np.array_equal(shown.received_s, known.blocks.received_s)


@settings(max_examples=40, deadline=None)
@given(batches, batches)
def test_resealing_is_sealing_all_at_once(
    first: list[list[tuple[int, int, int, int]]], late: list[list[tuple[int, int, int, int]]]
) -> None:
    step_by_step = reseal(sealed(*first), [rows(cells) for cells in late])
    at_once = sealed(*first, *late)
    for mine, its in ((step_by_step.blocks, at_once.blocks), (step_by_step.older, at_once.older)):
        assert np.array_equal(mine.channel("import_wh"), its.channel("import_wh"))
        assert np.array_equal(mine.received_s, its.received_s)
        assert np.array_equal(mine.flags, its.flags)


@settings(max_examples=40, deadline=None)
@given(batches)
def test_no_version_is_lost(landed: list[list[tuple[int, int, int, int]]]) -> None:
    result = sealed(*landed)
    kept = {
        (int(m), int(s - DAY_S) // 1800, int(r), int(v))
        for part in (result.blocks, result.older)
        for rows_ in [flattened(part)]
        for m, s, r, v in zip(
            rows_.meter_id,
            rows_.start_s,
            rows_.received_s,
            rows_.channels.get("import_wh", np.zeros(0)),
            strict=True,
        )
    }
    assert kept == {cell for cells in landed for cell in cells}


def test_buckets_hold_whole_transformers_and_keep_them() -> None:
    first = assigned({"T1": 60, "T2": 50, "T3": 30, "T4": 300}, {}, meters=100)
    assert first == {"T1": 0, "T2": 1, "T3": 1, "T4": 2}
    later = assigned({"T0": 20, "T1": 90, "T2": 50, "T3": 30, "T4": 300}, first, meters=100)
    assert later == {**first, "T0": 3}
    assert by_bucket([(7, "T2"), (1, "T1"), (2, "T3")], first) == {0: [1], 1: [2, 7]}
    assert counted(["T2", "T1", "T2"]) == {"T2": 2, "T1": 1}
