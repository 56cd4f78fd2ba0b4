"""What every benchmark says besides its figures: on which machine, with which versions, from which input."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure shall reach. ``at_most`` False: the figure shall be at least ``limit``."""

    figure: str
    measured: float
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One benchmark's result. ``figures`` become keys of the JSON object; ``simulator_cpu_share`` 0 to 1."""

    name: str
    input: str
    figures: dict[str, Any]
    goals: list[Goal] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    simulator_cpu_share: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "benchmark": self.name,
            **self.figures,
            "goals": {
                goal.figure: {"limit": goal.limit, "measured": goal.measured, "met": goal.met}
                for goal in self.goals
            },
            "simulator_cpu_share": round(self.simulator_cpu_share, 3),
            "machine": machine(),
            "input": self.input,
            "versions": {**versions("numpy", "cryptography", "uvloop"), **self.versions},
            "command": f"bijlighar bench {self.name} --json",
        }

    def as_json(self) -> str:
        """One line."""
        return json.dumps(self.as_dict(), ensure_ascii=False)


def machine() -> dict[str, Any]:
    """The machine as far as it can be told."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def versions(*names: str) -> dict[str, str]:
    """Python's version and those of installed packages."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def say(text: str) -> None:
    """Progress, for the person who waits."""
    print(text, file=sys.stderr, flush=True)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
