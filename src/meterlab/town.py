"""A town as numpy columns: consumers first, then transformer meters, then feeder meters; no object per meter.

Meter *i* counts from 0. Meters below ``consumers`` are homes; the others stand at transformers and at the heads of
feeders, in their order. Everything follows from the seed. Shares and sizes are those of a city of Uttar Pradesh.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from socket import inet_aton

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.network import Division, Feeder, Substation
from meterlab import draws, load

CONSUMER_MODEL = "is15959-d1"
TRANSFORMER_MODEL = "is15959-d4-transformer"
FEEDER_MODEL = "is15959-d4-feeder"
MODELS = (CONSUMER_MODEL, TRANSFORMER_MODEL)
"""Models of a town that was told no others."""

THREE_PHASES = 3
"""The phase of a meter that measures all three."""

FIRST_ADDRESS = (127 << 24) + (16 << 16) + 1
"""Meter 0 answers at 127.16.0.1, meter i at the i-th address after it."""

FIRST_GATEWAY_ADDRESS = (127 << 24) + (15 << 16) + 1
"""Gateway 0 answers at 127.15.0.1, gateway i at the i-th address after it."""

MOST_METERS = 1_000_000
"""127.16.0.1 onwards leaves room for 15 million; a million keeps the columns of one process below a gigabyte."""

LOSS_PERMILLE = 28
"""What the low-voltage lines lose between transformer and homes (2.8 %)."""

TRANSFORMER_KVA = (25, 63, 100, 250, 400)
TRANSFORMER_SHARE = (0.08, 0.17, 0.25, 0.32, 0.18)
CONSUMERS_OF_KVA = (14, 38, 65, 150, 250)
TRANSFORMERS_A_FEEDER = 12
FEEDERS_A_SUBSTATION = 8
CONSUMER_SPREAD_LOG_SD = 0.4
FEEDER_LIMIT_A = 200
_FEEDER_W = 3_000_000
"""200 A at 11 kV and a power factor of 0.8."""

_DROP_MV_PER_A = (80, 350)
_MEAN_LOAD_FACTOR = 5.5  # sanctioned load over yearly mean load


@dataclass(frozen=True, kw_only=True, eq=False)
class Town:
    """Columns by meter unless said otherwise.

    transformer   int32[meter]        index of the transformer it hangs on (or stands at); the meter of feeder n
                                      stands at ``transformers + n``
    phase         uint8[meter]        0 R, 1 Y, 2 B, 3 all three
    mean_wh_day   float64[consumer]   yearly mean energy of a day
    va_per_1024_w int64[meter]        apparent over active energy in 1/1024: one power factor a meter
    sanctioned_w  int32[meter]        sanctioned load
    drop_mv_per_a float64[meter]      voltage that a home loses with its own current; 0 at a transformer
    rating_kva    int32[transformer]
    feeder        int32[transformer]  index into ``feeders``
    model         uint8[meter]        index into ``models``; None: homes have the first, transformers the second
    mapped        int32[consumer]     the transformer that the utility's records name; None: the right one
    tower         uint16[meter]       the tower that carries it; None: one for each substation
    feeder_meters                     how many of the last meters stand at feeders: all of them, or none
    dials_in      bool[meter]         who cannot be called and calls the head-end instead; None: nobody
    gateway       int32[meter]        the gateway that carries it, -1 = none; None: there are no gateways
    """

    name: str
    seed: int
    consumers: int
    transformer: NDArray[np.int32]
    phase: NDArray[np.uint8]
    mean_wh_day: NDArray[np.float64]
    va_per_1024_w: NDArray[np.int64]
    sanctioned_w: NDArray[np.int32]
    drop_mv_per_a: NDArray[np.float64]
    rating_kva: NDArray[np.int32]
    feeder: NDArray[np.int32]
    divisions: tuple[Division, ...]
    substations: tuple[Substation, ...]
    feeders: tuple[Feeder, ...]
    loss_permille: int = LOSS_PERMILLE
    models: tuple[str, ...] = MODELS
    model: NDArray[np.uint8] | None = None
    mapped: NDArray[np.int32] | None = None
    tower: NDArray[np.uint16] | None = None
    feeder_meters: int = 0
    dials_in: NDArray[np.bool_] | None = None
    gateway: NDArray[np.int32] | None = None
    consumers_by_transformer: NDArray[np.int32] = field(init=False)
    transformer_bounds: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        homes = self.transformer[: self.consumers]
        order = np.argsort(homes, kind="stable").astype(np.int32)
        bounds = np.searchsorted(homes[order], np.arange(len(self.rating_kva) + 1))
        object.__setattr__(self, "consumers_by_transformer", order)
        object.__setattr__(self, "transformer_bounds", bounds)

    def __len__(self) -> int:
        return len(self.transformer)

    @property
    def transformers(self) -> int:
        """How many transformers there are."""
        return len(self.rating_kva)

    @property
    def transformer_meters(self) -> int:
        """How many meters stand at transformers; a city has transformers without one."""
        return len(self) - self.consumers - self.feeder_meters

    def is_consumer(self, meter: int) -> bool:
        """True for a home, False for the meter of a transformer or a feeder."""
        return meter < self.consumers

    def feeder_of(self, meter: int) -> int | None:
        """The feeder at whose head a meter stands, or None."""
        head = int(self.transformer[meter]) - self.transformers
        return head if head >= 0 else None

    def transformers_of(self, feeder: int) -> range:
        """The transformers of a feeder, which are neighbours."""
        first, last = np.searchsorted(self.feeder, [feeder, feeder + 1]).tolist()
        return range(first, last)

    def model_name(self, meter: int) -> str:
        """The name of the meter's model file."""
        if self.model is None:
            return self.models[0 if self.is_consumer(meter) else 1]
        return self.models[int(self.model[meter])]

    def homes_of(self, transformer: int) -> NDArray[np.int64]:
        """The consumer meters of a transformer, ``int64[home]``."""
        return self.homes_of_all(range(transformer, transformer + 1))

    def homes_of_all(self, transformers: range) -> NDArray[np.int64]:
        """The consumer meters of neighbouring transformers, ``int64[home]``."""
        begin, end = self.transformer_bounds[[transformers.start, transformers.stop]]
        return self.consumers_by_transformer[begin:end].astype(np.int64)

    def gateway_of(self, meter: int) -> int | None:
        """The gateway that carries a meter, or None."""
        number = -1 if self.gateway is None else int(self.gateway[meter])
        return number if number >= 0 else None

    def host(self, meter: int) -> str:
        """The address at which a meter answers, its gateway's where it has one."""
        gateway = self.gateway_of(meter)
        return _dotted(FIRST_ADDRESS + meter if gateway is None else FIRST_GATEWAY_ADDRESS + gateway)

    def is_called(self, meter: int) -> bool:
        """Whether a meter answers at an address of its own."""
        dials_in = self.dials_in is not None and bool(self.dials_in[meter])
        return not dials_in and self.gateway_of(meter) is None

    def gateway_at(self, host: str) -> int | None:
        """The gateway that answers at an address, or None."""
        if self.gateway is None:
            return None
        number = int.from_bytes(inet_aton(host), "big") - FIRST_GATEWAY_ADDRESS
        return number if 0 <= number <= int(self.gateway.max()) else None

    def meter_at(self, host: str) -> int | None:
        """The meter that has an address, or None for an address of nobody's."""
        meter = int.from_bytes(inet_aton(host), "big") - FIRST_ADDRESS
        return meter if 0 <= meter < len(self) else None


def _dotted(address: int) -> str:
    return ".".join(str(octet) for octet in address.to_bytes(4, "big"))


@dataclass(frozen=True, kw_only=True)
class Places:
    """What hangs where, before columns are drawn: ``homes`` consumers of each transformer, in order.

    ``metered`` the transformers with a meter, None = all; ``feeder_meters`` whether feeders have one.
    """

    homes: NDArray[np.int64]
    rating_kva: NDArray[np.int32]
    feeder: NDArray[np.int32]
    divisions: tuple[Division, ...]
    substations: tuple[Substation, ...]
    feeders: tuple[Feeder, ...]
    metered: NDArray[np.int32] | None = None
    feeder_meters: bool = False


def town_of(name: str, seed: int, places: Places) -> Town:
    """Draw the columns of a town whose places are given."""
    consumers, transformers = int(places.homes.sum()), len(places.homes)
    metered = np.arange(transformers) if places.metered is None else places.metered
    heads = transformers + np.arange(len(places.feeders) * places.feeder_meters)
    meters = np.arange(consumers + len(metered) + len(heads))
    mean = load.mean_wh_day(seed, meters[:consumers])
    power_factor = 0.86 + 0.12 * draws.uniform(seed, "power-factor", meters)
    phase = (draws.bits(seed, "phase", meters) % 3).astype(np.uint8)
    phase[consumers:] = THREE_PHASES
    sanctioned = 1000 * np.clip(np.rint(mean * _MEAN_LOAD_FACTOR / 24_000), 1, 10)
    drop = np.interp(draws.uniform(seed, "drop", meters), [0, 1], _DROP_MV_PER_A)
    drop[consumers:] = 0
    return Town(
        name=name,
        seed=seed,
        consumers=consumers,
        transformer=np.concatenate([np.repeat(np.arange(transformers), places.homes), metered, heads]).astype(
            np.int32
        ),
        phase=phase,
        mean_wh_day=mean,
        va_per_1024_w=np.rint(1024 / power_factor).astype(np.int64),
        sanctioned_w=np.concatenate(
            [sanctioned, 800 * places.rating_kva[metered], np.full(len(heads), _FEEDER_W)]
        ).astype(np.int32),
        drop_mv_per_a=drop,
        rating_kva=places.rating_kva,
        feeder=places.feeder,
        divisions=places.divisions,
        substations=places.substations,
        feeders=places.feeders,
        feeder_meters=len(heads),
    )


def _transformer_sizes(seed: int, consumers: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Homes and rating of as many transformers as ``consumers`` need; the last one takes what is left."""
    homes: list[int] = []
    ratings: list[int] = []
    left = consumers
    shares = np.cumsum(TRANSFORMER_SHARE)
    while left > 0:
        number = len(homes)
        size = int(np.searchsorted(shares, draws.uniform(seed, "size", number)[0]))
        size = min(size, len(TRANSFORMER_KVA) - 1)
        spread = np.exp(CONSUMER_SPREAD_LOG_SD * draws.normal(seed, "spread", number)[0])
        homes.append(min(left, max(1, round(CONSUMERS_OF_KVA[size] * spread))))
        ratings.append(TRANSFORMER_KVA[size])
        left -= homes[-1]
    return np.asarray(homes, np.int64), np.asarray(ratings, np.int32)


def mohalla(seed: int, consumers: int) -> Town:
    """A town of ``consumers`` homes on as many transformers, feeders and substations as they need.

    Raises ValueError unless 1 <= consumers and all meters fit into MOST_METERS.
    """
    if not 1 <= consumers <= MOST_METERS // 2:
        raise ValueError(f"a town has 1 to {MOST_METERS // 2} consumer meters, not {consumers}")
    homes, rating = _transformer_sizes(seed, consumers)
    feeder = (np.arange(len(homes)) // TRANSFORMERS_A_FEEDER).astype(np.int32)
    feeders = int(feeder[-1]) + 1
    substations = -(-feeders // FEEDERS_A_SUBSTATION)
    return town_of(
        "mohalla",
        seed,
        Places(
            homes=homes,
            rating_kva=rating,
            feeder=feeder,
            divisions=(Division(code="DIV-01", name="Bijlighar Parade", name_hi="बिजलीघर परेड"),),
            substations=tuple(
                Substation(code=f"SS-{n + 1:03}", name=f"33/11 kV substation {n + 1}", division="DIV-01")
                for n in range(substations)
            ),
            feeders=tuple(
                Feeder(
                    code=f"FD-{n + 1:04}",
                    name=f"11 kV feeder {n + 1}",
                    substation=f"SS-{n // FEEDERS_A_SUBSTATION + 1:03}",
                    limit_a=FEEDER_LIMIT_A,
                )
                for n in range(feeders)
            ),
        ),
    )
