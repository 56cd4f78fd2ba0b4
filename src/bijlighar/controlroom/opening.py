"""Opens clock and records as settings say; imports nothing of the pages, so that commands start quickly."""

from __future__ import annotations

from pathlib import Path

from bijlighar.controlroom.settings import Settings
from bijlighar.headend.clock import Clock, SystemClock, TownClock
from bijlighar.records import Records


def clock_of(settings: Settings) -> Clock:
    """The town's clock when the settings name its file, else the machine's."""
    return TownClock.open(Path(settings.clock_file)) if settings.clock_file else SystemClock()


def open_records(settings: Settings, clock: Clock) -> Records:
    """The records of these settings. Raises Unavailable, SchemaTooNew."""
    settings.data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Records(settings.records_url, settings.data_path, now=clock.now)
