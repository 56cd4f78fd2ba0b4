"""Records on a fresh database of either kind (``records_url`` of the conftest above), and rows for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records

DAY_S = 1_780_252_200  # 2026-06-01 00:00 in Asia/Kolkata

SHEETS = {
    "divisions.csv": "code,name,name_hi\nBJP,Bijlighar Parade,बिजलीघर परेड\n",
    "substations.csv": "code,name,division\nSS1,Parade 33/11,BJP\n",
    "feeders.csv": "code,name,substation,limit_a\nF1,Mall Road,SS1,400\n",
    "transformers.csv": "code,name,feeder,rating_kva,latitude,longitude\nT1,Sweet Home,F1,250,26.47,80.35\n",
    "usage_points.csv": "code,kind,name,transformer,phase,sanctioned_load_w,address,latitude,longitude\n"
    "UT1,transformer,Sweet Home DT,T1,RYB,0,,,\n"
    + "".join(f"U{n},consumer,Consumer {n},T1,R,{n}000,Flat {n},26.47,80.35\n" for n in range(1, 12)),
    "meters.csv": "serial,system_title,category,model,usage_point,host,port,group,maker\n"
    + "".join(
        f"BJ{n:04d},424A4C00000000{n:02X},D1,is15959-d1,U{n},127.16.0.{n},4059,tower-1,Bijli\n"
        for n in range(1, 12)
    )
    + "BJ0012,424A4C000000000C,D4,is15959-d4-transformer,UT1,127.16.0.12,4059,tower-1,Bijli\n",
    "keys.csv": "serial,encryption_key,authentication_key,reader_secret,setting_secret,master_key\n"
    + "".join(
        f"BJ{n:04d},{n:032x},{n + 100:032x},reader{n:02d},{n + 200:032x},{n + 300:032x}\n" for n in range(1, 13)
    ),
}


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Open records; the utility's clock stands at 06:00 of the first day."""
    with Records(records_url, tmp_path, now=lambda: DAY_S + 6 * 3600.0, busy_s=0.2) as opened:
        yield opened


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    """A folder of registry sheets: eleven consumers and their transformer."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name, content in SHEETS.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def trial(records: Records, sheets: Path) -> Records:
    """Records with the registry of the trial."""
    report = records.registry.import_folder(sheets, seal=lambda key: b"sealed " + key.serial.encode())
    assert not report.errors
    return records


@pytest.fixture
def day_s() -> int:
    """Midnight of 1 June 2026 in Kolkata."""
    return DAY_S


@pytest.fixture
def block_load() -> Callable[..., ReadingBatch]:
    """Makes block-load rows: each meter's slots from ``first``; the register is 1000 x meter + slot + ``more``."""

    def make(
        meters: range, slots: range, *, received_s: int = DAY_S + 86_400, more: int = 0, period_s: int = 1800
    ) -> ReadingBatch:
        meter_id = np.repeat(np.array(meters, dtype=np.int32), len(slots))
        slot = np.tile(np.array(slots, dtype=np.int64), len(meters))
        return ReadingBatch(
            kind=ProfileKind.BLOCK_LOAD,
            period_s=period_s,
            meter_id=meter_id,
            start_s=DAY_S + slot * period_s,
            received_s=np.full(len(slot), received_s, dtype=np.int64),
            channels={
                "import_wh": meter_id.astype(np.int64) * 1000 + slot + more,
                "voltage_mv": 230_000 + slot,
            },
        )

    return make
