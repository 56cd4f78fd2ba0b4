"""Which make of meter stands where: ``--model NAME[=SHARE]``, several of them for a town of many makes.

The category of a model tells where it belongs: D1, D2 and D3 to homes, D4 to transformers. Shares are met to the
meter, so that a small town holds every make that it was promised; who gets which follows from the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms.models import UnknownModel, load_model
from meterlab import draws
from meterlab.town import CONSUMER_MODEL, FEEDER_MODEL, THREE_PHASES, TRANSFORMER_MODEL, Town

_OF_TRANSFORMERS = "D4"
_SINGLE_PHASE = "D1"


class WrongShare(Exception):
    """A ``--model`` that cannot be served. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A make and its part of the homes, or of the transformers; ``part`` None: an equal part of what is left."""

    model: str
    part: float | None = None


CITY_HOMES = (
    Share(model="is15959-d1", part=0.50),
    Share(model="d1-12-columns", part=0.18),
    Share(model="d1-11-columns", part=0.14),
    Share(model="d1-9-columns", part=0.12),
    Share(model="is15959-d2", part=0.03),
    Share(model="d2-14-columns", part=0.012),
    Share(model="d2-11-columns", part=0.010),
    Share(model="d2-18-columns", part=0.008),
)
"""Assumed: nobody publishes a fleet by make. The 6 % with three phases are those of the network's facts."""

CITY_TRANSFORMERS = (Share(model="is15959-d4-transformer", part=0.70), Share(model="is15959-d3", part=0.30))
"""Assumed: where no CT meter of category D4 was to be had, one for LT-CT consumers was put up."""


def parse(text: str) -> Share:
    """Read ``NAME[=SHARE]``, a share being above 0 and up to 1. Raises WrongShare."""
    name, equals, written = text.partition("=")
    try:
        load_model(name)
    except UnknownModel as unknown:
        raise WrongShare(str(unknown)) from None
    if not equals:
        return Share(model=name)
    try:
        part = float(written)
    except ValueError:
        part = -1.0
    if not 0 < part <= 1:
        raise WrongShare(f"{text!r}: a share is a number above 0, up to 1")
    return Share(model=name, part=part)


def with_makes(town: Town, shares: Sequence[Share]) -> Town:
    """The town with these makes; what no share takes keeps the usual model. Raises WrongShare."""
    if not shares:
        return town
    of_transformers = [load_model(share.model).category == _OF_TRANSFORMERS for share in shares]
    homes = [share for share, other in zip(shares, of_transformers, strict=True) if not other]
    others = [share for share, other in zip(shares, of_transformers, strict=True) if other]
    return _dealt_out(town, homes, others)


def _dealt_out(town: Town, homes: Sequence[Share], at_transformers: Sequence[Share]) -> Town:
    names = tuple(
        dict.fromkeys(
            [CONSUMER_MODEL, TRANSFORMER_MODEL, *(share.model for share in (*homes, *at_transformers))]
            + [FEEDER_MODEL] * bool(town.feeder_meters)
        )
    )
    first_head = len(town) - town.feeder_meters
    model = np.empty(len(town), np.uint8)
    model[: town.consumers] = _dealt(town.seed, np.arange(town.consumers), homes, CONSUMER_MODEL, names)
    between = np.arange(town.consumers, first_head)
    model[town.consumers : first_head] = _dealt(town.seed, between, at_transformers, TRANSFORMER_MODEL, names)
    model[first_head:] = names.index(FEEDER_MODEL) if town.feeder_meters else 0
    three = np.asarray([load_model(name).category != _SINGLE_PHASE for name in names])
    phase = np.where(three[model], np.uint8(THREE_PHASES), town.phase).astype(np.uint8)
    return replace(town, models=names, model=model, phase=phase)


def with_city_makes(town: Town) -> Town:
    """The town with the makes of a city that has bought for years; 6 % of its homes have three phases."""
    return _dealt_out(town, CITY_HOMES, CITY_TRANSFORMERS)


def _dealt(
    seed: int, meters: NDArray[np.int64], shares: Sequence[Share], usual: str, names: tuple[str, ...]
) -> NDArray[np.uint8]:
    """The place in ``names`` of each meter's model."""
    given = sum(share.part or 0.0 for share in shares)
    if given > 1 + 1e-9:
        raise WrongShare(f"the shares add up to {given:g}, more than 1")
    open_shares = sum(share.part is None for share in shares)
    parts = [share.part if share.part is not None else (1 - given) / open_shares for share in shares]
    ends = np.rint(np.cumsum(parts) * len(meters)).astype(np.int64)
    places = [names.index(share.model) for share in shares] + [names.index(usual)]
    order = np.argsort(draws.bits(seed, "make", meters), kind="stable")
    dealt = np.empty(len(meters), np.uint8)
    dealt[order] = np.asarray(places, np.uint8)[np.searchsorted(ends, np.arange(len(meters)), side="right")]
    return dealt
