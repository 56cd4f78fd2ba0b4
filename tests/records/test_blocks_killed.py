"""Killed while sealing, estimating, compacting: the old stands or the new, and nothing is left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from bijlighar.records import Records

ROUNDS = 12
WRITER = Path(__file__).with_name("block_writer.py")
JUNE = date(2026, 6, 1)
DAYS = tuple(date(2026, 6, number) for number in (1, 2, 3))
METERS = 200


def _kill_after(process: subprocess.Popen[bytes], told: IO[bytes], versions: int, seconds: float) -> int:
    """Let a child work, kill it a while after so many versions, and return the last one it told of."""
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    word, child = told.readline().split()
    assert word == b"child"
    last = 0
    for _ in range(versions):
        last = int(told.readline().split()[1])
    time.sleep(seconds)
    os.kill(int(child), signal.SIGKILL)
    while (line := told.readline().split())[0] != b"end":
        last = int(line[1])
    return last


@pytest.mark.parametrize("what", ["seal", "estimate", "compact"])
def test_a_kill_leaves_the_old_or_the_new(records_url: str, tmp_path: Path, what: str) -> None:
    chance = random.Random(20_260_601)
    Records(records_url, tmp_path).close()
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, str(WRITER), records_url, str(tmp_path), what]
    acknowledged = 0
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(ROUNDS):
            last = _kill_after(
                process, process.stdout, versions=chance.choice((0, 1, 3)), seconds=chance.uniform(0, 0.1)
            )
            acknowledged = max(acknowledged, last)
            _check(records_url, tmp_path, what, acknowledged)
        process.stdin.close()
    assert acknowledged >= ROUNDS


def _check(url: str, folder: Path, what: str, acknowledged: int) -> None:
    with Records(url, folder) as records:
        if what == "estimate":
            _check_estimates(records, acknowledged)
        for day in DAYS[: {"seal": 1, "estimate": 0, "compact": len(DAYS)}[what]]:
            _check_day(records, day, acknowledged)
        present = {path.relative_to(folder / "blocks").as_posix() for path in folder.glob("blocks/*/*/*")}
        assert present == set(records.blocks.manifest.known_files()), "something is left over"


def _check_day(records: Records, day: date, acknowledged: int) -> None:
    standing = records.blocks.day(day)
    assert len(standing) <= 1
    assert standing or not acknowledged
    for block in standing:
        columns = records.blocks.read(block, day)
        said = set(columns.channels["import_wh"].reshape(-1).tolist())
        assert len(columns) == METERS
        assert len(said) == 1, "half a block"
        assert min(said) >= acknowledged, "an acknowledged block is gone"
        assert block.is_month or said == {block.segments_generation}


def _check_estimates(records: Records, acknowledged: int) -> None:
    kept = records.estimates.read(JUNE, 0, 1800).by_channel.get("import_wh")
    if kept is None:
        assert not acknowledged
        return
    versions, counts = np.unique(kept.value, return_counts=True)
    assert versions.tolist() == list(range(1, len(versions) + 1)), "a version was taken out"
    assert set(counts.tolist()) == {METERS}, "half a version"
    assert versions[-1] >= acknowledged, "an acknowledged estimate is gone"
