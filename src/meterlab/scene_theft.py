"""Scenes of theft and tamper. What is taken past a meter is drawn all the same: the transformer's meter sees it.

Which kinds leave an event in the meter's logs: bypass (earth loading 69), neutral disturbance 203, magnet 201,
opened cover 251. A hook on the line and a scaled shunt leave none; only balances and comparisons find them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.calendar import DAY_S, day_of, midnight_s
from meterlab.deviations import TheftKind
from meterlab.interruptions import FOREVER
from meterlab.scene_stage import (
    HOUR_S,
    Parameters,
    Stage,
    feeder_of,
    homes_of_feeder,
    hours_of,
    share_of,
    transformer_of,
    whole,
)

KIND_SHARES = {
    TheftKind.HOOK: 0.45,
    TheftKind.BYPASS: 0.25,
    TheftKind.NEUTRAL: 0.12,
    TheftKind.MAGNET: 0.08,
    TheftKind.SHUNT: 0.07,
    TheftKind.COVER: 0.03,
}
"""Kinds as field reports name them; the shares are assumed."""

OCCURRENCES = {
    TheftKind.BYPASS: (69, "current"),
    TheftKind.NEUTRAL: (203, "other"),
    TheftKind.MAGNET: (201, "other"),
    TheftKind.COVER: (251, "nonrollover"),
}
"""Event code and log of the kinds that a meter notices."""

MAGNET_GONE = (202, "other")
_RING_SHARE_IN_TEN = 0.15
"""Of the homes on one transformer in ten."""

_BEGAN_WITHIN_DAYS = 20
_MAGNET_NIGHTS = 7
_MAGNET_FROM_S = 20 * HOUR_S
_MAGNET_LASTS_S = (2 * HOUR_S, 8 * HOUR_S)
_WAVE_BEGINS_WITHIN_S = 2 * HOUR_S
_COVERS_AMONG_MAGNETS = 0.2


def theft_ring(stage: Stage, parameters: Parameters) -> None:
    """Many homes of one transformer steal, in all kinds."""
    homes = stage.town.homes_of(transformer_of(stage, parameters))
    _steal(stage, _drawn(stage, homes, "ring", share_of(parameters)), whole(parameters["days"], "days"))


def theft(stage: Stage, parameters: Parameters) -> None:
    """Some homes steal all over the town, and more on one transformer in ten."""
    town, share = stage.town, share_of(parameters)
    homes = np.arange(town.consumers)
    ring = draws.uniform(town.seed, "ring-transformer", np.arange(town.transformers)) < 0.1
    shares = np.where(ring[town.transformer[homes]], max(share, _RING_SHARE_IN_TEN), share)
    thieves = homes[draws.uniform(town.seed, "thief", homes) < shares]
    _steal(stage, thieves, whole(parameters["days"], "days"))


def magnet_wave(stage: Stage, parameters: Parameters) -> None:
    """On one evening many homes of a feeder hold a magnet to their meters, and some open the cover."""
    begin_s, end_s = hours_of(stage, parameters)
    homes = homes_of_feeder(stage.town, feeder_of(stage, parameters))
    seed, deviations = stage.town.seed, stage.state.interruptions.deviations
    for home in _drawn(stage, homes, "magnet-wave", share_of(parameters)).tolist():
        later, lasts, cover = draws.uniform(seed, "magnet-wave-hours", home, np.arange(3)).tolist()
        first_s = begin_s + int(later * min(_WAVE_BEGINS_WITHIN_S, (end_s - begin_s) / 2))
        last_s = first_s + int((0.5 + 0.5 * lasts) * (end_s - first_s))
        deviations.stolen_by(home, TheftKind.MAGNET, first_s, last_s)
        stage.will_log(home, first_s, *OCCURRENCES[TheftKind.MAGNET])
        stage.will_log(home, last_s, *MAGNET_GONE)
        if cover < _COVERS_AMONG_MAGNETS:
            stage.will_log(home, first_s, *OCCURRENCES[TheftKind.COVER])


def kind_of(seed: int, home: int) -> TheftKind:
    """How a home steals, if it does."""
    place = np.searchsorted(np.cumsum(list(KIND_SHARES.values())), draws.uniform(seed, "theft-kind", home)[0])
    return list(KIND_SHARES)[min(int(place), len(KIND_SHARES) - 1)]


def _drawn(stage: Stage, homes: NDArray[np.int64], subject: str, share: float) -> NDArray[np.int64]:
    """The share of the homes with the smallest draws, one at least, in order."""
    order = np.argsort(draws.uniform(stage.town.seed, subject, homes), kind="stable")
    return np.sort(homes[order[: max(1, round(share * len(homes)))]])


def _steal(stage: Stage, homes: NDArray[np.int64], days: int) -> None:
    """Homes began to steal about ``days`` days before the start and go on."""
    today = day_of(stage.now_s)
    for home in homes.tolist():
        kind = kind_of(stage.town.seed, home)
        later = int(draws.bits(stage.town.seed, "theft-begin", home)[0] % max(1, min(days, _BEGAN_WITHIN_DAYS)))
        begin_s = midnight_s(today - days + later) + 11 * HOUR_S
        if kind is TheftKind.MAGNET:
            _hold_magnet_at_night(stage, home, today)
            continue
        stage.state.interruptions.deviations.stolen_by(home, kind, begin_s, FOREVER)
        if kind in OCCURRENCES:
            stage.will_log(home, begin_s, *OCCURRENCES[kind])


def _hold_magnet_at_night(stage: Stage, home: int, today: int) -> None:
    """A magnet in each of the last nights and the coming one."""
    shortest_s, longest_s = _MAGNET_LASTS_S
    nights = np.arange(today - _MAGNET_NIGHTS, today + 1)
    later, lasts = draws.uniform(stage.town.seed, "magnet-night", home, 2 * nights[:, None] + np.arange(2)).T
    begins_s = midnight_s(0) + nights * DAY_S + _MAGNET_FROM_S + (HOUR_S * later).astype(np.int64)
    ends_s = begins_s + shortest_s + ((longest_s - shortest_s) * lasts).astype(np.int64)
    for begin_s, end_s in zip(begins_s.tolist(), ends_s.tolist(), strict=True):
        stage.state.interruptions.deviations.stolen_by(home, TheftKind.MAGNET, begin_s, end_s)
        stage.will_log(home, begin_s, *OCCURRENCES[TheftKind.MAGNET])
        stage.will_log(home, end_s, *MAGNET_GONE)
