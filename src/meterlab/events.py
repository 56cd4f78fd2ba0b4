"""The event logs of a meter: what follows from the town, and what happened while the process ran."""

from __future__ import annotations

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


def log_of(state: State, meter: int, log: str, now_s: int, depth: int) -> list[Event]:
    """The newest ``depth`` entries of a log up to now, oldest first."""
    found = [*_from_town(state, meter, log, now_s), *_from_run(state, meter, log)]
    past = [event for event in found if event.at_s <= now_s]
    return sorted(past, key=lambda event: event.at_s)[-depth:]


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


def _from_run(state: State, meter: int, log: str) -> list[Event]:
    return [event for event in state.events.get(meter, []) if event.log == log]


def _from_town(state: State, meter: int, log: str, now_s: int) -> list[Event]:
    transformer = int(state.town.transformer[meter])
    if log == "voltage":
        first = max(day_of(now_s) - _LOOK_BACK_DAYS, day_of(INSTALLED_S))
        pairs = sags(state.town, transformer, first, day_of(now_s))
        return _paired(pairs, _LOW_VOLTAGE, _LOW_VOLTAGE_ENDED, log)
    if log == "power":
        return _paired(state.interruptions.cuts(transformer), _POWER_FAILURE, _POWER_RESTORED, log)
    if log == "transaction":
        return [Event(at_s=INSTALLED_S, stamp_s=INSTALLED_S, code=CLOCK_SET, log=log)]
    return []


def _paired(intervals: list[tuple[int, int]], occurrence: int, restoration: int, log: str) -> list[Event]:
    begun = [Event(at_s=begin, stamp_s=begin, code=occurrence, log=log) for begin, _ in intervals]
    ended = [Event(at_s=end, stamp_s=end, code=restoration, log=log) for _, end in intervals if end < FOREVER]
    return begun + ended
