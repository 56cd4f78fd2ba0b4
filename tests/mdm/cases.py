"""Reads the cases of tests/cases/: how they are written is told in tests/cases/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks, SlotFlag
from mdm.days import DAY, NEXT_MORNING_S

CASES = Path(__file__).parents[1] / "cases"

FLAGS = {"repeated": SlotFlag.REPEATED, "corrected": SlotFlag.CORRECTED}


def cases(kind: str) -> list[Path]:
    """Every case of a folder."""
    found = sorted((CASES / kind).glob("*.json"))
    assert found, f"no case in {kind}"
    return found


def read(path: Path) -> dict[str, Any]:
    """One case."""
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return case


def spread(told: Any, slots: int, nothing: float = MISSING) -> list[Any]:
    """A day of ``[[value, how many slots], …]``; null is nothing. A single value holds for all slots."""
    pairs = told if isinstance(told, list) else [[told, slots]]
    day = [nothing if value is None else value for value, times in pairs for _ in range(times)]
    assert len(day) == slots, f"{len(day)} slots are told, the day has {slots}"
    return day


def blocks(case: dict[str, Any], channels: tuple[str, ...]) -> DayBlocks:
    """The block of the case's meters."""
    period_s = case.get("period_s", 1800)
    slots = DAY.seconds // period_s
    meters = case["meters"]
    given = [name for name in channels if any(name in meter for meter in meters)]
    columns = {
        name: np.array([spread(meter.get(name), slots) for meter in meters], dtype=np.int64) for name in given
    }
    held = np.any([column != MISSING for column in columns.values()], axis=0)
    flags = np.array([spread(meter.get("flags"), slots, 0) for meter in meters], dtype=object)
    return DayBlocks(
        day=DAY,
        period_s=period_s,
        meter_id=np.array([meter["meter"] for meter in meters], dtype=np.int32),
        received_s=np.where(held, NEXT_MORNING_S, MISSING),
        flags=np.vectorize(lambda flag: int(FLAGS.get(flag, 0)), otypes=[np.uint8])(flags),
        channels=columns,
    )


def by_meter(case: dict[str, Any], name: str, nothing: float, kind: Any) -> np.ndarray | None:
    """A figure of each meter, None when no meter tells it."""
    told = [meter.get(name) for meter in case["meters"]]
    if all(value is None for value in told):
        return None
    return np.array([nothing if value is None else value for value in told], dtype=kind)


def by_slot(case: dict[str, Any], name: str, nothing: float, kind: Any) -> np.ndarray | None:
    """A figure of each meter and slot, None when no meter tells it."""
    slots = DAY.seconds // case.get("period_s", 1800)
    told = [meter.get(name) for meter in case["meters"]]
    if all(value is None for value in told):
        return None
    return np.array([spread(nothing if v is None else v, slots, nothing) for v in told], dtype=kind)


def registers(case: dict[str, Any], end: int) -> dict[str, np.ndarray]:
    """Midnight registers by channel: ``end`` 0 at the day's begin, 1 at its end."""
    names = {name for meter in case["meters"] for name in meter.get("registers", {})}
    result = {}
    for name in sorted(names):
        told = [meter.get("registers", {}).get(name, [None, None])[end] for meter in case["meters"]]
        result[name] = np.array([MISSING if value is None else value for value in told], dtype=np.int64)
    return result
