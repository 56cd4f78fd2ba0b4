"""Rows by cut-off: first receipt counts, power cuts owe nothing, a meter's lack is its own."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bijlighar.cim.period import civil_day
from bijlighar.mdm.service_levels.completeness import (
    CUT_OFF_HOURS,
    INSTANTANEOUS_ROWS,
    Arrivals,
    of_blocks,
    of_rows,
)

DAY = civil_day(date(2026, 6, 15))
HOUR = 3600
AT_8, AT_24, AT_72 = (CUT_OFF_HOURS.index(hour) for hour in (8, 24, 72))
HALF_HOURS = DAY.start_s + np.arange(48) * 1800


def blocks(meters: int, rows: list[tuple[int, np.ndarray, float]], period_s: int = 1800) -> Arrivals:
    """``rows`` of (meter, starts, hours after midnight at which they were received)."""
    arrivals = Arrivals.of_blocks(meters, DAY)
    for meter, starts, hours in rows:
        received = np.full(len(starts), DAY.end_s + round(hours * HOUR))
        arrivals.add(np.full(len(starts), meter), starts, received, period_s)
    return arrivals


def everybody(meters: int) -> np.ndarray:
    return np.ones(meters, dtype=bool)


def usual(meters: int, period_s: int = 1800) -> np.ndarray:
    return np.full(meters, period_s, dtype=np.int32)


def test_cut_offs_are_each_hour_from_seven_and_the_end_of_the_backfill() -> None:
    assert list(CUT_OFF_HOURS) == [*range(7, 25), 72]


@pytest.mark.parametrize(("hours", "held_at_8"), [(8.0, 48), (8 + 1 / HOUR, 0), (-3.0, 48)])
def test_what_comes_in_the_second_of_the_cut_off_is_in_time(hours: float, held_at_8: int) -> None:
    level = of_blocks(blocks(1, [(0, HALF_HOURS, hours)]), everybody(1), usual(1))
    assert (int(level.expected[0]), int(level.held[0, AT_8]), int(level.held[0, AT_24])) == (48, held_at_8, 48)


def test_a_row_read_again_later_counts_from_its_first_receipt() -> None:
    rows = [(0, HALF_HOURS, 30.0), (0, HALF_HOURS, 1.0), (0, HALF_HOURS, 60.0)]
    level = of_blocks(blocks(1, rows), everybody(1), usual(1))
    assert int(level.held[0, AT_8]) == 48


def test_completeness_is_the_mean_over_meters_and_tells_how_many_are_whole() -> None:
    rows = [(0, HALF_HOURS, 2.0), (1, HALF_HOURS[:24], 2.0), (1, HALF_HOURS[24:], 10.0)]
    level = of_blocks(blocks(3, rows), np.array([True, True, False]), usual(3))
    assert level.level(AT_8) == pytest.approx(0.75)
    assert level.whole(AT_8) == pytest.approx(0.5)
    assert level.level(AT_24) == pytest.approx(1.0)
    assert np.isnan(level.share[2, AT_8])
    groups = np.array([0, 1, 1], dtype=np.int32)
    assert level.by_group(groups, 3, AT_8)[:2].tolist() == pytest.approx([1.0, 0.5])
    assert np.isnan(level.by_group(groups, 3, AT_8)[2])


def test_nothing_expected_is_no_level() -> None:
    level = of_rows(Arrivals.of_midnight(2, DAY), np.zeros(2, dtype=bool))
    assert level.level(AT_8) is None
    assert level.whole(AT_8) is None


def test_meters_of_quarters_owe_96_blocks_and_a_silent_one_what_its_model_tells() -> None:
    quarters = DAY.start_s + np.arange(96) * 900
    arrivals = blocks(2, [(0, quarters[:48], 1.0)], period_s=900)
    level = of_blocks(arrivals, everybody(2), usual(2, 3600))
    assert level.expected.tolist() == [96, 24]
    assert level.held[:, AT_8].tolist() == [48, 0]


def test_a_block_without_supply_is_not_expected_but_counts_when_the_meter_has_it() -> None:
    dark = np.zeros((2, 96), dtype=bool)
    dark[:, 10:15] = True  # half hours 5 and 6 whole, 7 in part
    without = np.delete(HALF_HOURS, [5, 6, 7])
    level = of_blocks(blocks(2, [(0, without, 1.0), (1, HALF_HOURS, 1.0)]), everybody(2), usual(2), dark)
    assert level.expected.tolist() == [46, 48]
    assert level.held[:, AT_8].tolist() == [45, 48]


def test_three_instantaneous_values_a_day_are_enough_and_more_help_nobody_else() -> None:
    arrivals = Arrivals.of_blocks(2, DAY)
    instants = DAY.start_s + np.array([100, 200, 30_000, 40_000, 50_000, 60_000])
    arrivals.add(np.zeros(6, dtype=np.intp), instants, np.full(6, DAY.end_s), 0)
    level = of_rows(arrivals, everybody(2), INSTANTANEOUS_ROWS)
    assert level.held[:, AT_8].tolist() == [3, 0]
    assert level.level(AT_8) == pytest.approx(0.5)


def test_the_midnight_row_is_that_of_the_day_s_end() -> None:
    arrivals = Arrivals.of_midnight(2, DAY)
    arrivals.add(np.array([0, 1]), np.array([DAY.end_s, DAY.start_s]), np.full(2, DAY.end_s + HOUR))
    assert of_rows(arrivals, everybody(2)).held[:, AT_8].tolist() == [1, 0]


def test_rows_of_other_days_and_of_meters_that_are_not_counted_are_left_out() -> None:
    arrivals = blocks(1, [(0, np.array([DAY.start_s - 1800, DAY.end_s]), 1.0), (-1, HALF_HOURS, 1.0)])
    level = of_blocks(arrivals, everybody(1), usual(1))
    assert int(level.held.sum()) == 0
