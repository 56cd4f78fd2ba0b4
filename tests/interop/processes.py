"""Peers are processes of their own, in an environment of their own: started, spoken with, and ended here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"
PEER_PYTHON = ROOT / ".interop" / "bin" / "python"
END_S = 10.0
"""A peer that was told to go and has not gone by then is ended."""


class NoPeers(Exception):
    """The environment of external peers is missing; the tests fail, they do not step aside."""

    def __init__(self) -> None:
        super().__init__("no environment of external peers: make test-interop sets it up")


@dataclass
class ForeignMeter:
    """A running meter of pydlms-client. ``requests``: the plain octets of each request it understood."""

    port: int
    requests: list[bytes] = field(default_factory=list)


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
        meter.requests += [bytes.fromhex(json.loads(line)["request"]) for line in rest.splitlines()]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def gurux_reads(wanted: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the gurux-dlms client reads from one meter. Raises RuntimeError with its own words when it fails."""
    file = folder / "read.json"
    file.write_text(json.dumps(wanted))
    done = subprocess.run(
        [_python(), str(PEERS / "gurux_client.py"), str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        raise RuntimeError(f"gurux: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
