"""The control room of a city in a process of its own, so that what it needs is told apart from who made the city.

Seconds are CPU seconds of that process, so that a busy machine does not change them.

``python -m benches.live_worker FOLDER`` prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benches.live_town import DAY, NOW_S
from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import civil_date
from bijlighar.cim.readings import ReadingBatch
from bijlighar.controlroom.meter_list import MeterQuery, list_meters
from bijlighar.controlroom.room import ControlRoom, open_room
from bijlighar.controlroom.settings import Settings
from bijlighar.records import Records

ROUNDS = 12
"""How often each question is asked: the slowest of a hundred questions of a kind is what p95 is about."""

BATCH_ROWS = 10_000

LISTS = {
    "plain": MeterQuery(),
    "far": MeterQuery(offset=250_000, limit=100),
    "by-power": MeterQuery(sort="power_w", descending=True, limit=100),
    "by-name": MeterQuery(sort="name", limit=100),
    "by-last-contact": MeterQuery(sort="last_contact", offset=150_000, limit=100),
    "silent": MeterQuery(state="silent", limit=100),
    "division": MeterQuery(division="D1", sort="success_rate", limit=100),
    "tower": MeterQuery(tower="tower-3", sort="signal_dbm", limit=100),
}
SEARCHES = {
    "serial-part": MeterQuery(q="1012{n}", limit=100),
    "whole-serial": MeterQuery(q="GP102{n}9999", limit=100),
    "english": MeterQuery(q="sunita verma {n}", limit=100),
    "hindi": MeterQuery(q="राम कुमार {n}", limit=100),
    "hindi-place": MeterQuery(q="गोविंद {n}", sort="power_w", limit=100),
    "three-words": MeterQuery(q="verma jajmau {n}", limit=100),
    "nothing": MeterQuery(q="nobody at {n}", limit=100),
}
"""{n} is another number each round, so that no answer is one that was given before."""


class _Clock:
    def now(self) -> float:
        return float(NOW_S)

    async def sleep_until(self, instant_s: float) -> None:
        del instant_s


def main(folder: Path) -> dict[str, Any]:
    """Start, measure, tell."""
    began_s = time.process_time()
    with Records(None, folder, now=_Clock().now) as records:
        room = open_room(Settings(data_dir=str(folder)), records, _Clock())
        started_s = time.process_time() - began_s
        figures: dict[str, Any] = {
            "meters": len(room.index),
            "start_s": round(started_s, 2),
            "rss_mb": _rss_mb(),
            "rss_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        figures |= _applying(room)
        figures |= _asking(room, "list", LISTS) | _asking(room, "search", SEARCHES)
        figures |= _levels(room)
    return figures


def _rss_mb() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


def _took_ms(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) * 1000


def _asking(room: ControlRoom, name: str, queries: dict[str, MeterQuery]) -> dict[str, Any]:
    """As the API does: the page and its JSON."""
    took: dict[str, list[float]] = {each: [] for each in queries}
    for number in range(ROUNDS):
        for each, template in queries.items():
            query = msgspec.structs.replace(template, q=template.q.format(n=number))
            took[each].append(_took_ms(partial(_page, room, query)))
    every = [ms for some in took.values() for ms in some]
    return {
        f"{name}_ms_p50": round(float(np.percentile(every, 50)), 1),
        f"{name}_ms_p95": round(float(np.percentile(every, 95)), 1),
        f"{name}_ms": {each: round(float(np.median(some)), 1) for each, some in took.items()},
    }


def _page(room: ControlRoom, query: MeterQuery) -> bytes:
    return msgspec.json.encode(list_meters(room.index, room.live, query, now_s=room.now()))


def _applying(room: ControlRoom) -> dict[str, Any]:
    draw = np.random.default_rng(1)
    readings, contacts, flushes = [], [], []
    for round_ in range(ROUNDS):
        meters = draw.permutation(len(room.index))[:BATCH_ROWS] + 1
        readings.append(_took_ms(partial(room.take, _batch(meters, round_))))
        contacts.append(_took_ms(partial(room.take, _contacts(meters, round_))))
        flushes.append(_took_ms(room.flush))
    return {
        "apply_us_per_row": round(float(np.median(readings)) * 1000 / BATCH_ROWS, 3),
        "apply_contacts_us_per_row": round(float(np.median(contacts)) * 1000 / BATCH_ROWS, 3),
        "flush_ms_p95": round(float(np.percentile(flushes, 95)), 1),
    }


def _batch(meters: np.ndarray[Any, Any], round_: int) -> ReadingBatch:
    start_s = np.full(len(meters), int(NOW_S) - 60 + round_)
    return ReadingBatch(
        kind=ProfileKind.INSTANTANEOUS,
        period_s=0,
        meter_id=meters.astype(np.int32),
        start_s=start_s,
        received_s=start_s,
        channels={
            "active_power_w": np.arange(len(meters)),
            "voltage_mv": np.full(len(meters), 230_000),
            "import_wh": np.arange(len(meters)),
            "relay_closed": np.ones(len(meters), dtype=np.int64),
        },
    )


def _contacts(meters: np.ndarray[Any, Any], round_: int) -> list[Contact]:
    return [
        Contact(
            meter_id=int(meter),
            started_ms=(int(NOW_S) - 60 + round_) * 1000,
            purpose="instantaneous",
            outcome=Outcome.OK,
            clock_offset_ms=12,
            signal_dbm=-80,
        )
        for meter in meters
    ]


def _levels(room: ControlRoom) -> dict[str, Any]:
    """Yesterday's service levels, judged as the control room does when nobody has asked before."""
    yesterday = civil_date(DAY.start_s - 3600)
    took_ms = _took_ms(lambda: room.levels.document(room.records, yesterday, float(NOW_S)))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"levels_s": round(took_ms / 1000, 2), "rss_after_levels_peak_mb": peak_mb}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
