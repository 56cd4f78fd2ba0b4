from __future__ import annotations

from bijlighar.controlroom.throttle import ADDRESS_FACTOR, MOST_ENTRIES, SignInThrottle

_LOCK_S = 300.0


def _throttle() -> SignInThrottle:
    return SignInThrottle(failures=3, lock_s=_LOCK_S)


def test_a_name_waits_after_its_failures_from_whatever_address() -> None:
    throttle = _throttle()
    for n in range(3):
        assert throttle.wait_s("Operator", f"10.0.0.{n}", now_s=100) == 0
        throttle.began("operator", f"10.0.0.{n}", now_s=100)
    assert throttle.wait_s("OPERATOR", "10.9.9.9", now_s=110) == 290
    assert throttle.wait_s("somebody", "10.9.9.9", now_s=110) == 0


def test_an_address_waits_after_failures_with_many_names() -> None:
    throttle = _throttle()
    for n in range(3 * ADDRESS_FACTOR):
        throttle.began(f"name{n}", "10.0.0.1", now_s=100)
    assert throttle.wait_s("fresh", "10.0.0.1", now_s=100) == _LOCK_S
    assert throttle.wait_s("fresh", "10.0.0.2", now_s=100) == 0


def test_failures_are_forgotten_after_the_lock() -> None:
    throttle = _throttle()
    for _ in range(3):
        throttle.began("operator", "a", now_s=100)
    assert throttle.wait_s("operator", "a", now_s=100 + _LOCK_S) == 0
    throttle.began("operator", "a", now_s=100 + _LOCK_S)
    assert throttle.wait_s("operator", "a", now_s=100 + _LOCK_S) == 0


def test_success_forgets_the_names_failures_but_not_those_of_the_address() -> None:
    throttle = _throttle()
    for n in range(3 * ADDRESS_FACTOR):
        throttle.began(f"name{n}", "a", now_s=1)
    throttle.began("operator", "a", now_s=1)
    throttle.succeeded("operator", "a")
    assert throttle.wait_s("operator", "b", now_s=1) == 0
    assert throttle.wait_s("operator", "a", now_s=1) > 0


def test_invented_names_do_not_fill_the_memory() -> None:
    throttle = _throttle()
    for n in range(MOST_ENTRIES + 10):
        throttle.began(f"n{n}", "a", now_s=1)
    assert len(throttle._entries) <= MOST_ENTRIES
