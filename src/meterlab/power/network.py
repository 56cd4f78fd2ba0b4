"""The network below one 11 kV feeder: transformers along it, chains of poles below each, homes on the poles.

All of it follows from the town's columns and seed. Homes hang on poles in their order, five a pole; a
transformer has four chains of poles, and more only where a chain would grow longer than a utility builds. The
service drop of a home is the town's ``drop_mv_per_a``: 8 to 35 m of twin 6 mm² aluminium (4.61 Ω/km, IS 8130),
there and back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.town import THREE_PHASES, Town

HOMES_A_POLE = 5
CHAINS = 4
MOST_POLES_A_CHAIN = 14
"""Some 420 m: beyond that a utility strings another chain rather than a longer one (assumed)."""

_SPAN_M = (24.0, 36.0)
_SPAN_11_KV_M = (150.0, 400.0)
AT_TRANSFORMER = -1
"""The pole before the first of a chain."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FeederNetwork:
    """Columns of one feeder. Terminals are pairs of home and phase: one for most homes, three for some.

    transformer    int64[transformer] their numbers in the town, from the substation outwards
    rating_kva     int64[transformer]
    span_11_kv_m   float64[transformer] line before each
    pole_of        int64[pole]        place of the pole's transformer in ``transformer``
    before         int64[pole]        the pole towards the transformer, AT_TRANSFORMER for the first of a chain
    span_m         float64[pole]      line before each
    home           int64[home]        their numbers in the town, ascending by transformer
    home_pole      int64[home]        their poles
    terminal_home  int64[terminal]    place in ``home``
    terminal_phase int64[terminal]    0 R, 1 Y, 2 B
    terminal_share float64[terminal]  part of the home's load: 1, or a third
    drop_ohm       float64[terminal]  the service drop's resistance in the loop of the current
    """

    feeder: int
    transformer: NDArray[np.int64]
    rating_kva: NDArray[np.int64]
    span_11_kv_m: NDArray[np.float64]
    pole_of: NDArray[np.int64]
    before: NDArray[np.int64]
    span_m: NDArray[np.float64]
    home: NDArray[np.int64]
    home_pole: NDArray[np.int64]
    terminal_home: NDArray[np.int64]
    terminal_phase: NDArray[np.int64]
    terminal_share: NDArray[np.float64]
    drop_ohm: NDArray[np.float64]

    @property
    def home_transformer(self) -> NDArray[np.int64]:
        """Place of each home's transformer, ``int64[home]``."""
        return np.asarray(self.pole_of[self.home_pole])

    @property
    def terminal_pole(self) -> NDArray[np.int64]:
        """``int64[terminal]``."""
        return np.asarray(self.home_pole[self.terminal_home])


def _chains(poles: int) -> NDArray[np.int64]:
    """The pole before each, chains one after the other, ``int64[pole]``; chains differ by one pole at most."""
    chains = min(poles, max(CHAINS, -(-poles // MOST_POLES_A_CHAIN)))
    before = np.arange(poles) - 1
    before[[len(part) and int(part[0]) for part in np.array_split(np.arange(poles), chains)]] = AT_TRANSFORMER
    return before


def feeder_network(town: Town, feeder: int) -> FeederNetwork:
    """The network of a feeder of the town. Raises ValueError for a feeder that has no transformers."""
    transformers = np.flatnonzero(town.feeder == feeder)
    if not len(transformers):
        raise ValueError(f"feeder {feeder} has no transformers in town {town.name}")
    homes: list[NDArray[np.int64]] = []
    home_pole: list[NDArray[np.int64]] = []
    pole_of: list[NDArray[np.int64]] = []
    before: list[NDArray[np.int64]] = []
    for place, transformer in enumerate(transformers.tolist()):
        below = town.homes_of(transformer)
        first, count = sum(len(part) for part in pole_of), -(-len(below) // HOMES_A_POLE)
        chain = _chains(count)
        homes.append(below)
        home_pole.append(first + np.arange(len(below)) // HOMES_A_POLE)
        pole_of.append(np.full(count, place))
        before.append(np.where(chain == AT_TRANSFORMER, AT_TRANSFORMER, chain + first))
    home, poles = np.concatenate(homes), np.concatenate(pole_of)
    counter = (np.arange(len(poles)) - np.searchsorted(poles, poles)).astype(np.int64)
    span = draws.uniform(town.seed, "pole-span", transformers[poles], counter)
    phase = town.phase[home]
    three = np.where(phase == THREE_PHASES, 3, 1)
    terminal_home = np.repeat(np.arange(len(home)), three)
    nth = np.arange(len(terminal_home)) - np.repeat(np.cumsum(three) - three, three)
    is_three = three[terminal_home] == THREE_PHASES
    return FeederNetwork(
        feeder=feeder,
        transformer=transformers.astype(np.int64),
        rating_kva=town.rating_kva[transformers].astype(np.int64),
        span_11_kv_m=np.interp(draws.uniform(town.seed, "span-11", transformers), [0, 1], _SPAN_11_KV_M),
        pole_of=poles,
        before=np.concatenate(before),
        span_m=np.interp(span, [0, 1], _SPAN_M),
        home=home,
        home_pole=np.concatenate(home_pole),
        terminal_home=terminal_home,
        terminal_phase=np.where(is_three, nth, phase[terminal_home]).astype(np.int64),
        terminal_share=np.where(is_three, 1 / 3, 1.0),
        drop_ohm=town.drop_mv_per_a[home][terminal_home] / 1000 * np.where(is_three, 0.5, 1.0),
    )
