import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.headend.retry import Backoff, fraction, fractions

PLAN = Backoff(base_s=10, factor=2, cap_s=100, attempts=5, seed=3)


@given(st.integers(1, 10**6), st.integers(1, 1000))
def test_a_delay_doubles_up_to_its_cap_within_the_jitter(meter_id, failures):
    whole = min(100, 10 * 2.0 ** (failures - 1))
    assert 0.5 * whole <= PLAN.delay_s(meter_id, failures) < 1.5 * whole


def test_meters_of_one_tower_do_not_come_back_together():
    delays = {round(PLAN.delay_s(meter, 1), 1) for meter in range(1, 200)}
    assert len(delays) > 50
    assert max(delays) - min(delays) > 8


def test_the_same_seed_replays_and_another_does_not():
    assert PLAN.delay_s(5, 2) == Backoff(base_s=10, factor=2, cap_s=100, attempts=5, seed=3).delay_s(5, 2)
    assert PLAN.delay_s(5, 2) != Backoff(base_s=10, factor=2, cap_s=100, attempts=5, seed=4).delay_s(5, 2)


def test_fractions_are_spread_evenly():
    drawn = fractions(np.arange(1, 100_001, dtype=np.int64), seed=0)
    counts, _ = np.histogram(drawn, bins=10, range=(0, 1))
    assert counts.min() > 9_500
    assert fraction(1, 0) == drawn[0]


@pytest.mark.parametrize("wrong", [{"base_s": 0}, {"factor": 0.5}, {"cap_s": 1}, {"attempts": 0}])
def test_an_impossible_plan_is_refused(wrong):
    with pytest.raises(ValueError, match="back-off"):
        Backoff(**wrong)
