"""``city``: a day of a whole city read by the product, over real sockets, landed durably, and compared.

Meterlab serves the city from a process of its own; head-end processes, the product's own in all their parts with
SQLite records in a temporary folder, share the meters by leases and read them. One head-end and the simulator have
a core each; several head-ends and the simulator share all cores. A visit is TCP connect, the association of the
meter's make, clock, the blocks of the day in blocks of 1,024 octets, release. ``lost`` counts slots that are not
durable, stand twice, or differ from what meterlab holds: imported energy of every home, all of a sample.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from benches.city_town import DAY, SEED, START_S, Compared, compare, enrol, slots_of
from benches.report import Goal, Report, say
from benches.session import Worker
from bijlighar.controlroom.ports import free_port
from bijlighar.headend.clock import TownClock
from meterlab.city import city
from meterlab.town import Town

METERS: Final = 10_000
HEADENDS: Final = 2
"""One for each core of the machine that a city is to be read with; each would leave half of the other idle."""

SAMPLE: Final = 300
"""Meters of which every column is compared: those above homes first, then homes spread over the city."""

WHOLE: Final = 300_000
WALL_GOAL_S: Final = 120.0
"""For the whole city; a part of it has its part of the time."""

SESSION_GOAL_US: Final = 120.0
QUIET_S: Final = 60.0
"""Without a row for so long, nothing more will come."""

POLL_S: Final = 0.5
_READY_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the head-ends told at the end, together, and what all processes cost meanwhile."""

    told: dict[str, Any]
    headends: int
    load_s: float
    simulator_start_s: float
    simulator_cpu_s: float
    simulator_rss_mb: float


def run(meters: int = METERS, sample: int = SAMPLE, headends: int = HEADENDS) -> Report:
    """Measure. ``meters`` homes; the meters of their transformers and feeders come with them."""
    town = city(SEED, meters)
    rows = int(slots_of(town).sum())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        begun = time.perf_counter()
        say(f"city: {len(town)} meters and {rows} blocks; writing their records")
        enrol(town, folder, port)
        say(f"city: records written in {time.perf_counter() - begun:.0f} s; starting")
        read = _read(meters, folder, port, rows, headends)
        say(f"city: read in {read.told['wall_s']:.1f} s, {read.told['outcomes']}; comparing")
        compared = compare(town, folder, _sample(town, sample))
    return _report(town, read, compared)


def _sample(town: Town, count: int) -> list[int]:
    above = np.arange(town.consumers, len(town))
    few = above[np.linspace(0, len(above) - 1, min(count // 10, len(above))).astype(int)]
    homes = np.linspace(0, town.consumers - 1, min(count - len(few), town.consumers)).astype(int)
    return sorted({*few.tolist(), *homes.tolist()})


def _read(meters: int, folder: Path, port: int, rows: int, headends: int) -> Read:
    """Read the city until every row has landed, or none comes any more."""
    clock_file = folder / "clock"
    TownClock.create(clock_file, start_s=START_S, speed=1.0)
    alone = headends == 1
    with ExitStack() as stack:
        begun = time.perf_counter()
        simulator = _Simulator(meters, port, clock_file, core=0 if alone else None)
        stack.callback(simulator.stop)
        start_s = time.perf_counter() - begun
        begun = time.perf_counter()
        workers = []
        for number in range(1, headends + 1):
            arguments = ["-m", "benches.city_headend", str(folder), str(clock_file), str(number)]
            worker = Worker(f"head-end {number}", _on_core(1 if alone else None, arguments), 0)
            stack.callback(worker.stop)
            workers.append(worker)
        for worker in workers:
            worker.line()
        before_s = simulator.cpu_s()
        load_s = time.perf_counter() - begun
        say(f"city: the head-ends know their meters after {load_s:.1f} s")
        told = _until_landed(workers, rows)
        return Read(
            told=told,
            headends=headends,
            load_s=load_s,
            simulator_start_s=start_s,
            simulator_cpu_s=simulator.cpu_s() - before_s,
            simulator_rss_mb=simulator.rss_mb(),
        )


def _until_landed(workers: Sequence[Worker], rows: int) -> dict[str, Any]:
    told: dict[str, Any] = {"rows": 0}
    since = said = time.perf_counter()
    while told["rows"] < rows and time.perf_counter() - since < QUIET_S:
        time.sleep(POLL_S)
        now, before = time.perf_counter(), told["rows"]
        told = _together([json.loads(worker.ask("")) for worker in workers])
        since = now if told["rows"] > before else since
        if now - said > 10:
            said = now
            say(f"city: {told['rows']} of {rows} rows after {told['wall_s']:.0f} s")
    return told


def _together(told: list[dict[str, Any]]) -> dict[str, Any]:
    """From the first head-end that began until the last row has landed; all that they cost."""
    counts = {name: Counter[str]() for name in ("outcomes", "details")}
    for one in told:
        for name, count in counts.items():
            count.update(one[name])
    began = [one["began_s"] for one in told]
    return {
        **{name: sum(one[name] for one in told) for name in ("rows", "octets", "cpu_s", "rss_mb")},
        "outcomes": dict(counts["outcomes"]),
        "details": dict(counts["details"].most_common(3)),
        "wall_s": max(one["landed_s"] for one in told) - min(began),
    }


def _on_core(core: int | None, arguments: list[str]) -> list[str]:
    """A Python command that runs on one core where there are several; None: on any."""
    pinned = core is not None and len(os.sched_getaffinity(0)) > 1
    return [*(["taskset", "-c", str(core)] if pinned else []), sys.executable, *arguments]


class _Simulator:
    """``meterlab serve --town city`` as a process of its own."""

    def __init__(self, meters: int, port: int, clock_file: Path, *, core: int | None) -> None:
        arguments = ["-m", "meterlab", "serve", "--town", "city", "--meters", str(meters), "--seed", str(SEED)]
        arguments += ["--port", str(port), "--clock", str(clock_file)]
        self._process = subprocess.Popen(
            _on_core(core, arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "ready" not in line:
            raise RuntimeError(f"meterlab did not start: {line!r}")

    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() / 1e6

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _report(town: Town, read: Read, compared: Compared) -> Report:
    told, count = read.told, len(town)
    session_us = read.simulator_cpu_s / count * 1e6
    figures: dict[str, Any] = {
        "meters": count,
        "headends": read.headends,
        "wall_s": round(told["wall_s"], 2),
        "lost": compared.lost,
        "cpu_us_per_meter": round(told["cpu_s"] / count * 1e6, 1),
        "rss_mb": round(told["rss_mb"], 1),
        "rows": compared.landed,
        "values_compared": compared.values,
        "outcomes": told["outcomes"],
        "load_s": round(read.load_s, 1),
        "simulator_us_per_session": round(session_us, 1),
        "simulator_start_s": round(read.simulator_start_s, 2),
        "simulator_rss_mb": round(read.simulator_rss_mb, 1),
    }
    if told["details"]:
        figures["details"] = told["details"]
    return Report(
        name="city",
        input=f"town city of {town.consumers} homes, seed {SEED}; the blocks of day {DAY} since 1970 in Kanpur",
        figures=figures,
        goals=[
            Goal(figure="lost", measured=compared.lost, limit=0),
            Goal(figure="wall_s", measured=told["wall_s"], limit=round(WALL_GOAL_S * max(1, count) / WHOLE, 2)),
            Goal(figure="simulator_us_per_session", measured=round(session_us, 1), limit=SESSION_GOAL_US),
        ],
        versions={name: metadata.version(name) for name in ("pyarrow", "sqlalchemy")},
        simulator_cpu_share=read.simulator_cpu_s / max(1e-9, read.simulator_cpu_s + told["cpu_s"]),
    )
