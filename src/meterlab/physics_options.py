"""``--physics`` and what belongs to it on the command line, and the report of ``meterlab flow``.

The solver is an optional extra of the package, so it is loaded only where physics is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterlab import registry
from meterlab.lab import HISTORY_DAYS, Lab

if TYPE_CHECKING:
    from meterlab.power.service import Physics

PhysicsOption = Annotated[
    bool, typer.Option("--physics", help="Voltage and losses by power flow instead of the cheap model.")
]
PhysicsDaysOption = Annotated[
    int, typer.Option("--physics-days", min=0, help="Days before the first start for which the flow is known.")
]
FlowCacheOption = Annotated[
    Path | None,
    typer.Option("--flow-cache", metavar="DIR", help="Where solved days are kept; default ~/.cache/meterlab."),
]
DEFAULT_PHYSICS_DAYS = HISTORY_DAYS

_WH_A_KWH = 1000
_PERMILLE = 1000
_CENTIVOLT = 100


class NoPhysics(Exception):
    """The power flow was asked for and cannot be had. The message says what to do."""


def default_cache() -> Path:
    """Where solved days are kept when nobody says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meterlab"


def physics_of(
    cache: Path | None,
    *,
    now_s: float,
    days: int,
    own_process: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Physics:
    """The power flow as ``lab.build`` takes it. Raises NoPhysics where the solver is not installed."""
    try:
        from meterlab.power.service import Physics  # noqa: PLC0415 - needs an optional extra
    except ImportError as missing:
        raise NoPhysics(
            f"the power flow needs a package that is not installed: pip install 'bijlighar[physics]' ({missing})"
        ) from None
    return Physics(directory=cache or default_cache(), now_s=now_s, days=days, own_process=own_process, tell=tell)


def report(lab: Lab, physics: Physics, day: int, feeders: list[int]) -> Iterator[str]:
    """One JSON object for each transformer of the feeders on a day, and one for each feeder.

    Energy in kWh of the day, losses in per cent of what was drawn, lowest voltage at any pole in V.
    """
    supply = physics.flow_of(lab.town, lab.state.interruptions)
    for feeder in feeders:
        flowed = supply.feeder_day(feeder, day)
        through = flowed.transformer_wh().sum(axis=1)
        for place, transformer in enumerate(supply.network(feeder).transformer.tolist()):
            drawn = int(flowed.drawn_wh[place].sum())
            yield json.dumps(
                {
                    "transformer": registry.transformer_code(lab.town, transformer),
                    "rating_kva": int(lab.town.rating_kva[transformer]),
                    "homes": len(lab.town.homes_of(transformer)),
                    "drawn_kwh": drawn / _WH_A_KWH,
                    "meter_kwh": int(through[place]) / _WH_A_KWH,
                    "line_loss_percent": _percent(int(flowed.line_loss_wh[place].sum()), drawn),
                    "peak_loading": int(flowed.loading_permille[place].max()) / _PERMILLE,
                    "lowest_v": int(flowed.lowest_cv[place].min()) / _CENTIVOLT,
                    "slots_that_gave_way": int(flowed.gave_way[place].sum()),
                }
            )
        drawn, headed = int(flowed.drawn_wh.sum()), int(flowed.feeder_wh().sum())
        yield json.dumps(
            {
                "feeder": lab.town.feeders[feeder].code,
                "drawn_kwh": drawn / _WH_A_KWH,
                "meter_kwh": headed / _WH_A_KWH,
                "loss_percent": _percent(headed - drawn, headed),
            }
        )


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
