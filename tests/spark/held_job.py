"""A driver of its own: seals days on Spark, with tasks that wait in mid-job until the test has done its harm.

``python held_job.py MASTER DATA MARKS``: every attempt leaves ``MARKS/<number>`` after it has written, and goes on
when ``MARKS/go`` is there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bijlighar.operations.engine_day import seal_days
from bijlighar.operations.engine_items import Item, Outcome
from bijlighar.operations.spark_engine import SparkEngine
from bijlighar.records import Records
from operations.engine_town import DAYS, NOW_S

WAIT_S = 300.0


class Held:
    """Deals out as Spark does; each attempt waits after its work."""

    def __init__(self, engine: SparkEngine, marks: Path) -> None:
        self._engine = engine
        self._marks = str(marks)
        self.workers = 3

    def run(self, task: object, items: Sequence[Item]) -> list[Outcome]:
        """Do them."""
        marks, wait_s = self._marks, WAIT_S

        def held(item: Item) -> Outcome:  # travels by value: a worker does not know this module
            import os  # noqa: PLC0415
            import secrets  # noqa: PLC0415
            import time  # noqa: PLC0415

            outcome = task(item)  # type: ignore[operator]
            with open(f"{marks}/{os.getpid()}-{secrets.token_hex(4)}", "x"):  # noqa: PTH123
                pass
            until = time.monotonic() + wait_s
            while not os.path.exists(f"{marks}/go") and time.monotonic() < until:  # noqa: PTH110
                time.sleep(0.02)
            return outcome

        return self._engine.run(held, items)


def main(master: str, folder: Path, marks: Path) -> None:
    """Seal."""
    began = time.monotonic()
    with (
        Records(None, folder, now=lambda: NOW_S) as records,
        SparkEngine(master, {"spark.executor.memory": "512m"}) as e,
    ):
        sealed = list(seal_days(records, Held(e, marks), DAYS))
    print(sum(day.blocks_written for day in sealed), f"{time.monotonic() - began:.1f}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
