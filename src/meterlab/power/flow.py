"""Power flow of one feeder over the half hours of a day, with power-grid-model (asymmetric, iterative current).

Loads are of constant power: the load curve of a home is what meters measured, and so what is drawn at the voltage
there is. Where that has no solution, or where a load is told to give way, it shrinks with its voltage; the result
says where. This is the only module that knows the solver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from power_grid_model import (
    CalculationMethod,
    ComponentAttributeFilterOptions,
    ComponentType,
    LoadGenType,
    PowerGridModel,
    WindingType,
    initialize_array,
)

from meterlab.power.equipment import (
    AB_CABLE,
    HIGH_VOLTAGE_V,
    LOW_VOLTAGE_V,
    OVERHEAD_11_KV,
    TAP,
    TRANSFORMER_TYPES,
    Conductor,
)
from meterlab.power.network import AT_TRANSFORMER, FeederNetwork

NOMINAL_V = 400 / np.sqrt(3)
"""Phase to neutral; voltages per unit are of this."""

_SHORT_CIRCUIT_VA = 150e6  # of an 11 kV busbar behind a 33/11 kV transformer of 10 MVA (assumed)
_TOLERANCE = 1e-7
_MOST_ITERATIONS = 60
_NEVER_CARRIES_F = 1e-11
_CLOCK_DYN11 = 11
_ANSWERS: Final[dict[ComponentType, set[str] | list[str] | ComponentAttributeFilterOptions | None]] = {
    ComponentType.node: ["u"],
    ComponentType.transformer: ["p_from", "p_to", "loading"],
    ComponentType.source: ["p"],
}
Columns = NDArray[np.void]
"""The solver's table of a kind of component: one record a component."""

Answer = dict[ComponentType, dict[str, NDArray[np.float64]]]
"""What was asked for, by component and attribute: slot, then component, then phase where there are phases."""

_LOADS_A_POLE = 2  # one of constant power, one of constant impedance


class NoFlow(Exception):
    """A feeder's network has no power flow whatever its load. ``feeder`` by number."""

    def __init__(self, feeder: int) -> None:
        super().__init__(f"feeder {feeder} has no power flow whatever its load")
        self.feeder = feeder


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowResult:
    """What flowed, slots first.

    pole_v        float64[slot, pole, phase]        phase to neutral
    busbar_v      float64[slot, transformer, phase] at the low-voltage terminals
    delivered_w   float64[slot, transformer, phase] through the low-voltage terminals
    taken_w       float64[slot, transformer]        through the high-voltage terminals
    loading       float64[slot, transformer]        of the rating
    head_w        float64[slot]                     into the feeder
    giving_way    float64[slot, transformer]        part of the load that was of constant impedance
    """

    pole_v: NDArray[np.float64]
    busbar_v: NDArray[np.float64]
    delivered_w: NDArray[np.float64]
    taken_w: NDArray[np.float64]
    loading: NDArray[np.float64]
    head_w: NDArray[np.float64]
    giving_way: NDArray[np.float64]


class FeederFlow:
    """A feeder's model, made once and solved for any number of slots."""

    def __init__(self, network: FeederNetwork) -> None:
        self.network = network
        transformers, poles = len(network.transformer), len(network.pole_of)
        # node 0 is the substation's busbar, then 11 kV sides, low-voltage terminals, poles
        self._high = 1 + np.arange(transformers)
        self._low = self._high + transformers
        self._pole = 1 + 2 * transformers + np.arange(poles)
        self._next_id = 1 + 2 * transformers + poles
        parts = {
            ComponentType.node: self._nodes(),
            ComponentType.line: self._lines(),
            ComponentType.transformer: self._transformers(),
            ComponentType.source: self._source(),
            ComponentType.asym_load: self._loads(),
        }
        self._load_ids = parts[ComponentType.asym_load]["id"]
        self._source_id = int(parts[ComponentType.source]["id"][0])
        self._model = PowerGridModel(parts, system_frequency=50.0)

    def _ids(self, count: int) -> NDArray[np.int64]:
        first, self._next_id = self._next_id, self._next_id + count
        return np.arange(first, self._next_id)

    def _nodes(self) -> Columns:
        nodes = initialize_array("input", ComponentType.node, self._next_id)
        nodes["id"] = np.arange(self._next_id)
        nodes["u_rated"] = HIGH_VOLTAGE_V
        nodes["u_rated"][self._low] = nodes["u_rated"][self._pole] = NOMINAL_V * np.sqrt(3)
        return nodes

    def _lines(self) -> Columns:
        network = self.network
        high = self._line_part(np.append(0, self._high[:-1]), self._high, network.span_11_kv_m, OVERHEAD_11_KV)
        first = network.before == AT_TRANSFORMER
        before = np.where(first, self._low[network.pole_of], self._pole[network.before])
        return np.concatenate([high, self._line_part(before, self._pole, network.span_m, AB_CABLE)])

    def _line_part(
        self, begin: NDArray[np.int64], end: NDArray[np.int64], span_m: NDArray[np.float64], of: Conductor
    ) -> Columns:
        lines = initialize_array("input", ComponentType.line, len(span_m))
        lines["id"] = self._ids(len(span_m))
        lines["from_node"], lines["to_node"] = begin, end
        lines["from_status"] = lines["to_status"] = 1
        for name, ohm_km in (
            ("r1", of.r1_ohm_km),
            ("x1", of.x1_ohm_km),
            ("r0", of.r0_ohm_km),
            ("x0", of.x0_ohm_km),
        ):
            lines[name] = ohm_km * span_m / 1000
        lines["c1"] = lines["c0"] = _NEVER_CARRIES_F
        lines["tan1"] = lines["tan0"] = 0.0
        lines["i_n"] = of.limit_a
        return lines

    def _transformers(self) -> Columns:
        types = [TRANSFORMER_TYPES[kva] for kva in self.network.rating_kva.tolist()]
        found = initialize_array("input", ComponentType.transformer, len(types))
        found["id"] = self._ids(len(types))
        found["from_node"], found["to_node"] = self._high, self._low
        found["from_status"] = found["to_status"] = 1
        found["u1"], found["u2"] = HIGH_VOLTAGE_V, LOW_VOLTAGE_V * TAP
        found["sn"] = [kind.rating_kva * 1000.0 for kind in types]
        found["uk"] = [kind.impedance for kind in types]
        found["pk"] = [kind.load_w for kind in types]
        found["i0"] = [kind.no_load_current for kind in types]
        found["p0"] = [kind.no_load_w for kind in types]
        found["winding_from"], found["winding_to"] = WindingType.delta, WindingType.wye_n
        found["clock"] = _CLOCK_DYN11
        found["tap_side"] = found["tap_pos"] = found["tap_min"] = found["tap_max"] = found["tap_nom"] = 0
        found["tap_size"] = 0.0
        return found

    def _source(self) -> Columns:
        source = initialize_array("input", ComponentType.source, 1)
        source["id"], source["node"], source["status"] = self._ids(1), 0, 1
        source["u_ref"], source["sk"] = 1.0, _SHORT_CIRCUIT_VA
        return source

    def _loads(self) -> Columns:
        poles = len(self._pole)
        loads = initialize_array("input", ComponentType.asym_load, _LOADS_A_POLE * poles)
        loads["id"] = self._ids(len(loads))
        loads["node"] = np.tile(self._pole, _LOADS_A_POLE)
        loads["status"] = 1
        loads["type"] = np.repeat([LoadGenType.const_power, LoadGenType.const_impedance], poles)
        loads["p_specified"] = loads["q_specified"] = 0.0
        return loads

    def solve(
        self,
        load_w: NDArray[np.float64],
        load_var: NDArray[np.float64],
        source_pu: NDArray[np.float64],
        giving_way: NDArray[np.float64],
    ) -> FlowResult:
        """Solve every slot.

        ``load_w`` and ``load_var`` are float64[slot, pole, phase], ``source_pu`` float64[slot]; ``giving_way``
        float64[slot, transformer] is the share of constant impedance, between 0 and 1. Raises NoFlow when
        a slot has no solution even with all load giving way, which only a broken network can bring about.
        """
        share = giving_way.copy()
        solved, unsolved = self._solve(load_w, load_var, source_pu, share, CalculationMethod.iterative_current)
        collapsed = False
        while len(unsolved):
            if collapsed:
                self._give_way(load_w, load_var, source_pu, share, unsolved)
            again, failed = self._solve(
                load_w[unsolved],
                load_var[unsolved],
                source_pu[unsolved],
                share[unsolved],
                CalculationMethod.newton_raphson,  # slower, but goes nearer to collapse and knows such loads
            )
            for component, columns in again.items():
                for attribute, values in columns.items():
                    solved[component][attribute][unsolved] = values
            unsolved, collapsed = unsolved[failed], True
        return self._result(solved, share)

    def _give_way(
        self,
        load_w: NDArray[np.float64],
        load_var: NDArray[np.float64],
        source_pu: NDArray[np.float64],
        share: NDArray[np.float64],
        slots: NDArray[np.int64],
    ) -> None:
        """Put constant impedance where these slots have no solution."""
        if (share[slots] >= 1).all():
            raise NoFlow(self.network.feeder)
        for slot in slots.tolist():
            share[slot, self._collapsing(load_w[slot], load_var[slot], source_pu[slot], share[slot])] = 1.0

    def _solve(
        self,
        load_w: NDArray[np.float64],
        load_var: NDArray[np.float64],
        source_pu: NDArray[np.float64],
        share: NDArray[np.float64],
        method: CalculationMethod,
    ) -> tuple[Answer, NDArray[np.int64]]:
        """The solver's answer, and the slots for which it is none."""
        slots = len(load_w)
        impedance = share[:, self.network.pole_of][..., None]
        loads = initialize_array("update", ComponentType.asym_load, (slots, len(self._load_ids)))
        loads["id"] = self._load_ids
        loads["p_specified"] = np.concatenate([load_w * (1 - impedance), load_w * impedance], axis=1)
        loads["q_specified"] = np.concatenate([load_var * (1 - impedance), load_var * impedance], axis=1)
        source = initialize_array("update", ComponentType.source, (slots, 1))
        source["id"], source["u_ref"] = self._source_id, source_pu[:, None]
        solved = self._model.calculate_power_flow(
            symmetric=False,
            error_tolerance=_TOLERANCE,
            max_iterations=_MOST_ITERATIONS,
            calculation_method=method,
            update_data={ComponentType.asym_load: loads, ComponentType.source: source},
            output_component_types=_ANSWERS,
            continue_on_batch_error=True,
        )
        fault = self._model.batch_error
        unsolved = (
            np.zeros(0, np.int64) if fault is None else np.sort(np.asarray(fault.failed_scenarios, np.int64))
        )
        return cast("Answer", solved), unsolved

    def _collapsing(
        self,
        load_w: NDArray[np.float64],
        load_var: NDArray[np.float64],
        source_pu: float,
        share: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Transformers that have no solution by themselves; all of them when each has one alone."""
        found = []
        for place in np.flatnonzero(share < 1).tolist():
            own = (self.network.pole_of == place)[None, :, None]
            _, unsolved = self._solve(
                load_w[None] * own,
                load_var[None] * own,
                np.asarray([source_pu]),
                share[None],
                CalculationMethod.newton_raphson,
            )
            if len(unsolved):
                found.append(place)
        return np.asarray(found or range(len(share)), np.int64)

    def _result(self, solved: Answer, giving_way: NDArray[np.float64]) -> FlowResult:
        u = solved[ComponentType.node]["u"]
        return FlowResult(
            pole_v=u[:, self._pole],
            busbar_v=u[:, self._low],
            delivered_w=-solved[ComponentType.transformer]["p_to"],
            taken_w=solved[ComponentType.transformer]["p_from"].sum(axis=-1),
            loading=np.asarray(solved[ComponentType.transformer]["loading"]),
            head_w=solved[ComponentType.source]["p"][:, 0].sum(axis=-1),
            giving_way=giving_way,
        )
