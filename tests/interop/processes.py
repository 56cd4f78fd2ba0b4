"""Peers are processes of their own, in an environment of their own: started, spoken with, and ended here."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
PEER_PYTHON = ROOT / ".interop" / "bin" / "python"
METERLAB = str(Path(sys.executable).with_name("meterlab"))
END_S = 10.0
"""A peer that was told to go and has not gone by then is ended."""


class NoPeers(Exception):
    """The environment of external peers is missing; the tests fail, they do not step aside."""

    def __init__(self) -> None:
        super().__init__("no environment of external peers: make test-interop sets it up")


@dataclass
class ForeignMeter:
    """A running meter of pydlms-client. ``requests``: the plain octets of each request it understood.

    ``told``: what else it said: the image that it took, the keys that it was given.
    """

    port: int
    requests: list[bytes] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)


def _python() -> str:
    if not PEER_PYTHON.exists():
        raise NoPeers
    return str(PEER_PYTHON)


@contextmanager
def foreign_meter(description: dict[str, Any], folder: Path) -> Iterator[ForeignMeter]:
    """Run the simulator until the block ends; then ``requests`` holds what it was asked."""
    file = folder / "meter.json"
    file.write_text(json.dumps(description))
    with (folder / "meter.log").open("w") as log:
        process = subprocess.Popen(
            [_python(), str(PEERS / "pydlms_meter.py"), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise RuntimeError((folder / "meter.log").read_text())
        meter = ForeignMeter(port=json.loads(first)["port"])
        yield meter
        rest, _ = process.communicate("", timeout=END_S)
        for facts in map(json.loads, rest.splitlines()):
            if "request" in facts:
                meter.requests.append(bytes.fromhex(facts["request"]))
            else:
                meter.told |= facts
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class VirtualTown:
    """A running town of ours. Rows of the registry's files by serial number, in the town's order."""

    port: int
    meters: dict[str, dict[str, str]]
    keys: dict[str, dict[str, str]]
    arguments: tuple[str, ...]
    framing: str = "wrapper"

    def truth(self, serial: str, kind: str, *more: str) -> list[dict[str, Any]]:
        """What the meter holds, told by the town without any protocol."""
        command = [METERLAB, "truth", "--meter", serial, "--kind", kind, *more, *self.arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-2000:])
        return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def virtual_town(
    folder: Path, start: str, *, models: Sequence[str] = (), framing: str = "wrapper"
) -> Iterator[VirtualTown]:
    """`meterlab serve` for the trial, its clock stopped at ``start``; homes of ``models`` if any are named."""
    makes = [word for model in models for word in ("--model", model)]
    registry, arguments = folder / "registry", ("--town", "trial", "--seed", "7", "--start", start, *makes)
    command = [METERLAB, "serve", *arguments, "--speed", "0", "--port", "0", "--registry-out", str(registry)]
    command += ["--framing", framing]
    with (folder / "meterlab.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready.startswith("meterlab: ready"):
            raise RuntimeError(ready + (folder / "meterlab.log").read_text()[-2000:])
        yield VirtualTown(
            port=int(ready.split()[-1]),
            meters=_by_serial(registry / "meters.csv"),
            keys=_by_serial(registry / "keys.csv"),
            arguments=arguments,
            framing=framing,
        )
    finally:
        process.terminate()
        process.communicate(timeout=END_S)


def _by_serial(file: Path) -> dict[str, dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as rows:
        return {row["serial"]: row for row in csv.DictReader(rows)}


def gurux_reads(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the gurux-dlms client reads from one meter. Raises RuntimeError with its own words when it fails."""
    return _client_reads("gurux_client.py", wanted, folder)


def pydlms_reads(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the client of pydlms-client reads from one meter. Raises RuntimeError with its own words."""
    return _client_reads("pydlms_client.py", wanted, folder)


def _client_reads(program: str, wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    file = folder / "read.json"
    file.write_text(json.dumps(wanted))
    done = subprocess.run(
        [_python(), str(PEERS / program), str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
