"""``flow``: CPU of the power flow of a virtual city, for a half hour, at 100 to 300,000 homes.

A June day of every feeder, 48 half hours each: what homes draw is generated, sent through the network, and turned
into voltages at meters and losses. ``solver_ms`` is the part of power-grid-model. Memory is the process's peak,
which only grows from size to size.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benches.report import Report, say, versions
from meterlab.calendar import SLOTS_A_DAY
from meterlab.city import city
from meterlab.interruptions import Interruptions
from meterlab.power.feeder_day import DayMaker
from meterlab.power.flow import FeederFlow, FlowResult

HOMES = (100, 10_000, 100_000, 300_000)
JUNE_DAY = 20_619
"""2026-06-15, counted from 1970-01-01."""

_KB_A_MB = 1024


class _TimedFlow(FeederFlow):
    """A feeder's flow that adds up the solver's CPU, over all feeders."""

    solver_s = 0.0

    def solve(
        self,
        load_w: NDArray[np.float64],
        load_var: NDArray[np.float64],
        source_pu: NDArray[np.float64],
        giving_way: NDArray[np.float64],
    ) -> FlowResult:
        """As the flow does."""
        begun = time.process_time()
        solved = super().solve(load_w, load_var, source_pu, giving_way)
        _TimedFlow.solver_s += time.process_time() - begun
        return solved


def run(homes: Sequence[int] = HOMES) -> Report:
    """Measure each size."""
    figures = {f"{count}": _measured(count) for count in homes}
    return Report(
        name="flow",
        input=f"cities of {', '.join(map(str, homes))} homes, a June day of {SLOTS_A_DAY} half hours",
        figures={"homes": figures},
        versions=versions("power-grid-model"),
    )


def _measured(homes: int) -> dict[str, float]:
    town = city(1, homes)
    maker = DayMaker(town, _TimedFlow)
    feeders = range(len(town.feeders))
    begun = time.process_time()
    for feeder in feeders:
        maker.network(feeder)
    built_s = time.process_time() - begun
    _TimedFlow.solver_s = 0.0
    begun, gave_way = time.process_time(), 0
    for feeder in feeders:
        gave_way += int(maker.make(feeder, JUNE_DAY, Interruptions()).gave_way.sum())
    day_s = time.process_time() - begun
    say(f"flow: {homes} homes, {len(feeders)} feeders: {day_s:.2f} s CPU a day")
    return {
        "snapshot_ms": round(1000 * day_s / SLOTS_A_DAY, 2),
        "solver_ms": round(1000 * _TimedFlow.solver_s / SLOTS_A_DAY, 2),
        "networks_ms": round(1000 * built_s, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KB_A_MB, 1),
        "gave_way_permille": round(1000 * gave_way / (town.transformers * SLOTS_A_DAY), 2),
    }
