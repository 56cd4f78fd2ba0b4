from __future__ import annotations

from bijlighar.controlroom.governor import CAUGHT_UP_S, SLOT_S, Governor


def _steps(governor: Governor, lags_s: list[float | None]) -> Governor:
    for lag_s in lags_s:
        governor = governor.step(lag_s=lag_s, silent_for_s=0.5)
    return governor


def test_a_town_speeds_up_to_what_was_asked_and_no_further() -> None:
    governor = _steps(Governor(wanted=240, speed=1), [0.0] * 100)
    assert governor.speed == 240


def test_a_lag_beyond_a_slot_halves_the_speed_until_real_time() -> None:
    governor = Governor(wanted=240, speed=240)
    assert _steps(governor, [SLOT_S + 1]).speed == 120
    assert _steps(governor, [SLOT_S + 1] * 50).speed == 1


def test_between_the_bounds_the_speed_stays() -> None:
    governor = Governor(wanted=240, speed=30)
    assert _steps(governor, [CAUGHT_UP_S + 1, SLOT_S]) == governor


def test_caught_up_it_speeds_up_again() -> None:
    slowed = _steps(Governor(wanted=240, speed=240), [SLOT_S + 1] * 3)
    assert slowed.speed < _steps(slowed, [0.0]).speed < 240


def test_when_nobody_reads_the_town_waits() -> None:
    governor = Governor(wanted=240, speed=240)
    assert governor.step(lag_s=0.0, silent_for_s=60).speed == 120
    assert _steps(governor, [None] * 20).speed == 1


def test_a_town_slower_than_real_time_is_never_hurried() -> None:
    governor = Governor(wanted=0.5, speed=0.5)
    assert _steps(governor, [SLOT_S + 1, None, 0.0]).speed == 0.5
