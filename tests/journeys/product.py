"""The product as ``bijlighar serve`` starts it, with the trial's meters and, where asked for, a billing server.

Each is a process of its own; the test sees the control room as somebody with a browser does.
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
from pathlib import Path
from typing import Any

import httpx

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
TOWN = ("--town", "trial", "--seed", "7")


class Product:
    """The processes; ``records_url`` is where they keep their records."""

    def __init__(self, folder: Path, records_url: str) -> None:
        self.folder = folder
        self.records_url = records_url
        self.billing_url = ""
        self.clock = TownClock.create(folder / "clock", start_s=START_S, speed=SPEED)
        self.processes: list[subprocess.Popen[str]] = []
        self.room = httpx.Client(trust_env=False, timeout=30)

    def start(self, *command: str, ready: str = "") -> str:
        """Start a process; the line in which it says ``ready``."""
        log = (self.folder / f"{len(self.processes)}.log").open("w")
        output = subprocess.PIPE if ready else log
        environment = {**os.environ, "BIJLIGHAR_BILLING_SECRET": SECRET}
        process = subprocess.Popen(command, stdout=output, stderr=log, text=True, env=environment)
        log.close()
        self.processes.append(process)
        if not ready:
            return ""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert ready in line, line
        return line

    def until(self, true: Callable[[], Any]) -> Any:
        """What ``true`` gives as soon as it gives something."""
        end = time.monotonic() + WITHIN_S
        while not (found := true()):
            assert all(process.poll() is None for process in self.processes), self.logs()
            assert time.monotonic() < end, self.logs()
            time.sleep(0.25)
        return found

    def logs(self) -> str:
        files = sorted([*self.folder.glob("*.log"), *(self.folder / "data" / "logs").glob("*.log")])
        return "\n".join(f"== {file.name}\n{file.read_text()[-3_000:]}" for file in files)

    def records(self) -> Records:
        return Records(self.records_url, self.folder / "data", now=self.clock.now)

    def sign_in(self) -> dict[str, str]:
        """Sign in as the supervisor; the headers of requests that change something."""
        self.room.get("/")
        headers = {"x-csrftoken": self.room.cookies["csrftoken"]}
        answer = self.room.post("/api/session", json={"name": "meera", "password": PASSWORD}, headers=headers)
        assert answer.status_code == 200, answer.text
        return headers

    def truth(self, number: int, kind: str, begin: str, end: str) -> list[dict[str, Any]]:
        """What meter ``number`` of the town holds, told by meterlab without the air between."""
        answer = subprocess.run(
            [
                *(PYTHON, "-m", "meterlab", "truth", "--meter", str(number), "--kind", kind),
                *("--from", begin, "--to", end, "--clock", str(self.folder / "clock")),
                *TOWN,
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [json.loads(line) for line in answer.stdout.splitlines()]

    def end(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()
        self.room.close()


@contextlib.contextmanager
def running_product(
    folder: Path, records_url: str, *, billing: tuple[str, ...] | None = None
) -> Iterator[Product]:
    """The product at work. ``billing``: the ways of a billing server beside it."""
    product = Product(folder, records_url)
    try:
        product.start(
            *(PYTHON, "-m", "meterlab", "serve", *TOWN, "--port", "0", "--radio", "none"),
            *("--clock", str(folder / "clock"), "--registry-out", str(folder / "registry")),
            ready="meterlab: ready",
        )
        _furnish(product)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        settings = {
            "data_dir": folder / "data",
            "database_url": records_url,
            "clock_file": folder / "clock",
            "master_key_file": folder / "master.key",
            "feed": f"ipc://{folder / 'feed'}",
        }
        if billing is not None:
            line = product.start(
                *(PYTHON, "-m", "meterlab", "billing", "--port", "0", "--product", address),
                *("--registry", str(folder / "registry"), *billing),
                ready="billing server ready",
            )
            settings["billing_url"] = product.billing_url = line.split()[-1]
        told = [f"port = {port}", *(f'{name} = "{value}"' for name, value in settings.items())]
        (folder / "settings.toml").write_text("\n".join(told) + "\n")
        product.room.base_url = httpx.URL(address)
        product.start(*SERVE, str(folder / "settings.toml"))
        product.until(lambda: _answers(product))
        yield product
    finally:
        product.end()


def _furnish(product: Product) -> None:
    """What the metering section does once: registry, keys, a person, and the cycle of the trial."""
    create_master_key(product.folder / "master.key")
    with product.records() as records:
        keyring = Keyring.load(product.folder / "master.key", {})
        report = import_registry(records, product.folder / "registry", keyring)
        assert report.error_count == 0, report.errors
        person = Person(
            name="meera",
            display_name="Meera",
            password_hash=passwords.hashed(PASSWORD),
            roles=("supervisor",),
        )
        records.people.put(person)
        set_dated(records, CYCLE_KEY, "daily", valid_from_s=0, by="meera", now_s=int(product.clock.now()))


def _answers(product: Product) -> bool:
    try:
        return product.room.get("/api/health").status_code == 200
    except httpx.HTTPError:
        return False
