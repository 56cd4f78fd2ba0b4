"""The counter window against a plain set, kept and taken up again at any moment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms.limits import MAX_COUNTER
from bijlighar.dlms.window import EMPTY, OCTETS, WIDTH, CounterWindow, Judgement

PRINTS = [b"aaaa", b"bbbb"]
STEPS = st.lists(
    st.tuples(st.integers(-100, 100), st.sampled_from(PRINTS), st.booleans()), min_size=1, max_size=200
)


@settings(max_examples=300)
@given(first=st.integers(0, MAX_COUNTER), steps=STEPS)
def test_it_judges_as_a_set_of_everything_seen_would(first: int, steps: list[tuple[int, bytes, bool]]) -> None:
    window, seen, highest = CounterWindow(), {}, EMPTY
    counter = first
    for step, print_of, restart in steps:
        counter = min(max(counter + step, 0), MAX_COUNTER)
        if highest != EMPTY and counter <= highest - WIDTH:
            expected = Judgement.BELOW
        elif counter in seen:
            expected = Judgement.DUPLICATE if seen[counter] == print_of else Judgement.REUSED
        else:
            expected = Judgement.NEW
            seen[counter] = print_of
            highest = max(highest, counter)
        assert window.judge(counter, print_of) is expected
        assert window.highest == highest
        if restart:
            window = CounterWindow.from_octets(window.highest, window.to_octets())


@given(counters=st.lists(st.integers(0, 300), min_size=1, max_size=300))
def test_no_counter_is_ever_new_twice(counters: list[int]) -> None:
    window = CounterWindow()
    new = [counter for counter in counters if window.judge(counter, b"same") is Judgement.NEW]
    assert len(new) == len(set(new))


def test_a_meter_may_begin_at_zero_and_end_at_the_last_counter() -> None:
    window = CounterWindow()
    assert window.judge(0, b"aaaa") is Judgement.NEW
    assert window.judge(0, b"aaaa") is Judgement.DUPLICATE
    assert window.judge(MAX_COUNTER, b"aaaa") is Judgement.NEW
    assert window.judge(MAX_COUNTER - WIDTH + 1, b"aaaa") is Judgement.NEW
    assert window.judge(MAX_COUNTER - WIDTH, b"aaaa") is Judgement.BELOW
    assert window.judge(0, b"aaaa") is Judgement.BELOW


def test_what_was_lost_is_new_once_more_and_nothing_else_is() -> None:
    window = CounterWindow()
    for counter in range(10):
        window.judge(counter, b"aaaa")
    window.forget(4)
    window.forget(99)
    assert window.judge(4, b"bbbb") is Judgement.NEW
    assert [window.judge(counter, b"aaaa") for counter in (3, 5)] == [Judgement.DUPLICATE] * 2


def test_a_closed_window_admits_nothing_up_to_its_newest_counter() -> None:
    window = CounterWindow.closed(500)
    assert {window.judge(counter, b"aaaa") for counter in range(501)} == {Judgement.BELOW, Judgement.REUSED}
    assert window.judge(501, b"aaaa") is Judgement.NEW


@pytest.mark.parametrize(
    ("highest", "octets"),
    [(1, b""), (1, bytes(OCTETS + 1)), (-2, bytes(OCTETS)), (MAX_COUNTER + 1, bytes(OCTETS))],
)
def test_other_octets_are_no_window(highest: int, octets: bytes) -> None:
    with pytest.raises(ValueError, match="is none"):
        CounterWindow.from_octets(highest, octets)
