"""One meter over blocks: the columns of its block load profile."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from meterlab.deviations import USUAL
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
    steps,
)
from meterlab.voltage import frequency_millihz, voltage_mv


class Blocks:
    """One meter over blocks that end at ``ends_s``, ascending, each ``period_s`` long."""

    def __init__(self, source: Source, meter: int, ends_s: Numbers, period_s: int) -> None:
        self.meter, self.ends_s, self.period_s = meter, ends_s, period_s
        self.town, self.registers = source.town, source.registers
        self.edges_s = np.concatenate([ends_s[:1] - period_s, ends_s])

    @cached_property
    def drawn(self) -> Numbers:
        """Energy since installation at the edges of the blocks."""
        return self.registers.drawn_wh(self.meter, self.edges_s)

    @cached_property
    def _phases(self) -> Numbers:
        return self.registers.phases_wh(self.meter, self.edges_s)

    @cached_property
    def mean_va(self) -> Numbers:
        """Mean apparent power of each block."""
        return steps(self._apparent) * 3600 // self.period_s

    def voltage_mv(self, phase: int, mean_va: Numbers) -> Numbers:
        """Mean voltage of each block."""
        begins_s = self.ends_s - self.period_s
        current = nominal_ma(mean_va)
        return voltage_mv(self.town, self.meter, phase, begins_s, current, self.registers.flow)

    def current_ma(self, phase: int, mean_va: Numbers) -> Numbers:
        """Mean current of each block."""
        return current_ma(mean_va, self.voltage_mv(phase, mean_va))

    def phase_va(self, phase: int) -> Numbers:
        """Mean apparent power of each block in one of three phases."""
        return steps(self.registers.apparent(self.meter, self._phases[phase])) * 3600 // self.period_s

    @cached_property
    def home_voltage_mv(self) -> Numbers:
        """Mean voltage of each block in the phase of a home."""
        return self.voltage_mv(int(self.town.phase[self.meter]), self.mean_va)

    @cached_property
    def home_current_ma(self) -> Numbers:
        """Mean current of each block in the phase of a home."""
        return current_ma(self.mean_va, self.home_voltage_mv)

    @property
    def home_neutral_ma(self) -> Numbers:
        """Mean current that comes back: of all that was drawn, where the phase goes around the meter."""
        current = self.home_current_ma
        seen = self.registers.interruptions.deviations.bypassed(self.meter, self.ends_s - self.period_s)
        return neutral_ma(current if seen is None else current * USUAL // seen)

    def power_factor(self) -> Series:
        """Power factor of each block, in every phase alike."""
        milli = power_factor_milli(self.town, self.meter)
        return Series(values=np.full(len(self.ends_s), milli), exponent=MILLI)

    @cached_property
    def _apparent(self) -> Numbers:
        return self.registers.apparent(self.meter, self.drawn)

    def import_wh(self) -> Series:
        """Active import."""
        return Series(values=self.registers.start_wh(self.meter) + self.drawn, edges=True)

    def import_vah(self) -> Series:
        """Apparent import."""
        return Series(values=self.registers.start_wh(self.meter) + self._apparent, edges=True)

    def none(self) -> Numbers:
        """Nothing at every edge."""
        return np.zeros(len(self.edges_s), np.int64)


_BlockReader = Callable[[Blocks], Series]


def _edges(values: Numbers) -> Series:
    return Series(values=values, edges=True)


def _phase_current(phase: int) -> _BlockReader:
    return lambda v: Series(values=v.current_ma(phase, v.phase_va(phase)), exponent=MILLI)


def _phase_voltage(phase: int) -> _BlockReader:
    return lambda v: Series(values=v.voltage_mv(phase, v.phase_va(phase)), exponent=MILLI)


_OVER_BLOCKS: dict[str, _BlockReader] = {
    "clock": lambda v: Series(values=v.ends_s),
    "block-voltage": lambda v: Series(values=v.home_voltage_mv, exponent=MILLI),
    "block-current": lambda v: Series(values=v.home_current_ma, exponent=MILLI),
    "block-neutral-current": lambda v: Series(values=v.home_neutral_ma, exponent=MILLI),
    "block-power-factor": Blocks.power_factor,
    "block-frequency": lambda v: Series(values=frequency_millihz(v.town, v.ends_s), exponent=MILLI),
    "block-import": lambda v: v.import_wh(),
    "block-import-apparent": lambda v: v.import_vah(),
    "block-export": lambda v: _edges(v.none()),
    "block-export-apparent": lambda v: _edges(v.none()),
    "block-q1": lambda v: _edges(reactive(v.town, v.meter, v.drawn)),
    "meter-health": lambda v: Series(values=np.zeros(len(v.ends_s), np.int64)),
    "signal": lambda v: Series(values=signal_dbm(v.town, v.meter, v.ends_s)),
    **{f"block-power-factor-{letter}": Blocks.power_factor for letter in PHASES},
    **{f"block-q{quadrant}": (lambda v: _edges(v.none())) for quadrant in (2, 3, 4)},
    **{f"block-current-{letter}": _phase_current(phase) for letter, phase in PHASES.items()},
    **{f"block-voltage-{letter}": _phase_voltage(phase) for letter, phase in PHASES.items()},
}


def over_blocks(view: Blocks, name: str) -> Series | None:
    """A quantity of the block load profile by its name in the meter model, or None."""
    read = _OVER_BLOCKS.get(name)
    return None if read is None else read(view)
