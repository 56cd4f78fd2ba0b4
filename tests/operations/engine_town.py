"""A town of some hundred meters, each transformer in a bucket of its own, and two days of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm.measurements import Bill
from bijlighar.records import Records
from bijlighar.records.exceptions import Choice
from operations.day_town import SHEETS, events, registers

DAYS = [date(2026, 6, 1), date(2026, 6, 2)]
NOW_S = civil_day(DAYS[-1]).end_s + 30 * 3600.0
TRANSFORMERS = 6
HOMES = 40
"""Of each transformer."""


def _sheets() -> dict[str, str]:
    numbers = range(1, TRANSFORMERS + 1)
    points = [f"UT{t},transformer,Kiosk {t},T{t},RYB,0,,,\n" for t in numbers]
    meters = []
    for home in range(TRANSFORMERS * HOMES):
        transformer = home // HOMES + 1
        points.append(f"U{home:04d},consumer,Home {home},T{transformer},R,2000,,,\n")
        meters.append(
            f"BJ{home:05d},424A4C00{home:08X},D1,is15959-d1,U{home:04d},127.16.1.{home % 250},4059,tower-1,Bijli\n"
        )
    meters += [
        f"BT{t:05d},424A5400{t:08X},D4,is15959-d4-transformer,UT{t},127.17.0.{t},4059,tower-1,Bijli\n"
        for t in numbers
    ]
    return {
        **SHEETS,
        "transformers.csv": "code,name,feeder,rating_kva,latitude,longitude\n"
        + "".join(f"T{t},Number {t},F1,100,,\n" for t in numbers),
        "usage_points.csv": SHEETS["usage_points.csv"].split("\n")[0] + "\n" + "".join(points),
        "meters.csv": SHEETS["meters.csv"].split("\n")[0] + "\n" + "".join(meters),
    }


@contextmanager
def engine_town(folder: Path, url: str | None = None) -> Iterator[Records]:
    """Records with the registry, buckets and two landed days: gaps, corrections, registers, outages, a bill."""
    folder.mkdir(exist_ok=True)
    sheets = folder / "sheets"
    sheets.mkdir()
    for name, content in _sheets().items():
        (sheets / name).write_text(content, encoding="utf-8")
    with Records(url, folder, now=lambda: NOW_S) as records:
        assert not records.registry.import_folder(sheets).errors
        records.blocks.manifest.keep_places({f"T{number}": number for number in range(1, TRANSFORMERS + 1)})
        for day in DAYS:
            land(records, day)
        records.edits.add_bills(
            [Bill(meter_id=3, period=civil_day(DAYS[0]), reference="B-1", billed_s=civil_day(DAYS[0]).end_s)]
        )
        yield records


def land(records: Records, day: date, *, again: int = 0) -> None:
    """One day of every meter, by seed, in several segments; ``again`` other values that came ten hours later."""
    random = np.random.default_rng(day.toordinal() + 1000 * again)
    period = civil_day(day)
    homes = [m.meter_id for m in records.registry.meters() if m.serial.startswith("BJ")]
    kiosks = [m.meter_id for m in records.registry.meters() if m.serial.startswith("BT")]
    for some in np.array_split(np.array(homes, dtype=np.int32), 5):
        batch = _loads(some, day, 1800, random, late_s=again * 36_000)
        keep = random.random(len(batch)) > 0.03
        records.landing.land([_only(batch, keep)], [])
    records.landing.land(
        [_loads(np.array(kiosks, dtype=np.int32), day, 900, random, times=HOMES // 2, late_s=again * 36_000)], []
    )
    late = _loads(
        np.array(homes[::7], dtype=np.int32), day, 1800, random, received_s=period.end_s + 9000 + again * 36_000
    )
    records.landing.land([_only(late, random.random(len(late)) > 0.9)], [])
    at_start = {meter: int(day.toordinal() % 100) * 10_000 + meter * 10 for meter in homes}
    records.landing.land(
        [
            registers(at_start, period.start_s),
            registers({m: v + 10_000 for m, v in at_start.items()}, period.end_s),
        ],
        [],
    )
    begin = period.start_s + 10 * 3600
    told = [(m, code, begin + at) for m in homes[:20] for code, at in ((101, 0), (102, 5400))]
    records.landing.land([events(told)], [])


def _loads(
    meters: np.ndarray[Any, np.dtype[np.int32]],
    day: date,
    period_s: int,
    random: np.random.Generator,
    *,
    times: int = 1,
    received_s: int | None = None,
    late_s: int = 0,
) -> ReadingBatch:
    period = civil_day(day)
    slots = period.seconds // period_s
    wh = random.integers(0, 60, len(meters) * slots) * 10 * times
    start_s = period.start_s + np.tile(np.arange(slots, dtype=np.int64), len(meters)) * period_s
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=period_s,
        meter_id=np.repeat(meters, slots),
        start_s=start_s,
        received_s=start_s + 4000 + late_s if received_s is None else np.full(len(start_s), received_s),
        channels={
            "import_wh": wh,
            "import_vah": wh + 10,
            "voltage_mv": random.integers(210_000, 250_000, len(wh)),
            "current_ma": np.where(random.random(len(wh)) > 0.01, wh * 8, MISSING),
        },
    )


def _only(batch: ReadingBatch, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> ReadingBatch:
    return ReadingBatch(
        kind=batch.kind,
        period_s=batch.period_s,
        meter_id=batch.meter_id[rows],
        start_s=batch.start_s[rows],
        received_s=batch.received_s[rows],
        channels={name: column[rows] for name, column in batch.channels.items()},
    )


def everything(records: Records) -> dict[str, Any]:
    """All that the days' work left, but for the names of files: to be compared octet for octet."""
    told: dict[str, Any] = {}
    for day in DAYS:
        for file in records.blocks.day(day):
            key = f"{day}/{file.bucket}/{file.period_s}"
            told[key] = _octets(vars_of(records.blocks.read(file, day))), file.sha256
            kept = records.estimates.read(day, file.bucket, file.period_s)
            told[f"{key}/estimates"] = {name: _octets(vars_of(each)) for name, each in kept.by_channel.items()}
        found = records.exceptions.queue(Choice(first_day=day, last_day=day), limit=100_000)
        told[f"{day}/exceptions"] = sorted(
            (e.meter_id, e.rule, e.period_s, e.first_slot, e.end_slot, e.severity, e.measured, e.held_against)
            for e in found
        )
    return told


def vars_of(each: object) -> dict[str, Any]:
    """Its fields."""
    return {name: getattr(each, name) for name in each.__dataclass_fields__}  # type: ignore[attr-defined]


def _octets(fields: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            result[name] = _octets(value)
        elif isinstance(value, np.ndarray):
            result[name] = (
                value.tolist() if value.dtype == object else (str(value.dtype), value.shape, value.tobytes())
            )
        else:
            result[name] = value
    return result


def tomorrow() -> date:
    """The day after the last."""
    return DAYS[-1] + timedelta(days=1)
