"""Journey 2. Meters are joined to the billing server; the same kWh arrive on both sides, and that is proven.

The product runs as ``bijlighar serve`` starts it, the meters and the billing server are processes of their own.
The billing server is away at first, answers later and twice, and sends dues for a consumer whom nobody knows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

from bijlighar.cim.billing import Delivery
from bijlighar.cim.period import civil_date
from bijlighar.controlroom import passwords
from bijlighar.controlroom.ports import free_port
from bijlighar.headend.clock import TownClock
from bijlighar.headend.keys import Keyring, create_master_key
from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY
from bijlighar.operations.dated_settings import set_dated
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from bijlighar.records.people import Person

PYTHON = sys.executable
SERVE = (PYTHON, "-c", "from bijlighar.controlroom.cli import main; main()", "serve", "--config")
START_S = 1_780_425_000 + 10 * 3_600  # 2026-06-03 10:00 in Kolkata
SPEED = 1_800.0
PASSWORD = "a long password"
SECRET = "what both sides sign with"
WITHIN_S = 240.0
"""Backfill of twelve meters and a few rounds of the worker take some 30 seconds on a free machine."""


class Link:
    """The three processes, and the control room as somebody with a browser sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = TownClock.create(folder / "clock", start_s=START_S, speed=SPEED)
        self.processes: list[subprocess.Popen[str]] = []
        self.room = httpx.Client(trust_env=False, timeout=30)

    def start(self, *command: str, ready: str = "", environment: dict[str, str] | None = None) -> str:
        log = (self.folder / f"{len(self.processes)}.log").open("w")
        output = subprocess.PIPE if ready else log
        process = subprocess.Popen(
            command, stdout=output, stderr=log, text=True, env={**os.environ, **(environment or {})}
        )
        log.close()
        self.processes.append(process)
        if not ready:
            return ""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert ready in line, line
        return line

    def until(self, true: Callable[[], Any]) -> Any:
        end = time.monotonic() + WITHIN_S
        while not (found := true()):
            assert all(process.poll() is None for process in self.processes), self.logs()
            assert time.monotonic() < end, self.logs()
            time.sleep(0.25)
        return found

    def logs(self) -> str:
        files = sorted([*self.folder.glob("*.log"), *(self.folder / "data" / "logs").glob("*.log")])
        return "\n".join(f"== {file.name}\n{file.read_text()[-3_000:]}" for file in files)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()
        self.room.close()


@contextlib.contextmanager
def running_link(folder: Path) -> Iterator[Link]:
    link = Link(folder)
    try:
        link.start(
            *(PYTHON, "-m", "meterlab", "serve", "--town", "trial", "--seed", "7", "--port", "0"),
            *("--radio", "none", "--clock", str(folder / "clock"), "--registry-out", str(folder / "registry")),
            ready="meterlab: ready",
        )
        _furnish(link)
        port = free_port()
        billing = link.start(
            *(PYTHON, "-m", "meterlab", "billing", "--port", "0", "--product", f"http://127.0.0.1:{port}"),
            *("--registry", str(folder / "registry"), "--away", "1", "--later", "--twice", "--nobody"),
            ready="billing server ready",
            environment={"BIJLIGHAR_BILLING_SECRET": SECRET},
        )
        link.room.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        settings = folder / "settings.toml"
        settings.write_text(
            f'data_dir = "{folder / "data"}"\nport = {port}\nclock_file = "{folder / "clock"}"\n'
            f'master_key_file = "{folder / "master.key"}"\nbilling_url = "{billing.split()[-1]}"\n'
            f'feed = "ipc://{folder / "feed"}"\n'
        )
        link.start(*SERVE, str(settings), environment={"BIJLIGHAR_BILLING_SECRET": SECRET})
        link.until(lambda: _answers(link))
        yield link
    finally:
        link.end()


def _furnish(link: Link) -> None:
    """What the metering section does once: registry, keys, a person, and the cycle of the trial."""
    create_master_key(link.folder / "master.key")
    with Records(None, link.folder / "data", now=link.clock.now) as records:
        report = import_registry(records, link.folder / "registry", Keyring.load(link.folder / "master.key", {}))
        assert report.error_count == 0, report.errors
        person = Person(
            name="meera",
            display_name="Meera",
            password_hash=passwords.hashed(PASSWORD),
            roles=("supervisor",),
        )
        records.people.put(person)
        set_dated(records, CYCLE_KEY, "daily", valid_from_s=0, by="meera", now_s=int(link.clock.now()))


def _answers(link: Link) -> bool:
    try:
        return link.room.get("/api/health").status_code == 200
    except httpx.HTTPError:
        return False


def _sign_in(link: Link) -> dict[str, str]:
    link.room.get("/")
    headers = {"x-csrftoken": link.room.cookies["csrftoken"]}
    answer = link.room.post("/api/session", json={"name": "meera", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 200, answer.text
    return headers


def _billed_days(link: Link) -> list[dict[str, Any]]:
    found = link.room.get("/api/billing").json()["reconciliations"]
    return [each for each in found if each["billed"] == each["usage_points"] == 11]


def test_the_same_kwh_arrive_on_both_sides_and_the_link_passes(tmp_path: Path) -> None:
    with running_link(tmp_path) as link:
        headers = _sign_in(link)
        link.until(lambda: link.room.get("/api/billing").json()["passes"])
        assert len(_billed_days(link)) >= 3
        decision = link.room.post("/api/billing/decisions", json={"reason": "end of the trial"}, headers=headers)
        assert decision.json()["verdict"] == "pass"
        unknown = link.room.get("/api/billing/refused-rows").json()
        assert {each["reason"] for each in unknown} == {"unknown-usage-point"}, "dues for nobody are kept apart"
        assert _held_against_the_meters(link) >= 3 * 11
        with Records(None, tmp_path / "data", now=link.clock.now) as records:
            deliveries = [e for day in _billed_days(link) for e in _deliveries(records, day)]
            assert max(each.attempts for each in deliveries) > 1, "the billing server was away at first"
            assert {each.revision for each in deliveries} == {1}, "nothing was billed twice"
            assert len(records.billing_inbox.dues()) == 11


def _deliveries(records: Records, day: dict[str, Any]) -> list[Delivery]:
    return records.deliveries.of_period(date.fromisoformat(day["first_day"]), date.fromisoformat(day["last_day"]))


def _held_against_the_meters(link: Link) -> int:
    """Every bill of the billing server against the meter's own registers; how many were compared."""
    books = httpx.get(_billing_address(link) + "/bills", trust_env=False).json()["bills"]
    points = _points(link.folder / "registry")
    registers = {point: _registers(link, number) for number, point in enumerate(points)}
    for key, bill in books.items():
        point, first, last, _revision = key.rsplit("/", 3)
        assert first == last
        opening, closing = registers[point][first], registers[point][_next(last)]
        assert bill["billed_wh"] == closing - opening, key
    return len(books)


def _billing_address(link: Link) -> str:
    text = (link.folder / "settings.toml").read_text()
    return text.split('billing_url = "')[1].split('"')[0].removesuffix("/statements")


def _points(registry: Path) -> list[str]:
    """Usage points of the consumers in the order of their meters."""
    rows = [line.split(",") for line in (registry / "meters.csv").read_text().splitlines()]
    place = rows[0].index("usage_point")
    return [row[place] for row in rows[1:12]]


def _registers(link: Link, number: int) -> dict[str, int]:
    """Midnight registers by civil day, as meterlab tells them without the air between."""
    answer = subprocess.run(
        [
            *(PYTHON, "-m", "meterlab", "truth", "--meter", str(number), "--kind", "daily"),
            *("--from", "2026-05-20", "--to", "2026-06-04", "--clock", str(link.folder / "clock")),
            *("--town", "trial", "--seed", "7"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    return {civil_date(row["start_s"]).isoformat(): int(row["values"]["import_wh"]) for row in rows}


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
