"""What changes in a meter while it runs, in columns: clock, relay, counters, programming; and runtime events.

Everything starts from the seed and the instant at which the process starts; nothing of it outlives the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from meterlab import draws
from meterlab.interruptions import Interruptions
from meterlab.registers import INSTALLED_S
from meterlab.standing import Swap, Turn
from meterlab.town import Town

DRIFT_SD_S_PER_DAY = 0.5
BAD_DRIFT_SHARE = 0.01
BAD_DRIFT_S_PER_DAY = (20.0, 60.0)
_START_OFFSET_SD_S = 1.5

CLIENTS = (16, 32, 48, 64)
"""Client addresses with an invocation counter of their own; the column of each is its place here."""


class ControlState(IntEnum):
    """Attribute 3 of a disconnect control."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY = 2


@dataclass(frozen=True, slots=True)
class Event:
    """A line of an event log. ``stamp_s`` is the meter's own clock, ``at_s`` the town's, both epoch seconds."""

    at_s: int
    stamp_s: int
    code: int
    log: str


DEFAULT_CONTROL_MODE = 4
"""Remote disconnect and direct remote reconnect: what a utility sets at commissioning."""


@dataclass(eq=False)
class State:
    """Columns by meter.

    clock_set_s     float64  town instant at which the clock was last set (or the process started)
    clock_offset_s  float64  meter's clock minus town's at that instant
    drift_s_per_day float64  how fast the clock runs away
    control_state   uint8    ControlState
    control_mode    uint8    0 to 7
    limit_w         uint32   normal threshold of the limiter
    emergency_w     uint32   its emergency threshold
    over_s, under_s uint32   its minimal durations
    programmings    uint16   how often a parameter was set
    next_received   uint32[meter, client] lowest invocation counter still accepted from each client
    sent            uint32   next invocation counter of the meter itself
    """

    town: Town
    start_s: float
    interruptions: Interruptions = field(default_factory=Interruptions)
    events: dict[int, list[Event]] = field(default_factory=dict)
    clock_jumps: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    serials: dict[int, str] = field(default_factory=dict)
    turns: dict[int, Turn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        town, count = self.town, len(self.town)
        meters = np.arange(count)
        drift = DRIFT_SD_S_PER_DAY * draws.normal(town.seed, "drift", meters)
        bad = draws.uniform(town.seed, "bad-clock", meters) < BAD_DRIFT_SHARE
        away = np.interp(draws.uniform(town.seed, "bad-drift", meters), [0, 1], BAD_DRIFT_S_PER_DAY)
        sign = np.where(draws.bits(town.seed, "bad-sign", meters) % 2 == 0, 1.0, -1.0)
        self.drift_s_per_day = np.where(bad, away * sign, drift)
        self.clock_set_s = np.full(count, self.start_s)
        self.clock_offset_s = _START_OFFSET_SD_S * draws.normal(town.seed, "clock-offset", meters)
        self.control_state = np.full(count, ControlState.CONNECTED, np.uint8)
        self.control_mode = np.full(count, DEFAULT_CONTROL_MODE, np.uint8)
        self.limit_w = town.sanctioned_w.astype(np.uint32) * np.uint32(3)
        self.emergency_w = np.full(count, 1000, np.uint32)
        self.over_s = np.full(count, 60, np.uint32)
        self.under_s = np.full(count, 60, np.uint32)
        self.programmings = np.ones(count, np.uint16)
        self.next_received = np.zeros((count, len(CLIENTS)), np.uint32)
        # A counter that starts where the town's time stands does not fall back when the process starts again.
        self.sent = np.full(count, max(1, int(self.start_s - INSTALLED_S)), np.uint32)

    def installed_s(self, meter: int) -> int:
        """Since when this meter has hung at its place."""
        turn = self.turns.get(meter)
        return turn.at_s if isinstance(turn, Swap) else INSTALLED_S

    def clock_s(self, meter: int, now_s: float) -> float:
        """What the meter's clock shows."""
        running_s = now_s - float(self.clock_set_s[meter])
        drifted_s = running_s * float(self.drift_s_per_day[meter]) / 86_400
        return now_s + float(self.clock_offset_s[meter]) + drifted_s

    def set_clock(self, meter: int, shown_s: float, now_s: float) -> None:
        """From ``now_s`` on the clock runs from ``shown_s``; stamps of later rows move by whole jumps."""
        self.clock_set_s[meter] = now_s
        self.clock_offset_s[meter] = shown_s - now_s
        if abs(shown_s - now_s) >= SMALLEST_JUMP_S or meter in self.clock_jumps:
            self.clock_jumps.setdefault(meter, []).append((int(now_s), round(shown_s - now_s)))

    def counter_column(self, client_address: int) -> int | None:
        """The place of a client in ``next_received``, or None for a client without a counter."""
        return CLIENTS.index(client_address) if client_address in CLIENTS else None

    def log_event(self, meter: int, now_s: float, code: int, log: str) -> None:
        """Write an event at the meter's own time."""
        event = Event(at_s=int(now_s), stamp_s=int(self.clock_s(meter, now_s)), code=code, log=log)
        self.events.setdefault(meter, []).append(event)

    def programmed(self, meter: int, now_s: float, code: int) -> None:
        """A parameter was set: transaction event and programming count."""
        self.log_event(meter, now_s, code, "transaction")
        self.programmings[meter] += 1


SMALLEST_JUMP_S = 900
"""A clock that is off by less stamps its blocks as the town does; from here on rows carry the wrong time."""
