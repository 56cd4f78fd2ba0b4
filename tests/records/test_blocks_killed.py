"""Killed while sealing, at random moments: the old block stands or the new one, and nothing is left over."""

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

from bijlighar.records import Records

ROUNDS = 12
WRITER = Path(__file__).with_name("block_writer.py")
JUNE = date(2026, 6, 1)


def _kill_after(process: subprocess.Popen[bytes], told: IO[bytes], blocks: int, seconds: float) -> int:
    """Let a child seal, kill it a while after so many blocks, and return the last version it told of."""
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    word, child = told.readline().split()
    assert word == b"child"
    last = 0
    for _ in range(blocks):
        last = int(told.readline().split()[1])
    time.sleep(seconds)
    os.kill(int(child), signal.SIGKILL)
    while (line := told.readline().split())[0] != b"end":
        last = int(line[1])
    return last


def test_a_kill_leaves_the_old_block_or_the_new_one(records_url: str, tmp_path: Path) -> None:
    chance = random.Random(20_260_601)
    Records(records_url, tmp_path).close()
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, str(WRITER), records_url, str(tmp_path)]
    acknowledged = 0
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(ROUNDS):
            last = _kill_after(
                process, process.stdout, blocks=chance.choice((0, 1, 3)), seconds=chance.uniform(0, 0.1)
            )
            acknowledged = max(acknowledged, last)
            _check(records_url, tmp_path, acknowledged)
        process.stdin.close()
    assert acknowledged >= ROUNDS


def _check(url: str, folder: Path, acknowledged: int) -> None:
    with Records(url, folder) as records:
        standing = records.blocks.day(JUNE)
        assert len(standing) <= 1
        assert standing or not acknowledged
        for block in standing:
            columns = records.blocks.read(block, JUNE)
            said = set(columns.channels["import_wh"].reshape(-1).tolist())
            assert said == {block.segments_generation}, "half a block"
            assert block.segments_generation >= acknowledged, "an acknowledged block is gone"
        present = {path.relative_to(folder / "blocks").as_posix() for path in folder.glob("blocks/*/*/*")}
        assert present == set(records.blocks.manifest.known_files()), "something is left over"
