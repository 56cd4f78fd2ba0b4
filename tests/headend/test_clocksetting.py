"""The clock scripts without any wire: ``now`` is a list of moments, answers are given by hand."""

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import decode_instant
from bijlighar.headend.clocksetting import ClockLimits, set_clock
from bijlighar.headend.reading import read_clock
from bijlighar.headend.script import Get, Set

from .meters import D1, NOON_S, stamp


def play(script, *meter_s):
    """Answer each read of the clock with the next of ``meter_s``; gives the result and what was written."""
    times, written = list(meter_s), []
    try:
        request = next(script)
        while True:
            if isinstance(request, Set):
                written.append(decode_instant(request.value.value, D1.deviation_sign))
                request = script.send(b"")
            else:
                assert isinstance(request, Get)
                request = script.send(axdr.encode(stamp(times.pop(0))))
    except StopIteration as stop:
        return stop.value, written


def moments(*seconds):
    """A clock that gives these moments after noon, one a look."""
    return iter([NOON_S + second for second in seconds]).__next__


def test_half_the_round_trip_is_taken_off_and_is_the_doubt():
    reading, _ = play(read_clock(D1, moments(0, 4)), NOON_S + 2)
    assert (reading.offset_ms, reading.doubt_ms, reading.told_ms) == (0, 2_000, 0)


def test_an_answer_that_was_a_minute_on_its_way_tells_nothing():
    reading, _ = play(read_clock(D1, moments(0, 70)), NOON_S)
    assert reading.told_ms is None


@pytest.mark.parametrize(
    ("off_s", "trip_s", "sure"), [(121, 0, True), (120, 0, False), (150, 40, True), (140, 60, False)]
)
def test_a_clock_is_too_far_off_only_when_that_is_sure(off_s, trip_s, sure):
    reading, _ = play(read_clock(D1, moments(0, trip_s)), NOON_S + trip_s // 2 + off_s)
    assert reading.surely_beyond(120) is sure


def test_it_is_set_to_the_moment_of_sending_and_read_back():
    setting, written = play(set_clock(D1, moments(0, 0, 1, 2, 2), ClockLimits()), NOON_S + 200, NOON_S + 2)
    assert written == [NOON_S + 1]
    assert (setting.before_ms, setting.after_ms, setting.succeeded) == (200_000, 0, True)


def test_nothing_is_written_when_it_is_near_enough_or_a_jump_would_need_leave():
    near, written = play(set_clock(D1, moments(0, 0), ClockLimits()), NOON_S + 100)
    assert (near.word, written) == ("near enough", [])
    far, written = play(set_clock(D1, moments(0, 0), ClockLimits()), NOON_S + 1801)
    assert (far.word, written) == ("too far to set without leave", [])
    leave, written = play(
        set_clock(D1, moments(0, 0, 0, 0, 0), ClockLimits(allow_jump=True)), NOON_S + 1801, NOON_S
    )
    assert leave.succeeded
    assert written == [NOON_S]


def test_a_lower_limit_sets_sooner():
    setting, written = play(set_clock(D1, moments(0, 0, 0, 0, 0), ClockLimits(set_s=10)), NOON_S + 11, NOON_S)
    assert setting.succeeded
    assert len(written) == 1


def test_nothing_is_written_when_our_own_clock_has_come_into_doubt_meanwhile():
    setting, written = play(set_clock(D1, moments(0, 0), ClockLimits(), lambda: False), NOON_S + 200)
    assert (setting.word, setting.succeeded, setting.after_ms) == ("not set, for our own is in doubt", False, None)
    assert written == []
