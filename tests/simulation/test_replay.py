"""One seed is one history, to the last octet."""

from .simulation import Plan, simulate
from .weather import DAY_S, STORM

SMALL = Plan(seed=1, meters=5, days=0.7, calm_s=0.3 * DAY_S)


def test_a_quiet_day_is_read_whole_and_replays():
    first, again = simulate(SMALL), simulate(SMALL)
    assert first.violations == ()
    assert set(first.outcomes) == {"ok"}
    assert first.digest == again.digest
    assert (first.events, first.steps) == (again.events, again.steps)


def test_a_stormy_day_replays_and_another_seed_is_another_day():
    plans = [
        Plan(seed=seed, meters=5, days=0.45, weather=STORM, calm_s=0.3 * DAY_S, headends=2) for seed in (2, 2, 3)
    ]
    first, again, other = map(simulate, plans)
    assert first.digest == again.digest != other.digest
    assert first.violations == other.violations == ()
