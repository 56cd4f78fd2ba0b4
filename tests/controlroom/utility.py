"""The small utility that the control room's tests are about: three meters of one house and four people."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import argon2
import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import Nameplate
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.built_pages import PageFile
from bijlighar.records import Records
from bijlighar.records.people import Person

DAY = civil_day(date(2026, 6, 15))
NOON = DAY.start_s + 12 * 3600
NOW = NOON + 60.0
BLOCK_S = 1800
PASSWORD = "a long password"
PEOPLE = {
    "viewer": ("viewer",),
    "operator": ("operator",),
    "admin": ("administrator",),
    "nobody": (),
    "household": ("consumer",),
}

_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Tests sign in many times; the strength of the hash is argon2-cffi's own matter."""

PAGES = {
    name: PageFile(content=content, media_type=kind, cache_control=kept, encodings={})
    for name, content, kind, kept in (
        ("index.html", b"<!doctype html><title>bijlighar</title>", "text/html", "no-store"),
        ("assets/app-Ab12Cd34.js", b"0", "text/javascript", "public, max-age=31536000, immutable"),
    )
}

_SHEETS = {
    "divisions": "code,name,name_hi\nD1,Bijlighar Parade,बिजलीघर परेड\n",
    "substations": "code,name,division\nS1,Parade 33/11,D1\n",
    "feeders": "code,name,substation,limit_a\nF1,Mall Road,S1,300\n",
    "transformers": "code,name,feeder,rating_kva,latitude,longitude\nT1,Sweet Home,F1,100,26.47,80.35\n",
    "usage_points": (
        "code,kind,name,transformer,phase,sanctioned_load_w,address,latitude,longitude\n"
        "UP1,consumer,Asha Verma,T1,R,2000,Flat 1 Sweet Home,,\n"
        "UP2,consumer,Ravi Gupta,T1,Y,2000,Flat 2 Sweet Home,,\n"
        "UP3,transformer,Sweet Home transformer,T1,RYB,0,Mall Road,,\n"
    ),
    "meters": (
        "serial,system_title,category,model,usage_point,host,port,group,maker\n"
        "BJ0001,424a480000000001,D1,is15959-d1,UP1,127.16.0.1,4059,TOWER-1,Bijli\n"
        "BJ0002,424a480000000002,D1,is15959-d1,UP2,127.16.0.2,4059,TOWER-1,Bijli\n"
        "BJ0003,424a480000000003,D4,is15959-d4-transformer,UP3,127.16.0.3,4059,TOWER-1,Bijli\n"
    ),
}


def write_registry(folder: Path) -> Path:
    """The registry's sheets as files."""
    folder.mkdir()
    for name, text in _SHEETS.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def add_people(records: Records) -> None:
    """One person for each set of roles, all with PASSWORD."""
    for name, roles in PEOPLE.items():
        records.people.put(
            Person(name=name, display_name=name.title(), password_hash=_CHEAP.hash(PASSWORD), roles=roles)
        )


def batch(
    kind: ProfileKind,
    rows: list[tuple[int, int]],
    period_s: int = 0,
    received_s: int = NOON,
    **channels: list[int],
) -> ReadingBatch:
    """Rows of ``(meter_id, start_s)`` with their channels."""
    return ReadingBatch(
        kind=kind,
        period_s=period_s,
        meter_id=np.array([meter for meter, _ in rows], dtype=np.int32),
        start_s=np.array([start for _, start in rows], dtype=np.int64),
        received_s=np.full(len(rows), received_s, dtype=np.int64),
        channels={name: np.array(values, dtype=np.int64) for name, values in channels.items()},
    )


def fill(records: Records) -> None:
    """Meter 1: 24 blocks of today without the third, and yesterday whole; meter 2 was tried in vain."""
    today = [DAY.start_s + k * BLOCK_S for k in range(24) if k != 2]
    yesterday = [DAY.start_s - 86_400 + k * BLOCK_S for k in range(48)]
    starts = [*yesterday, *today]
    readings = [
        batch(
            ProfileKind.BLOCK_LOAD,
            [(1, start) for start in starts],
            period_s=BLOCK_S,
            import_wh=[100] * len(starts),
            voltage_mv=[231_500] * len(starts),
            current_ma=[MISSING, *[900] * (len(starts) - 1)],
        ),
        batch(
            ProfileKind.INSTANTANEOUS,
            [(1, NOON)],
            active_power_w=[740],
            voltage_mv=[229_900],
            frequency_millihz=[49_980],
            import_wh=[1_234_560],
            demand_w=[2_100],
            demand_w_time_s=[NOON - 3600],
            relay_closed=[1],
        ),
        batch(ProfileKind.DAILY, [(1, DAY.start_s - 86_400), (1, DAY.start_s)], import_wh=[1_229_000, 1_233_800]),
        batch(
            ProfileKind.EVENT,
            [(1, NOON - 7200), (1, NOON - 3600)],
            event_code=[101, 102],
            event_log=[2, 2],
        ),
    ]
    contacts = [
        _contact(1, NOON - BLOCK_S, Outcome.OK, latency_ms=412, clock_offset_ms=1500, signal_dbm=-87, rows=24),
        _contact(1, NOON, Outcome.OK, latency_ms=380, clock_offset_ms=1500, signal_dbm=-85, rows=1),
        _contact(2, NOON, Outcome.NO_ANSWER, detail="connection timed out"),
    ]
    records.landing.land(readings, contacts)
    records.nameplates.put_nameplate(
        Nameplate(
            meter_id=1,
            serial="BJ0001",
            device_id="BJI0001",
            manufacturer="Bijli",
            firmware="1.0.4",
            meter_type=6,
            category="D1",
            current_rating="5-30A",
            year=2025,
            read_s=NOON,
        )
    )


def _contact(meter: int, at_s: int, outcome: Outcome, **more: Any) -> Contact:
    return Contact(meter_id=meter, started_ms=at_s * 1000, purpose="block-load", outcome=outcome, **more)


def sign_in(client: Any, name: str) -> dict[str, str]:
    """Sign in and return the headers that an unsafe request needs."""
    client.get("/")
    headers = {"x-csrftoken": client.cookies["csrftoken"]}
    answer = client.post("/api/session", json={"name": name, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200, answer.text
    return headers
