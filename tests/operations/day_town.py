"""A town of five meters for the tests of the day: two transformers, four consumers, one transformer meter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records

JUNE = date(2026, 6, 1)
NOW_S = civil_day(JUNE).end_s + 6 * 3600.0

SHEETS = {
    "divisions.csv": "code,name,name_hi\nD1,Parade,परेड\n",
    "substations.csv": "code,name,division\nSS1,Parade,D1\n",
    "feeders.csv": "code,name,substation,limit_a\nF1,Mall Road,SS1,400\n",
    "transformers.csv": "code,name,feeder,rating_kva,latitude,longitude\nT1,One,F1,100,,\nT2,Two,F1,63,,\n",
    "usage_points.csv": "code,kind,name,transformer,phase,sanctioned_load_w,address,latitude,longitude\n"
    "U1,consumer,Asha,T1,R,2000,,,\nU2,consumer,Bala,T1,Y,2000,,,\n"
    "U3,consumer,Chand,T2,R,2000,,,\nU4,consumer,Devi,T2,B,5000,,,\nUT1,transformer,One,T1,RYB,0,,,\n",
    "meters.csv": "serial,system_title,category,model,usage_point,host,port,group,maker\n"
    + "".join(
        f"BJ{n:04d},424A4C00000000{n:02X},D1,is15959-d1,U{n},127.16.0.{n},4059,tower-1,Bijli\n"
        for n in range(1, 5)
    )
    + "BJ0005,424A4C0000000005,D4,is15959-d4-transformer,UT1,127.16.0.5,4059,tower-1,Bijli\n",
}


def town(folder: Path, url: str, registry: Mapping[str, str] = SHEETS) -> Iterator[Records]:
    """Open records with the registry of the town, at six in the morning after the first of June."""
    sheets = folder / "sheets"
    sheets.mkdir()
    for name, content in registry.items():
        (sheets / name).write_text(content, encoding="utf-8")
    with Records(url, folder, now=lambda: NOW_S) as records:
        assert not records.registry.import_folder(sheets).errors
        yield records


def block_load(
    meters: Sequence[int],
    *,
    slots: Sequence[int] | None = None,
    period_s: int = 1800,
    more: int = 0,
    value: int | None = None,
    late_s: int = 0,
    day: date = JUNE,
) -> ReadingBatch:
    """Rows in which a meter says 1000 x its number + slot + ``more``, or ``value``; the whole day by default."""
    period = civil_day(day)
    chosen = range(period.seconds // period_s) if slots is None else slots
    meter_id = np.repeat(np.array(meters, dtype=np.int32), len(chosen))
    slot = np.tile(np.array(chosen, dtype=np.int64), len(meters))
    said = meter_id.astype(np.int64) * 1000 + slot + more
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=period_s,
        meter_id=meter_id,
        start_s=period.start_s + slot * period_s,
        received_s=np.full(len(slot), period.end_s + 3600 + late_s, dtype=np.int64),
        channels={"import_wh": said if value is None else np.full(len(slot), value, dtype=np.int64)},
    )


def registers(values: dict[int, int], at_s: int) -> ReadingBatch:
    """Midnight registers of imported energy."""
    return ReadingBatch(
        kind=ProfileKind.DAILY,
        period_s=0,
        meter_id=np.array(list(values), dtype=np.int32),
        start_s=np.full(len(values), at_s, dtype=np.int64),
        received_s=np.full(len(values), at_s + 3600, dtype=np.int64),
        channels={"import_wh": np.array(list(values.values()), dtype=np.int64)},
    )


def events(told: Sequence[tuple[int, int, int]]) -> ReadingBatch:
    """Events of ``(meter, code, instant)``."""
    table = np.array(told, dtype=np.int64)
    return ReadingBatch(
        kind=ProfileKind.EVENT,
        period_s=0,
        meter_id=table[:, 0].astype(np.int32),
        start_s=table[:, 2],
        received_s=table[:, 2] + 3600,
        channels={"event_code": table[:, 1], "event_log": np.full(len(table), 3, dtype=np.int64)},
    )
