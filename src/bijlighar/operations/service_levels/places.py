"""The registry as service levels see it: meters in columns, by division, feeder, transformer, make and tower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.period import Period
from bijlighar.mdm.service_levels.faults import Grouping
from bijlighar.records import Records

DIMENSIONS = ("division", "feeder", "transformer", "make", "tower")
"""By what levels are told; the names that faults are told by are among them."""

USUAL_S = {MeterCategory.D4: 900}
DEFAULT_S = 1800
"""Block length of a meter that has told none (IS 15959): half an hour for homes, a quarter for transformers."""


@dataclass(frozen=True, kw_only=True)
class NamedGroups:
    """``grouping`` of the meters; ``codes`` and ``names`` (English, Hindi; "" where there is none) by group."""

    grouping: Grouping
    codes: tuple[str, ...]
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class MeterPlaces:
    """Meters in service, by number. A meter's place is its row here.

    meter_id int32[meter], installed_s int64[meter], usual_s int32[meter]: block length until it has told its own
    """

    version: int
    meter_id: NDArray[np.int32]
    installed_s: NDArray[np.int64]
    usual_s: NDArray[np.int32]
    serials: tuple[str, ...]
    groups: Mapping[str, NamedGroups]
    row_of: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.meter_id)

    def rows_of(self, meter_id: NDArray[np.int64]) -> NDArray[np.intp]:
        """Places of meters, -1 for those that are not in service."""
        known = (meter_id >= 0) & (meter_id < len(self.row_of))
        return np.where(known, self.row_of[np.where(known, meter_id, 0)], -1).astype(np.intp)

    def counted(self, day: Period) -> NDArray[np.bool_]:
        """bool[meter]: in service since before the day began, so that the whole day is expected of it."""
        return np.asarray(self.installed_s <= day.start_s)


def read_places(records: Records) -> MeterPlaces:
    """The registry as it stands. Raises Unavailable."""
    registry = records.registry
    version = registry.version()
    meters = registry.meters()
    points = {point.code: point.transformer for point in registry.usage_points()}
    feeder_of = {each.code: each.feeder for each in registry.transformers()}
    substation_of = {each.code: each.substation for each in registry.feeders()}
    division_of = {each.code: each.division for each in registry.substations()}
    transformer = [points.get(meter.usage_point, "") for meter in meters]
    feeder = [feeder_of.get(code, "") for code in transformer]
    division = [division_of.get(substation_of.get(code, ""), "") for code in feeder]
    return places_of(
        records, version=version, meters=meters, transformer=transformer, feeder=feeder, division=division
    )


def places_of(
    records: Records,
    *,
    version: int,
    meters: Sequence[Meter],
    transformer: Sequence[str],
    feeder: Sequence[str],
    division: Sequence[str],
) -> MeterPlaces:
    """The same from meters that have been read already, by number, with the codes of what they hang on.

    Raises Unavailable: names and dates of installation come from the records.
    """
    registry = records.registry
    since_s = registry.in_service_since()
    numbers = np.array([meter.meter_id for meter in meters], dtype=np.int32)
    row_of = np.full(int(numbers.max(initial=0)) + 1, -1, dtype=np.int32)
    row_of[numbers] = np.arange(len(numbers), dtype=np.int32)
    return MeterPlaces(
        version=version,
        meter_id=numbers,
        installed_s=np.array([since_s.get(meter.meter_id, 0) for meter in meters], dtype=np.int64),
        usual_s=np.array([USUAL_S.get(meter.category, DEFAULT_S) for meter in meters], dtype=np.int32),
        serials=tuple(meter.serial for meter in meters),
        groups={
            "division": _named(division, {each.code: (each.name, each.name_hi) for each in registry.divisions()}),
            "feeder": _named(feeder, {each.code: (each.name, "") for each in registry.feeders()}),
            "transformer": _named(transformer, {each.code: (each.name, "") for each in registry.transformers()}),
            "make": _named([meter.maker for meter in meters], {}),
            "tower": _named([meter.group for meter in meters], {}),
        },
        row_of=row_of,
    )


def _named(codes: Iterable[str], names: Mapping[str, tuple[str, str]]) -> NamedGroups:
    every = list(codes)
    known = sorted({code for code in every if code})
    number = {code: place for place, code in enumerate(known)} | {"": -1}
    column = np.array([number[code] for code in every], dtype=np.int32)
    return NamedGroups(
        grouping=Grouping(code=column, groups=len(known)),
        codes=tuple(known),
        names=tuple(names.get(code, ("", "")) for code in known),
    )
