"""The event logs of a meter: what follows from the town, and what happened while the process ran."""

from __future__ import annotations

from operator import itemgetter

from meterlab.calendar import day_of
from meterlab.interruptions import FOREVER
from meterlab.registers import INSTALLED_S
from meterlab.state import Event, State
from meterlab.voltage import sags

LOGS = ("voltage", "current", "power", "transaction", "other", "nonrollover", "control")
"""The seven logs of IS 15959 in the order of their profiles."""

_LOOK_BACK_DAYS = 400
"""Depths are counted in entries; a year and a bit holds more sags than the deepest log."""

_LOW_VOLTAGE, _LOW_VOLTAGE_ENDED = 9, 10
_POWER_FAILURE, _POWER_RESTORED = 101, 102
CLOCK_SET = 151
_COUNTED_AS_TAMPER = {"current", "other", "nonrollover"}


_Moment = tuple[int, int, int]
"""An entry: town's time, the meter's own stamp, code."""


def log_of(
    state: State, meter: int, log: str, now_s: int, depth: int, begin_s: int = -FOREVER, end_s: int = FOREVER
) -> list[Event]:
    """Of the newest ``depth`` entries of a log up to now those stamped in ``[begin_s, end_s]``, oldest first."""
    found = [*_from_town(state, meter, log, now_s), *_from_run(state, meter, log)]
    past = sorted([moment for moment in found if moment[0] <= now_s], key=itemgetter(0))[-depth:]
    return [
        Event(at_s=at_s, stamp_s=stamp_s, code=code, log=log)
        for at_s, stamp_s, code in past
        if begin_s <= stamp_s <= end_s
    ]


def last_code(state: State, meter: int, log: str, now_s: int) -> int:
    """The code of the newest entry of a log, 0 while there is none."""
    newest = log_of(state, meter, log, now_s, 1)
    return newest[0].code if newest else 0


def tamper_count(state: State, meter: int, at_s: int) -> int:
    """How many tamper occurrences were logged up to an instant; occurrences have odd codes."""
    events = state.events.get(meter, [])
    return sum(e.at_s <= at_s and e.log in _COUNTED_AS_TAMPER and e.code % 2 == 1 for e in events)


def power_failures(state: State, meter: int, at_s: int) -> int:
    """How many power cuts had begun by an instant."""
    return sum(begin <= at_s for begin, _ in state.interruptions.cuts(int(state.town.transformer[meter])))


def _from_run(state: State, meter: int, log: str) -> list[_Moment]:
    return [(event.at_s, event.stamp_s, event.code) for event in state.events.get(meter, []) if event.log == log]


def _from_town(state: State, meter: int, log: str, now_s: int) -> list[_Moment]:
    transformer = int(state.town.transformer[meter])
    if log == "voltage":
        first = max(day_of(now_s) - _LOOK_BACK_DAYS, day_of(INSTALLED_S))
        return _paired(sags(state.town, transformer, first, day_of(now_s)), _LOW_VOLTAGE, _LOW_VOLTAGE_ENDED)
    if log == "power":
        return _paired(state.interruptions.cuts(transformer), _POWER_FAILURE, _POWER_RESTORED)
    if log == "transaction":
        return [(INSTALLED_S, INSTALLED_S, CLOCK_SET)]
    return []


def _paired(intervals: list[tuple[int, int]], occurrence: int, restoration: int) -> list[_Moment]:
    begun = [(begin, begin, occurrence) for begin, _ in intervals]
    return begun + [(end, end, restoration) for _, end in intervals if end < FOREVER]
