"""The engine of many machines: Spark deals the items out, its tasks do them, this process commits.

Spark may do an item twice, after a machine was lost or because another was slow. Each attempt writes files of its
own, one outcome of each item comes back, and only what that outcome names is committed. pyspark is an extra of the
package and is loaded only here; every machine needs this package in its Python, and the data folder at the same
place.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from bijlighar.operations.engine_items import Item, Outcome

DEFAULTS = {
    "spark.app.name": "bijlighar day",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.speculation": "true",  # a slow machine's items are begun elsewhere too: twice is harmless
    "spark.task.maxFailures": "4",
}


class SparkRefused(Exception):
    """Spark cannot be used; one sentence says why."""


class SparkEngine:
    """A session with a Spark ``master``: ``local[2]``, ``spark://host:7077``, ``yarn``, ``k8s://…``."""

    def __init__(self, master: str, settings: Mapping[str, str] | None = None) -> None:
        self._master = master
        self._settings = {**DEFAULTS, **(settings or {})}
        self._context: Any = None

    @property
    def workers(self) -> int:
        """Cores that Spark has for us now."""
        return max(1, int(self._context.defaultParallelism))

    def run(self, task: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
        """Do the items, one a task. Raises SparkRefused when Spark gave an item up."""
        pyspark_errors = importlib.import_module("py4j.protocol")
        try:
            return list(self._context.parallelize(items, len(items)).map(task).collect())
        except pyspark_errors.Py4JJavaError as fault:
            raise SparkRefused(f"Spark gave up: {_reason(fault)}") from fault

    def __enter__(self) -> Self:
        try:
            pyspark = importlib.import_module("pyspark")
        except ImportError as fault:
            raise SparkRefused("pyspark is not installed: pip install 'bijlighar[spark]'") from fault
        if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
            raise SparkRefused("Spark needs Java 17 or newer; Debian: apt-get install openjdk-17-jre-headless")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        configuration = pyspark.SparkConf().setMaster(self._master)
        for name, value in self._settings.items():
            configuration.set(name, value)
        try:
            self._context = pyspark.SparkContext(conf=configuration)
        except Exception as fault:  # py4j and pyspark raise many kinds
            raise SparkRefused(f"no session with {self._master}: {_reason(fault)}") from fault
        self._context.setLogLevel("ERROR")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.stop()


def _reason(fault: Exception) -> str:
    """The first words of what Java said, or Python."""
    java = getattr(fault, "java_exception", None)
    told = str(fault if java is None else java.getMessage()).strip().splitlines()
    return " ".join(told[:2])[:400]
