"""The day on a Spark of a master and two workers: the same octets as on one machine, and no death loses any."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bijlighar.operations.engine_day import estimate_days, seal_days, validate_days
from bijlighar.operations.engine_local import LocalEngine
from bijlighar.records import Records
from operations.engine_town import DAYS, NOW_S, engine_town, everything
from spark.spark_cluster import Cluster, cluster, environment

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1200)]

TESTS = Path(__file__).parents[1]
PATIENCE_S = 500.0
"""A quiet machine needs 20 s."""


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("spark") / "cluster") as running:
        yield running


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of two days that nobody sealed."""
    folder = tmp_path_factory.mktemp("landed") / "town"
    with engine_town(folder):
        pass
    return folder


@pytest.fixture(scope="module")
def sealed_here(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the local engine makes of the sealing."""
    folder = tmp_path_factory.mktemp("here") / "town"
    shutil.copytree(landed, folder)
    with Records(None, folder, now=lambda: NOW_S) as records:
        list(seal_days(records, LocalEngine(workers=1), DAYS))
        return everything(records)


def _commands(spark: Cluster, folder: Path, steps: Sequence[str]) -> list[str]:
    """What the commands tell, one after the other in a process of their own, at an hour of the town."""
    days = ["--day", str(DAYS[0]), "--to", str(DAYS[-1])]
    options = ["--engine", "spark", "--master", spark.master, "--spark", "spark.executor.memory=512m"]
    code = (
        "import sys\n"
        "from bijlighar.controlroom import opening\n"
        "from bijlighar.controlroom.cli import app\n"
        "class Then:\n"
        f"    def now(self): return {NOW_S}\n"
        "opening.clock_of = lambda settings: Then()\n"
        f"for step in {list(steps)!r}:\n"
        f"    app(['day', step, *{[*days, *options, '--data', str(folder)]!r}], standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(folder.parent),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_the_commands_leave_on_spark_what_they_leave_on_one_machine(
    spark: Cluster, landed: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(landed, here)
    shutil.copytree(landed, there)
    with Records(None, here, now=lambda: NOW_S) as records:
        alone = LocalEngine(workers=1)
        list(seal_days(records, alone, DAYS))
        list(estimate_days(records, alone, DAYS, int(NOW_S)))
        list(validate_days(records, alone, DAYS, int(NOW_S)))
        expected = everything(records)
    told = _commands(spark, there, ("seal", "estimate", "validate"))
    assert [line[:10] for line in told] == 3 * [str(day) for day in DAYS], told
    with Records(None, there, now=lambda: NOW_S) as records:
        assert everything(records) == expected
    assert len(expected[f"{DAYS[0]}/exceptions"]) > 100


def test_a_worker_that_is_killed_in_mid_job_loses_nothing(
    spark: Cluster, landed: Path, sealed_here: dict[str, object], tmp_path: Path
) -> None:
    folder, marks = tmp_path / "town", tmp_path / "marks"
    shutil.copytree(landed, folder)
    marks.mkdir()
    with (
        (tmp_path / "driver.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, TESTS / "spark" / "held_job.py", spark.master, folder, marks],
            env={**environment(tmp_path), "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as driver,
    ):
        deadline = time.monotonic() + PATIENCE_S
        while len(list(marks.iterdir())) < 2:  # one task in each worker, its files written
            assert driver.poll() is None, (tmp_path / "driver.log").read_text()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with Records(None, folder, now=lambda: NOW_S) as records:
            assert records.blocks.day(DAYS[0]) == [], "nothing counts before the driver commits"
        _kill(spark.workers[-1])
        (marks / "go").touch()
        out, _ = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, (tmp_path / "driver.log").read_text()[-3000:]
    assert re.match(r"24 ", out)
    attempts = len(list(marks.iterdir())) - 1
    assert attempts > 12, "the lost attempt was made again"
    written = {path.relative_to(folder / "blocks").as_posix() for path in folder.glob("blocks/*/*/*.parquet")}
    with Records(None, folder, now=lambda: NOW_S) as records:
        assert everything(records) == sealed_here
        committed = set(records.blocks.manifest.known_files())
        left = {path.relative_to(folder / "blocks").as_posix() for path in folder.glob("blocks/*/*/*.parquet")}
    assert committed < written, "the lost attempt had written files"
    assert left == committed, "which the next opening removed"


def _kill(worker: subprocess.Popen[bytes]) -> None:
    """The worker and the executor that it started."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    executors = children.read_text().split()
    worker.kill()
    worker.wait()
    for pid in executors:
        subprocess.run(["kill", "-KILL", pid], check=False, stderr=subprocess.DEVNULL)
