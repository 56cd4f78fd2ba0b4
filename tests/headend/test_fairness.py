"""Under any load everybody who is due is visited, within a bound that is written down; the choice is right."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.headend.choosing import EXACT, choose
from bijlighar.headend.permits import JOBS_IN_A_ROW, Permits, Turns
from bijlighar.headend.retry import Backoff
from bijlighar.headend.schedule import (
    Cadence,
    ScheduleSettings,
    ScheduleState,
    Task,
    ask_for,
    due_meters,
    failed,
    plan,
    refresh,
    succeeded,
)

NOON_S = 1_781_159_400.0
ROUND_S = 10.0
LOADED = ScheduleSettings(
    cadences={Task.INSTANTANEOUS: Cadence(period_s=60), Task.DAILY: Cadence(period_s=86_400)},
    backoff=Backoff(base_s=5, cap_s=20, attempts=3),
    alarm_s=60.0,
    promote_s=120.0,
    first_spread_s=0.0,
)
"""Every meter falls due once a minute: far more than the rounds of the tests below can visit."""


def plainly(keys, groups, permits, limit):
    """The same choice, one by one."""
    left, chosen = list(permits), []
    for position in sorted(range(len(keys)), key=lambda one: (keys[one], one)):
        if left[groups[position]] > 0 and len(chosen) < limit:
            left[groups[position]] -= 1
            chosen.append(position)
    return chosen


@given(st.data(), st.integers(1, 6), st.integers(0, 60))
def test_the_lowest_keys_are_chosen_and_of_each_group_no_more_than_it_bears(data, count, candidates):
    keys = np.array(data.draw(st.lists(st.integers(0, 20), min_size=candidates, max_size=candidates)), float)
    groups = np.array(
        data.draw(st.lists(st.integers(0, count - 1), min_size=candidates, max_size=candidates)), np.int32
    )
    permits = np.array(data.draw(st.lists(st.integers(-1, 5), min_size=count, max_size=count)), np.int32)
    limit = data.draw(st.integers(0, 70))
    assert choose(keys, groups, permits, limit).tolist() == plainly(keys, groups, permits, limit)


def test_a_choice_of_very_many_is_as_good_to_a_step():
    draw = np.random.default_rng(7)
    count = 4 * EXACT
    keys, groups = draw.random(count) * 86_400, draw.integers(0, 50, count).astype(np.int32)
    permits = np.full(50, 3, np.int32)
    chosen, best = choose(keys, groups, permits, 100), plainly(keys, groups, permits, 100)
    step = 86_400 / 65_535
    assert np.abs(np.sort(keys[chosen]) - np.sort(keys[best])).max() <= step
    assert np.bincount(groups[chosen]).max() <= 3
    assert keys[chosen].tolist() == sorted(keys[chosen])


def test_a_long_queue_behind_one_gateway_hides_nobody():
    state = ScheduleState(range(1, 1001), NOON_S, LOADED, np.array([0] * 999 + [1], np.int32))
    state.due_s[Task.DAILY] = NOON_S - 100
    state.due_s[Task.DAILY, 999] = NOON_S - 1
    refresh(state)
    visits = plan(NOON_S, state, LOADED, 10, np.array([1, 50], np.int32))
    assert [visit.meter_id for visit in visits] == [1, 1000]
    assert len(due_meters(NOON_S, state, LOADED, 600)) == 600


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 4), min_size=5, max_size=60),
    permits=st.lists(st.integers(1, 4), min_size=5, max_size=5),
    limit=st.integers(1, 8),
    unlucky=st.integers(1, 12),
    alarmed=st.integers(1, 7),
    seed=st.integers(0, 3),
)
def test_under_any_load_every_due_visit_begins_within_the_stated_bound(
    groups, permits, limit, unlucky, alarmed, seed
):
    """Rounds in which visits end at once: some fail every time, some tell of something grave every time."""
    count = len(groups)
    plan_of = ScheduleSettings(
        cadences=LOADED.cadences,
        backoff=LOADED.backoff,
        alarm_s=LOADED.alarm_s,
        promote_s=LOADED.promote_s,
        first_spread_s=0.0,
        seed=seed,
    )
    state = ScheduleState(range(1, count + 1), NOON_S, plan_of, np.array(groups, np.int32))
    in_group = np.bincount(groups, minlength=5)
    bound_s = LOADED.alarm_s + LOADED.promote_s
    bounds_s = [bound_s + ROUND_S * (count / limit + in_group[group] / permits[group] + 2) for group in groups]
    due_since_s = np.full(count, NOON_S)
    for turn in range(int(3 * max(bounds_s) / ROUND_S)):
        now_s = NOON_S + turn * ROUND_S
        waiting = state.wake_s <= now_s
        due_since_s[~waiting] = np.inf
        due_since_s[waiting] = np.minimum(due_since_s[waiting], now_s)
        for row in np.flatnonzero(waiting):
            assert now_s - due_since_s[row] <= bounds_s[row], (row, turn)
        for visit in plan(now_s, state, plan_of, limit, np.array(permits, np.int32)):
            due_since_s[visit.row] = np.inf
            if visit.row % unlucky == 1:
                failed(state, visit.row, visit.tasks, now_s, plan_of)
            else:
                succeeded(state, visit.row, visit.tasks, now_s, plan_of)
                if visit.row % 5 == 0:
                    ask_for(state, visit.row, Task.BACKFILL, now_s)
            if visit.row % alarmed == 0:
                ask_for(state, visit.row, Task.INSTANTANEOUS, now_s, alarm=True)


def test_permits_go_by_the_kind_of_a_group():
    permits = Permits(visits=50, by_kind={"gateway": 1, "pool": 8})
    assert [permits.of(group) for group in ("tower-7", "gateway:3", "Gateway-3", "pool", "gatewaymen", "#12")] == [
        50,
        1,
        1,
        8,
        50,
        None,
    ]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=200))
def test_people_go_first_but_never_more_often_than_three_times_before_a_visit_that_is_due(steps):
    turns = Turns()
    in_a_row = {"": 0, "a": 0, "b": 0}
    for group, due_in_group in steps:  # a visit of some group is always due here
        if turns.is_jobs(group, due=True, due_in_group=due_in_group):
            turns.job_began(group)
            in_a_row[""] += 1
            in_a_row[group] += 1
            assert in_a_row[""] <= JOBS_IN_A_ROW
            assert not due_in_group or in_a_row[group] <= JOBS_IN_A_ROW
        else:
            turns.visit_began(group)
            in_a_row[""] = in_a_row[group] = 0


def test_with_nothing_else_due_people_need_not_wait():
    turns = Turns()
    for _ in range(100):
        assert turns.is_jobs("a", due=False, due_in_group=False)
        turns.job_began("a")
