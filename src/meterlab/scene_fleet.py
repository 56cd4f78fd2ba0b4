"""Scenes of many meters and of the records about them: towers, clocks, mapping, swap, rollover, coming orders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from meterlab import draws
from meterlab.calendar import midnight_s
from meterlab.radio import Outage
from meterlab.registers import INSTALLED_S
from meterlab.registry import group
from meterlab.scene_faults import NEW_YEAR_2000_S
from meterlab.scene_stage import (
    HOUR_S,
    Parameters,
    Stage,
    day,
    home_of,
    hours_of,
    number,
    one_of,
    share_of,
    whole,
)
from meterlab.standing import Rollover, Swap
from meterlab.town import Town

_FARTHEST_MAPPED = 3
"""A wrong record names one of the three nearest transformers on either side."""


def tower_outage(stage: Stage, parameters: Parameters) -> None:
    """One tower is silent, and with it all meters that it carries."""
    begin_s, end_s = hours_of(stage, parameters)
    groups = [group(stage.town, meter) for meter in range(len(stage.town))]
    towers = sorted(set(groups))
    tower = towers[one_of(whole(parameters["tower"], "tower"), len(towers), "tower")]
    meters = frozenset(meter for meter, carried_by in enumerate(groups) if carried_by == tower)
    stage.radio.outages.append(Outage(begin_s=begin_s, end_s=end_s, meters=meters))


def clock_reset(stage: Stage, parameters: Parameters) -> None:
    """A share of the clocks fell back to the year 2000."""
    at_s = stage.now_s - number(parameters["hours_ago"], "hours_ago") * HOUR_S
    drawn = draws.uniform(stage.town.seed, "clock-reset", np.arange(len(stage.town)))
    count = max(1, round(share_of(parameters) * len(drawn)))
    for meter in np.sort(np.argsort(drawn, kind="stable")[:count]).tolist():
        stage.state.set_clock(meter, NEW_YEAR_2000_S, at_s)


def mapping_errors(stage: Stage, parameters: Parameters) -> None:
    """The utility's records name another transformer of the same feeder for a share of the homes."""
    stage.town = replace(stage.town, mapped=_mapped(stage.town, share_of(parameters)))


def _mapped(town: Town, share: float) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    homes = np.arange(town.consumers)
    right = town.transformer[homes].astype(np.int64)
    wrong = draws.uniform(town.seed, "mapped", homes) < share
    away = draws.bits(town.seed, "mapped-to", homes).astype(np.int64) % (2 * _FARTHEST_MAPPED)
    away = np.where(away < _FARTHEST_MAPPED, away - _FARTHEST_MAPPED, away - _FARTHEST_MAPPED + 1)
    feeder = town.feeder[right]
    first = np.searchsorted(town.feeder, feeder)
    count = np.searchsorted(town.feeder, feeder, side="right") - first
    named = first + (right - first + away) % count
    return np.where(wrong, named, right).astype(np.int32)


def meter_swap(stage: Stage, parameters: Parameters) -> None:
    """One home has had another meter since some day: another serial number, registers from another start."""
    meter = home_of(stage, parameters)
    at_s = midnight_s(day(stage, parameters["day"])) + int(number(parameters["hour"], "hour") * HOUR_S)
    if not INSTALLED_S < at_s <= stage.now_s:
        raise ValueError("a swap lies between the installation of all meters and the start")
    stage.state.turns[meter] = Swap(at_s=at_s, start_wh=whole(parameters["start_wh"], "start_wh"))
    stage.state.serials[meter] = parameters["serial"]


def rollover(stage: Stage, parameters: Parameters) -> None:
    """The energy registers of one home passed their last digit."""
    meter = home_of(stage, parameters)
    at_s = int(stage.now_s - number(parameters["hours_ago"], "hours_ago") * HOUR_S)
    if at_s <= INSTALLED_S:
        raise ValueError("a register rolls over after the meter was installed")
    stage.state.turns[meter] = Rollover(at_s=at_s)


def batch_cut(stage: Stage, parameters: Parameters) -> None:
    """So many homes owe; some of their meters cannot be reached. The cut itself is ordered in the control room."""
    homes, count = np.arange(stage.town.consumers), whole(parameters["count"], "count")
    if count < 1:
        raise ValueError(f"count={count} is no number of defaulters")
    order = np.argsort(draws.uniform(stage.town.seed, "defaulter", homes), kind="stable")
    stage.defaulters[:] = np.sort(order[:count]).tolist()
    silent = draws.uniform(stage.town.seed, "defaulter-silent", homes)
    for home in stage.defaulters:
        if silent[home] < number(parameters["silent"], "silent"):
            stage.radio.silent_hours[home] = 1.0


def wrong_command(stage: Stage, _: Parameters) -> None:
    """Everybody could be cut at once: all relays obey and all meters answer. Who gives the order is no meter."""
    stage.radio.failing[:] = 0
    stage.radio.outages.clear()
