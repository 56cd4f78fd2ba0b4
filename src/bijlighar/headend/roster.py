"""The plan's columns by meter, for those who know a meter by its number and not by its row."""

from __future__ import annotations

from collections.abc import Iterable

from bijlighar.headend.schedule import (
    ScheduleSettings,
    ScheduleState,
    Task,
    Visit,
    ask_for,
    done,
    failed,
    join,
    lag_s,
    plan,
    succeeded,
)


class Roster:
    """Which meter is due for what, and which is being visited. A meter that has left is passed over."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self._settings = settings
        self._state = ScheduleState([], 0.0, settings)
        self._rows: dict[int, int] = {}

    def __contains__(self, meter_id: int) -> bool:
        return meter_id in self._rows

    def change(self, meter_ids: Iterable[int], now_s: float) -> None:
        """These are the meters now; what is known of those that stay is kept."""
        fresh = ScheduleState(sorted(meter_ids), now_s, self._settings)
        self._state = join(self._state, fresh)
        self._rows = {int(meter_id): row for row, meter_id in enumerate(fresh.meter_id)}

    def due(self, now_s: float, limit: int) -> list[Visit]:
        """Visits that are due, most urgent first."""
        return plan(now_s, self._state, self._settings, limit)

    def lag_s(self, now_s: float) -> float:
        """How long the longest-waiting meter has been due."""
        return lag_s(now_s, self._state)

    def is_busy(self, meter_id: int) -> bool:
        """Whether a visit to the meter is under way or not landed yet."""
        row = self._rows.get(meter_id)
        return row is not None and bool(self._state.busy[row])

    def begin(self, meter_id: int) -> None:
        """A visit begins: nobody else may call this meter."""
        self._state.busy[self._rows[meter_id]] = True

    def release(self, meter_id: int) -> None:
        """The visit is over in every respect."""
        if meter_id in self._rows:
            self._state.busy[self._rows[meter_id]] = False

    def succeeded(self, meter_id: int, tasks: frozenset[Task], started_s: float) -> None:
        """All tasks of a visit that began at ``started_s`` are done, and the meter answers well."""
        if meter_id in self._rows:
            succeeded(self._state, self._rows[meter_id], tasks, started_s, self._settings)

    def failed(
        self,
        meter_id: int,
        tasks: frozenset[Task],
        now_s: float,
        *,
        but: frozenset[Task] = frozenset(),
        started_s: float = 0.0,
    ) -> None:
        """The visit, which began at ``started_s``, failed after the tasks ``but`` were done."""
        if meter_id in self._rows:
            row = self._rows[meter_id]
            done(self._state, row, but, started_s, self._settings)
            failed(self._state, row, tasks - but, now_s, self._settings)

    def ask_for(self, meter_id: int, task: Task, at_s: float, *, alarm: bool = False) -> None:
        """Make one task due, before everything scheduled when ``alarm``."""
        if meter_id in self._rows:
            row = self._rows[meter_id]
            ask_for(self._state, row, task, at_s)
            if alarm:
                self._state.alarm[row] = True
