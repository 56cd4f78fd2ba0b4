"""The scenes as ``meterlab scenes`` lists them, and the defaulters that one of them makes, as a file."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from meterlab import draws, registry
from meterlab.calendar import day_of
from meterlab.identity import serial
from meterlab.lab import Lab
from meterlab.scenes import SCENES

DEFAULTERS = "defaulters.csv"
_HEADER = ("usage_point", "serial", "dues_paise", "due_since")
_DUES_PAISE = (150_000, 3_000_000)
_DUE_DAYS = (45, 300)


def lines() -> list[str]:
    """Name with parameters, what it does in English, and in Hindi."""
    listed = []
    for scene in SCENES.values():
        parameters = "".join(f":{name}={value}" for name, value in scene.defaults.items())
        listed += [f"  {scene.name}{parameters}", f"      {scene.tells}", f"      {scene.tells_hi}"]
    return listed


def as_json() -> str:
    """The same as one JSON array."""
    return json.dumps(
        [
            {"name": s.name, "tells": s.tells, "tells_hi": s.tells_hi, "parameters": s.defaults}
            for s in SCENES.values()
        ],
        ensure_ascii=False,
    )


def write_defaulters(lab: Lab, directory: Path) -> None:
    """Who owes how much, and since when, beside the registry; nothing where nobody owes."""
    if not lab.defaulters:
        return
    directory.mkdir(parents=True, exist_ok=True)
    today = date(1970, 1, 1) + timedelta(days=day_of(lab.state.start_s))
    drawn = draws.uniform(lab.town.seed, "dues", np.asarray(lab.defaulters)[:, None], np.arange(2))
    with (directory / DEFAULTERS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        for home, (much, long) in zip(lab.defaulters, drawn.tolist(), strict=True):
            paise = int(np.interp(much, [0, 1], _DUES_PAISE)) // 100 * 100
            since = today - timedelta(days=int(np.interp(long, [0, 1], _DUE_DAYS)))
            place = registry.usage_point_code(lab.town, home)
            writer.writerow((place, serial(lab.town.seed, home), paise, since.isoformat()))
