"""What is due when: a pure planner over columns.

``plan(now, state)`` answers which meters to visit and for what, most urgent first; ``succeeded`` and ``failed``
write down how a visit ended. No clock is read and no number drawn, so a month runs in seconds and replays. All
instants are the utility's clock in epoch seconds UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bijlighar.headend.choosing import choose
from bijlighar.headend.coverage import CIVIL_OFFSET_S
from bijlighar.headend.retry import Backoff, fractions

NEVER = np.inf


class Task(IntEnum):
    """What a visit may be for; the row of the due table."""

    INSTANTANEOUS = 0
    BLOCK_LOAD = 1
    DAILY = 2
    BILLING = 3
    EVENT = 4
    NAMEPLATE = 5
    CLOCK = 6  # check, and set when too far off
    BACKFILL = 7  # older slots that are missing


_FIRST, _LAST = Task.INSTANTANEOUS, Task.BACKFILL  # scheduled tasks are the rows from the first up to the last
_MAY_COME_EARLY = frozenset({Task.INSTANTANEOUS, Task.EVENT, Task.NAMEPLATE, Task.CLOCK, Task.BACKFILL})
"""A row of a block or a midnight is not there before its time; these can be read a little earlier."""


class Priority(IntEnum):
    """Who goes first."""

    ON_DEMAND = 0
    ALARM = 1
    SCHEDULE = 2
    BACKFILL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """Due once in every ``period_s`` of civil time: ``delay_s`` after it begins, spread over ``spread_s``.

    The delay lets the meter write its row; the spread keeps meters from being called all at once.
    """

    period_s: int
    delay_s: int = 0
    spread_s: int = 0


_HOUR_S = 3600
_DAY_S = 86_400

CADENCES: Mapping[Task, Cadence] = {
    Task.INSTANTANEOUS: Cadence(period_s=900, spread_s=600),
    Task.BLOCK_LOAD: Cadence(period_s=1800, delay_s=30, spread_s=900),
    Task.DAILY: Cadence(period_s=_DAY_S, delay_s=120, spread_s=1800),
    Task.BILLING: Cadence(period_s=_DAY_S, delay_s=600, spread_s=2 * _HOUR_S),
    Task.EVENT: Cadence(period_s=_HOUR_S, delay_s=60, spread_s=1800),
    Task.NAMEPLATE: Cadence(period_s=_DAY_S, delay_s=2 * _HOUR_S, spread_s=6 * _HOUR_S),
    Task.CLOCK: Cadence(period_s=_DAY_S, delay_s=2 * _HOUR_S, spread_s=6 * _HOUR_S),
}
"""Defaults for a field trial; a city reads less often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSettings:
    """How the plan is made.

    ``first_spread_s`` new meters are first called within this long
    ``bundle_s``       what falls due this soon goes along, unless its rows could not be there yet
    ``alarm_s``        how much older than it is a visit counts whose meter told of something grave
    ``promote_s``      backfill that waited this long counts as scheduled, so that it is never starved
    """

    cadences: Mapping[Task, Cadence] = field(default_factory=lambda: CADENCES)
    backoff: Backoff = field(default_factory=Backoff)
    first_spread_s: float = 10.0
    bundle_s: float = 30.0
    alarm_s: float = _HOUR_S
    promote_s: float = 6 * _HOUR_S
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One meter to visit. ``row`` of the columns; ``due_s`` when its oldest task fell due."""

    row: int
    meter_id: int
    tasks: frozenset[Task]
    priority: Priority
    due_s: float
    attempt: int


_TASKS_OF = [frozenset(task for task in Task if bits >> task & 1) for bits in range(1 << len(Task))]
"""Tasks by a number with one bit for each."""
_PRIORITY = tuple(Priority)


class ScheduleState:
    """Columns by meter. Arrays are changed in place by the functions of this module only.

    meter_id      int64[meter]
    phase         float64[meter]        in [0, 1): the meter's place within every spread
    group         int32[meter]          number of its communication group
    due_s         float64[task, meter]  when each task falls due, NEVER when it does not
    not_before_s  float64[meter]        back-off ends
    failures      int16[meter]          in a row, within this period
    busy, alarm   bool[meter]           a visit is under way; its last events were grave
    held          bool[meter]           this head-end may read it; what is not held is never due
    scheduled_s   float64[meter]        earliest of all tasks but backfill
    wake_s        float64[meter]        when anything falls due; NEVER for whom is busy or not held
    """

    def __init__(
        self,
        meter_ids: Sequence[int] | NDArray[np.int64],
        now_s: float,
        settings: ScheduleSettings,
        groups: NDArray[np.int32] | None = None,
    ) -> None:
        self.meter_id = np.array(meter_ids, dtype=np.int64)
        count = len(self.meter_id)
        self.phase = fractions(self.meter_id, settings.seed)
        self.group = np.zeros(count, np.int32) if groups is None else groups
        self.due_s = np.full((len(Task), count), NEVER)
        for task in settings.cadences:
            self.due_s[task] = now_s + self.phase * settings.first_spread_s
        self.not_before_s = np.full(count, -np.inf)
        self.failures = np.zeros(count, np.int16)
        self.busy = np.zeros(count, bool)
        self.alarm = np.zeros(count, bool)
        self.held = np.ones(count, bool)
        self.scheduled_s = np.full(count, NEVER)
        self.wake_s = np.full(count, NEVER)
        refresh(self)


def refresh(state: ScheduleState, rows: NDArray[np.int64] | None = None) -> None:
    """Derive ``scheduled_s`` and ``wake_s`` after other columns were changed, of some rows or of all."""
    at: NDArray[np.int64] | slice = slice(None) if rows is None else rows
    scheduled = state.due_s[_FIRST:_LAST, at].min(axis=0)
    state.scheduled_s[at] = scheduled
    wake = np.maximum(np.minimum(scheduled, state.due_s[Task.BACKFILL, at]), state.not_before_s[at])
    state.wake_s[at] = np.where(state.busy[at] | ~state.held[at], NEVER, wake)


def _refresh_row(state: ScheduleState, row: int) -> None:
    state.scheduled_s[row] = scheduled = state.due_s[_FIRST:_LAST, row].min()
    idle = state.held[row] and not state.busy[row]
    first = min(scheduled, state.due_s[Task.BACKFILL, row])
    state.wake_s[row] = max(first, state.not_before_s[row]) if idle else NEVER


def set_busy(state: ScheduleState, row: int, *, busy: bool) -> None:
    """A visit begins, or is over in every respect."""
    state.busy[row] = busy
    if busy:
        state.wake_s[row] = NEVER
    else:
        _refresh_row(state, row)


def _due(
    now_s: float, state: ScheduleState, settings: ScheduleSettings, permits: NDArray[np.int32] | None, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are due and may begin, most urgent first, and the priority of each.

    Order is by an age that is given to each visit once: the moment it fell due, an hour earlier for an alarm
    (``alarm_s``), six later for backfill (``promote_s``). So nobody can be overtaken for longer than that.
    """
    rows = np.flatnonzero(state.wake_s <= now_s)
    if permits is not None and len(rows):
        rows = rows[permits[state.group[rows]] > 0]
    if len(rows) == 0:
        return rows, rows
    resting_s, scheduled_s, backfill_s = state.not_before_s[rows], state.scheduled_s[rows], state.due_s[-1][rows]
    key = np.minimum(np.maximum(scheduled_s, resting_s), np.maximum(backfill_s, resting_s) + settings.promote_s)
    key = np.where(state.alarm[rows], key - settings.alarm_s, key)
    if permits is None:
        permits = np.full(int(state.group.max()) + 1, limit, np.int32)
    chosen = choose(key, state.group[rows], permits, limit)
    soon = (scheduled_s[chosen] <= now_s) | (backfill_s[chosen] <= now_s - settings.promote_s)
    priority = np.where(soon, Priority.SCHEDULE, Priority.BACKFILL)
    priority = np.where(state.alarm[rows[chosen]], Priority.ALARM, priority)
    return rows[chosen], priority


def plan(
    now_s: float,
    state: ScheduleState,
    settings: ScheduleSettings,
    limit: int,
    permits: NDArray[np.int32] | None = None,
) -> list[Visit]:
    """Up to ``limit`` visits that are due and may begin, most urgent first. Changes nothing.

    ``permits`` int32[group]: how many more of each group may begin; None: as many as like.

    In rounds of ``limit`` visits, permits of a group being p in each, a visit that is due begins at the latest
    ``alarm_s + promote_s`` after it fell due and meters/limit + meters of its group/p rounds later: by then nobody
    can come before it any more, and each round without it has begun ``limit`` of those before it, or p of those in
    its own group.
    """
    rows, priority = _due(now_s, state, settings, permits, limit)
    due_s, bit_of_task = state.due_s[:, rows], 1 << np.arange(len(Task))
    until_s = np.array([now_s + (settings.bundle_s if task in _MAY_COME_EARLY else 0) for task in Task])
    tasks = (due_s <= until_s[:, np.newaxis]).T @ bit_of_task
    since_s = np.maximum(due_s.min(axis=0), state.not_before_s[rows])
    return [
        Visit(
            row=row,
            meter_id=meter_id,
            tasks=_TASKS_OF[bits],
            priority=_PRIORITY[urgency],
            due_s=due,
            attempt=attempt,
        )
        for row, meter_id, bits, urgency, due, attempt in zip(
            rows.tolist(),
            state.meter_id[rows].tolist(),
            tasks.tolist(),
            priority.tolist(),
            since_s.tolist(),
            (state.failures[rows] + 1).tolist(),
            strict=True,
        )
    ]


def due_meters(now_s: float, state: ScheduleState, settings: ScheduleSettings, limit: int) -> NDArray[np.int64]:
    """int64[meter]: up to ``limit`` meters that are due, most urgent first, whatever their groups' permits."""
    rows, _ = _due(now_s, state, settings, None, limit)
    return state.meter_id[rows]


def next_due_s(task: Task, after_s: float, phase: float, settings: ScheduleSettings) -> float:
    """The first moment after ``after_s`` at which the task falls due for a meter of this phase."""
    cadence = settings.cadences.get(task)
    if cadence is None:
        return NEVER
    shift_s = cadence.delay_s + phase * cadence.spread_s - CIVIL_OFFSET_S
    periods = (after_s - shift_s) // cadence.period_s + 1
    return float(periods * cadence.period_s + shift_s)


def _next_due_s(cadence: Cadence, after_s: NDArray[np.float64], phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """``next_due_s`` of many meters: float64[meter]."""
    shift_s = cadence.delay_s + phase * cadence.spread_s - CIVIL_OFFSET_S
    due_s: NDArray[np.float64] = ((after_s - shift_s) // cadence.period_s + 1) * cadence.period_s + shift_s
    return due_s


def ended_well(
    state: ScheduleState,
    rows: NDArray[np.int64],
    tasks: frozenset[Task],
    started_s: NDArray[np.float64],
    settings: ScheduleSettings,
) -> None:
    """Visits to many meters for the same tasks are over in every respect, and ``succeeded``. Each row once."""
    state.failures[rows] = 0
    state.not_before_s[rows] = -np.inf
    state.alarm[rows] = False
    state.busy[rows] = False
    for task in tasks:
        cadence = settings.cadences.get(task)
        due_s = NEVER if cadence is None else _next_due_s(cadence, started_s, state.phase[rows])
        state.due_s[task, rows] = due_s
    refresh(state, rows)


def succeeded(
    state: ScheduleState, row: int, tasks: frozenset[Task], now_s: float, settings: ScheduleSettings
) -> None:
    """The tasks were done by a visit that began at ``now_s``, and the meter answers well: back-off is over."""
    state.failures[row] = 0
    state.not_before_s[row] = -np.inf
    state.alarm[row] = False
    done(state, row, tasks, now_s, settings)


def done(state: ScheduleState, row: int, tasks: frozenset[Task], now_s: float, settings: ScheduleSettings) -> None:
    """Each task falls due again in its next period."""
    for task in tasks:
        state.due_s[task, row] = next_due_s(task, now_s, float(state.phase[row]), settings)
    _refresh_row(state, row)


def failed(
    state: ScheduleState, row: int, tasks: frozenset[Task], now_s: float, settings: ScheduleSettings
) -> None:
    """The tasks stay due. Wait as the back-off says; after its last attempt, until the next period begins."""
    state.failures[row] += 1
    failures = int(state.failures[row])
    if failures < settings.backoff.attempts:
        state.not_before_s[row] = now_s + settings.backoff.delay_s(int(state.meter_id[row]), failures)
    else:
        phase = float(state.phase[row])
        until_s = min((next_due_s(task, now_s, phase, settings) for task in tasks), default=now_s)
        state.not_before_s[row] = until_s if np.isfinite(until_s) else now_s + settings.backoff.cap_s
        state.failures[row] = 0
    _refresh_row(state, row)


def reachable(state: ScheduleState, row: int) -> None:
    """The meter can be spoken with at last: what it is due for need not wait for its back-off."""
    state.not_before_s[row] = -np.inf
    state.failures[row] = 0
    _refresh_row(state, row)


def ask_for(state: ScheduleState, row: int, task: Task, at_s: float, *, alarm: bool = False) -> None:
    """Make one task due at ``at_s``, unless it is due earlier anyway; before others when ``alarm``."""
    state.due_s[task, row] = min(state.due_s[task, row], at_s)
    state.alarm[row] |= alarm
    _refresh_row(state, row)


def resume(
    state: ScheduleState,
    rows: NDArray[np.int64],
    last_s: NDArray[np.float64],
    now_s: float,
    settings: ScheduleSettings,
) -> None:
    """Begin to hold these meters, knowing when each task was last done.

    ``last_s`` float64[task, row], -inf where nobody knows: such a task is due within ``first_spread_s``. A moment
    that lies ahead of ``now_s`` was written under a clock that was wrong, and is not believed.
    """
    phase = state.phase[rows]
    for task, cadence in settings.cadences.items():
        known = np.isfinite(last_s[task]) & (last_s[task] <= now_s)
        again_s = _next_due_s(cadence, np.where(known, last_s[task], now_s), phase)
        state.due_s[task, rows] = np.where(known, again_s, now_s + phase * settings.first_spread_s)
    state.due_s[Task.BACKFILL, rows] = NEVER
    state.not_before_s[rows] = -np.inf
    state.failures[rows] = 0
    state.held[rows] = True
    refresh(state, rows)


def turned_back(state: ScheduleState, now_s: float, settings: ScheduleSettings) -> None:
    """The utility's clock was set back: nothing falls due later than for a meter that was read just now."""
    for task, cadence in settings.cadences.items():
        next_s = _next_due_s(cadence, np.full(len(state.phase), now_s), state.phase)
        np.minimum(state.due_s[task], next_s, out=state.due_s[task])
    np.minimum(state.not_before_s, now_s + settings.backoff.cap_s, out=state.not_before_s)
    refresh(state)


def lag_s(now_s: float, state: ScheduleState) -> float:
    """How long the longest-waiting meter has been due and not begun. A meter in back-off does not wait."""
    rows = np.flatnonzero(state.wake_s <= now_s)
    since_s = np.maximum(state.scheduled_s[rows], state.not_before_s[rows])
    return max(0.0, now_s - float(since_s.min())) if len(rows) else 0.0


def next_moment_s(state: ScheduleState) -> float:
    """When the next meter falls due; NEVER when none will by itself."""
    return float(state.wake_s.min(initial=NEVER))


def join(old: ScheduleState, fresh: ScheduleState) -> ScheduleState:
    """``fresh`` columns, with what ``old`` knew of the meters that stay: for when the registry has changed."""
    _, into, source = np.intersect1d(fresh.meter_id, old.meter_id, assume_unique=True, return_indices=True)
    fresh.due_s[:, into] = old.due_s[:, source]
    for name in ("not_before_s", "failures", "busy", "alarm", "held"):
        getattr(fresh, name)[into] = getattr(old, name)[source]
    refresh(fresh)
    return fresh
