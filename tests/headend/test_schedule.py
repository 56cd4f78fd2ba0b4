import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.headend.retry import Backoff
from bijlighar.headend.schedule import (
    NEVER,
    Cadence,
    Priority,
    ScheduleSettings,
    ScheduleState,
    Task,
    ask_for,
    failed,
    join,
    lag_s,
    next_due_s,
    next_moment_s,
    plan,
    refresh,
    set_busy,
    succeeded,
)

MIDNIGHT_S = 1_781_116_200.0  # 2026-06-11 00:00 in Kanpur
BLOCKS_ONLY = ScheduleSettings(
    cadences={Task.BLOCK_LOAD: Cadence(period_s=1800, delay_s=60, spread_s=600)},
    backoff=Backoff(base_s=30, attempts=3, cap_s=300),
)


def settled(count, now_s, settings=BLOCKS_ONLY):
    """Meters 1..count that have just been read."""
    state = ScheduleState(range(1, count + 1), now_s, settings)
    for row in range(count):
        succeeded(state, row, frozenset(settings.cadences), now_s, settings)
    return state


def test_a_new_meter_is_due_for_everything_within_the_first_spread():
    settings = ScheduleSettings(first_spread_s=10)
    state = ScheduleState(range(1, 13), MIDNIGHT_S, settings)
    visits = plan(MIDNIGHT_S + 10, state, settings, 100)
    assert {visit.meter_id for visit in visits} == set(range(1, 13))
    assert visits[0].tasks == frozenset(Task) - {Task.BACKFILL}
    assert {visit.attempt for visit in visits} == {1}


def test_blocks_fall_due_after_they_end_spread_by_meter():
    state = settled(1000, MIDNIGHT_S)
    due = state.due_s[Task.BLOCK_LOAD] - MIDNIGHT_S
    assert due.min() >= 60
    assert due.max() < 660
    assert np.std(due) > 150
    assert plan(MIDNIGHT_S + 59, state, BLOCKS_ONLY, 1000) == []
    assert len(plan(MIDNIGHT_S + 660, state, BLOCKS_ONLY, 1000)) == 1000


@given(
    after_s=st.floats(1.7e9, 1.9e9),
    phase=st.floats(0, 0.999),
    task=st.sampled_from([task for task in Task if task is not Task.BACKFILL]),
)
def test_the_next_due_moment_is_always_ahead_by_at_most_a_period(after_s, phase, task):
    settings = ScheduleSettings()
    due = next_due_s(task, after_s, phase, settings)
    assert 0 < due - after_s <= settings.cadences[task].period_s + 1e-3
    assert next_due_s(task, due, phase, settings) - due == pytest.approx(settings.cadences[task].period_s)


def test_a_daily_task_begins_at_civil_midnight():
    settings = ScheduleSettings(cadences={Task.DAILY: Cadence(period_s=86_400, delay_s=120)})
    assert next_due_s(Task.DAILY, MIDNIGHT_S - 5000, 0.0, settings) == MIDNIGHT_S + 120


def test_the_plan_is_oldest_first_within_a_priority_and_limited():
    state = settled(50, MIDNIGHT_S)
    visits = plan(MIDNIGHT_S + 5000, state, BLOCKS_ONLY, 10)
    assert [visit.due_s for visit in visits] == sorted(state.due_s[Task.BLOCK_LOAD])[:10]


def test_alarms_go_before_the_schedule_and_the_schedule_before_backfill():
    state = settled(3, MIDNIGHT_S)
    now_s = MIDNIGHT_S + 700
    state.due_s[Task.BLOCK_LOAD, 0] = NEVER
    ask_for(state, 0, Task.BACKFILL, now_s - 600)
    state.alarm[2] = True
    refresh(state)
    visits = plan(now_s, state, BLOCKS_ONLY, 10)
    assert [(visit.meter_id, visit.priority) for visit in visits] == [
        (3, Priority.ALARM),
        (2, Priority.SCHEDULE),
        (1, Priority.BACKFILL),
    ]


def test_backfill_that_waited_long_is_not_starved():
    state = settled(2, MIDNIGHT_S)
    now_s = MIDNIGHT_S + 86_400
    state.due_s[Task.BLOCK_LOAD] = [NEVER, now_s - 100]
    refresh(state)
    ask_for(state, 0, Task.BACKFILL, MIDNIGHT_S)
    assert [visit.meter_id for visit in plan(now_s, state, BLOCKS_ONLY, 1)] == [1]


def test_a_busy_meter_is_not_planned_again():
    state = settled(2, MIDNIGHT_S)
    set_busy(state, 0, busy=True)
    assert [visit.meter_id for visit in plan(MIDNIGHT_S + 5000, state, BLOCKS_ONLY, 10)] == [2]


def test_what_falls_due_soon_goes_along():
    settings = ScheduleSettings(bundle_s=30)
    state = settled(1, MIDNIGHT_S, settings)
    state.due_s[:] = NEVER
    refresh(state)
    ask_for(state, 0, Task.BLOCK_LOAD, MIDNIGHT_S)
    ask_for(state, 0, Task.EVENT, MIDNIGHT_S + 29)
    ask_for(state, 0, Task.CLOCK, MIDNIGHT_S + 31)
    ask_for(state, 0, Task.DAILY, MIDNIGHT_S + 1)  # its row is not there before its time
    assert plan(MIDNIGHT_S, state, settings, 1)[0].tasks == {Task.BLOCK_LOAD, Task.EVENT}


def test_a_failing_meter_waits_longer_each_time_then_until_the_next_period():
    state = settled(1, MIDNIGHT_S)
    now_s = MIDNIGHT_S + 700
    waits = []
    for attempt in (1, 2):
        visit = plan(now_s, state, BLOCKS_ONLY, 1)[0]
        assert visit.attempt == attempt
        failed(state, 0, visit.tasks, now_s, BLOCKS_ONLY)
        waits.append(state.not_before_s[0] - now_s)
        assert plan(now_s + waits[-1] - 0.1, state, BLOCKS_ONLY, 1) == []
        now_s += waits[-1]
    assert 15 <= waits[0] < 45
    assert 30 <= waits[1] < 90
    failed(state, 0, frozenset({Task.BLOCK_LOAD}), now_s, BLOCKS_ONLY)
    next_period_s = next_due_s(Task.BLOCK_LOAD, now_s, float(state.phase[0]), BLOCKS_ONLY)
    assert state.not_before_s[0] == next_period_s
    visit = plan(next_period_s, state, BLOCKS_ONLY, 1)[0]
    assert (visit.attempt, visit.tasks) == (1, {Task.BLOCK_LOAD})


def test_giving_up_a_task_without_a_period_waits_the_longest_back_off():
    state = settled(1, MIDNIGHT_S)
    for _ in range(3):
        failed(state, 0, frozenset({Task.BACKFILL}), MIDNIGHT_S, BLOCKS_ONLY)
    assert state.not_before_s[0] == MIDNIGHT_S + 300


def test_success_ends_the_back_off():
    state = settled(1, MIDNIGHT_S)
    failed(state, 0, frozenset({Task.BLOCK_LOAD}), MIDNIGHT_S + 700, BLOCKS_ONLY)
    succeeded(state, 0, frozenset({Task.BLOCK_LOAD}), MIDNIGHT_S + 800, BLOCKS_ONLY)
    assert state.failures[0] == 0
    assert plan(MIDNIGHT_S + 1800 + 660, state, BLOCKS_ONLY, 1)[0].attempt == 1


def test_lag_is_how_long_a_meter_waits_but_not_while_it_backs_off():
    state = settled(2, MIDNIGHT_S)
    state.due_s[Task.BLOCK_LOAD] = [MIDNIGHT_S + 60, MIDNIGHT_S + 100]
    refresh(state)
    assert lag_s(MIDNIGHT_S + 50, state) == 0
    assert lag_s(MIDNIGHT_S + 160, state) == 100
    state.not_before_s[0] = MIDNIGHT_S + 1000
    refresh(state)
    assert lag_s(MIDNIGHT_S + 160, state) == 60
    set_busy(state, 1, busy=True)
    assert lag_s(MIDNIGHT_S + 160, state) == 0


def test_the_next_moment_is_the_earliest_due():
    state = settled(2, MIDNIGHT_S)
    assert next_moment_s(state) == state.due_s[Task.BLOCK_LOAD].min()
    state.busy[:] = True
    refresh(state)
    assert next_moment_s(state) == NEVER


def test_what_fell_due_while_a_slow_visit_lasted_is_due():
    state = settled(1, MIDNIGHT_S)
    began_s = MIDNIGHT_S + 1790
    succeeded(state, 0, frozenset({Task.BLOCK_LOAD}), began_s, BLOCKS_ONLY)
    assert MIDNIGHT_S + 1860 <= state.due_s[Task.BLOCK_LOAD, 0] < MIDNIGHT_S + 1860 + 600


def test_a_changed_registry_keeps_what_is_known_of_the_meters_that_stay():
    old = settled(3, MIDNIGHT_S)
    failed(old, 1, frozenset({Task.BLOCK_LOAD}), MIDNIGHT_S, BLOCKS_ONLY)
    fresh = join(old, ScheduleState([2, 4], MIDNIGHT_S + 50, BLOCKS_ONLY))
    assert fresh.failures.tolist() == [1, 0]
    assert fresh.due_s[Task.BLOCK_LOAD, 0] == old.due_s[Task.BLOCK_LOAD, 1]
    assert fresh.due_s[Task.BLOCK_LOAD, 1] >= MIDNIGHT_S + 50


def test_two_days_of_a_small_town_read_every_block_of_every_meter_once():
    settings, count = BLOCKS_ONLY, 40
    state = settled(count, MIDNIGHT_S, settings)
    now_s, reads = MIDNIGHT_S, np.zeros(count, int)
    while (moment_s := next_moment_s(state)) < MIDNIGHT_S + 2 * 86_400:
        now_s = max(now_s, moment_s)
        for visit in plan(now_s, state, settings, 100):
            reads[visit.row] += 1
            succeeded(state, visit.row, visit.tasks, now_s, settings)
    assert reads.tolist() == [96] * count
