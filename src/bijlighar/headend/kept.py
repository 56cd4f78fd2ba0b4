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
_DAY_S = 86_400
_LOG_DAYS = {ProfileKind.EVENT: WINDOW_DAYS, ProfileKind.BILLING: 400}
_TASKS = {task.name.lower().replace("_", "-"): task for task in Task}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRows:
    """``logs``: kind, int32[row] meters, int64[row] starts; ``last_s`` float64[task, meter].

    ``backlog`` int64[meter]: read before, and yet older slots are missing
    """

    meter_ids: NDArray[np.int64]
    slots: list[tuple[ProfileKind, Coverage]]
    logs: list[tuple[ProfileKind, NDArray[np.int32], NDArray[np.int64]]]
    last_s: NDArray[np.float64]
    backlog: NDArray[np.int64]


def slot_kind(kind: ProfileKind, period_s: int) -> SlotKind:
    """How slots of a profile kind are counted."""
    return SlotKind(period_s=period_s, blocks=kind is ProfileKind.BLOCK_LOAD)


def look_up_slots(
    held: HeldReadings,
    past: Past | None,
    kind: ProfileKind,
    period_s: int,
    meter_ids: NDArray[np.int32],
    now_s: float,
    *,
    whole: bool,
) -> tuple[ProfileKind, Coverage]:
    """Which slots of these meters are held. ``whole``: these are all meters. Raises Unavailable."""
    coverage = Coverage(meter_ids, slot_kind(kind, period_s), now_s)
    window = Period(start_s=int(now_s) - (WINDOW_DAYS + 1) * _DAY_S, end_s=int(now_s) + AHEAD_S)
    for meters, starts_s in _parts(held, past, kind, window, None if whole else meter_ids):
        coverage.hold(meters, starts_s)
    return kind, coverage


def _parts(
    held: HeldReadings, past: Past | None, kind: ProfileKind, window: Period, meter_ids: NDArray[np.int32] | None
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    if past is not None:
        yield from past.held_parts(kind, window, meter_ids)
    else:
        yield held.held(kind, window)


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
    held: HeldReadings, meter_ids: NDArray[np.int64], now_s: float, *, whole: bool
) -> list[tuple[ProfileKind, NDArray[np.int32], NDArray[np.int64]]]:
    """Rows of event and billing logs that are held of these meters. Raises Unavailable."""
    found = []
    for kind, days in _LOG_DAYS.items():
        window = Period(start_s=int(now_s) - days * _DAY_S, end_s=int(now_s) + AHEAD_S)
        meters, starts_s = held.held(kind, window)
        if not whole:
            among = np.isin(meters, meter_ids)
            meters, starts_s = meters[among], starts_s[among]
        found.append((kind, meters, starts_s))
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
