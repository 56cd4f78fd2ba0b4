"""The plan's columns by meter, for those who know a meter by its number and not by its row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from bijlighar.headend.schedule import (
    ScheduleSettings,
    ScheduleState,
    Task,
    Visit,
    ask_for,
    done,
    due_meters,
    ended_well,
    failed,
    join,
    lag_s,
    plan,
    reachable,
    refresh,
    resume,
    set_busy,
    turned_back,
)

_ANY_NUMBER = np.iinfo(np.int32).max


class Roster:
    """Which meter is due for what, and which is being visited. A meter that has left is passed over.

    Only meters that are *held* are ever due: those whose group this head-end may read, once it knows what is kept
    of them. ``wanted`` tells who is to be held; ``hold`` then holds them.
    """

    def __init__(self, settings: ScheduleSettings) -> None:
        self._settings = settings
        self._groups: list[str] = []
        self._numbers: dict[str, int] = {}
        self._permits = np.zeros(0, np.int32)
        self._awaited = np.zeros(0, bool)
        self._rows: dict[int, int] = {}
        self._reachable_since: set[int] = set()
        """Who could be reached again after its last visit had begun."""
        self._parted: dict[int, str] = {}
        self._state = ScheduleState([], 0.0, settings)

    def __contains__(self, meter_id: int) -> bool:
        return meter_id in self._rows

    def change(
        self, groups: Mapping[int, str], now_s: float, permits_of: Callable[[str], int | None] = lambda _: None
    ) -> None:
        """These are the meters now, with their groups; what is known of those that stay is kept.

        ``permits_of`` a group's name: how many visits it bears at once, None for any number.
        """
        meter_ids = sorted(groups)
        for meter_id in self._state.meter_id[self._state.busy].tolist():
            before = self._groups[self._state.group[self._rows[meter_id]]]
            if groups.get(meter_id) != before:
                self._parted.setdefault(meter_id, before)
        self._groups = sorted(set(groups.values()))
        self._numbers = {name: number for number, name in enumerate(self._groups)}
        numbers = np.fromiter((self._numbers[groups[one]] for one in meter_ids), np.int32, len(meter_ids))
        permits = [permits_of(name) for name in self._groups]
        self._permits = np.array([_ANY_NUMBER if many is None else many for many in permits], np.int32)
        fresh = ScheduleState(meter_ids, now_s, self._settings, numbers)
        fresh.held[:] = False
        self._state = join(self._state, fresh)
        self._awaited = np.zeros(len(meter_ids), bool)
        self._rows = {meter_id: row for row, meter_id in enumerate(meter_ids)}

    def wanted(self, groups: Collection[str], renewed: Collection[str] = ()) -> NDArray[np.int64]:
        """From now on only meters of ``groups`` may be held; int64[meter]: those neither held nor awaited.

        ``renewed`` groups were another's meanwhile: nothing that was known of their meters counts any more.
        """
        state = self._state
        allowed = self._mask(groups)[state.group]
        again = self._mask(renewed)[state.group]
        dropped = np.flatnonzero(state.held & (~allowed | again))
        state.held[dropped] = False
        state.alarm[dropped] = False
        refresh(state, dropped)
        self._awaited &= allowed & ~again
        missing = allowed & ~state.held & ~self._awaited
        self._awaited |= missing
        meters: NDArray[np.int64] = state.meter_id[missing]
        return meters

    def hold(self, meter_ids: NDArray[np.int64], last_s: NDArray[np.float64], now_s: float) -> None:
        """What is kept of these meters is known, and when each task was last done (``schedule.resume``)."""
        here = np.fromiter((self._rows.get(int(one), -1) for one in meter_ids), np.int64, len(meter_ids))
        due = (here >= 0) & self._awaited[here]
        self._awaited[here[due]] = False
        resume(self._state, here[due], last_s[:, due], now_s, self._settings)

    def forget(self, meter_ids: NDArray[np.int64]) -> None:
        """These could not be looked up: they are asked for again."""
        rows = [self._rows[one] for one in meter_ids.tolist() if one in self._rows]
        self._awaited[rows] = False

    @property
    def held(self) -> int:
        """How many meters are held."""
        return int(np.count_nonzero(self._state.held))

    def held_meters(self) -> NDArray[np.int64]:
        """int64[meter]: who is held."""
        meters: NDArray[np.int64] = self._state.meter_id[self._state.held]
        return meters

    def holds(self, meter_id: int) -> bool:
        """Whether the meter is held."""
        row = self._rows.get(meter_id)
        return row is not None and bool(self._state.held[row])

    def due(self, now_s: float, limit: int, sessions: Mapping[str, int] | None = None) -> list[Visit]:
        """Visits that are due and may begin, most urgent first. ``sessions`` by group: visits under way."""
        permits = self._permits
        if sessions:
            permits = permits.copy()
            for name, count in sessions.items():
                if name in self._numbers:
                    permits[self._numbers[name]] -= count
        return plan(now_s, self._state, self._settings, limit, permits)

    def due_meters(self, now_s: float, limit: int) -> list[int]:
        """Meters that are due, most urgent first, whatever their groups bear."""
        meters: list[int] = due_meters(now_s, self._state, self._settings, limit).tolist()
        return meters

    def lag_s(self, now_s: float) -> float:
        """How long the longest-waiting meter has been due."""
        return lag_s(now_s, self._state)

    def turned_back(self, now_s: float) -> None:
        """The utility's clock was set back."""
        turned_back(self._state, now_s, self._settings)

    def is_busy(self, meter_id: int) -> bool:
        """Whether a visit to the meter is under way or not landed yet."""
        row = self._rows.get(meter_id)
        return row is not None and bool(self._state.busy[row])

    def idle(self, group: str) -> bool:
        """Whether no visit to the group's meters, those that left it included, is under way or not landed yet."""
        if group in self._parted.values():
            return False
        number = self._numbers.get(group)
        return number is None or not bool((self._state.busy & (self._state.group == number)).any())

    def begin(self, meter_id: int) -> None:
        """A visit begins: nobody else may call this meter."""
        self._reachable_since.discard(meter_id)
        set_busy(self._state, self._rows[meter_id], busy=True)

    def release(self, meter_id: int) -> None:
        """The visit is over in every respect."""
        self._parted.pop(meter_id, None)
        if meter_id in self._rows:
            set_busy(self._state, self._rows[meter_id], busy=False)

    def ended_well(self, visits: Iterable[tuple[int, frozenset[Task], float]]) -> None:
        """Visits are over in every respect, all done: meter, tasks, when it began. Each meter once."""
        alike: dict[frozenset[Task], list[tuple[int, float]]] = {}
        for meter_id, tasks, started_s in visits:
            self._parted.pop(meter_id, None)
            if (row := self._rows.get(meter_id)) is not None:
                alike.setdefault(tasks, []).append((row, started_s))
        for tasks, ended in alike.items():
            rows, started = zip(*ended, strict=True)
            ended_well(self._state, np.array(rows, np.int64), tasks, np.array(started, float), self._settings)

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
            if meter_id in self._reachable_since:
                self._reachable_since.discard(meter_id)
                reachable(self._state, row)

    def reachable(self, meter_id: int) -> None:
        """The meter that could not be reached now can be: what is due need not wait any longer."""
        if meter_id in self._rows:
            self._reachable_since.add(meter_id)  # the visit that missed it may not be settled yet
            reachable(self._state, self._rows[meter_id])

    def ask_for(self, meter_id: int, task: Task, at_s: float, *, alarm: bool = False) -> None:
        """Make one task due, before everything scheduled when ``alarm``."""
        if meter_id in self._rows:
            ask_for(self._state, self._rows[meter_id], task, at_s, alarm=alarm)

    def _mask(self, groups: Collection[str]) -> NDArray[np.bool_]:
        """bool[group]."""
        mask = np.zeros(len(self._groups), bool)
        mask[[self._numbers[name] for name in groups if name in self._numbers]] = True
        return mask
