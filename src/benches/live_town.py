"""A city's registry and day in the records, for the control room to start on: by direct insert, in a minute.

Names and addresses are Hindi for every third home. The day is half over: blocks until noon, three instantaneous
values, a contact an hour since yesterday, one tower silent for three hours, two meters in a hundred hard to reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Table, insert

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records, tables
from bijlighar.records.database import next_number
from bijlighar.records.segment import CONTACT, CONTACT_SCHEMA, FORMAT

DAY = civil_day(date(2026, 6, 15))
NOW_S = DAY.start_s + 12 * 3600
METERS_A_TRANSFORMER = 116
TRANSFORMERS_A_FEEDER = 12
FEEDERS_A_SUBSTATION = 8
MAKERS = ("Genus", "L&T", "HPL", "Secure")
PLACES = ("Bijlighar Parade", "Jajmau", "बिजलीघर परेड", "Kalyanpur", "गोविंद नगर", "Civil Lines")
SILENT_TOWER = 3
SILENT_HOURS = (26, 29)
"""Hours since yesterday's midnight: two to five in the morning."""

HARD_TO_REACH = 0.02
SEGMENT_METERS = 20_000
_ROWS_AN_INSERT = 20_000
_LABELS = {"bijlighar.format": FORMAT, "bijlighar.kind": CONTACT, "bijlighar.period_s": "0"}


def write_registry(records: Records, meters: int) -> None:
    """Fill the registry's tables."""
    transformers = -(-meters // METERS_A_TRANSFORMER)
    feeders = -(-transformers // TRANSFORMERS_A_FEEDER)
    substations = -(-feeders // FEEDERS_A_SUBSTATION)
    divisions = max(1, substations // 4)
    sheets: dict[Table, Iterable[dict[str, Any]]] = {
        tables.divisions: (
            {"code": f"D{n}", "name": f"Division {n}", "name_hi": f"खंड {n}"} for n in range(divisions)
        ),
        tables.substations: (
            {"code": f"S{n:03}", "name": f"Substation {n}", "division": f"D{n % divisions}"}
            for n in range(substations)
        ),
        tables.feeders: (_feeder(n) for n in range(feeders)),
        tables.transformers: (_transformer(n) for n in range(transformers)),
        tables.usage_points: (_usage_point(n) for n in range(meters)),
        tables.meters: (_meter(n) for n in range(meters)),
        tables.installations: (_installation(n) for n in range(meters)),
    }
    with records._database.write() as connection:  # noqa: SLF001 (the import would take minutes)
        next_number(connection, "registry")
        for table, rows in sheets.items():
            waiting = iter(rows)
            while some := list(islice(waiting, _ROWS_AN_INSERT)):
                connection.execute(insert(table), some)


def _feeder(number: int) -> dict[str, Any]:
    substation = f"S{number // FEEDERS_A_SUBSTATION:03}"
    return {"code": f"F{number:04}", "name": f"Feeder {number}", "substation": substation, "limit_a": 200}


def _transformer(number: int) -> dict[str, Any]:
    feeder = f"F{number // TRANSFORMERS_A_FEEDER:04}"
    return {"code": f"T{number:05}", "name": f"Transformer {number}", "feeder": feeder, "rating_kva": 100}


def _installation(number: int) -> dict[str, Any]:
    long_ago_s = DAY.start_s - 90 * 86_400
    return {"meter_id": number + 1, "usage_point": f"UP{number:07}", "installed_s": long_ago_s}


def name_of(number: int) -> str:
    """The name of a home."""
    return f"राम कुमार {number % 997}" if number % 3 == 0 else f"Sunita Verma {number % 997}"


def _usage_point(number: int) -> dict[str, Any]:
    return {
        "code": f"UP{number:07}",
        "kind": "consumer",
        "name": name_of(number),
        "transformer": f"T{number // METERS_A_TRANSFORMER:05}",
        "phase": "RYB"[number % 3],
        "sanctioned_load_w": 2000,
        "address": f"{number % 313}/{number % 41}, {PLACES[number % len(PLACES)]}, Kanpur",
    }


def _meter(number: int) -> dict[str, Any]:
    return {
        "meter_id": number + 1,
        "serial": f"GP{10_000_000 + number}",
        "system_title": (0x424A4C0000000000 + number).to_bytes(8, "big"),
        "category": "D2" if number % 17 == 0 else "D1",
        "model": "is15959-d1",
        "host": "127.16.0.1",
        "port": 4059,
        "communication_group": f"tower-{tower_of(np.array([number]))[0]}",
        "maker": MAKERS[number % len(MAKERS)],
    }


def tower_of(number: NDArray[Any]) -> NDArray[np.int64]:
    """The tower of meters, counted from 0: one a substation."""
    return np.asarray(number // (METERS_A_TRANSFORMER * TRANSFORMERS_A_FEEDER * FEEDERS_A_SUBSTATION))


def land_day(records: Records, meters: int) -> None:
    """Yesterday's and today's rows and contacts, as segments of some million rows."""
    draw = np.random.default_rng(7)
    for first in range(0, meters, SEGMENT_METERS):
        number = np.arange(first, min(first + SEGMENT_METERS, meters))
        records.landing.land(list(_readings(number, draw)), [])
        _land_contacts(records, number, draw)


def _readings(number: NDArray[np.int64], draw: np.random.Generator) -> Iterator[ReadingBatch]:
    for back, blocks in ((1, 48), (0, 24)):
        start_s = DAY.start_s - back * 86_400
        held = np.arange(blocks)
        yield _batch(
            ProfileKind.BLOCK_LOAD,
            number,
            start_s + held * 1800,
            delay_s=draw.integers(1900, 5400, len(number)),
            period_s=1800,
            import_wh=draw.integers(0, 90, len(number) * blocks) * 10,
        )
        instants = start_s + np.arange(0, blocks, 8) * 1800 + 300
        rows = len(number) * len(instants)
        yield _batch(
            ProfileKind.INSTANTANEOUS,
            number,
            instants,
            delay_s=draw.integers(5, 60, len(number)),
            active_power_w=draw.integers(0, 4000, rows),
            voltage_mv=draw.integers(215_000, 245_000, rows),
            import_wh=draw.integers(1_000_000, 9_000_000, rows),
            signal_dbm=draw.integers(-108, -70, rows),
            relay_closed=np.ones(rows, dtype=np.int64),
        )
    yield _batch(
        ProfileKind.DAILY,
        number,
        np.array([DAY.start_s]),
        delay_s=draw.integers(120, 7200, len(number)),
        import_wh=draw.integers(1_000_000, 9_000_000, len(number)),
    )


def _batch(
    kind: ProfileKind,
    number: NDArray[np.int64],
    starts: NDArray[np.int64],
    *,
    delay_s: NDArray[np.int64],
    period_s: int = 0,
    **channels: NDArray[np.int64],
) -> ReadingBatch:
    start_s = np.tile(starts, len(number))
    return ReadingBatch(
        kind=kind,
        period_s=period_s,
        meter_id=np.repeat(number + 1, len(starts)).astype(np.int32),
        start_s=start_s,
        received_s=start_s + np.repeat(delay_s, len(starts)),
        channels=dict(channels),
    )


def _land_contacts(records: Records, number: NDArray[np.int64], draw: np.random.Generator) -> None:
    """Written as a segment at once: a list of a million contacts would be the benchmark's own weight."""
    hours = np.arange(36)
    meter, hour = np.repeat(number, len(hours)), np.tile(hours, len(number))
    started_s = DAY.start_s - 86_400 + hour * 3600 + draw.integers(0, 3500, len(meter))
    hard = np.isin(meter, number[draw.random(len(number)) < HARD_TO_REACH])
    silent = (tower_of(meter) == SILENT_TOWER) & (hour >= SILENT_HOURS[0]) & (hour < SILENT_HOURS[1])
    lost = silent | (draw.random(len(meter)) < np.where(hard, 0.6, 0.005))
    table = pa.table(
        {
            "meter_id": (meter + 1).astype(np.int32),
            "started_ms": started_s * 1000,
            "purpose": pa.repeat("instantaneous+block-load", len(meter)),
            "outcome": pa.array(np.where(lost, Outcome.NO_ANSWER.value, Outcome.OK.value)),
            "attempt": np.ones(len(meter), dtype=np.int32),
            "latency_ms": pa.array(draw.integers(200, 3000, len(meter)), mask=lost),
            "clock_offset_ms": pa.array(draw.integers(-3000, 3000, len(meter)), mask=lost),
            "signal_dbm": pa.array(draw.integers(-108, -70, len(meter)).astype(np.int32), mask=lost),
            "octets_sent": np.full(len(meter), 400),
            "octets_received": np.where(lost, 0, 1400),
            "rows": np.where(lost, 0, 3),
            "detail": pa.repeat("", len(meter)),
        }
    ).cast(CONTACT_SCHEMA)
    order = np.lexsort((table["started_ms"].to_numpy(), table["meter_id"].to_numpy()))
    segment = records.landing.write(table.take(order).replace_schema_metadata(_LABELS), date(2026, 6, 15))
    records.manifest.commit([segment])


def make(folder: Path, meters: int) -> None:
    """Records of a city in ``folder``."""
    with Records(None, folder, now=lambda: NOW_S) as records:
        write_registry(records, meters)
        land_day(records, meters)
