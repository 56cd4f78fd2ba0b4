"""A Spark of our own on loopback: a master and workers, each a process that a test may kill."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """``master`` its URL; ``workers`` its processes."""

    master: str
    workers: list[subprocess.Popen[bytes]]


def environment(folder: Path) -> dict[str, str]:
    """What our processes are started with: everything on loopback and in ``folder``."""
    spark = find_spec("pyspark")
    assert spark is not None, "make test-all installs pyspark"
    assert spark.origin is not None
    return {
        **os.environ,
        "SPARK_HOME": str(Path(spark.origin).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
    }


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master with registered workers of one core each; all end with the block."""
    folder.mkdir()
    started: list[subprocess.Popen[bytes]] = []
    try:
        log = _start(started, folder, "master", "org.apache.spark.deploy.master.Master", "--port", "0")
        master = _awaited(log, r"Starting Spark master at (spark://\S+)")[0]
        for number in range(workers):
            _start(
                started,
                folder,
                f"worker-{number}",
                "org.apache.spark.deploy.worker.Worker",
                *("--cores", "1", "--memory", "700m", master),
            )
        _awaited(log, r"Registering worker", workers)
        yield Cluster(master=master, workers=started[1:])
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _start(started: list[subprocess.Popen[bytes]], folder: Path, name: str, kind: str, *arguments: str) -> Path:
    log = folder / f"{name}.log"
    surroundings = environment(folder)
    program = Path(surroundings["SPARK_HOME"]) / "bin" / "spark-class"
    with log.open("wb") as told:
        started.append(
            subprocess.Popen(
                [program, kind, "--host", "127.0.0.1", "--webui-port", "0", *arguments],
                env=surroundings,
                cwd=folder,
                stdout=told,
                stderr=subprocess.STDOUT,
            )
        )
    return log


def _awaited(log: Path, pattern: str, times: int = 1) -> list[str]:
    """What a log says that often, once it does."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := re.findall(pattern, log.read_text(errors="replace"))) < times:
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)
    return list(found)
