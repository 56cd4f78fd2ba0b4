"""Held to the meters of Mathura and Bareilly; the facts stand in ``meterlab.load`` with their source."""

import numpy as np
import pytest

from meterlab import load
from meterlab.calendar import month_days, month_first_day

SEED = 20_250
HOMES = np.arange(1200)
YEAR = np.arange(2025 * 12, 2025 * 12 + 12)
JULY = 2025 * 12 + 6


@pytest.fixture(scope="module")
def mean():
    return load.mean_wh_day(SEED, HOMES)


@pytest.fixture(scope="module")
def months(mean):
    return load.month_wh(SEED, HOMES, mean, YEAR)


@pytest.fixture(scope="module")
def july_days(months):
    return np.diff(load.day_cumulative_wh(SEED, HOMES, JULY, months[:, 6]), axis=1)


@pytest.fixture(scope="module")
def july_slots(july_days):
    days = month_first_day(JULY) + np.arange(31)
    return np.diff(load.slot_cumulative_wh(SEED, HOMES, days, np.full(31, JULY), july_days), axis=2)


def test_month_factors_are_those_of_the_measured_meters(mean, months):
    factors = (months / month_days(YEAR)).mean(axis=0) / mean.mean()
    assert factors == pytest.approx(load.MONTH_FACTORS, rel=0.05)
    assert load.MONTH_FACTORS[5] == 1.549
    assert sum(load.MONTH_FACTORS) == pytest.approx(11.654)


def test_meter_means_have_the_measured_quantiles(mean):
    p5, median, p95 = np.quantile(mean / 1000, [0.05, 0.5, 0.95])
    assert [p5, median, p95] == pytest.approx([1.3, 6.4, 16.0], rel=0.12)
    assert 20 < mean.max() / 1000 <= 23
    assert mean.mean() / 1000 == pytest.approx(7.75, rel=0.05)


def test_hourly_shape_follows_the_measured_july(july_slots):
    hours = july_slots.reshape(len(HOMES), 31, 24, 2).sum(axis=(0, 1, 3))
    assert np.corrcoef(hours, load.JULY_HOURLY_SHAPE)[0, 1] >= 0.95
    assert np.argmax(hours) == 23
    assert np.argmin(hours) in (7, 9)


def test_winter_days_are_flatter_and_no_more():
    january, july = load._SHAPES[0], load._SHAPES[6]
    assert 0.7 < january.std() / july.std() < 0.95
    assert np.corrcoef(january, july)[0, 1] > 0.99


def test_days_within_a_month_vary_and_persist_as_measured(months):
    residuals = []
    for column, month in enumerate(YEAR.tolist()):
        energy = np.diff(load.day_cumulative_wh(SEED, HOMES, month, months[:, column]), axis=1).astype(float)
        energy[energy <= 0] = np.nan
        log = np.log(energy)
        residuals.append(log - np.nanmean(log, axis=1, keepdims=True))
    sd = np.sqrt(np.mean([np.nanvar(r, axis=1, ddof=1).mean() for r in residuals]))
    before = np.concatenate([r[:, :-1].ravel() for r in residuals])
    after = np.concatenate([r[:, 1:].ravel() for r in residuals])
    both = ~np.isnan(before + after)
    assert sd == pytest.approx(0.34, abs=0.03)
    assert np.corrcoef(before[both], after[both])[0, 1] == pytest.approx(0.47, abs=0.05)


def test_some_days_nobody_is_at_home(july_days):
    assert 0.009 < (july_days == 0).mean() < 0.028


def test_one_home_is_peaky_and_sixty_are_smooth(july_slots, july_days):
    lived_in = july_days > 500
    single = july_slots.max(axis=2)[lived_in] / (july_days[lived_in] / 48)
    sixty = july_slots.reshape(20, 60, 31, 48).sum(axis=1)
    assert 4 < np.median(single) < 8
    assert 1.7 < np.median(sixty.max(axis=2) / sixty.mean(axis=2)) < 2.2


def test_parts_add_up_to_the_whole_to_the_watt_hour(months, july_days, july_slots):
    assert (july_days.sum(axis=1) == months[:, 6]).all()
    assert (july_slots.sum(axis=2) == july_days).all()
    assert july_slots.min() >= 0


def test_any_slot_is_the_same_alone_as_among_all(months, july_days, july_slots):
    home, day = np.asarray([417]), np.asarray([month_first_day(JULY) + 12])
    mean = load.mean_wh_day(SEED, home)
    month = load.month_wh(SEED, home, mean, np.asarray([JULY]))
    days = np.diff(load.day_cumulative_wh(SEED, home, JULY, month[:, 0]), axis=1)
    slots = np.diff(load.slot_cumulative_wh(SEED, home, day, np.asarray([JULY]), days[:, 12:13]), axis=2)
    assert month[0, 0] == months[417, 6]
    assert (days[0] == july_days[417]).all()
    assert (slots[0, 0] == july_slots[417, 12]).all()


def test_another_seed_is_another_town():
    assert (load.mean_wh_day(1, HOMES) != load.mean_wh_day(2, HOMES)).all()


def test_a_quarter_share_is_a_share():
    share = load.quarter_share(SEED, HOMES[:50], np.arange(1000))
    assert share.shape == (50, 1000)
    assert 0.3 <= share.min() < 0.31
    assert 0.69 < share.max() <= 0.7
