import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.period import Period
from bijlighar.headend.coverage import (
    CIVIL_OFFSET_S,
    MANY,
    MERGE_SLOTS,
    MOST_SLOTS_A_REQUEST,
    REASK_S,
    WINDOW_DAYS,
    Coverage,
    SlotKind,
)

MIDNIGHT_S = 1_781_116_200  # 2026-06-11 00:00 in Kanpur
NOON_S = MIDNIGHT_S + 12 * 3600
BLOCK = SlotKind(period_s=1800)
DAILY = SlotKind(period_s=86_400, blocks=False)
SLOTS = WINDOW_DAYS * 48


def meters(*ids):
    return np.array(ids, dtype=np.int32)


def starts(*instants):
    return np.array(instants, dtype=np.int64)


def hold_all(coverage, meter_id, without=()):
    window = coverage.window
    held = [s for s in range(window.start_s, window.end_s, coverage.kind.period_s) if s not in without]
    coverage.hold(np.full(len(held), meter_id, np.int32), starts(*held))


def test_a_new_meter_misses_35_days_newest_asked_first():
    coverage = Coverage(meters(3), BLOCK, NOON_S)
    ranges = coverage.missing_ranges(3, NOON_S)
    assert ranges[0].end_s == NOON_S
    assert ranges[-1].start_s == NOON_S - WINDOW_DAYS * 86_400
    assert all(later.start_s == earlier.end_s for later, earlier in itertools.pairwise(ranges))
    assert max(r.seconds for r in ranges) == MOST_SLOTS_A_REQUEST * 1800
    assert coverage.missing_counts(NOON_S).tolist() == [SLOTS]


def test_the_running_block_is_not_missing_and_a_midnight_is_there_from_its_instant_on():
    assert Coverage(meters(1), BLOCK, NOON_S + 1799).window.end_s == NOON_S
    assert Coverage(meters(1), BLOCK, NOON_S + 1800).window.end_s == NOON_S + 1800
    daily = Coverage(meters(1), DAILY, MIDNIGHT_S)
    assert MIDNIGHT_S in daily.window
    assert MIDNIGHT_S not in Coverage(meters(1), DAILY, MIDNIGHT_S - 1).window


def test_only_what_is_missing_is_asked_for():
    coverage = Coverage(meters(1, 2), BLOCK, NOON_S)
    hold_all(coverage, 1, without={NOON_S - 7200, NOON_S - 86_400})
    assert coverage.missing_ranges(1, NOON_S) == (
        Period(start_s=NOON_S - 7200, end_s=NOON_S - 5400),
        Period(start_s=NOON_S - 86_400, end_s=NOON_S - 86_400 + 1800),
    )
    assert coverage.missing_counts(NOON_S).tolist() == [2, SLOTS]


def test_a_short_hole_of_held_slots_does_not_split_a_request():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    near = NOON_S - 1800 * (2 + MERGE_SLOTS)
    hold_all(coverage, 1, without={NOON_S - 1800, near})
    assert coverage.missing_ranges(1, NOON_S) == (Period(start_s=near, end_s=NOON_S),)
    further = Coverage(meters(1), BLOCK, NOON_S)
    hold_all(further, 1, without={NOON_S - 1800, near - 1800})
    assert len(further.missing_ranges(1, NOON_S)) == 2


def test_the_window_moves_with_the_clock_and_forgets_what_left_it():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    hold_all(coverage, 1)
    assert coverage.missing_ranges(1, NOON_S) == ()
    coverage.advance(NOON_S + 3600)
    assert coverage.missing_ranges(1, NOON_S + 3600) == (Period(start_s=NOON_S, end_s=NOON_S + 3600),)
    coverage.advance(NOON_S)  # a clock that turned back takes nothing away
    assert coverage.window.end_s == NOON_S + 3600
    coverage.advance(NOON_S + 400 * 86_400)
    assert coverage.missing_counts(NOON_S + 400 * 86_400).tolist() == [SLOTS]


def test_rows_of_other_meters_and_times_are_passed_over():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    coverage.hold(meters(9, 1, 1), starts(NOON_S - 1800, NOON_S, NOON_S - 400 * 86_400))
    assert coverage.missing_counts(NOON_S).tolist() == [SLOTS]


def test_an_absent_slot_is_asked_once_more_after_a_day_and_then_left_alone():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    hole = NOON_S - 86_400
    hold_all(coverage, 1, without={hole})
    asked = Period(start_s=hole, end_s=hole + 1800)
    coverage.answered(meters(1), asked, NOON_S)
    assert coverage.missing_ranges(1, NOON_S) == ()
    assert coverage.missing_counts(NOON_S).tolist() == [0]
    later = NOON_S + REASK_S
    assert coverage.missing_ranges(1, later) == (asked,)
    assert coverage.missing_counts(later).tolist() == [1]
    coverage.answered(meters(1), asked, later)
    assert coverage.missing_ranges(1, later + 10 * REASK_S) == ()


def test_a_slot_that_just_ended_is_not_taken_for_absent():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    hold_all(coverage, 1, without={NOON_S - 1800})
    asked = Period(start_s=NOON_S - 1800, end_s=NOON_S)
    coverage.answered(meters(1), asked, NOON_S + 10)
    assert coverage.missing_ranges(1, NOON_S + 10) == (asked,)


def test_an_absent_slot_that_arrives_after_all_is_held():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    hole = NOON_S - 86_400
    hold_all(coverage, 1, without={hole})
    coverage.answered(meters(1), Period(start_s=hole, end_s=hole + 1800), NOON_S)
    coverage.hold(meters(1), starts(hole))
    assert coverage.missing_ranges(1, NOON_S + REASK_S) == ()


def test_a_backlog_is_what_should_be_there_by_now_and_was_not_asked_for():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    hold_all(coverage, 1, without={NOON_S - 1800})
    assert coverage.backlogs(NOON_S).tolist() == []  # the last block may still appear by itself
    assert coverage.backlogs(NOON_S + 3600).tolist() == [1]
    coverage.answered(meters(1), Period(start_s=NOON_S - 1800, end_s=NOON_S), NOON_S + 3600)
    assert coverage.backlogs(NOON_S + 3600).tolist() == []


def test_a_meter_can_join_later():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    assert 5 not in coverage
    coverage.add_meters(np.array([5], np.int32))
    coverage.add_meters(np.array([5], np.int32))
    hold_all(coverage, 5)
    assert coverage.missing_counts(NOON_S).tolist() == [SLOTS, 0]


@pytest.mark.parametrize("kind", [BLOCK, SlotKind(period_s=900), SlotKind(period_s=3600), DAILY])
@given(data=st.data())
def test_ranges_cover_every_missing_slot_and_whatever_is_held_leaves_them(kind, data):
    now_s = NOON_S + data.draw(st.integers(0, 86_400))
    coverage = Coverage(meters(1), kind, now_s - data.draw(st.integers(0, 3 * 86_400)))
    coverage.advance(now_s)
    window = coverage.window
    every = range(window.start_s, window.end_s, kind.period_s)
    assert (window.start_s + CIVIL_OFFSET_S) % min(kind.period_s, 86_400) == 0
    gaps = data.draw(st.sets(st.sampled_from(every), max_size=12))
    hold_all(coverage, 1, without=gaps)
    asked = coverage.missing_ranges(1, now_s)
    assert all(any(gap in r for r in asked) for gap in gaps)
    assert int(coverage.missing_counts(now_s)[0]) == len(gaps) == int(coverage.missing(1, now_s).sum())
    assert all(r.start_s in gaps and r.end_s - kind.period_s in gaps for r in asked)
    hold_all(coverage, 1)
    assert coverage.missing_ranges(1, now_s) == ()


def test_many_rows_at_once_are_held_as_one_by_one():
    draw = np.random.default_rng(3)
    ids = np.arange(1, 401, dtype=np.int32)
    meter_id = draw.choice(ids, 2 * MANY).astype(np.int32)
    start_s = MIDNIGHT_S - draw.integers(0, 40 * 48, 2 * MANY) * 1800
    at_once, singly = Coverage(ids, BLOCK, NOON_S), Coverage(ids, BLOCK, NOON_S)
    at_once.hold(meter_id, start_s)
    for first in range(0, len(meter_id), 500):
        singly.hold(meter_id[first : first + 500], start_s[first : first + 500])
    assert at_once.missing_counts(NOON_S).tolist() == singly.missing_counts(NOON_S).tolist()
    for one in (1, 200, 400):
        assert np.array_equal(at_once.missing(one, NOON_S), singly.missing(one, NOON_S))


def test_what_is_older_is_not_asked_for_until_it_is_known_and_then_exactly():
    since_s = NOON_S - 2 * 86_400
    recent, older = Coverage(meters(1, 2), BLOCK, NOON_S), Coverage(meters(1, 2), BLOCK, NOON_S)
    recent.hold(meters(1), starts(NOON_S - 3600))
    recent.assume_before(since_s)
    assert all(one.start_s >= since_s for one in recent.missing_ranges(1, NOON_S))
    assert sum((one.end_s - one.start_s) // 1800 for one in recent.missing_ranges(2, NOON_S)) == 96
    held = starts(*range(since_s - 10 * 1800, since_s, 1800))
    older.hold(np.full(len(held), 2, np.int32), held)
    older.assume_from(since_s)
    assert older.backlogs(NOON_S).tolist() == [1, 2]
    recent.learn_before(older, since_s, NOON_S + 1800)  # a slot has ended meanwhile
    assert recent.missing_counts(NOON_S + 1800).tolist() == [SLOTS - 1, SLOTS - 10]


def test_meters_with_a_backlog_are_those_of_whom_each_says_so():
    coverage = Coverage(meters(1, 2, 3), BLOCK, NOON_S)
    hold_all(coverage, 1)
    hold_all(coverage, 2, without={NOON_S - 86_400})
    hold_all(coverage, 3, without={NOON_S - 1800})  # may still appear by itself
    assert coverage.backlogs(NOON_S).tolist() == [2]


def test_a_coverage_taken_in_adds_what_it_holds_and_whom_it_watches():
    coverage, other = Coverage(meters(1, 2), BLOCK, NOON_S), Coverage(meters(2, 7), BLOCK, NOON_S - 1800)
    hold_all(coverage, 1)
    hold_all(other, 2)
    hold_all(other, 7)
    coverage.merge(other, NOON_S)
    assert coverage.missing_counts(NOON_S).tolist() == [0, 1, 1]
    assert 7 in coverage


def test_a_clock_set_back_begins_the_window_anew():
    coverage = Coverage(meters(1), BLOCK, NOON_S)
    coverage.advance(NOON_S + 30 * 86_400)
    assert coverage.is_ahead(NOON_S)
    coverage.restart(NOON_S)
    assert not coverage.is_ahead(NOON_S)
    assert coverage.window.end_s == NOON_S
    hold_all(coverage, 1)
    assert coverage.missing_ranges(1, NOON_S) == ()


def missing_starts(coverage, meter_id, now_s):
    missing = np.flatnonzero(coverage.missing(meter_id, now_s))
    return set((coverage.window.start_s + missing * coverage.kind.period_s).tolist())


def test_a_clock_that_jumps_by_hours_and_is_put_right_lets_nothing_be_asked_for_twice():
    coverage = Coverage(meters(1, 2), BLOCK, NOON_S)
    hold_all(coverage, 1, without=[NOON_S - 3 * 3600])
    coverage.restart(NOON_S - 2 * 3600)
    hours_35_days_ago = {coverage.window.start_s + n * 1800 for n in range(4)}
    assert missing_starts(coverage, 1, NOON_S) == {NOON_S - 3 * 3600} | hours_35_days_ago
    coverage.add_meters(meters(3))
    coverage.advance(NOON_S - 3600)
    assert missing_starts(coverage, 1, NOON_S) == {NOON_S - 3 * 3600, *sorted(hours_35_days_ago)[2:]}
    coverage.advance(NOON_S + 1800)
    assert missing_starts(coverage, 1, NOON_S) == {NOON_S - 3 * 3600, NOON_S}
    assert coverage.missing_counts(NOON_S).tolist() == [2, SLOTS, SLOTS]


MOVES = st.lists(
    st.one_of(
        st.integers(-40 * 86_400, 40 * 86_400).map(lambda s: ("clock", s)),
        st.integers(-86_400, 86_400).map(lambda s: ("clock", s)),
        st.tuples(st.integers(0, 60), st.integers(1, 30)).map(lambda rows: ("hold", rows)),
    ),
    max_size=12,
)


@given(MOVES)
def test_however_the_clock_moves_nothing_counts_as_held_that_is_not_and_what_never_left_is_remembered(moves):
    kind = SlotKind(period_s=7200, days=5)
    coverage, now_s, held = Coverage(meters(1), kind, NOON_S), NOON_S, set()
    certain = set()  # held, and within the window or ahead of it ever since
    for what, by in moves:
        if what == "clock":
            now_s += by
            coverage.restart(now_s) if coverage.is_ahead(now_s) else coverage.advance(now_s)
            window = coverage.window
            certain = {s for s in certain if window.start_s <= s < window.start_s + 2 * window.seconds}
        else:
            back, count = by
            newest = coverage.window.end_s - 7200 * (1 + back)
            rows = [newest - 7200 * n for n in range(count)]
            coverage.hold(np.full(len(rows), 1, np.int32), starts(*rows))
            rows = {start_s for start_s in rows if start_s in coverage.window}
            held |= rows
            certain |= rows
        window, missing = coverage.window, missing_starts(coverage, 1, now_s)
        slots = set(range(window.start_s, window.end_s, 7200))
        assert slots - missing <= held
        assert not certain & missing


def test_of_those_that_are_named_the_late_ones_are_told():
    coverage = Coverage(meters(1, 2, 3, 4), BLOCK, NOON_S)
    hold_all(coverage, 3)
    assert coverage.backlogs(NOON_S, np.array([2, 3, 4])).tolist() == [2, 4]


def test_answers_of_many_meters_are_taken_as_those_of_each():
    """Some hold all, some lack what was asked for, one was asked before and its day is over, another's is not."""
    ids = np.arange(1, 8)
    together, singly = Coverage(ids.astype(np.int32), BLOCK, NOON_S), Coverage(ids.astype(np.int32), BLOCK, NOON_S)
    first = Period(start_s=NOON_S - 10 * 1800, end_s=NOON_S - 4 * 1800)
    wide = Period(start_s=NOON_S - 86_400, end_s=NOON_S)
    later = NOON_S + REASK_S
    for coverage in (together, singly):
        hold_all(coverage, 1)
        coverage.answered(np.array([2, 3]), first, NOON_S)
        coverage.answered(np.array([4]), first, NOON_S + 10)
        coverage.advance(later)
    together.answered(ids, wide, later)
    for one in ids.tolist():
        singly.answered(np.array([one]), wide, later)
    for now_s in (later, later + 10, later + 3600, later + REASK_S):
        assert together.missing_counts(now_s).tolist() == singly.missing_counts(now_s).tolist()
        assert [together.missing_ranges(one, now_s) for one in ids.tolist()] == [
            singly.missing_ranges(one, now_s) for one in ids.tolist()
        ]
    again = later + REASK_S
    assert together.missing(5, again).sum() > together.missing(2, again).sum()


@pytest.mark.parametrize("days", [1, 7])
def test_a_shorter_window_asks_for_less(days):
    coverage = Coverage(meters(1), SlotKind(period_s=1800, days=days), NOON_S)
    assert coverage.window == Period(start_s=NOON_S - days * 86_400, end_s=NOON_S)
    assert sum(one.seconds for one in coverage.missing_ranges(1, NOON_S)) == days * 86_400


def test_what_is_asked_follows_what_is_held_though_it_is_remembered():
    coverage = Coverage(meters(1, 2), SlotKind(period_s=1800, days=1), NOON_S)
    whole = coverage.missing_ranges(1, NOON_S)
    assert coverage.missing_ranges(2, NOON_S) == whole
    coverage.hold(meters(2), starts(NOON_S - 1800))
    assert coverage.missing_ranges(1, NOON_S) == whole
    assert coverage.missing_ranges(2, NOON_S)[0].end_s == NOON_S - 1800
    coverage.advance(NOON_S + 1800)
    assert coverage.missing_ranges(1, NOON_S + 1800)[0].end_s == NOON_S + 1800
