"""What a value of a virtual meter is, and how it goes on the wire.

Views of one meter (``at_instants``, ``over_blocks``, ``over_months``) answer by the names of the meter model's
quantities, with whole numbers in a base unit (mV, mA, W, Wh, thousandths); ``wire`` brings them to the scaler of
the model. Energy of a block is the difference of two scaled registers, so that blocks add up to the register that
the meter shows, whatever its resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.demand import Demand
from meterlab.registers import Registers
from meterlab.state import State
from meterlab.town import Town

Numbers = NDArray[np.int64]

MILLI = -3
PHASES = {"r": 0, "y": 1, "b": 2}
"""Letters of the phases in the names of quantities."""

FLOATS = {"f32": np.float32, "f64": np.float64}
"""Data types of the meter model that are no integers."""

NOMINAL_V = 231
_SIGNAL_DBM = (-104, -70)
_SIGNAL_LIMITS_DBM = (-113, -51)  # what a modem can tell (3GPP TS 27.007, +CSQ)
_SIGNAL_WANDER_DBM = 3.0


@dataclass(slots=True, kw_only=True, eq=False)  # not frozen: made for every column, which costs a third so
class Series:
    """``values`` x 10**``exponent`` in the base unit. Nobody changes it.

    ``edges``: the values are one more register reading than there are rows, whose scaled differences are the rows.
    """

    values: Numbers
    exponent: int = 0
    edges: bool = False


def steps(edges: Numbers) -> Numbers:
    """Differences of neighbours, in a quarter of the time of ``np.diff``."""
    return np.asarray(edges[1:] - edges[:-1])


def wire(quantity: Series, exponent: int, kind: str = "i64") -> Numbers | NDArray[np.float64]:
    """The numbers that a meter with scaler ``exponent`` sends as data type ``kind``.

    Integers: what is finer than the scaler is cut off, as registers do. Floats carry the base unit's resolution as
    far as their width goes.
    """
    shift = quantity.exponent - exponent
    if kind in FLOATS:
        whole = steps(quantity.values) if quantity.edges else quantity.values
        scaled = whole * 10.0**shift if shift >= 0 else whole / 10.0**-shift
        return np.asarray(scaled.astype(FLOATS[kind]), np.float64)
    scaled = quantity.values * 10**shift if shift >= 0 else quantity.values // 10**-shift
    return np.asarray(steps(scaled) if quantity.edges else scaled, np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Where views take their values from."""

    registers: Registers
    demand: Demand
    state: State

    @property
    def town(self) -> Town:
        """The town of all three."""
        return self.registers.town


def power_factor_milli(town: Town, meter: int) -> int:
    """The power factor that belongs to a meter's apparent energy."""
    return int(1024 * 1000 // town.va_per_1024_w[meter])


def reactive(town: Town, meter: int, active: Numbers) -> Numbers:
    """Inductive reactive energy or power that belongs to an active one."""
    ratio = float(town.va_per_1024_w[meter]) / 1024
    return np.asarray(active * int(1024 * np.sqrt(max(0.0, ratio**2 - 1))) >> 10, np.int64)


def signal_dbm(town: Town, meter: int, instants_s: Numbers) -> Numbers:
    """Received signal strength of a meter's modem, ``int64[instant]``."""
    level = np.interp(draws.uniform(town.seed, "signal", meter), [0, 1], _SIGNAL_DBM)
    wander = _SIGNAL_WANDER_DBM * draws.normal(town.seed, "signal-now", meter, instants_s // 60)
    return np.rint(np.clip(level + wander, *_SIGNAL_LIMITS_DBM)).astype(np.int64)


def current_ma(apparent_va: Numbers, voltage_mv: Numbers) -> Numbers:
    """The current that carries an apparent power at a voltage."""
    return np.asarray(apparent_va * 1_000_000 // np.maximum(1, voltage_mv), np.int64)


def neutral_ma(current: Numbers) -> Numbers:
    """What comes back by the neutral: a little less than went out."""
    return np.asarray(current * 997 // 1000, np.int64)


def nominal_ma(apparent_va: Numbers) -> Numbers:
    """The current at nominal voltage: near enough to find the voltage drop that it makes."""
    return np.asarray(apparent_va * 1000 // NOMINAL_V, np.int64)
