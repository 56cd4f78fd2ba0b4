"""The engine of one machine: a pool of processes. A process that is killed has its items done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

from bijlighar.operations.engine_items import Item, Outcome

ATTEMPTS = 3
"""A pool that broke so often lacks memory, and would break again."""


class WorkersDied(Exception):
    """Processes of the pool were killed again and again. ``left`` items that were not done."""

    def __init__(self, left: int) -> None:
        super().__init__(
            f"processes were killed {ATTEMPTS} times, {left} pieces are not done: is there memory enough?"
        )
        self.left = left


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """``workers`` processes; with one the work is done in this process."""

    workers: int = 1

    def run(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
        """Do the items. Raises what the task raises, WorkersDied."""
        if self.workers == 1:
            return [task(item) for item in items]
        done: dict[int, Outcome] = {}
        for _ in range(ATTEMPTS):
            self._attempt(task, items, done)
            if len(done) == len(items):
                return [done[number] for number in range(len(items))]
        raise WorkersDied(len(items) - len(done))

    def _attempt(self, task: Callable[[Item], Outcome], items: Sequence[Item], done: dict[int, Outcome]) -> None:
        """Add to ``done`` what could be done before a process died."""
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            left = [number for number in range(len(items)) if number not in done]
            try:
                waiting = {number: pool.submit(task, items[number]) for number in left}
                for number, future in waiting.items():
                    done[number] = future.result()
            except BrokenProcessPool:
                return
