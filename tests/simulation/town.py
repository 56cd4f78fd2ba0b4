"""The town that is simulated: meterlab's meters, spread over towers, and records that know them."""

from __future__ import annotations

import atexit
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from meterlab import registry
from meterlab.lab import Lab, build, town_named

START_S = datetime(2026, 6, 1, 0, 0, tzinfo=UTC).timestamp()
TOWN_SEED = 20_260_601
RING = Keyring(bytes(range(32)))
METERS_A_TOWER, FEWEST_TOWERS = 50, 4
_PORT = 4059
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """An imported town, to be copied for each run. ``indices``: registry number → the meter's number."""

    folder: Path
    consumers: int
    indices: dict[int, int]
    groups: tuple[str, ...]

    def lab(self) -> Lab:
        """The town's meters as new."""
        return _lab(self.consumers)

    def copy(self) -> Path:
        """Records of this town in a folder of their own, in memory where the machine allows."""
        target = scratch()
        shutil.copytree(self.folder, target, dirs_exist_ok=True)
        return target


def scratch() -> Path:
    """A new folder, in memory where the machine allows."""
    return Path(mkdtemp(prefix="simulation-", dir=_MEMORY if _MEMORY.is_dir() else None))


@lru_cache(maxsize=4)
def ground(meters: int) -> Ground:
    """Records into which a town of about ``meters`` meters was imported (homes and their transformers' meters)."""
    consumers = max(1, meters - max(1, meters // 100))
    lab, folder, sheets = _lab(consumers), scratch(), scratch()
    count = len(lab.town)
    towers = max(FEWEST_TOWERS, -(-count // METERS_A_TOWER))
    groups = tuple(f"tower-{meter % towers}" for meter in range(count))
    sheets.mkdir(exist_ok=True)
    for table in registry.HEADERS:
        rows = list(registry.rows(lab.town, table, _PORT))
        if table == "meters":
            rows = [(*row[:7], group, *row[8:]) for row, group in zip(rows, groups, strict=True)]
        registry.write_table(sheets / f"{table}.csv", table, rows)
    with Records(None, folder, now=lambda: START_S, wall=lambda: START_S) as records:
        report = import_registry(records, sheets, RING)
        assert not report.errors, report.errors
        indices = {meter.meter_id: lab.town.meter_at(meter.host) for meter in records.registry.meters()}
    shutil.rmtree(sheets)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Ground(folder=folder, consumers=consumers, indices=indices, groups=groups)


def _lab(consumers: int) -> Lab:
    lab = build(town_named("mohalla", TOWN_SEED, consumers), now_s=START_S)
    lab.prepare(START_S)
    return lab
