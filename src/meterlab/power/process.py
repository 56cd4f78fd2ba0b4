"""The power flow's own process: it makes feeder-days into the store while the meters answer beside it.

It is told the town once, then feeder, day and circumstances for each day. Results travel through the store alone.
It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path

from meterlab.power import circumstances
from meterlab.power.feeder_day import DayMaker
from meterlab.power.store import FlowStore
from meterlab.town import Town

Wanted = tuple[int, int, str]
"""Feeder, day, circumstances as JSON."""


class _Worker:
    """What the process keeps between two days."""

    maker: DayMaker
    store: FlowStore


def _begin(town: Town, directory: Path) -> None:
    """Make the process ready. Interrupts of the terminal are its parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.maker, _Worker.store = DayMaker(town), FlowStore(directory, town)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _make(feeder: int, day: int, text: str) -> None:
    key = circumstances.key(text)
    if _Worker.store.load(feeder, day, key) is None:
        _Worker.store.save(feeder, day, key, _Worker.maker.make(feeder, day, circumstances.from_json(text)))


class FlowProcess:
    """One process that makes feeder-days of a town into the store in ``directory``."""

    def __init__(self, town: Town, directory: Path) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1, mp_context=get_context("spawn"), initializer=_begin, initargs=(town, directory)
        )

    def ask(self, feeder: int, day: int, text: str) -> bool:
        """Ask for a day; whether there is a process that will make it."""
        return self._submit((feeder, day, text)) is not None

    def make_all(self, wanted: Sequence[Wanted], made: Callable[[int], None]) -> None:
        """Wait until all these days are in the store; ``made`` hears how many are. Raises what making one raised.

        Days that a process which died did not make are left to whoever needs them.
        """
        futures = [future for future in map(self._submit, wanted) if future is not None]
        for number, future in enumerate(as_completed(futures)):
            try:
                future.result()
            except BrokenProcessPool:
                return
            made(number + 1)

    def _submit(self, wanted: Wanted) -> Future[None] | None:
        try:
            return self._pool.submit(_make, *wanted)
        except (BrokenProcessPool, RuntimeError):  # it died, or was closed
            return None

    def close(self) -> None:
        """End the process; what it has not begun is not made."""
        self._pool.shutdown(wait=False, cancel_futures=True)
