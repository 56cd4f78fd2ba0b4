"""The day by groups: what is counted of a meter, and that nothing missing is taken for zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.day_summary import (
    BlockDay,
    GroupTally,
    MeterDays,
    SumTally,
    fed,
    half_hours,
    losses,
    measured,
)
from bijlighar.mdm.day_summary_limits import LimitsRow, UnknownVoltageLimit, VoltageLimits, limits_on

M = MISSING
LIMITS = VoltageLimits()
LOW_MV, GOOD_MV, HIGH_MV = 216_000, 230_000, 244_000


def block(energy: list[list[int]], **more: Any) -> BlockDay:
    """Consumers whose readings these are; of four half hours or more."""
    values = np.array(energy, dtype=np.int64)
    given: dict[str, Any] = {
        "period_s": 1800,
        "consumer": np.ones(len(values), dtype=bool),
        "expected": np.ones(values.shape, dtype=bool),
        "dark": None,
        "held": values != M,
        "energy": values,
        "export": None,
        "estimated": np.zeros(values.shape, dtype=bool),
        "voltages": (),
    }
    return BlockDay(**given | more)


def counts_of(days: MeterDays) -> dict[str, list[int]]:
    return {name: values.tolist() for name, values in days.counts.items()}


def test_a_meter_is_counted_by_what_it_holds() -> None:
    told = counts_of(measured(block([[100, 300, M, 0], [1, 1, 1, 1]]), LIMITS))
    assert told["slots_expected"] == [4, 4]
    assert told["slots_held"] == [3, 4]
    assert told["meters_whole"] == [0, 1]
    assert told["import_wh"] == [400, 4]
    assert told["own_peaks_w"] == [600, 2]
    assert told["export_wh"] == [0, 0]


def test_slots_without_supply_and_before_installation_are_not_owed() -> None:
    dark = np.array([[False, True, True, False]])
    expected = np.array([[True, True, True, False]])
    told = counts_of(measured(block([[5, M, 7, M]], dark=dark, expected=expected), LIMITS))
    assert (told["slots_expected"], told["slots_held"], told["meters_whole"]) == ([2], [2], [1])


def test_estimates_are_known_and_counted_apart() -> None:
    estimated = np.array([[False, True, False, True]])
    held = np.array([[True, False, True, False]])
    told = counts_of(measured(block([[10, 20, 30, M]], estimated=estimated, held=held), LIMITS))
    assert (told["slots_known"], told["slots_estimated"], told["estimated_wh"]) == ([3], [1], [20])
    assert told["slots_held"] == [2]


def test_the_meter_of_a_transformer_uses_nothing() -> None:
    consumer = np.array([True, False])
    volts = np.full((2, 4), HIGH_MV + 1000)
    days = measured(block([[1, 1, 1, 1], [9, 9, 9, 9]], consumer=consumer, voltages=(volts,)), LIMITS)
    told = counts_of(days)
    assert (told["meters"], told["consumers"], told["import_wh"]) == ([1, 1], [1, 0], [4, 0])
    assert (told["voltage_high"], days.most_mv.tolist()) == ([4, 0], [HIGH_MV + 1000, M])


def test_voltage_is_held_against_the_limits_and_no_supply_is_no_voltage() -> None:
    volts = np.array([[LOW_MV, GOOD_MV, HIGH_MV, 0], [M, M, M, M]])
    days = measured(block([[1, 1, 1, 1], [1, 1, 1, 1]], voltages=(volts,)), LIMITS)
    told = counts_of(days)
    assert (LIMITS.least_mv, LIMITS.most_mv) == (216_200, 243_800)
    assert (told["voltage_slots"], told["voltage_low"], told["voltage_high"]) == ([3, 0], [1, 0], [1, 0])
    assert (days.least_mv.tolist(), days.most_mv.tolist()) == ([LOW_MV, M], [HIGH_MV, M])


def test_every_phase_counts() -> None:
    phases = tuple(np.full((1, 4), volts) for volts in (LOW_MV, GOOD_MV, HIGH_MV))
    days = measured(block([[1, 1, 1, 1]], voltages=phases), LIMITS)
    assert days.counts["voltage_slots"].tolist() == [12]
    assert (days.least_mv.tolist(), days.most_mv.tolist()) == ([LOW_MV], [HIGH_MV])


def test_blocks_of_other_lengths_become_half_hours() -> None:
    assert half_hours(np.array([[1, 2, 3, M]]), 900).tolist() == [[3, M]]
    assert half_hours(np.array([[7, M]]), 3600).tolist() == [[4, 3, M, M]]
    with pytest.raises(ValueError, match="neither parts"):
        half_hours(np.array([[1]]), 7200)


def test_blocks_are_added_and_gathered_into_coarser_groups() -> None:
    tally = GroupTally(3, 2)
    volts = np.array([[LOW_MV, GOOD_MV], [GOOD_MV, GOOD_MV]])
    tally.add(measured(block([[10, 20], [1, M]], voltages=(volts,)), LIMITS), np.array([0, 2]))
    tally.add(measured(block([[5, 5, 5, 5]], period_s=900), LIMITS), np.array([0]))
    assert tally.curve.energy.tolist() == [[20, 30], [0, 0], [1, 0]]
    assert tally.curve.known.tolist() == [[2, 2], [0, 0], [1, 0]]
    peaks, place = tally.peaks()
    assert np.allclose(peaks, [60, np.nan, 2], equal_nan=True)
    assert place.tolist() == [1, -1, 0]
    whole = tally.gathered(np.array([0, -1, 0]), 1)
    assert whole.curve.energy.tolist() == [[21, 30]]
    assert whole.curve.known.tolist() == [[3, 2]]
    assert whole.counts["import_wh"].tolist() == [51]
    assert (whole.least_mv.tolist(), whole.most_mv.tolist()) == ([LOW_MV], [GOOD_MV])


def test_what_is_fed_back_lessens_what_was_taken() -> None:
    export = np.array([[0, 4], [M, M]])
    days = measured(block([[10, 1], [5, 6]], export=export), LIMITS)
    assert days.net.tolist() == [[10, -3], [5, 6]], "a meter that never tells export has none"
    assert days.counts["export_wh"].tolist() == [4, 0]
    gap = measured(block([[10, 1]], export=np.array([[M, 4]])), LIMITS)
    assert gap.net.tolist() == [[M, -3]], "one that does is missing where it is silent"


def test_losses_are_told_only_where_both_ends_are_whole() -> None:
    tally, supply = GroupTally(2, 2), SumTally(2, 2)
    tally.add(measured(block([[40, 40], [50, M], [7, 7]]), LIMITS), np.array([0, 0, 1]))
    supply.add(np.array([[100, 100]]), np.array([0]))
    found = losses(supply.whole, tally.net.sums())
    assert (found.supplied_wh.tolist(), found.lost_wh.tolist()) == ([100, 0], [10, 0])
    assert found.slots_told.tolist() == [1, 0]
    feeder = losses(np.array([[120, 130]]), fed(supply.whole, np.array([0, -1]), 1))
    assert feeder.lost.tolist() == [[20, 30]]
    unmetered = losses(np.array([[120, 130]]), fed(supply.whole, np.array([0, 0]), 1))
    assert unmetered.slots_told.tolist() == [0], "a transformer without a meter leaves the feeder untold"


def test_limits_are_dated_and_a_wrong_one_is_refused() -> None:
    rows = [LimitsRow(valid_from_s=100, changes={"low_share": 0.1}), LimitsRow(valid_from_s=0, changes={})]
    assert limits_on(99, rows).least_mv == LIMITS.least_mv
    assert limits_on(100, rows).least_mv == 207_000
    for changes in ({"low": 0.1}, {"low_share": 1.0}, {"low_share": True}, {"nominal_v": 11_000}):
        with pytest.raises(UnknownVoltageLimit):
            limits_on(0, [LimitsRow(valid_from_s=0, changes=changes)])
