"""One meter at instants: its snapshot, its midnight registers and what it writes beside an event."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np

from meterlab.calendar import day_of, month_begin_s, month_of_day
from meterlab.deviations import USUAL
from meterlab.events import power_failures, tamper_count
from meterlab.interruptions import overlap_s
from meterlab.quantities import (
    MILLI,
    PHASES,
    Numbers,
    Series,
    Source,
    current_ma,
    neutral_ma,
    nominal_ma,
    power_factor_milli,
    reactive,
    signal_dbm,
)
from meterlab.registers import INSTALLED_MONTH
from meterlab.state import ControlState
from meterlab.voltage import frequency_millihz, minute_wander_mv, voltage_mv


class Instants:
    """One meter at instants, ``int64[instant]`` epoch seconds UTC."""

    def __init__(self, source: Source, meter: int, instants_s: Numbers) -> None:
        self.source, self.meter, self.instants_s = source, meter, instants_s
        self.town, self.registers, self.state = source.town, source.registers, source.state

    @cached_property
    def drawn_wh(self) -> Numbers:
        """Energy measured since installation."""
        return self.registers.drawn_wh(self.meter, self.instants_s)

    @property
    def import_wh(self) -> Numbers:
        """The active import register."""
        return self._shown(self.drawn_wh, lambda drawn: drawn)

    @property
    def import_vah(self) -> Numbers:
        """The apparent import register."""
        apparent = partial(self.registers.apparent, self.meter)
        return self._shown(apparent(self.drawn_wh), apparent)

    def _shown(self, energy: Numbers, of_drawn: Callable[[Numbers], Numbers]) -> Numbers:
        """A register that has counted ``energy`` since installation, which is ``of_drawn`` of what was drawn."""
        standing = np.asarray(self.registers.start_wh(self.meter) + energy)
        turn = self.state.turns.get(self.meter)
        if turn is None:
            return standing
        at_turn = of_drawn(self.registers.drawn_wh(self.meter, np.asarray([turn.at_s])))
        stood = self.registers.start_wh(self.meter) + int(at_turn[0])
        return turn.shown(standing, stood, self.instants_s >= turn.at_s)

    @cached_property
    def power_w(self) -> Numbers:
        """Active power of the running quarter hours."""
        return self.registers.power_w(self.meter, self.instants_s)

    @cached_property
    def power_va(self) -> Numbers:
        """Apparent power of the running quarter hours."""
        return self.registers.apparent(self.meter, self.power_w)

    @cached_property
    def _phases_va(self) -> Numbers:
        return self.registers.apparent(self.meter, self.registers.phases_w(self.meter, self.instants_s))

    @cached_property
    def current_ma(self) -> Numbers:
        """Current of the one phase."""
        return current_ma(self.power_va, self.voltage_mv)

    @property
    def neutral_ma(self) -> Numbers:
        """Current that comes back: of all that was drawn, where the phase goes around the meter."""
        seen = self.state.interruptions.deviations.bypassed(self.meter, self.instants_s)
        return neutral_ma(self.current_ma if seen is None else self.current_ma * USUAL // seen)

    @cached_property
    def voltage_mv(self) -> Numbers:
        """Voltage of the one phase."""
        return self._voltage_at(self.power_va, int(self.town.phase[self.meter]))

    def _voltage_at(self, power_va: Numbers, phase: int) -> Numbers:
        mean = voltage_mv(self.town, self.meter, phase, self.instants_s, nominal_ma(power_va), self.registers.flow)
        return mean + minute_wander_mv(self.town, self.meter, self.instants_s)

    def phase_voltage_mv(self, phase: int) -> Numbers:
        """Voltage of one of three phases."""
        return self._voltage_at(self._phases_va[phase], phase)

    def phase_current_ma(self, phase: int) -> Numbers:
        """Current of one of three phases."""
        return current_ma(self._phases_va[phase], self.phase_voltage_mv(phase))

    def each(self, of_instant: Callable[[int], int]) -> Numbers:
        """A value that is found for each instant by itself."""
        return np.asarray([of_instant(int(instant)) for instant in self.instants_s], np.int64)

    def constant(self, value: int) -> Numbers:
        """The same value at every instant."""
        return np.full(len(self.instants_s), value, np.int64)

    def power_on_min(self, instant_s: int) -> int:
        """Minutes with supply since installation."""
        return (instant_s - self.state.installed_s(self.meter)) // 60 - self.power_off_min(instant_s)

    def power_off_min(self, instant_s: int) -> int:
        """Minutes without supply since installation."""
        cuts = self.state.interruptions.cuts(int(self.town.transformer[self.meter]))
        return overlap_s(cuts, self.state.installed_s(self.meter), instant_s) // 60

    def demand_w(self, instant_s: int) -> int:
        """Maximum demand of the month so far."""
        return self.source.demand.running(self.meter, instant_s).demand_w

    def demand_end_s(self, instant_s: int) -> int:
        """The end of its half hour."""
        return self.source.demand.running(self.meter, instant_s).demand_end_s


def _month_begin(instant_s: int) -> int:
    return month_begin_s(month_of_day(day_of(instant_s)))


_Reader = Callable[[Instants], Series]


def _phase_current(phase: int) -> _Reader:
    return lambda v: Series(values=v.phase_current_ma(phase), exponent=MILLI)


def _phase_voltage(phase: int) -> _Reader:
    return lambda v: Series(values=v.phase_voltage_mv(phase), exponent=MILLI)


_AT_INSTANTS: dict[str, _Reader] = {
    "clock": lambda v: Series(values=v.instants_s),
    "voltage": lambda v: Series(values=v.voltage_mv, exponent=MILLI),
    "phase-current": lambda v: Series(values=v.current_ma, exponent=MILLI),
    "neutral-current": lambda v: Series(values=v.neutral_ma, exponent=MILLI),
    "power-factor": lambda v: Series(values=v.constant(power_factor_milli(v.town, v.meter)), exponent=MILLI),
    "frequency": lambda v: Series(values=frequency_millihz(v.town, v.instants_s), exponent=MILLI),
    "apparent-power": lambda v: Series(values=v.power_va),
    "active-power": lambda v: Series(values=v.power_w),
    "reactive-power": lambda v: Series(values=reactive(v.town, v.meter, v.power_w)),
    "import-energy": lambda v: Series(values=v.import_wh),
    "import-apparent": lambda v: Series(values=v.import_vah),
    "export-energy": lambda v: Series(values=v.registers.export_wh(v.meter, v.instants_s)),
    "export-apparent": lambda v: Series(values=v.registers.export_wh(v.meter, v.instants_s)),
    "q1-energy": lambda v: Series(values=reactive(v.town, v.meter, v.drawn_wh)),
    "demand-w": lambda v: Series(values=v.each(v.demand_w)),
    "demand-w-time": lambda v: Series(values=v.each(v.demand_end_s)),
    "demand-va": lambda v: Series(values=v.registers.apparent(v.meter, v.each(v.demand_w))),
    "demand-va-time": lambda v: Series(values=v.each(v.demand_end_s)),
    "power-on": lambda v: Series(values=v.each(v.power_on_min)),
    "power-off": lambda v: Series(values=v.each(v.power_off_min)),
    "power-failures": lambda v: Series(values=v.each(lambda at: power_failures(v.state, v.meter, at))),
    "tamper-count": lambda v: Series(values=v.each(lambda at: tamper_count(v.state, v.meter, at))),
    "billing-count": lambda v: Series(values=v.each(lambda at: month_of_day(day_of(at)) - INSTALLED_MONTH)),
    "billing-date": lambda v: Series(values=v.each(_month_begin)),
    "programming-count": lambda v: Series(values=v.constant(int(v.state.programmings[v.meter]))),
    "relay-closed": lambda v: Series(
        values=v.constant(int(v.state.control_state[v.meter] == ControlState.CONNECTED))
    ),
    "load-limit": lambda v: Series(values=v.constant(int(v.state.limit_w[v.meter]))),
    "meter-health": lambda v: Series(values=v.constant(0)),
    "signal": lambda v: Series(values=signal_dbm(v.town, v.meter, v.instants_s)),
    "ct-ratio": lambda v: Series(values=v.constant(1)),
    "pt-ratio": lambda v: Series(values=v.constant(1)),
    **{f"current-{letter}": _phase_current(phase) for letter, phase in PHASES.items()},
    **{f"voltage-{letter}": _phase_voltage(phase) for letter, phase in PHASES.items()},
    **{
        f"power-factor-{letter}": (
            lambda v: Series(values=v.constant(power_factor_milli(v.town, v.meter)), exponent=MILLI)
        )
        for letter in PHASES
    },
    **{f"q{quadrant}-energy": (lambda v: Series(values=v.constant(0))) for quadrant in (2, 3, 4)},
}


def at_instants(view: Instants, name: str) -> Series | None:
    """A quantity of the snapshot by its name in the meter model, or None when this meter has none such."""
    read = _AT_INSTANTS.get(name)
    return None if read is None else read(view)
