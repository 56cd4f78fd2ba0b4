"""A generated day of a city: the loads, gaps, corrections and registers that the benchmarks of the day work on.

Homes after the facts of the CEEW meters of Mathura and Bareilly (doi:10.7910/DVN/GOCHJH): mean use by quantiles,
the summer shape of the day with its peak at 23 h and its least at 9 h, half-hours far peakier than the mean,
registers of 10 Wh. Networks: 25 to 400 kVA transformers of 14 to 250 consumers, seven in ten with a meter of 15
minutes. All of it by seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.mdm.buckets import assigned
from bijlighar.operations.day_seal import DayPlan

DAY = date(2026, 6, 15)
PERIOD = civil_day(DAY)
SLOTS = 48
STEP_WH = 10

_NIGHT_AND_MORNING = (5.2, 4.9, 4.6, 4.4, 4.2, 4.0, 3.8, 3.6, 3.3, 3.2, 3.5, 3.9)
_NOON_AND_EVENING = (4.2, 4.4, 4.6, 4.6, 4.4, 3.9, 3.4, 3.5, 4.1, 4.7, 5.2, 5.4)
SHAPE_BY_HOUR = np.array([*_NIGHT_AND_MORNING, *_NOON_AND_EVENING])
"""Percent of the day by hour, through what is known: 5.4 at 23 h, 4.6 at 14 to 16 h, 3.4 at 18 h, 3.2 at 9 h."""

MEAN_QUANTILES = ((0.0, 0.05, 0.5, 0.95, 1.0), (0.3, 1.3, 6.4, 16.0, 23.0))
"""Daily kWh of a meter's mean, as measured; June is 1.549 of the year's mean."""

JUNE = 1.549
RATINGS = ((0.08, 14), (0.17, 38), (0.25, 65), (0.32, 150), (0.18, 250))
"""Share of transformers, and consumers on each."""

WITH_METER = 0.7
LOSS = 0.028
WHOLE_DAYS_MISSING = 0.012
SHORT_GAPS = 0.03
CORRECTED = 0.02
GROUP_METERS = 33_000
"""Meters that are read at the same time: their rows arrive mixed."""

SEGMENT_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class City:
    """Consumers and transformer meters by number. Consumers of a transformer have numbers side by side.

    transformer int32[meter number], -1 for the unused number 0; is_transformer_meter bool[meter number]
    """

    consumers: int
    transformer: NDArray[np.int32]
    is_transformer_meter: NDArray[np.bool_]

    @property
    def transformers(self) -> int:
        """How many."""
        return int(self.transformer.max()) + 1

    def plan(self) -> DayPlan:
        """Buckets of whole transformers."""
        numbers = np.arange(1, len(self.transformer))
        names = [f"T{number:05d}" for number in range(self.transformers)]
        sizes = np.bincount(self.transformer[1:], minlength=self.transformers)
        bucket = assigned(dict(zip(names, sizes.tolist(), strict=True)), {})
        by_transformer = np.array([bucket[name] for name in names], dtype=np.int32)
        bucket_of = np.full(len(self.transformer), -1, dtype=np.int32)
        bucket_of[1:] = by_transformer[self.transformer[1:]]
        owner = self.transformer.tolist()
        expected = np.where(self.is_transformer_meter, 900, 1800).tolist()
        return DayPlan(
            day=DAY,
            period=PERIOD,
            network_version=1,
            transformer_of={number: names[owner[number]] for number in numbers.tolist()},
            expected_s={number: expected[number] for number in numbers.tolist()},
            bucket_of=bucket_of,
        )


def city(consumers: int, seed: int = 1) -> City:
    """Transformers one after the other until all consumers hang somewhere."""
    draw = np.random.default_rng(seed)
    shares, sizes = zip(*RATINGS, strict=True)
    transformer, is_meter = [np.array([-1])], [np.array([False])]
    left, number = consumers, 0
    while left > 0:
        here = min(left, int(draw.choice(sizes, p=shares)))
        metered = int(draw.random() < WITH_METER)
        transformer.append(np.full(here + metered, number))
        is_meter.append(np.arange(here + metered) >= here)
        left, number = left - here, number + 1
    return City(
        consumers=consumers,
        transformer=np.concatenate(transformer).astype(np.int32),
        is_transformer_meter=np.concatenate(is_meter),
    )


@dataclass(frozen=True, kw_only=True)
class Loads:
    """What meters counted.

    ``wh``, ``vah``, ``mv``, ``ma`` int64[meter, slot] of consumers; ``gaps`` bool[meter, slot]; ``supplied_wh``
    int64[transformer meter, quarter of an hour].
    """

    meter_id: NDArray[np.int32]
    wh: NDArray[np.int64]
    vah: NDArray[np.int64]
    mv: NDArray[np.int64]
    ma: NDArray[np.int64]
    gaps: NDArray[np.bool_]
    transformer_meter_id: NDArray[np.int32]
    supplied_wh: NDArray[np.int64]


def loads(town: City, first: int, end: int, seed: int = 1) -> Loads:
    """The day of the meters ``[first, end)``, which must be whole transformers."""
    draw = np.random.default_rng((seed, first))
    numbers = np.arange(first, end)
    consumer = numbers[~town.is_transformer_meter[first:end]]
    count = len(consumer)
    mean_wh = 1000 * JUNE * np.interp(draw.random(count), *MEAN_QUANTILES)
    shape = np.interp(np.arange(SLOTS) / 2, np.arange(24), SHAPE_BY_HOUR / SHAPE_BY_HOUR.sum() / 2)
    energy = mean_wh[:, None] * np.exp(draw.normal(0, 0.34, (count, 1))) * shape
    cycles = draw.gamma(0.8, 1 / 0.8, (count, SLOTS))  # air conditioners and pumps: a half-hour of 4 to 8 means
    true_wh = energy * (0.35 + 0.65 * cycles)
    wh = np.floor(np.cumsum(true_wh, axis=1) / STEP_WH)  # the register moves in whole steps
    wh = (np.diff(wh, axis=1, prepend=0.0) * STEP_WH).astype(np.int64)
    factor = draw.normal(0.93, 0.02, (count, 1)).clip(0.7, 0.999)
    vah = np.floor(np.cumsum(true_wh / factor, axis=1) / STEP_WH)
    vah = (np.diff(vah, axis=1, prepend=0.0) * STEP_WH).astype(np.int64)
    sag = np.exp(-(((np.arange(SLOTS) - 45) / 8.0) ** 2)) * 9
    volts = 234 + draw.normal(0, 3, (count, 1)) - sag + draw.normal(0, 1.2, (count, SLOTS))
    mv = np.rint(volts * 100).astype(np.int64) * 10
    ma = np.rint(true_wh / factor * 2 / volts * 100).astype(np.int64) * 10
    meters = numbers[town.is_transformer_meter[first:end]]
    return Loads(
        meter_id=consumer.astype(np.int32),
        wh=wh,
        vah=np.maximum(vah, wh),
        mv=mv,
        ma=ma,
        gaps=_gaps(draw, count),
        transformer_meter_id=meters.astype(np.int32),
        supplied_wh=_supplied(draw, town, consumer, meters, true_wh),
    )


def _gaps(draw: np.random.Generator, count: int) -> NDArray[np.bool_]:
    gaps = np.repeat(draw.random((count, 1)) < WHOLE_DAYS_MISSING, SLOTS, axis=1)
    some = np.flatnonzero(draw.random(count) < SHORT_GAPS)
    first = draw.integers(0, SLOTS, len(some))
    length = 1 + draw.geometric(0.2, len(some))
    slot = np.arange(SLOTS)
    gaps[some] |= (slot >= first[:, None]) & (slot < (first + length)[:, None])
    return gaps


def _supplied(
    draw: np.random.Generator,
    town: City,
    consumer: NDArray[np.int64],
    meters: NDArray[np.int64],
    true_wh: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Quarter hours of the transformers' meters: their consumers and the loss."""
    if not len(meters):
        return np.zeros((0, 2 * SLOTS), dtype=np.int64)
    owner = town.transformer[consumer]
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    sums = np.add.reduceat(true_wh, begins, axis=0) / (1 - LOSS)
    place = np.searchsorted(owner[begins], town.transformer[meters])
    half = draw.normal(0.5, 0.03, (len(meters), SLOTS)).clip(0.3, 0.7)
    first = sums[place] * half
    quarters = np.stack([first, sums[place] - first], axis=2).reshape(len(meters), -1)
    return (np.rint(quarters / STEP_WH) * STEP_WH).astype(np.int64)


def groups(town: City, group_meters: int = GROUP_METERS) -> Iterator[tuple[int, int]]:
    """Meter numbers ``[first, end)`` of whole transformers that are read together."""
    first, last = 1, len(town.transformer)
    while first < last:
        end = min(first + group_meters, last)
        while end < last and town.transformer[end] == town.transformer[end - 1]:
            end += 1
        yield first, end
        first = end


def arrivals(town: City, seed: int = 1, segment_rows: int = SEGMENT_ROWS) -> Iterator[list[ReadingBatch]]:
    """The day's rows as they arrive, a segment at a time: mixed meters first, the corrections at the end."""
    draw = np.random.default_rng((seed, 0))
    late: list[ReadingBatch] = []
    for first, end in groups(town):
        told = loads(town, first, end, seed)
        order = draw.permutation(len(told.meter_id))
        at_once = max(1, segment_rows // SLOTS)
        for begin in range(0, len(order), at_once):
            yield [_rows(told, np.sort(order[begin : begin + at_once]), draw)]
        if len(told.transformer_meter_id):
            yield [_quarters(told)]
        late.append(_corrections(told, draw))
    for begin in range(0, len(late), 4):
        yield [batch for batch in late[begin : begin + 4] if len(batch)]


def _rows(told: Loads, rows: NDArray[np.int64], draw: np.random.Generator) -> ReadingBatch:
    row, slot = np.nonzero(~told.gaps[rows])
    meter = rows[row]
    received = PERIOD.end_s + 600 + draw.integers(0, 3 * 3600, len(rows))
    return _batch(told, meter, slot, received[row])


def _batch(
    told: Loads, meter: NDArray[np.int64], slot: NDArray[np.int64], received_s: NDArray[np.int64], more: int = 0
) -> ReadingBatch:
    nothing = np.zeros(len(meter), dtype=np.int64)
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=told.meter_id[meter],
        start_s=PERIOD.start_s + slot * 1800,
        received_s=received_s,
        channels={
            "import_wh": told.wh[meter, slot] + more,
            "import_vah": told.vah[meter, slot] + more,
            "export_wh": nothing,
            "export_vah": nothing,
            "voltage_mv": told.mv[meter, slot],
            "current_ma": told.ma[meter, slot],
        },
    )


def _corrections(told: Loads, draw: np.random.Generator) -> ReadingBatch:
    """Two of a hundred readings come again, eight at a time, with another value."""
    runs = round(told.gaps.size * CORRECTED / 8)
    meter = np.repeat(draw.integers(0, len(told.meter_id), runs), 8)
    slot = (np.repeat(draw.integers(0, SLOTS - 7, runs), 8)) + np.tile(np.arange(8), runs)
    keep = ~told.gaps[meter, slot]
    cells = np.unique(meter[keep] * SLOTS + slot[keep])
    received_s = np.full(len(cells), PERIOD.end_s + 8 * 3600)
    return _batch(told, cells // SLOTS, cells % SLOTS, received_s, more=STEP_WH)


def _quarters(told: Loads) -> ReadingBatch:
    count = told.supplied_wh.shape[1]
    slot = np.tile(np.arange(count), len(told.transformer_meter_id))
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=900,
        meter_id=np.repeat(told.transformer_meter_id, count),
        start_s=PERIOD.start_s + slot * 900,
        received_s=np.full(len(slot), PERIOD.end_s + 900),
        channels={"import_wh": told.supplied_wh.reshape(-1)},
    )
