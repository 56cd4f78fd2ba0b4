"""The registry as the meter list needs it: columns by row, codes for filters, ranks for sorting, text for search.

Built whole when the registry's version changes (about two seconds for 300,000 meters, away from the event loop);
never changed afterwards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bijlighar.cim.network import Division, Feeder, Meter, MeterCategory, Substation, Transformer, UsagePoint
from bijlighar.controlroom.text_search import TextSearch

TEXT_COLUMNS = (
    "serial",
    "usage_point",
    "name",
    "address",
    "transformer",
    "feeder",
    "category",
    "maker",
    "model",
)
FACETS = ("division", "category", "transformer")
"""Filters that tell how many each value would leave."""

FILTERS = (*FACETS, "feeder", "tower", "maker")
"""All filters; the others are set by links, from the service levels for instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPlace:
    """One meter with where it stands; ``feeder`` and ``division`` are codes, "" where the registry has none."""

    meter: Meter
    point: UsagePoint | None
    feeder: str
    division: str

    def text(self, column: str) -> str:
        """The text that ``column`` of TEXT_COLUMNS shows."""
        if column == "feeder":
            return self.feeder
        if column in ("name", "address", "transformer"):
            return str(getattr(self.point, column)) if self.point is not None else ""
        return str(getattr(self.meter, column))


@dataclass(frozen=True, kw_only=True)
class RegistryIndex:
    """Meters in order of ``meter_id``.

    meter_id  int32[row]
    codes     filter -> (int32[row] index into the names, names)
    ranks     text column -> int32[row], position of the row when sorted by that text
    search    finds words in serial, name, address, usage point and transformer (code and name), folded
    """

    version: int
    places: tuple[MeterPlace, ...]
    meter_id: NDArray[np.int32]
    codes: dict[str, tuple[NDArray[np.int32], tuple[str, ...]]]
    ranks: dict[str, NDArray[np.int32]]
    search: TextSearch
    divisions: dict[str, Division]
    transformers: dict[str, Transformer]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def largest_meter_id(self) -> int:
        """0 for an empty registry."""
        return int(self.meter_id[-1]) if len(self.meter_id) else 0

    def place(self, meter_id: int) -> MeterPlace | None:
        """The meter of that number, or None."""
        row = int(np.searchsorted(self.meter_id, meter_id))
        if row < len(self.places) and int(self.meter_id[row]) == meter_id:
            return self.places[row]
        return None

    def at_usage_points(self, codes: Collection[str]) -> dict[str, MeterPlace]:
        """The meters in service at the named usage points; looks through all meters (some 50 ms for a city)."""
        wanted = frozenset(codes)
        return {each.meter.usage_point: each for each in self.places if each.meter.usage_point in wanted}


def fold(text: str) -> str:
    """Text as a search compares it: composed (NFC), case-folded, spaces trimmed."""
    return unicodedata.normalize("NFC", text).casefold().strip()


def build_index(
    *,
    version: int,
    meters: Iterable[Meter],
    usage_points: Iterable[UsagePoint],
    transformers: Iterable[Transformer],
    feeders: Iterable[Feeder],
    substations: Iterable[Substation],
    divisions: Iterable[Division],
) -> RegistryIndex:
    """The index of a registry. A code that leads nowhere leaves feeder or division empty."""
    points = {point.code: point for point in usage_points}
    by_transformer = {transformer.code: transformer for transformer in transformers}
    substation_of = {feeder.code: feeder.substation for feeder in feeders}
    division_of = {substation.code: substation.division for substation in substations}

    def place(meter: Meter) -> MeterPlace:
        point = points.get(meter.usage_point)
        transformer = by_transformer.get(point.transformer) if point is not None else None
        feeder = transformer.feeder if transformer is not None else ""
        division = division_of.get(substation_of.get(feeder, ""), "")
        return MeterPlace(meter=meter, point=point, feeder=feeder, division=division)

    places = tuple(place(meter) for meter in sorted(meters, key=lambda meter: meter.meter_id))
    texts = {column: [each.text(column) for each in places] for column in TEXT_COLUMNS}
    names = {code: transformer.name for code, transformer in by_transformer.items()}
    sought = (texts[column] for column in ("serial", "name", "address", "usage_point", "transformer"))
    haystack = [fold("\n".join((*fields, names.get(fields[-1], "")))) for fields in zip(*sought, strict=True)]
    return RegistryIndex(
        version=version,
        places=places,
        meter_id=np.array([each.meter.meter_id for each in places], dtype=np.int32),
        codes={
            "division": _codes([each.division for each in places]),
            "category": _codes(texts["category"], [category.value for category in MeterCategory]),
            "transformer": _codes(texts["transformer"]),
            "feeder": _codes(texts["feeder"]),
            "tower": _codes([each.meter.group for each in places]),
            "maker": _codes(texts["maker"]),
        },
        ranks={column: _ranks(values) for column, values in texts.items()},
        search=TextSearch(haystack),
        divisions={division.code: division for division in divisions},
        transformers=by_transformer,
    )


def _codes(values: Sequence[str], names: Sequence[str] = ()) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    number = {name: code for code, name in enumerate(names or sorted(set(values)))}
    return np.array([number[value] for value in values], dtype=np.int32), tuple(number)


def _ranks(values: Sequence[str]) -> NDArray[np.int32]:
    """Equal texts keep the order of their rows, so a rank is unique and paging is stable."""
    order = pc.sort_indices(pa.array([fold(value) for value in values], pa.string())).to_numpy()
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[order] = np.arange(len(values), dtype=np.int32)
    return ranks
