"""``registry``: the registry of a city from its CSV sheets into the records, and meters found in it by any text.

Each is measured in a process of its own: the import with every key sealed, and the control room's list.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benches.report import Goal, Report, say, versions
from bijlighar.controlroom.live import LiveColumns
from bijlighar.controlroom.meter_list import MeterQuery, list_meters
from bijlighar.controlroom.registry_reading import read_index
from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from meterlab import registry
from meterlab.town import mohalla

METERS = 300_000
SEED = 1
NOW_S = 1_780_252_200.0
GOAL_IMPORT_S = 15.0
GOAL_IMPORT_RSS_MB = 400.0
GOAL_SEARCH_MS = 100.0

ROUNDS = 12
QUESTIONS = ("2800{n}", "UP-00{n}", "Home {n}", "House {n}, Bijlighar", "DT-00{n}", "nobody {n}")
"""Part of a serial, a usage point, a name, an address, a transformer, nothing; {n} is another number each time."""


def run(meters: int = METERS) -> Report:
    """Write the sheets into a folder that is removed afterwards, import them, search."""
    with tempfile.TemporaryDirectory(prefix="bijlighar-registry-") as name:
        folder = Path(name)
        say(f"registry: writing the sheets of {meters} meters")
        registry.write(mohalla(SEED, meters), folder / "sheets", 4059)
        say("registry: importing")
        figures = _apart("import", folder)
        say("registry: searching")
        figures |= _apart("search", folder)
    limits = {
        "import_s": GOAL_IMPORT_S,
        "import_rss_mb": GOAL_IMPORT_RSS_MB,
        "search_ms_p95": GOAL_SEARCH_MS,
    }
    return Report(
        name="registry",
        input=f"{meters} consumers, sheets by meterlab, keys sealed, SQLite; {ROUNDS} searches of each kind",
        figures=figures,
        goals=[Goal(figure=figure, measured=figures[figure], limit=limit) for figure, limit in limits.items()],
        versions=versions("pyarrow", "sqlalchemy"),
    )


def _apart(what: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benches.registry_import", what, str(folder)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(told)
    return figures


def import_figures(folder: Path) -> dict[str, Any]:
    """Import the sheets into empty records, and the same sheets again."""
    ring = Keyring(bytes(32))  # virtual meters' keys, which anybody can derive
    with Records(None, folder / "data", now=lambda: NOW_S) as records:
        began_s = time.perf_counter()
        report = import_registry(records, folder / "sheets", ring)
        import_s, rss_kib = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert report.error_count == 0, report.errors
        began_s = time.perf_counter()
        again = import_registry(records, folder / "sheets", ring)
        assert (again.added, again.changed, again.unchanged) == (0, 0, report.added)
        again_s = time.perf_counter() - began_s
    figures = {"import_s": import_s, "import_rss_mb": rss_kib / 1024, "again_s": again_s}
    return {"rows": report.added, **{name: round(value, 2) for name, value in figures.items()}}


def search_figures(folder: Path) -> dict[str, Any]:
    """Ask the control room's list, never the same question twice."""
    with Records(None, folder / "data", now=lambda: NOW_S) as records:
        began_s = time.perf_counter()
        index = read_index(records)
        index_s = time.perf_counter() - began_s
    live = LiveColumns(index.largest_meter_id, now_s=NOW_S)
    took_ms: list[float] = []
    for number in range(ROUNDS):
        for question in QUESTIONS:
            query = MeterQuery(q=question.format(n=100 + number), limit=100)
            began_s = time.perf_counter()
            list_meters(index, live, query, now_s=NOW_S)
            took_ms.append((time.perf_counter() - began_s) * 1000)
    p50, p95 = np.percentile(took_ms, (50, 95))
    return {
        "index_s": round(index_s, 2),
        "search_ms_p50": round(float(p50), 1),
        "search_ms_p95": round(float(p95), 1),
    }


if __name__ == "__main__":
    work = import_figures if sys.argv[1] == "import" else search_figures
    print(json.dumps(work(Path(sys.argv[2]))))
