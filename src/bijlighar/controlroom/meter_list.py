"""The meter list: search, filter, sort, page and facets over the registry index and the live columns.

Everything before the page's own rows is numpy over whole columns, so that 300,000 meters answer within
a tenth of a second.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.controlroom.instants import iso_ms
from bijlighar.controlroom.live import NO_OUTCOME, OUTCOMES, STATES, LiveColumns
from bijlighar.controlroom.registry_index import FACETS, FILTERS, TEXT_COLUMNS, MeterPlace, RegistryIndex, fold

MOST_ROWS_A_PAGE = 500
MOST_SEARCH_CHARACTERS = 100
MOST_SEARCH_WORDS = 5
"""Each word may be one pass over all names and addresses."""
MOST_FACET_VALUES = 200
"""A city has 2,600 transformers; the page offers the fullest and a search finds the others."""

_FOLLOWS_TEXT = frozenset(TEXT_COLUMNS)
_LAST = np.iinfo(np.int64).max
SORT_COLUMNS = (
    "meter_id",
    *TEXT_COLUMNS,
    "last_contact",
    "last_outcome",
    "state",
    "power_w",
    "voltage_v",
    "signal_dbm",
    "success_rate",
    "clock_offset_s",
    "today_kwh",
)


class MeterQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What the list shall show. ``state`` is one of STATES or "all"; empty filters let everything through."""

    q: str = ""
    division: str = ""
    transformer: str = ""
    category: str = ""
    feeder: str = ""
    tower: str = ""
    maker: str = ""
    state: str = "all"
    sort: str = "serial"
    descending: bool = False
    offset: int = 0
    limit: int = 50


class MeterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One meter as the list shows it. Instants ISO 8601 UTC; None where nothing is known."""

    meter_id: int
    serial: str
    usage_point: str
    name: str
    address: str
    transformer: str
    feeder: str
    division: str
    category: str
    maker: str
    model: str
    last_contact: str | None
    last_outcome: str | None
    state: str
    power_w: int | None
    voltage_v: float | None
    signal_dbm: int | None
    success_rate: float | None
    clock_offset_s: float | None
    today_kwh: float | None


class MeterPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list. A facet counts what its value would give with all other filters kept."""

    total: int
    rows: list[MeterRow]
    facets: dict[str, dict[str, int]]


def list_meters(index: RegistryIndex, live: LiveColumns, query: MeterQuery, *, now_s: float) -> MeterPage:
    """The page that ``query`` asks for. ``live`` must have room for every meter of ``index``."""
    states = live.states(index.meter_id, now_s)
    masks = _masks(index, states, query)
    found = _matches(index, query.q)
    chosen = _all_of(found, masks, len(index))
    rows = np.flatnonzero(chosen)
    page = _page(_sort_key(index, live, query, states, rows), query)
    return MeterPage(
        total=len(rows),
        rows=[meter_row(index.places[row], live, int(states[row])) for row in rows[page].tolist()],
        facets={name: _facet(index, states, name, found, masks) for name in (*FACETS, "state")},
    )


def chosen_rows(index: RegistryIndex, live: LiveColumns, query: MeterQuery, *, now_s: float) -> NDArray[np.intp]:
    """Rows of the index that ``query`` lets through, all of them, in the order that it asks for."""
    states = live.states(index.meter_id, now_s)
    rows = np.flatnonzero(_all_of(_matches(index, query.q), _masks(index, states, query), len(index)))
    return rows[np.argsort(_sort_key(index, live, query, states, rows), kind="stable")]


def meter_row(place: MeterPlace, live: LiveColumns, state: int) -> MeterRow:
    """One meter's row; ``state`` is an index into STATES."""
    meter, point = place.meter, place.point
    n = meter.meter_id
    tried, outcome = int(live.tried_today[n]), int(live.outcome[n])
    return MeterRow(
        meter_id=n,
        serial=meter.serial,
        usage_point=meter.usage_point,
        name=point.name if point is not None else "",
        address=point.address if point is not None else "",
        transformer=point.transformer if point is not None else "",
        feeder=place.feeder,
        division=place.division,
        category=meter.category.value,
        maker=meter.maker,
        model=meter.model,
        last_contact=iso_ms(int(live.last_contact_ms[n])),
        last_outcome=None if outcome == NO_OUTCOME else OUTCOMES[outcome].value,
        state=STATES[state],
        power_w=whole(live.power_w[n]),
        voltage_v=scaled(live.voltage_mv[n], 1_000),
        signal_dbm=whole(live.signal_dbm[n]),
        success_rate=round(int(live.succeeded_today[n]) / tried, 4) if tried else None,
        clock_offset_s=scaled(live.clock_offset_ms[n], 1_000),
        today_kwh=scaled(live.today_wh[n], 1_000),
    )


def whole(value: np.int64 | int) -> int | None:
    """The number, or None for MISSING."""
    return None if value == MISSING else int(value)


def scaled(value: np.int64 | int, divisor: int) -> float | None:
    """The number divided, for people; None for MISSING."""
    return None if value == MISSING else int(value) / divisor


def _masks(
    index: RegistryIndex, states: NDArray[np.int8], query: MeterQuery
) -> dict[str, NDArray[np.bool_] | None]:
    masks = {name: _mask(index, name, getattr(query, name)) for name in FILTERS}
    return masks | {"state": states == STATES.index(query.state) if query.state in STATES else None}


def _mask(index: RegistryIndex, facet: str, wanted: str) -> NDArray[np.bool_] | None:
    if not wanted:
        return None
    codes, names = index.codes[facet]
    if wanted not in names:
        return np.zeros(len(index), dtype=np.bool_)
    chosen: NDArray[np.bool_] = codes == names.index(wanted)
    return chosen


def _matches(index: RegistryIndex, text: str) -> NDArray[np.bool_] | None:
    """Rows that hold every word somewhere; None when there is no word."""
    words = fold(text[:MOST_SEARCH_CHARACTERS]).split()[:MOST_SEARCH_WORDS]
    return index.search.rows_with(words) if words else None


def _all_of(
    found: NDArray[np.bool_] | None,
    masks: dict[str, NDArray[np.bool_] | None],
    rows: int,
    without: str = "",
) -> NDArray[np.bool_]:
    chosen = np.ones(rows, dtype=np.bool_) if found is None else found.copy()
    for name, mask in masks.items():
        if mask is not None and name != without:
            chosen &= mask
    return chosen


def _facet(
    index: RegistryIndex,
    states: NDArray[np.int8],
    name: str,
    found: NDArray[np.bool_] | None,
    masks: dict[str, NDArray[np.bool_] | None],
) -> dict[str, int]:
    codes, names = (states, STATES) if name == "state" else index.codes[name]
    chosen = _all_of(found, masks, len(index), without=name)
    counts = np.bincount(codes[chosen], minlength=len(names))
    if len(names) <= MOST_FACET_VALUES:
        fullest = list(range(len(names)))
    else:
        fullest = sorted(np.argsort(-counts, kind="stable")[:MOST_FACET_VALUES].tolist())
    return {names[code]: int(counts[code]) for code in fullest if counts[code] or name == "state"}


def _sort_key(
    index: RegistryIndex,
    live: LiveColumns,
    query: MeterQuery,
    states: NDArray[np.int8],
    rows: NDArray[np.intp],
) -> NDArray[np.int64]:
    """int64 by which ascending order is the order asked for; what is missing stands last either way."""
    meters = index.meter_id[rows]
    if query.sort in _FOLLOWS_TEXT:
        key = index.ranks[query.sort][rows].astype(np.int64)
    elif query.sort == "state":
        key = states[rows].astype(np.int64)
    elif query.sort == "success_rate":
        tried = live.tried_today[meters]
        rate = live.succeeded_today[meters] / np.maximum(tried, 1)
        key = np.where(tried == 0, MISSING, (rate * 1e6).astype(np.int64))
    elif query.sort == "last_outcome":
        outcome = live.outcome[meters].astype(np.int64)
        key = np.where(outcome == NO_OUTCOME, MISSING, outcome)
    elif query.sort == "meter_id":
        key = meters.astype(np.int64)
    else:
        key = getattr(live, _LIVE_COLUMN[query.sort])[meters]
    missing = key == MISSING
    return np.where(missing, _LAST, -key if query.descending else key)


_LIVE_COLUMN = {
    "last_contact": "last_contact_ms",
    "power_w": "power_w",
    "voltage_v": "voltage_mv",
    "signal_dbm": "signal_dbm",
    "clock_offset_s": "clock_offset_ms",
    "today_kwh": "today_wh",
}


def _page(key: NDArray[np.int64], query: MeterQuery) -> NDArray[np.intp]:
    """Positions of the page's rows. Equal keys stand in order of their rows, so pages never overlap."""
    end = min(query.offset + query.limit, len(key))
    if query.offset >= end:
        return np.empty(0, dtype=np.intp)
    # Only what lies before the page's end is sorted: a partition is linear, a sort of all is not.
    bound = np.partition(key, end - 1)[end - 1]
    below = np.flatnonzero(key < bound)
    equal = np.flatnonzero(key == bound)[: end - len(below)]
    head = np.concatenate((below[np.argsort(key[below], kind="stable")], equal))
    return head[query.offset : end]
