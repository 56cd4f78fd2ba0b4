"""Killed at random moments, many times: nothing acknowledged is lost, nothing doubled, no counter repeats."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.records import Records

ROUNDS = int(os.environ.get("KILL_ROUNDS", "24"))
WRITER = Path(__file__).with_name("writer.py")
ALWAYS = Period(start_s=0, end_s=2**40)

RESERVE = """
import sys
from pathlib import Path
from bijlighar.records import Records
with Records(sys.argv[1], Path(sys.argv[2])) as records:
    print(*[records.counters.reserve(1, 48, 2) for _ in range(40)])
"""


@dataclass
class Writer:
    """The writer's process and what it acknowledged."""

    process: subprocess.Popen[bytes]
    slots: list[int] = field(default_factory=list)
    counters: list[int] = field(default_factory=list)
    child: int = 0
    rest: bytes = b""

    def run_and_kill(self, first_slot: int, calls: int, seconds: float) -> None:
        """Let a child write from a slot on, and kill it a while after so many acknowledged calls."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{first_slot}\n".encode())
        self.process.stdin.flush()
        self.child, before = 0, len(self.slots)
        while not self.child or len(self.slots) < before + calls:
            assert select.select([self.process.stdout], [], [], 30.0)[0], "the writer stands still"
            self._listen(0.0)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._listen(left)
        os.kill(self.child, signal.SIGKILL)
        while not self._listen(10.0):
            pass

    def _listen(self, seconds: float) -> bool:
        """Take in what the writer said; True when the child has ended."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        *lines, self.rest = (self.rest + os.read(self.process.stdout.fileno(), 65_536)).split(b"\n")
        for line in lines:
            match line.split():
                case [b"child", pid]:
                    self.child = int(pid)
                case [b"slot", slot, b"counter", counter]:
                    self.slots.append(int(slot))
                    self.counters.append(int(counter))
                case [b"end"]:
                    return True
                case _:
                    raise AssertionError(line)
        return False


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ":".join(sys.path)}


def test_nothing_acknowledged_is_lost_by_kills_at_random_moments(
    trial: Records, records_url: str, tmp_path: Path
) -> None:
    chance = random.Random(20_260_601)
    command = [sys.executable, str(WRITER), records_url, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=_environment()) as process:
        writer = Writer(process)
        for _ in range(ROUNDS):
            again = max(writer.slots, default=0)
            writer.run_and_kill(first_slot=again, calls=chance.choice((0, 1, 5)), seconds=chance.uniform(0, 0.15))
            with Records(records_url, tmp_path) as records:
                _check(records, writer)
                for day in records.manifest.days("block-load"):
                    records.compaction.compact_day("block-load", day)
                _check(records, writer)
        assert process.stdin is not None
        process.stdin.close()
    assert len(writer.slots) > ROUNDS
    assert trial.check(contents=True).lost == ()


def _check(records: Records, writer: Writer) -> None:
    assert records.recovered.lost == records.recovered.unreadable == ()
    rows = records.readings.table(ProfileKind.BLOCK_LOAD, None, ALWAYS, ["import_wh"])
    slots = rows.start_s // 1800
    assert np.array_equal(rows.channels["import_wh"], rows.meter_id.astype(np.int64) * 1_000_000 + slots)
    assert len(np.unique(np.stack([rows.meter_id, rows.start_s]), axis=1).T) == len(rows), "doubled"
    assert set(writer.slots) <= set(slots.tolist()), "lost"
    contacts = [contact.started_ms // 1_800_000 - 1 for contact in records.readings.contacts(ALWAYS)]
    assert set(writer.slots) <= set(contacts), "lost"
    assert len(set(contacts)) == len(contacts), "doubled"
    assert len(set(writer.counters)) == len(writer.counters), "repeated"


def test_concurrent_processes_get_different_counters(trial: Records, records_url: str, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RESERVE, records_url, str(tmp_path)], stdout=subprocess.PIPE, env=_environment()
        )
        for _ in range(3)
    ]
    numbers = [int(word) for process in processes for word in process.communicate(timeout=60)[0].split()]
    assert sorted(numbers) == list(range(0, 240, 2))
