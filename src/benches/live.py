"""``live``: the control room of 300,000 meters.

How long it takes to start and what it needs, how quickly it applies what head-ends tell, and how quickly it lists,
sorts, filters, searches and judges. Times are CPU times of the control room's process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benches.live_town import make
from benches.report import Goal, Report, say, versions

METERS = 300_000
GOAL_MS = 100.0
"""An answer within a tenth of a second is felt as at once."""

GOAL_START_S = 60.0
GOAL_RSS_MB = 1500.0


def run(meters: int = METERS) -> Report:
    """Make a city in a folder that is removed afterwards, and measure in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bijlighar-live-") as folder:
        say(f"live: making {meters} meters and their day")
        make(Path(folder), meters)
        say("live: starting the control room")
        figures = measured(Path(folder))
    return Report(
        name="live",
        input=f"{meters} meters, half a day of blocks, 36 hours of contacts, Hindi and English names",
        figures=figures,
        goals=[
            Goal(figure="start_s", measured=figures["start_s"], limit=GOAL_START_S),
            Goal(figure="rss_mb", measured=figures["rss_mb"], limit=GOAL_RSS_MB),
            Goal(figure="list_ms_p95", measured=figures["list_ms_p95"], limit=GOAL_MS),
            Goal(figure="search_ms_p95", measured=figures["search_ms_p95"], limit=GOAL_MS),
        ],
        versions=versions("pyarrow", "msgspec"),
    )


def measured(folder: Path) -> dict[str, Any]:
    """What the worker tells of a city that stands in ``folder``."""
    answer = subprocess.run(
        [sys.executable, "-m", "benches.live_worker", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    figures: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return figures
