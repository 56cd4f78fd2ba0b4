"""The demo as a newcomer starts it: real processes on loopback, a real page, real readings, a clean end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bijlighar.controlroom.demo_people import DEMO_PEOPLE
from bijlighar.controlroom.health_watch import ask_health
from bijlighar.controlroom.ports import free_port
from bijlighar.controlroom.town import TownTime

LATER_START_PROCESSOR_S = 10.0
"""Seconds of the processor, of all processes together: what else the machine does is not counted."""
WHOLE_S = 120.0
"""What a test waits for comes within this on any machine; a quiet one needs a twentieth."""
BIJLIGHAR = [sys.executable, "-c", "from bijlighar.controlroom.cli import main; main()"]


LAST_GASP = "last-gasp-storm:feeder=0:after=20:minutes=5"
"""A feeder goes dark 20 seconds of the town after the start; the clock stands until the page is there."""


class _Demo:
    def __init__(self, data: Path, log: Path, *arguments: str) -> None:
        self.data, self.log = data, log
        self.port = free_port()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *[*BIJLIGHAR, "demo", "--data", str(data), "--port", str(self.port)],
                    *["--meter-port", str(free_port()), "--radio", "none", "--speed", "60", *arguments],
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def until(self, true: Callable[[], Any], within_s: float = WHOLE_S) -> Any:
        end_s = time.monotonic() + within_s
        while not (found := true()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end_s, self.log.read_text()
            time.sleep(0.1)
        return found

    def page(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/api/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def readings(self) -> int:
        health = ask_health("127.0.0.1", self.port)
        return health.readings if health is not None and health.headends_alive else 0

    def children(self) -> list[int]:
        """Processes whose command line names this demo's data directory."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != self.process.pid:
                try:
                    command = (folder / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.data).encode() in command:
                    found.append(int(folder.name))
        return found

    def processor_s(self) -> float:
        """Seconds of the processor that the demo and its children have had."""
        ticks = 0
        for pid in [self.process.pid, *self.children()]:
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Ctrl-C; nobody is left."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(WHOLE_S) == 0, self.log.read_text()
        assert self.children() == []


@contextmanager
def _started(data: Path, log: Path, *arguments: str) -> Iterator[_Demo]:
    demo = _Demo(data, log, *arguments)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
        demo.process.wait()


def test_a_demo_starts_reads_ends_and_finds_its_data_again(tmp_path: Path) -> None:
    data = tmp_path / "town"
    with _started(data, tmp_path / "first.log") as demo:
        demo.until(demo.page)
        demo.until(lambda: demo.readings() > 500)
        assert len(demo.children()) == 5
        _kill_the_head_end(demo)
        kept, town_s = demo.readings(), TownTime(data).stored_s()
        demo.end()
        told = demo.log.read_text()
        assert f"http://localhost:{demo.port}" in told
        for name, (password, *_) in DEMO_PEOPLE.items():
            assert re.search(rf"{name}.*{password}", told)
    with _started(data, tmp_path / "second.log", "--scene", LAST_GASP, "--headends", "2") as demo:
        demo.until(demo.page)
        assert demo.processor_s() < LATER_START_PROCESSOR_S
        health = ask_health("127.0.0.1", demo.port)
        assert health is not None
        assert health.readings >= kept
        assert town_s is not None
        assert (TownTime(data).stored_s() or 0) >= town_s
        with httpx.Client(base_url=f"http://127.0.0.1:{demo.port}") as client:
            client.get("/")
            headers = {"x-csrftoken": client.cookies["csrftoken"]}
            signed_in = {"name": "operator", "password": DEMO_PEOPLE["operator"][0]}
            assert client.post("/api/session", json=signed_in, headers=headers).status_code == 200
            rows = client.get("/api/meters").json()["rows"]
            assert len(rows) == 12
            assert any(row["power_w"] is not None for row in rows)
            demo.until(lambda: _pushed(client, rows) >= {85, 86})
            demo.until(lambda: _shared(client) == (["headend-1", "headend-2"], 12))
        demo.end()


def _shared(client: httpx.Client) -> tuple[list[str], int]:
    """Head-ends that are alive, and how many meters they read together."""
    alive = [headend for headend in client.get("/api/status").json()["headends"] if headend["alive"]]
    return [headend["id"] for headend in alive], sum(headend["meters"] for headend in alive)


def _pushed(client: httpx.Client, meters: list[dict[str, Any]]) -> set[int]:
    """Bits of the status words that the meters have pushed: 85 the last gasp, 86 the first breath."""
    pages = [client.get(f"/api/meters/{meter['meter_id']}/events").json() for meter in meters]
    return {row["code"] for page in pages for row in page["rows"] if row["log"] == "status-word"}


def _kill_the_head_end(demo: _Demo) -> None:
    """Kill it hard, and wait until another one stands in its place."""
    [pid] = [pid for pid in demo.children() if b"headend" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(pid, signal.SIGKILL)

    def another() -> bool:
        return any(
            other != pid and b"headend" in Path(f"/proc/{other}/cmdline").read_bytes() for other in demo.children()
        )

    demo.until(another)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BIJLIGHAR, *arguments], capture_output=True, text=True, timeout=WHOLE_S, check=False)


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        for arguments in (["--port", port], ["--port", str(free_port()), "--meter-port", port]):
            ended = _run("demo", "--data", str(tmp_path / "town"), *arguments)
            assert ended.returncode == 2
            assert ended.stderr.count("\n") == 1
            assert f"port {port}" in ended.stderr
            assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--town", "atlantis"], "atlantis"),
        (["--scene", "earthquake"], "earthquake"),
        (["--data", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(tmp_path: Path, arguments: list[str], told: str) -> None:
    ports = ["--port", str(free_port()), "--meter-port", str(free_port())]
    ended = _run("demo", "--data", str(tmp_path / "town"), *ports, *arguments)
    assert ended.returncode == 2, ended.stderr
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
