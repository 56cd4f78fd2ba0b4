"""Sums, balance and summaries say how much of them is known."""

from __future__ import annotations

import numpy as np

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.sums import balance, coarser, summaries, summed
from mdm.days import day_of

M = MISSING


def test_groups_are_summed_and_say_what_they_lack() -> None:
    values = np.array([[1, 2], [10, M], [100, 200], [7, 7]])
    found = summed(values, np.array([2, 0, 2, -1]), 4)
    assert found.energy.tolist() == [[10, 0], [0, 0], [101, 202], [0, 0]]
    assert found.known.tolist() == [[1, 0], [0, 0], [2, 2], [0, 0]]
    assert found.meters.tolist() == [1, 0, 2, 0]
    whole = summed(values[[0, 2]], np.array([0, 1]), 2)
    assert whole.known.tolist() == [[1, 1], [1, 1]]


def test_a_balance_is_told_only_where_all_is_known() -> None:
    consumers = summed(np.array([[40, 50, M], [50, 45, 60], [9, 9, 9]]), np.array([0, 0, 1]), 3)
    found = balance(np.array([[100, 100, 100], [M, 10, 10], [5, 5, 5]]), consumers)
    assert found.lost.tolist() == [[10, 5, M], [M, 1, 1], [M, M, M]]
    assert found.slots_told.tolist() == [2, 2, 0]
    assert np.allclose(found.lost_share, [15 / 200, 0.1, np.nan], equal_nan=True)


def test_quarters_of_an_hour_become_halves() -> None:
    assert coarser(np.array([[1, 2, 3, M]]), 2).tolist() == [[3, M]]


def test_a_summary_of_a_day() -> None:
    energy = day_of([[100] * 24 + [300] * 24, [None] * 48, [0] * 47 + [None]]).channel("import_wh")
    voltage = np.array([[230_000, 210_000] + [M] * 46, [M] * 48, [240_000] * 48])
    found = summaries(energy, 1800, voltage, energy == 0)
    assert found.total_wh.tolist() == [9600, 0, 0]
    assert found.known.tolist() == [48, 0, 47]
    assert found.peak_slot.tolist() == [24, -1, 0]
    assert np.allclose(found.peak_w, [600, np.nan, 0], equal_nan=True)
    assert np.allclose(found.load_factor, [200 / 300, np.nan, np.nan], equal_nan=True)
    assert found.least_mv.tolist() == [210_000, M, 240_000]
    assert found.most_mv.tolist() == [230_000, M, 240_000]
    assert found.estimated.tolist() == [0, 0, 47]
    assert summaries(energy, 1800).least_mv.tolist() == [M, M, M]
