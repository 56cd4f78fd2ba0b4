"""Feeder-days on disk: a file by town, day, feeder, circumstances and version of the code.

A file is written beside its place and moved there whole; one that is cut, changed or of other code is none.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import fields
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np

from meterlab.power import circumstances
from meterlab.power.feeder_day import FeederDay
from meterlab.town import Town

_DIGEST = 32
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_CODE = (
    *("power/equipment.py", "power/network.py", "power/flow.py", "power/feeder_day.py", "power/circumstances.py"),
    *("load.py", "draws.py", "calendar.py", "registers.py", "interruptions.py", "deviations.py"),
)
"""What a feeder-day follows from, beside the town."""


@lru_cache(maxsize=1)
def _code_digest() -> bytes:
    package = Path(__file__).parent.parent
    return hashlib.sha256(b"".join((package / name).read_bytes() for name in _CODE)).digest()


def fingerprint(town: Town) -> str:
    """Sixteen characters that tell a town and the code that reckons it from every other."""
    digest = hashlib.sha256(_code_digest() + f"{town.name} {town.seed} {town.consumers}".encode())
    for column in (
        *(town.transformer, town.phase, town.mean_wh_day, town.va_per_1024_w),
        *(town.drop_mv_per_a, town.rating_kva, town.feeder),
    ):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


class FlowStore:
    """The feeder-days of one town in a directory, which is made when something is kept."""

    def __init__(self, directory: Path, town: Town) -> None:
        self._directory = directory / f"{town.name}-{fingerprint(town)}"

    def since(self, day: int) -> int:
        """The first day of the flow: that of an earlier run that began no later than ``day``, else ``day``.

        Registers of transformers go on from it, so it must not move with every start.
        """
        path = self._directory / "since"
        try:
            known = int(path.read_text())
        except (FileNotFoundError, ValueError):
            known = day + 1
        if known <= day:
            return known
        self._write(path, str(day).encode())
        return day

    def path(self, feeder: int, day: int, key: str) -> Path:
        """Where a feeder-day is kept."""
        return self._directory / date.fromordinal(day + _EPOCH_DAY).isoformat() / f"{feeder:04}-{key}.flow"

    def holds(self, feeder: int, day: int, text: str) -> bool:
        """Whether there is a file for a feeder-day with circumstances as JSON, be it whole or not."""
        return self.path(feeder, day, circumstances.key(text)).exists()

    def load(self, feeder: int, day: int, key: str) -> FeederDay | None:
        """What is kept, or None where there is nothing or nothing whole."""
        try:
            content = self.path(feeder, day, key).read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            return None
        with np.load(io.BytesIO(content[_DIGEST:]), allow_pickle=False) as arrays:
            return FeederDay(**{name: arrays[name] for name in arrays.files})

    def save(self, feeder: int, day: int, key: str, flowed: FeederDay) -> None:
        """Keep a feeder-day; of two who write the same, one stays, and both wrote the same."""
        content = io.BytesIO()
        np.savez(content, **{part.name: getattr(flowed, part.name) for part in fields(FeederDay)})
        octets = content.getvalue()
        self._write(self.path(feeder, day, key), hashlib.sha256(octets).digest() + octets)

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_bytes(content)
        beside.replace(path)
