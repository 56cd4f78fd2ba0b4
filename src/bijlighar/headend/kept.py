"""What the store holds of meters when a head-end begins to read them, and when each task was last done.

Asked at the start and whenever a group is taken over. All of this blocks, and runs beside the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.headend.coverage import WINDOW_DAYS, Coverage, SlotKind
from bijlighar.headend.ports import HeldReadings, Past
from bijlighar.headend.schedule import Task

AHEAD_S = 86_400
"""A log is asked up to a day ahead of our clock, so that a meter whose clock is ahead still answers fully."""
OVERLAP_S = 7 * 86_400
"""Logs are read again from this long before the newest row held at start: logs were not told apart there."""
PAST_S = 30 * 3600
"""How far back contacts tell when a task was last done: the longest period is a day, spread over six hours."""
ALL_AT_ONCE = 10_000
"""Meters of which everything is looked up before they are read: a second. Of more, the last days first."""
RECENT_S = 2 * 86_400
"""A head-end that was away for less reads all that is due at once; older gaps wait for the rest of the look."""
_DAY_S = 86_400
_NEVER_S = np.iinfo(np.int64).min
_LOG_DAYS = {ProfileKind.EVENT: WINDOW_DAYS, ProfileKind.BILLING: 400}
_TASKS = {task.name.lower().replace("_", "-"): task for task in Task}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRows:
    """``logs``: kind, int32[row] meters, int64[row] starts; ``last_s`` float64[task, meter].

    ``backlog`` int64[meter]: read before, and yet older slots are missing
    ``since_s`` from when on slots were looked up, None: all
    """

    meter_ids: NDArray[np.int64]
    slots: list[tuple[ProfileKind, Coverage]]
    logs: list[tuple[ProfileKind, NDArray[np.int32], NDArray[np.int64]]]
    last_s: NDArray[np.float64]
    backlog: NDArray[np.int64]
    since_s: int | None = None


def slot_kind(kind: ProfileKind, period_s: int, days: int = WINDOW_DAYS) -> SlotKind:
    """How slots of a profile kind are counted, and for how many ``days`` back."""
    return SlotKind(period_s=period_s, blocks=kind is ProfileKind.BLOCK_LOAD, days=days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where it is asked. ``all_meters``: of all meters, so that nobody need be named."""

    held: HeldReadings
    past: Past | None
    all_meters: bool


def window_of(now_s: float, days: int = WINDOW_DAYS) -> Period:
    """Everything that a coverage of ``days`` looks at."""
    return Period(start_s=int(now_s) - (days + 1) * _DAY_S, end_s=int(now_s) + AHEAD_S)


def recent_of(count: int, now_s: float) -> int | None:
    """From when on it is looked first, where all at once would take long: epoch seconds, None for all at once."""
    return int(now_s) - RECENT_S if count > ALL_AT_ONCE else None


def look_up_slots(
    sources: Sources,
    kind: ProfileKind,
    slots: SlotKind,
    meter_ids: NDArray[np.int32],
    period: Period,
    now_s: float,
) -> Coverage:
    """Which slots of these meters that start in ``period`` are held. Raises Unavailable."""
    coverage = Coverage(meter_ids, slots, now_s)
    for meters, starts_s in _parts(sources, kind, period, meter_ids):
        coverage.hold(meters, starts_s)
    return coverage


def _parts(
    sources: Sources, kind: ProfileKind, period: Period, meter_ids: NDArray[np.int32]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    if sources.past is not None:
        yield from sources.past.held_parts(kind, period, None if sources.all_meters else meter_ids)
    else:
        yield sources.held.held(kind, period)


def backlog(
    slots: list[tuple[ProfileKind, Coverage]],
    meter_ids: NDArray[np.int64],
    last_s: NDArray[np.float64],
    now_s: float,
) -> NDArray[np.int64]:
    """Meters whose older slots are to be filled at once: what of them was due is done, and something is missing.

    A meter that was not read for a while is asked for its older slots when it has been read.
    """
    read = meter_ids[np.isfinite(last_s[Task.BLOCK_LOAD])]
    late = [coverage.backlogs(now_s) for _, coverage in slots]
    return np.intersect1d(read, np.concatenate([np.zeros(0, np.int64), *late]))


def look_up_logs(
    sources: Sources, meter_ids: NDArray[np.int64], now_s: float
) -> list[tuple[ProfileKind, NDArray[np.int32], NDArray[np.int64]]]:
    """The newest row of each meter's event and billing logs that is held. Raises Unavailable."""
    found = []
    wanted = meter_ids.astype(np.int32)
    for kind, days in _LOG_DAYS.items():
        window = Period(start_s=int(now_s) - days * _DAY_S, end_s=int(now_s) + AHEAD_S)
        newest_s = np.full(int(meter_ids.max(initial=0)) + 1, _NEVER_S)
        for meters, starts_s in _parts(sources, kind, window, wanted):
            known = meters < len(newest_s)
            np.maximum.at(newest_s, meters[known], starts_s[known])
        told = wanted[newest_s[wanted] > _NEVER_S]
        found.append((kind, told, newest_s[told]))
    return found


def last_done(past: Past | None, meter_ids: NDArray[np.int64], now_s: float) -> NDArray[np.float64]:
    """float64[task, meter] when each task last succeeded, -inf where nobody knows. ``meter_ids`` sorted."""
    last_s = np.full((len(Task), len(meter_ids)), -np.inf)
    if past is None or len(meter_ids) == 0:
        return last_s
    for purpose, meters, started_s in past.last_successes(int(now_s) - PAST_S):
        tasks = [_TASKS[word] for word in purpose.split("+") if word in _TASKS]
        place = np.minimum(np.searchsorted(meter_ids, meters), len(meter_ids) - 1)
        ours = meter_ids[place] == meters
        for task in tasks:
            np.maximum.at(last_s[task], place[ours], started_s[ours])
    return last_s
