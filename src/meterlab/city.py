"""The city: 300,000 homes, 2,583 transformers, 216 feeders, 27 substations; or a smaller one of the same kind.

What is known of such a city and what is assumed:

- Transformers of 25/63/100/250/400 kVA at 8/17/25/32/18 % with 14/38/65/150/250 consumers, 12 on a feeder, 8
  feeders at a 33/11 kV substation; consumers of each times lognormal(0, 0.4), which overloads some (assumed).
- 6 % of the homes have three phases. 30 % of the transformers have no meter; every feeder has one (assumed).
- 5 % of the homes hang on another transformer than the utility's records say, a neighbour on the same feeder
  (assumed; ComEd suspected 193,000 of its meters).
- Towers serve some hundred to a few thousand meters, median 900; every meter has one (assumed).

Names are those of places in Kanpur; what stands there is invented.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.network import Division, Feeder, Substation
from meterlab import draws
from meterlab.makes import with_city_makes
from meterlab.town import (
    CONSUMER_SPREAD_LOG_SD,
    CONSUMERS_OF_KVA,
    FEEDER_LIMIT_A,
    FEEDERS_A_SUBSTATION,
    MOST_METERS,
    TRANSFORMER_KVA,
    TRANSFORMER_SHARE,
    TRANSFORMERS_A_FEEDER,
    Places,
    Town,
    town_of,
)

HOMES = 300_000
TRANSFORMERS = 2_583
UNMETERED_SHARE = 0.30
WRONGLY_MAPPED_SHARE = 0.05
SUBSTATIONS_A_DIVISION = 3

_FARTHEST_MAPPED = 3
"""A wrong record names one of the three nearest transformers on either side."""

_TOWER_MEDIAN, _TOWER_LOG_SD = 900, 0.6
_TOWER_LEAST, _TOWER_MOST = 150, 4_000

DIVISIONS = (
    ("Bijlighar Parade", "बिजलीघर परेड"),
    ("Kidwai Nagar", "किदवई नगर"),
    ("Govind Nagar", "गोविंद नगर"),
    ("Kalyanpur", "कल्याणपुर"),
    ("Jajmau", "जाजमऊ"),
    ("Naubasta", "नौबस्ता"),
    ("Panki", "पनकी"),
    ("Harsh Nagar", "हर्ष नगर"),
    ("Gwaltoli", "ग्वालटोली"),
    ("Shyam Nagar", "श्याम नगर"),
    ("Dada Nagar", "दादा नगर"),
    ("Armapur", "अर्मापुर"),
)
"""English and Hindi."""


def city(seed: int, homes: int = HOMES) -> Town:
    """A city of so many homes; smaller ones have fewer transformers of the same kind.

    Raises ValueError unless all meters fit into MOST_METERS.
    """
    if not 1 <= homes <= MOST_METERS // 2:
        raise ValueError(f"a city has 1 to {MOST_METERS // 2} consumer meters, not {homes}")
    count = max(1, min(homes, round(homes * TRANSFORMERS / HOMES)))
    number = np.arange(count)
    size = np.searchsorted(np.cumsum(TRANSFORMER_SHARE)[:-1], draws.uniform(seed, "size", number), side="right")
    spread = np.exp(CONSUMER_SPREAD_LOG_SD * draws.normal(seed, "spread", number))
    feeder = (number // TRANSFORMERS_A_FEEDER).astype(np.int32)
    metered = np.flatnonzero(draws.uniform(seed, "metered", number) >= UNMETERED_SHARE).astype(np.int32)
    feeders = int(feeder[-1]) + 1
    substations = -(-feeders // FEEDERS_A_SUBSTATION)
    divisions = -(-substations // SUBSTATIONS_A_DIVISION)
    town = town_of(
        "city",
        seed,
        Places(
            homes=_shared_out(homes, np.asarray(CONSUMERS_OF_KVA)[size] * spread),
            rating_kva=np.asarray(TRANSFORMER_KVA, np.int32)[size],
            feeder=feeder,
            metered=metered if len(metered) else number[:1].astype(np.int32),
            feeder_meters=True,
            divisions=tuple(_division(number) for number in range(divisions)),
            substations=tuple(_substation(number) for number in range(substations)),
            feeders=tuple(_feeder(number) for number in range(feeders)),
        ),
    )
    return with_city_makes(replace(town, mapped=_mapped(town), tower=_towers(town)))


def _shared_out(homes: int, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """``homes`` in proportion to ``weights``, at least one each, ``int64[transformer]``."""
    left = homes - len(weights)
    edges = np.rint(np.cumsum(weights) * (left / weights.sum())).astype(np.int64)
    return np.asarray(np.diff(edges, prepend=0) + 1)


def _division(number: int) -> Division:
    again, place = divmod(number, len(DIVISIONS))
    name, name_hi = DIVISIONS[place]
    suffix = f" {again + 1}" if again else ""
    return Division(code=f"DIV-{number + 1:02}", name=name + suffix, name_hi=name_hi + suffix)


def _substation(number: int) -> Substation:
    division, place = divmod(number, SUBSTATIONS_A_DIVISION)
    home = _division(division)
    return Substation(code=f"SS-{number + 1:03}", name=f"{home.name} {place + 1} 33/11 kV", division=home.code)


def _feeder(number: int) -> Feeder:
    substation, place = divmod(number, FEEDERS_A_SUBSTATION)
    home = _substation(substation)
    name = f"{home.name.removesuffix(' 33/11 kV')} feeder {place + 1}"
    return Feeder(code=f"FD-{number + 1:04}", name=name, substation=home.code, limit_a=FEEDER_LIMIT_A)


def _mapped(town: Town) -> NDArray[np.int32]:
    """The transformer of each home as the records have it, ``int32[consumer]``."""
    homes = np.arange(town.consumers)
    right = town.transformer[: town.consumers].astype(np.int64)
    wrong = draws.uniform(town.seed, "mapped", homes) < WRONGLY_MAPPED_SHARE
    way = draws.bits(town.seed, "mapped-to", homes) % (2 * _FARTHEST_MAPPED)
    away = np.asarray([*range(-_FARTHEST_MAPPED, 0), *range(1, _FARTHEST_MAPPED + 1)])[way.astype(np.int64)]
    feeder = right // TRANSFORMERS_A_FEEDER
    first = feeder * TRANSFORMERS_A_FEEDER
    count = np.minimum(TRANSFORMERS_A_FEEDER, town.transformers - first)
    named = first + (right - first + away) % count
    return np.where(wrong, named, right).astype(np.int32)


def _towers(town: Town) -> NDArray[np.uint16]:
    """The tower of each meter, ``uint16[meter]``: whole transformers that are neighbours share one."""
    most = -(-len(town) // _TOWER_LEAST) + 1
    sizes = _TOWER_MEDIAN * np.exp(_TOWER_LOG_SD * draws.normal(town.seed, "tower", np.arange(most)))
    ends = np.cumsum(np.clip(sizes, _TOWER_LEAST, _TOWER_MOST))
    homes_before = town.transformer_bounds[:-1]
    of_transformer = np.searchsorted(ends, homes_before, side="right")
    heads = np.searchsorted(town.feeder, np.arange(town.feeder_meters))
    return np.concatenate([of_transformer, of_transformer[heads]])[town.transformer].astype(np.uint16)
