"""The benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from benches.report import Report

MODULES: Final = {
    "city": "benches.city",
    "day": "benches.day",
    "decode": "benches.decode",
    "flow": "benches.flow",
    "live": "benches.live",
    "meter-month": "benches.meter_month",
    "push": "benches.push",
    "registry": "benches.registry_import",
    "session": "benches.session",
    "storage": "benches.storage",
}
"""Name to module; each has a ``run()`` that returns a Report and prints its progress on stderr."""


def benchmark(name: str) -> Callable[..., Report]:
    """The function that runs a benchmark. Raises KeyError for an unknown name."""
    run: Callable[..., Report] = import_module(MODULES[name]).run
    return run
