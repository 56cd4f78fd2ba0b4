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
    ``promote_s``      backfill that waited this long counts as scheduled, so that it is never starved
    """

    cadences: Mapping[Task, Cadence] = field(default_factory=lambda: CADENCES)
    backoff: Backoff = field(default_factory=Backoff)
    first_spread_s: float = 10.0
    bundle_s: float = 30.0
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


class ScheduleState:
    """Columns by meter. Arrays are changed in place by the functions of this module only.

    meter_id      int64[meter]
    phase         float64[meter]        in [0, 1): the meter's place within every spread
    due_s         float64[task, meter]  when each task falls due, NEVER when it does not
    not_before_s  float64[meter]        back-off ends
    failures      int16[meter]          in a row, within this period
    busy, alarm   bool[meter]           a visit is under way; its last events were grave
    """

    def __init__(self, meter_ids: Sequence[int], now_s: float, settings: ScheduleSettings) -> None:
        self.meter_id = np.array(meter_ids, dtype=np.int64)
        count = len(self.meter_id)
        self.phase = fractions(self.meter_id, settings.seed)
        self.due_s = np.full((len(Task), count), NEVER)
        for task in settings.cadences:
            self.due_s[task] = now_s + self.phase * settings.first_spread_s
        self.not_before_s = np.full(count, -np.inf)
        self.failures = np.zeros(count, np.int16)
        self.busy = np.zeros(count, bool)
        self.alarm = np.zeros(count, bool)


def plan(now_s: float, state: ScheduleState, settings: ScheduleSettings, limit: int) -> list[Visit]:
    """Up to ``limit`` visits that are due, by priority, then oldest first. Changes nothing."""
    scheduled_s = np.delete(state.due_s, Task.BACKFILL, axis=0).min(axis=0)
    backfill_s = state.due_s[Task.BACKFILL]
    oldest_s = np.maximum(np.minimum(scheduled_s, backfill_s), state.not_before_s)
    rows = np.flatnonzero((oldest_s <= now_s) & ~state.busy)
    if len(rows) == 0:
        return []
    promoted = backfill_s[rows] <= now_s - settings.promote_s
    priority = np.where((scheduled_s[rows] <= now_s) | promoted, Priority.SCHEDULE, Priority.BACKFILL)
    priority = np.where(state.alarm[rows], Priority.ALARM, priority)
    order = np.lexsort((rows, oldest_s[rows], priority))[:limit]
    return [_visit(now_s, state, settings, int(rows[n]), Priority(int(priority[n]))) for n in order]


def _visit(now_s: float, state: ScheduleState, settings: ScheduleSettings, row: int, priority: Priority) -> Visit:
    due_s = state.due_s[:, row]
    tasks = frozenset(
        task for task in Task if due_s[task] <= now_s + (settings.bundle_s if task in _MAY_COME_EARLY else 0)
    )
    return Visit(
        row=row,
        meter_id=int(state.meter_id[row]),
        tasks=tasks,
        priority=priority,
        due_s=float(max(due_s.min(), state.not_before_s[row])),
        attempt=int(state.failures[row]) + 1,
    )


def next_due_s(task: Task, after_s: float, phase: float, settings: ScheduleSettings) -> float:
    """The first moment after ``after_s`` at which the task falls due for a meter of this phase."""
    cadence = settings.cadences.get(task)
    if cadence is None:
        return NEVER
    shift_s = cadence.delay_s + phase * cadence.spread_s - CIVIL_OFFSET_S
    periods = (after_s - shift_s) // cadence.period_s + 1
    return float(periods * cadence.period_s + shift_s)


def succeeded(
    state: ScheduleState, row: int, tasks: frozenset[Task], now_s: float, settings: ScheduleSettings
) -> None:
    """The tasks were done by a visit that began at ``now_s``, and the meter answers well: back-off is over."""
    done(state, row, tasks, now_s, settings)
    state.failures[row] = 0
    state.not_before_s[row] = -np.inf
    state.alarm[row] = False


def done(state: ScheduleState, row: int, tasks: frozenset[Task], now_s: float, settings: ScheduleSettings) -> None:
    """Each task falls due again in its next period."""
    for task in tasks:
        state.due_s[task, row] = next_due_s(task, now_s, float(state.phase[row]), settings)


def failed(
    state: ScheduleState, row: int, tasks: frozenset[Task], now_s: float, settings: ScheduleSettings
) -> None:
    """The tasks stay due. Wait as the back-off says; after its last attempt, until the next period begins."""
    state.failures[row] += 1
    failures = int(state.failures[row])
    if failures < settings.backoff.attempts:
        state.not_before_s[row] = now_s + settings.backoff.delay_s(int(state.meter_id[row]), failures)
        return
    phase = float(state.phase[row])
    state.not_before_s[row] = min((next_due_s(task, now_s, phase, settings) for task in tasks), default=now_s)
    if not np.isfinite(state.not_before_s[row]):
        state.not_before_s[row] = now_s + settings.backoff.cap_s
    state.failures[row] = 0


def ask_for(state: ScheduleState, row: int, task: Task, at_s: float) -> None:
    """Make one task due at ``at_s``, unless it is due earlier anyway."""
    state.due_s[task, row] = min(state.due_s[task, row], at_s)


def lag_s(now_s: float, state: ScheduleState) -> float:
    """How long the longest-waiting meter has been due and not begun. A meter in back-off does not wait."""
    oldest_s = np.maximum(np.delete(state.due_s, Task.BACKFILL, axis=0).min(axis=0), state.not_before_s)
    waiting = oldest_s[~state.busy]
    return max(0.0, now_s - float(waiting.min())) if len(waiting) else 0.0


def next_moment_s(state: ScheduleState) -> float:
    """When the next meter falls due; NEVER when none will by itself."""
    oldest_s = np.maximum(state.due_s.min(axis=0), state.not_before_s)
    waiting = oldest_s[~state.busy]
    return float(waiting.min()) if len(waiting) else NEVER


def join(old: ScheduleState, fresh: ScheduleState) -> ScheduleState:
    """``fresh`` columns, with what ``old`` knew of the meters that stay: for when the registry has changed."""
    _, into, source = np.intersect1d(fresh.meter_id, old.meter_id, return_indices=True)
    fresh.due_s[:, into] = old.due_s[:, source]
    fresh.not_before_s[into] = old.not_before_s[source]
    fresh.failures[into] = old.failures[source]
    fresh.busy[into] = old.busy[source]
    fresh.alarm[into] = old.alarm[source]
    return fresh
