"""Scenes of supply and load: a quiet day, a hot night, supply lost and back, a transformer that burns."""

from __future__ import annotations

import numpy as np

from meterlab.deviations import USUAL, Surge
from meterlab.scene_stage import (
    HOUR_S,
    Parameters,
    Stage,
    feeder_of,
    hours_of,
    minutes_of,
    number,
    transformer_of,
)

_ALL = "all"
_BURNING_PERMILLE = 1900
"""Load of a transformer in the hours before it burns: beyond the short emergency limit of its oil (assumed)."""

_BURNS_FOR_S = 3 * HOUR_S


def quiet_day(stage: Stage, _: Parameters) -> None:
    """Nothing goes wrong: all meters are in reach, their clocks right, their pushes single and in time."""
    stage.radio.failing[:] = 0
    stage.radio.unlucky.clear()
    stage.radio.silent_hours.clear()
    stage.radio.outages.clear()
    stage.state.drift_s_per_day[:] = 0
    stage.state.clock_offset_s[:] = 0
    stage.push.duplicates = stage.push.late = stage.push.reordered = 0.0


def overload(stage: Stage, parameters: Parameters) -> None:
    """Homes draw more than usual on a hot night, as far as the voltage lets them."""
    begin_s, end_s = hours_of(stage, parameters)
    more = number(parameters["more"], "more")
    if not 0 < more <= 10:
        raise ValueError(f"more={more:g} is not between 0 and 10")
    among = None
    if parameters["transformer"] != _ALL:
        among = frozenset({transformer_of(stage, parameters)})
    stage.state.interruptions.deviations.surges.append(
        Surge(
            begin_s=begin_s,
            end_s=end_s,
            permille=round(USUAL * (1 + more)),
            transformers=among,
            gives_way=True,
        )
    )


def area_shed(stage: Stage, parameters: Parameters) -> None:
    """Some transformers of a feeder are shed and come back one after the other; load that waited comes at once."""
    begin_s, end_s = minutes_of(stage, parameters)
    area = stage.town.transformers_of(feeder_of(stage, parameters))
    count = max(1, round(len(area) * number(parameters["part"], "part")))
    stage.state.interruptions.deviations.picks_up = True
    for place, transformer in enumerate(area[:count]):
        back_s = end_s + place * int(60 * number(parameters["stagger"], "stagger"))
        stage.state.interruptions.supply_lost(transformer, begin_s, back_s)


def feeder_trip(stage: Stage, parameters: Parameters) -> None:
    """A feeder loses supply and gets it back with the load that waited."""
    begin_s, end_s = minutes_of(stage, parameters)
    stage.state.interruptions.deviations.picks_up = True
    for transformer in np.flatnonzero(stage.town.feeder == feeder_of(stage, parameters)).tolist():
        stage.state.interruptions.supply_lost(transformer, begin_s, end_s)


def burnt_transformer(stage: Stage, parameters: Parameters) -> None:
    """A transformer carries far too much for three hours, then it is dark until another stands in its place."""
    transformer = transformer_of(stage, parameters)
    burnt_s, replaced_s = hours_of(stage, parameters)
    deviations = stage.state.interruptions.deviations
    deviations.picks_up = True
    deviations.surges.append(
        Surge(
            begin_s=burnt_s - _BURNS_FOR_S,
            end_s=burnt_s,
            permille=_BURNING_PERMILLE,
            transformers=frozenset({transformer}),
            gives_way=True,
        )
    )
    stage.state.interruptions.supply_lost(transformer, burnt_s, replaced_s)
