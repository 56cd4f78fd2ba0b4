"""``push``: how many notifications a second one core of the head-end takes in, through real sockets.

Each is the instantaneous push of a D1 meter, 22 columns under general-glo, authenticated and encrypted, under a
new counter. The head-end is a process of its own that does all that it does in service: frame, verify, judge the
counter, dispatch, decode and translate in batches; ``…_landed`` also writes the rows and the counter windows
durably. Figures are notifications by CPU second (user and system, all threads) of that process, medians over
rounds; the sender, whose frames are sealed beforehand, is this process.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from benches.push_town import PushTown
from benches.report import Goal, Report, say
from benches.session import Worker

METERS: Final = 1_024
CONNECTIONS: Final = 64
ROUNDS: Final = 5
PUSHES: Final = 64_000
"""A round: some 0.6 s of CPU, far above what polling costs."""
FRESH: Final = 4_000
FRESH_AT_ONCE: Final = 1_000
"""Connections opened before it is waited for the other side, well within its backlog."""
WRITE_OCTETS: Final = 65_536
"""Written to one connection before the next has its turn."""
KEPT_GOAL: Final = 100_000.0
FRESH_GOAL: Final = 8_000.0

FIGURES: Final = {
    "notifications_per_s": ("none", True),
    "notifications_per_s_landed": ("landing", True),
    "notifications_per_s_fresh": ("none", False),
    "notifications_per_s_fresh_landed": ("landing", False),
}
"""Figure to kind of worker, and whether connections are kept."""


class HeadEndWorker(Worker):
    """The head-end's process."""

    def __init__(self, kind: str, folder: Path) -> None:
        super().__init__(kind, [sys.executable, "-m", "benches.push_worker", kind, str(folder)], 0)
        self.port = int(self.line())

    def passed(self, count: int) -> float:
        """CPU seconds since ``begin`` once ``count`` rows have passed. Raises RuntimeError for another outcome."""
        told = json.loads(self.ask(f"await {count}"))
        if told["rows"] != count or told["refused"] or told["duplicates"]:
            raise RuntimeError(f"{self.name} took {told}, sent were {count}")
        return float(told["cpu_s"])


def run(rounds: int = ROUNDS, meters: int = METERS, pushes: int = PUSHES, fresh: int = FRESH) -> Report:
    """Measure."""
    say(f"push: {meters} meters")
    town = PushTown(meters)
    rates: dict[str, list[float]] = {name: [] for name in FIGURES}
    sender_s = headend_s = 0.0
    frame_octets = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        town.enrol(folder)
        for kind in ("none", "landing"):
            worker = HeadEndWorker(kind, folder)
            try:
                for number in range(rounds + 1):
                    for figure, (of_kind, kept) in FIGURES.items():
                        if of_kind != kind:
                            continue
                        frames = town.frames(pushes if kept else fresh)
                        frame_octets = len(frames[0])
                        own_s, cpu_s = _round(worker, frames, kept=kept)
                        if number:  # the first only warms up
                            rates[figure].append(len(frames) / cpu_s)
                            sender_s, headend_s = sender_s + own_s, headend_s + cpu_s
            finally:
                worker.stop()
            say(f"push: {kind} " + ", ".join(f"{median(v):,.0f}/s" for v in rates.values() if v))
    figures = {name: round(median(values)) for name, values in rates.items()}
    return Report(
        name="push",
        input=(
            f"{meters} meters, instantaneous pushes of 22 columns, {frame_octets} octets a frame; {CONNECTIONS} "
            "kept connections, or one for each push; notifications by CPU second of the head-end's process"
        ),
        figures=figures,
        goals=[
            Goal(figure=figure, measured=figures[figure], limit=limit, at_most=False)
            for figure, limit in (("notifications_per_s", KEPT_GOAL), ("notifications_per_s_fresh", FRESH_GOAL))
        ],
        simulator_cpu_share=sender_s / (sender_s + headend_s),
    )


def _round(worker: HeadEndWorker, frames: list[bytes], *, kept: bool) -> tuple[float, float]:
    """CPU seconds of the sender and of the head-end."""
    worker.ask("begin")
    begun_s = time.process_time()
    if kept:
        _send_kept(worker.port, frames)
    else:
        for start in range(0, len(frames), FRESH_AT_ONCE):
            for number, frame in enumerate(frames[start : start + FRESH_AT_ONCE]):
                _send_fresh(worker.port, frame, number)
            worker.passed(min(start + FRESH_AT_ONCE, len(frames)))
    own_s = time.process_time() - begun_s
    return own_s, worker.passed(len(frames))


def _send_kept(port: int, frames: list[bytes]) -> None:
    """Each connection carries its share, in turns."""
    links = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    shares = [b"".join(frames[number::CONNECTIONS]) for number in range(CONNECTIONS)]
    try:
        for start in range(0, max(map(len, shares)), WRITE_OCTETS):
            for link, share in zip(links, shares, strict=True):
                link.sendall(share[start : start + WRITE_OCTETS])
    finally:
        for link in links:
            link.close()


def _send_fresh(port: int, frame: bytes, number: int) -> None:
    """From another address each time, so that no range of ports runs out."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as link:
        link.bind((f"127.16.{number >> 8 & 255}.{number & 255 or 1}", 0))
        link.connect(("127.0.0.1", port))
        link.sendall(frame)
