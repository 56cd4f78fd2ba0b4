"""One feeder on one day: what homes draw in each half hour, sent through the network, and what meters see of it.

Loads are summed by pole and phase before the flow. A service drop is reckoned by hand: its loss with the nominal
voltage before the flow, so that the flow carries it; its voltage drop with the pole's voltage after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.calendar import SLOT_S, SLOTS_A_DAY, midnight_s
from meterlab.interruptions import Interruptions, overlap_s
from meterlab.power.flow import NOMINAL_V, FeederFlow, FlowResult
from meterlab.power.network import FeederNetwork, feeder_network
from meterlab.registers import Registers
from meterlab.town import Town

GIVING_WAY_SHARE = 0.6
"""Part of a hot night's load that sinks with its voltage squared: coolers, fans, old compressors (assumed)."""

_HOURS_A_SLOT = SLOT_S / 3600
_CENTIVOLT = 100.0
_BUSBAR_PU = 1.0
_BUSBAR_WANDER_PU = 0.006
_MOST_WANDER_PU = 0.012
_LEAST_V = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class FeederDay:
    """A feeder's day, by half hours. Voltages are phase to neutral in hundredths of a volt.

    terminal_cv         uint16[terminal, slot]           at the meters of homes
    busbar_cv           uint16[transformer, phase, slot] at the transformers' meters
    lowest_cv           uint16[transformer, slot]        at the pole with the lowest voltage
    drawn_wh            int32[transformer, slot]         really drawn by the homes, stolen energy included
    line_loss_wh        int32[transformer, slot]         in low-voltage lines and service drops
    transformer_loss_wh int32[transformer, slot]
    feeder_loss_wh      int32[slot]                      in the 11 kV line
    loading_permille    uint16[transformer, slot]        of the rating
    gave_way            bool[transformer, slot]          the wished load was not, or would not have been, carried
    short_home          int32[short]                     homes that drew less than they wished on that account
    short_part          float32[short, slot]             the part of their wish that was not drawn
    """

    terminal_cv: NDArray[np.uint16]
    busbar_cv: NDArray[np.uint16]
    lowest_cv: NDArray[np.uint16]
    drawn_wh: NDArray[np.int32]
    line_loss_wh: NDArray[np.int32]
    transformer_loss_wh: NDArray[np.int32]
    feeder_loss_wh: NDArray[np.int32]
    loading_permille: NDArray[np.uint16]
    gave_way: NDArray[np.bool_]
    short_home: NDArray[np.int32]
    short_part: NDArray[np.float32]

    @cached_property
    def loss_edges_wh(self) -> NDArray[np.int64]:
        """Lost since midnight at each half hour, ``int64[transformer + 1, slot + 1]``.

        By transformer what its meter counts beside its homes; last what the feeder's counts beside those.
        """
        above = self.transformer_loss_wh.sum(axis=0) + self.feeder_loss_wh
        running = np.zeros((len(self.line_loss_wh) + 1, self.line_loss_wh.shape[1] + 1), np.int64)
        np.cumsum(np.vstack([self.line_loss_wh, above]), axis=1, out=running[:, 1:])
        return running

    def transformer_wh(self) -> NDArray[np.int64]:
        """Through the transformers' meters, ``int64[transformer, slot]``."""
        return self.drawn_wh.astype(np.int64) + self.line_loss_wh

    def feeder_wh(self) -> NDArray[np.int64]:
        """Through the feeder's meter, ``int64[slot]``."""
        below = self.transformer_wh() + self.transformer_loss_wh
        return np.asarray(below.sum(axis=0) + self.feeder_loss_wh)


class DayMaker:
    """Makes feeder-days of a town; networks and models are kept. ``registers`` know nothing of any flow."""

    def __init__(self, town: Town, flow: type[FeederFlow] = FeederFlow) -> None:
        self._town, self._flow_of = town, flow
        self._registers = Registers(town)
        self._flows: dict[int, FeederFlow] = {}

    def network(self, feeder: int) -> FeederNetwork:
        """The network of a feeder."""
        return self._flow(feeder).network

    def _flow(self, feeder: int) -> FeederFlow:
        if feeder not in self._flows:
            self._flows[feeder] = self._flow_of(feeder_network(self._town, feeder))
        return self._flows[feeder]

    def make(self, feeder: int, day: int, circumstances: Interruptions) -> FeederDay:
        """The day of a feeder under circumstances that were cut to it."""
        flow = self._flow(feeder)
        network = flow.network
        edges_s = midnight_s(day) + SLOT_S * np.arange(SLOTS_A_DAY + 1)
        self._registers.interruptions = circumstances
        wished_wh = np.diff(self._registers.homes_wh(network.home, edges_s, really=True), axis=1)
        loads = _loads(network, wished_wh, self._town.va_per_1024_w[network.home] / 1024)
        asked = _giving_way(network, circumstances, edges_s)
        solved = flow.solve(loads.pole_w, loads.pole_var, self._source_pu(feeder, edges_s[:-1]), asked)
        lit = 1 - np.stack([_dark_part(circumstances.cuts(t), edges_s) for t in network.transformer.tolist()])
        return _seen(network, loads, solved, solved.giving_way > asked, lit)

    def _source_pu(self, feeder: int, begins_s: NDArray[np.int64]) -> NDArray[np.float64]:
        """Voltage of the substation's busbar, which wanders from hour to hour, ``float64[slot]``."""
        code = self._town.feeders[feeder].substation
        number = [substation.code for substation in self._town.substations].index(code)
        hour, rest_s = np.divmod(begins_s, 3600)
        now, later = (draws.normal(self._town.seed, "busbar", number, hour + n) for n in (0, 1))
        wander = _BUSBAR_WANDER_PU * (now + (later - now) * rest_s / 3600)
        return _BUSBAR_PU + np.clip(wander, -_MOST_WANDER_PU, _MOST_WANDER_PU)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Loads:
    """What homes wish to draw.

    wished_wh   int64[home, slot]
    terminal_a  float64[terminal, slot] at nominal voltage
    drop_loss_w float64[terminal, slot] in the service drops
    pole_w, pole_var float64[slot, pole, phase]
    """

    wished_wh: NDArray[np.int64]
    terminal_a: NDArray[np.float64]
    drop_loss_w: NDArray[np.float64]
    pole_w: NDArray[np.float64]
    pole_var: NDArray[np.float64]


def _loads(network: FeederNetwork, wished_wh: NDArray[np.int64], va_per_w: NDArray[np.float64]) -> _Loads:
    terminal_w = (wished_wh / _HOURS_A_SLOT)[network.terminal_home] * network.terminal_share[:, None]
    ratio = va_per_w[network.terminal_home][:, None]
    terminal_a = terminal_w * ratio / NOMINAL_V
    drop_loss_w = terminal_a**2 * network.drop_ohm[:, None]
    return _Loads(
        wished_wh=wished_wh,
        terminal_a=terminal_a,
        drop_loss_w=drop_loss_w,
        pole_w=_on_poles(network, terminal_w + drop_loss_w),
        pole_var=_on_poles(network, terminal_w * np.sqrt(ratio**2 - 1)),
    )


def _on_poles(network: FeederNetwork, terminal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums by pole and phase, ``float64[slot, pole, phase]``, of ``float64[terminal, slot]``."""
    slots = terminal.shape[1]
    sums = np.zeros((3 * len(network.pole_of), slots))
    np.add.at(sums, 3 * network.terminal_pole + network.terminal_phase, terminal)
    return np.ascontiguousarray(sums.T).reshape(slots, -1, 3)


def _of_transformers(network: FeederNetwork, terminal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums by transformer, ``float64[transformer, slot]``, of ``float64[terminal, slot]``."""
    sums = np.zeros((len(network.transformer), terminal.shape[1]))
    np.add.at(sums, network.pole_of[network.terminal_pole], terminal)
    return sums


def _giving_way(
    network: FeederNetwork, circumstances: Interruptions, edges_s: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The part of the load that is to sink with its voltage, ``float64[slot, transformer]``."""
    share = np.zeros((len(edges_s) - 1, len(network.transformer)))
    for surge in circumstances.deviations.surges:
        if surge.gives_way:
            slots = (edges_s[:-1] < surge.end_s) & (edges_s[1:] > surge.begin_s)
            reached = np.asarray([surge.reaches(transformer) for transformer in network.transformer.tolist()])
            share[np.ix_(slots, reached)] = GIVING_WAY_SHARE
    return share


def _dark_part(cuts: list[tuple[int, int]], edges_s: NDArray[np.int64]) -> NDArray[np.float64]:
    """The part of each slot without supply, ``float64[slot]``."""
    if not cuts:
        return np.zeros(len(edges_s) - 1)
    return np.asarray([overlap_s(cuts, begin, begin + SLOT_S) / SLOT_S for begin in edges_s[:-1].tolist()])


def _seen(
    network: FeederNetwork,
    loads: _Loads,
    solved: FlowResult,
    gave_way: NDArray[np.bool_],
    lit: NDArray[np.float64],
) -> FeederDay:
    """What a solved flow means for meters. ``lit``: part of a slot with supply, ``float64[transformer, slot]``."""
    terminal_v = solved.pole_v[:, network.terminal_pole, network.terminal_phase].T
    sinking = solved.giving_way.T[network.pole_of[network.terminal_pole]]
    part = sinking * (1 - (terminal_v / NOMINAL_V) ** 2)
    short_home, short_part = _short(network, part)
    drawn_wh = _of_homes(network, loads.wished_wh, short_home, short_part)
    carried_w = loads.pole_w * _carried(network, solved)
    delivered_w = solved.delivered_w.sum(axis=-1).T
    line_w = delivered_w - _of_poles(network, carried_w.sum(axis=-1).T)
    drop_w = _of_transformers(network, loads.drop_loss_w * (1 - part))
    taken_w = solved.taken_w.T
    current_a = loads.terminal_a * (1 - part) * NOMINAL_V / np.maximum(terminal_v, _LEAST_V)
    lowest_v = np.full(delivered_w.shape, np.inf)
    np.minimum.at(lowest_v, network.pole_of, solved.pole_v.min(axis=-1).T)
    return FeederDay(
        terminal_cv=_centivolt(terminal_v - current_a * network.drop_ohm[:, None]),
        busbar_cv=_centivolt(np.moveaxis(solved.busbar_v, 0, -1)),
        lowest_cv=_centivolt(lowest_v),
        drawn_wh=drawn_wh.astype(np.int32),
        line_loss_wh=_energy(line_w + drop_w),
        transformer_loss_wh=_energy((taken_w - delivered_w) * lit),
        feeder_loss_wh=_energy(solved.head_w[None] - taken_w.sum(axis=0))[0],
        loading_permille=np.rint(1000 * solved.loading.T).astype(np.uint16),
        gave_way=gave_way.T.copy(),
        short_home=short_home,
        short_part=short_part,
    )


def _short(network: FeederNetwork, part: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Homes that drew otherwise than they wished, and the part of it in each slot."""
    by_home = np.zeros((len(network.home), part.shape[1]))
    np.add.at(by_home, network.terminal_home, part * network.terminal_share[:, None])
    some = np.flatnonzero(by_home.any(axis=1))
    return network.home[some].astype(np.int32), by_home[some].astype(np.float32)


def short_wh(wished_wh: NDArray[np.int64], part: NDArray[np.float32]) -> NDArray[np.int64]:
    """What was not drawn of a wish."""
    return np.trunc(wished_wh * part.astype(np.float64)).astype(np.int64)


def _of_homes(
    network: FeederNetwork,
    wished_wh: NDArray[np.int64],
    short_home: NDArray[np.int32],
    short_part: NDArray[np.float32],
) -> NDArray[np.int64]:
    """What the homes of each transformer drew, ``int64[transformer, slot]``."""
    drawn_wh = wished_wh.copy()
    rows = np.searchsorted(network.home, short_home)
    drawn_wh[rows] -= short_wh(wished_wh[rows], short_part)
    sums = np.zeros((len(network.transformer), wished_wh.shape[1]), np.int64)
    np.add.at(sums, network.home_transformer, drawn_wh)
    return sums


def _carried(network: FeederNetwork, solved: FlowResult) -> NDArray[np.float64]:
    """The part of each pole's wished load that flowed, ``float64[slot, pole, phase]``."""
    sinking = solved.giving_way[:, network.pole_of][..., None]
    return np.asarray(1 - sinking * (1 - (solved.pole_v / NOMINAL_V) ** 2))


def _of_poles(network: FeederNetwork, by_pole: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros((len(network.transformer), by_pole.shape[1]))
    np.add.at(sums, network.pole_of, by_pole)
    return sums


def _energy(power_w: NDArray[np.float64]) -> NDArray[np.int32]:
    """Watt-hours of each slot; they add up to the rounded sum, so nothing is lost to rounding over a day."""
    running = np.rint(np.cumsum(power_w, axis=-1) * _HOURS_A_SLOT)
    return np.diff(running, axis=-1, prepend=0.0).astype(np.int32)


def _centivolt(volt: NDArray[np.float64]) -> NDArray[np.uint16]:
    return np.rint(np.maximum(volt, 0.0) * _CENTIVOLT).astype(np.uint16)
