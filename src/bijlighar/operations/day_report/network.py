"""The registry in columns, as the day's totals need it: which meter measured what on a day, what hangs on what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.network import UsagePointKind
from bijlighar.cim.period import Period
from bijlighar.operations.day_service import FOR_EVER_S
from bijlighar.records import Records
from bijlighar.records.registry_columns import InstallationColumns

KINDS = tuple(kind.value for kind in UsagePointKind)
CONSUMER, TRANSFORMER, FEEDER = (KINDS.index(kind.value) for kind in UsagePointKind)
NOWHERE = -1


@dataclass(frozen=True, kw_only=True)
class DayNetwork:
    """Meters of a day by number (arrays [meter number], 0 unused), and the places above them.

    kind           int8   CONSUMER, TRANSFORMER, FEEDER; NOWHERE: it was at no usage point on that day
    start_s, end_s int64  when it came and went; 0 and FOR_EVER_S where no bound is known
    make, model    int32  place in ``makes`` and ``models``
    times, parts   int64  what it counts is to be multiplied and divided by: transformers in front of it; else 1
    far_voltage    bool   a voltage transformer stands in front of it: its volts are not the supply's
    transformers   codes; by their place ``feeder_of``, ``substation_of``, ``division_of`` int64: places in the
                   other tuples, -1 where the registry has none
    """

    kind: NDArray[np.int8]
    start_s: NDArray[np.int64]
    end_s: NDArray[np.int64]
    make: NDArray[np.int32]
    model: NDArray[np.int32]
    times: NDArray[np.int64]
    parts: NDArray[np.int64]
    far_voltage: NDArray[np.bool_]
    makes: tuple[str, ...]
    models: tuple[str, ...]
    transformers: tuple[str, ...]
    feeders: tuple[str, ...]
    substations: tuple[str, ...]
    divisions: tuple[str, ...]
    feeder_of: NDArray[np.int64]
    substation_of: NDArray[np.int64]
    division_of: NDArray[np.int64]


def read_network(records: Records, day: Period) -> DayNetwork:
    """The registry as it was on a day. Raises Unavailable."""
    installed = records.registry.installation_columns()
    start_s, end_s = _bounds(installed)
    mine = np.flatnonzero((start_s < day.end_s) & (end_s > day.start_s))  # by start: the last of the day wins
    meter = installed.meter_id[mine]
    size = int(installed.meter_id.max(initial=0)) + 1
    makes, make = _named(installed.maker[mine])
    models, model = _named(installed.model[mine])
    kind = np.array([KINDS.index(each) for each in installed.kind[mine].tolist()], dtype=np.int8)

    def by_meter(values: NDArray[np.generic], nothing: int) -> NDArray[np.generic]:
        spread = np.full(size, nothing, dtype=values.dtype)
        spread[meter] = values
        return spread

    ratios = installed.ratios[mine]
    told = (ratios[:, ::2] > 0) & (ratios[:, 1::2] > 0)
    registry = records.registry
    feeder_of = {each.code: each.feeder for each in registry.transformers()}
    substation_of = {each.code: each.substation for each in registry.feeders()}
    division_of = {each.code: each.division for each in registry.substations()}
    divisions = tuple(each.code for each in registry.divisions())
    substations = [substation_of.get(code, "") for code in feeder_of.values()]
    return DayNetwork(
        kind=by_meter(kind, NOWHERE).astype(np.int8),
        start_s=by_meter(start_s[mine], FOR_EVER_S).astype(np.int64),
        end_s=by_meter(end_s[mine], 0).astype(np.int64),
        make=by_meter(make, 0).astype(np.int32),
        model=by_meter(model, 0).astype(np.int32),
        times=by_meter(np.where(told, ratios[:, ::2], 1).prod(axis=1), 1).astype(np.int64),
        parts=by_meter(np.where(told, ratios[:, 1::2], 1).prod(axis=1), 1).astype(np.int64),
        far_voltage=by_meter(told[:, 1], 0).astype(bool),
        makes=makes,
        models=models,
        transformers=tuple(feeder_of),
        feeders=tuple(substation_of),
        substations=tuple(division_of),
        divisions=divisions,
        feeder_of=places(feeder_of.values(), substation_of),
        substation_of=places(substations, division_of),
        division_of=places([division_of.get(code, "") for code in substations], divisions),
    )


def _bounds(installed: InstallationColumns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When each came and went. As ``day_service.stays``: whoever was first there was there before the registry."""
    first = np.zeros(len(installed), dtype=bool)
    _, of_meter = np.unique(installed.meter_id, return_index=True)
    first[of_meter] = True
    seen: dict[str, int] = {}
    for row, point in enumerate(installed.usage_point.tolist()):
        seen.setdefault(point, row)
    of_point = np.zeros(len(installed), dtype=bool)
    of_point[list(seen.values())] = True
    start_s = np.where(first & of_point, 0, installed.installed_s)
    return start_s, np.where(installed.removed_s < 0, FOR_EVER_S, installed.removed_s)


def _named(texts: NDArray[np.object_]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    names = sorted(set(texts.tolist()))
    number = {name: place for place, name in enumerate(names)}
    return tuple(names), np.array([number[text] for text in texts.tolist()], dtype=np.int32)


def places(codes: Iterable[str], among: Iterable[str]) -> NDArray[np.int64]:
    """Place of each code among the keys, -1 for one that is not there."""
    number = {code: place for place, code in enumerate(among)}
    return np.array([number.get(code, -1) for code in codes], dtype=np.int64)
