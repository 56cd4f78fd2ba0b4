"""The machine burns. A backup was made while readings landed; a new machine goes on, and nothing is missing.

Head-end processes, sockets and meters are real; the meters refuse every invocation counter that they have seen.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import numpy as np
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.headend.clock import TownClock
from bijlighar.headend.keys import Keyring
from bijlighar.operations.backup import back_up, look_over
from bijlighar.operations.registry_import import import_registry
from bijlighar.operations.restore import Restore, restore
from bijlighar.records import Records
from bijlighar.records.backup_manifest import BackupPlace
from headend import killed_headend
from headend.harness import serial_of, title_of
from headend.meters import NOON_S, d1_meter
from headend.test_killed import sheets

METERS = 3
DAY_S = 86_400
DAYS = 20
SINCE_S = NOON_S - DAYS * DAY_S
EVERYTHING = Period(start_s=SINCE_S - DAY_S, end_s=NOON_S + DAY_S)
WHOLE = METERS * (DAYS * 48 + 1)
RING = Keyring(bytes(range(32)))
LONGEST_WAIT_S = 60.0
LATE_S = {1: 0.0, 2: 0.05, 3: 0.1}
"""How late the meters answer: the first has been read when the backup is made, the last is still being read."""


class HeadEndProcess:
    """A head-end in a process of its own; ``told`` what it said was landed."""

    def __init__(self, folder: Path, url: str) -> None:
        self._arguments = [sys.executable, killed_headend.__file__, str(folder), url]
        self.told: set[bytes] = set()
        self._heard = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is left behind, whatever went wrong."""
        if self.process.returncode is None:
            await self.end(signal.SIGKILL)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.told.add(line)
            self._heard.set()

    async def until_landed(self, meter_id: int) -> None:
        """Until readings of that meter were said to be durable."""
        async with asyncio.timeout(LONGEST_WAIT_S):
            while not any(line.startswith(b"block-load %d " % meter_id) for line in self.told):
                self._heard.clear()
                await self._heard.wait()

    async def end(self, number: int) -> None:
        self.process.send_signal(number)
        await self.process.wait()
        await self._listening


def test_a_new_machine_goes_on_from_a_backup_that_was_made_in_the_middle(
    tmp_path: Path, records_url: str, another_url: str
) -> None:
    clock = TownClock.create(tmp_path / "clock", start_s=float(NOON_S), speed=1)
    place = BackupPlace(folder=tmp_path.parent / f"{tmp_path.name}-backups", keys_folder=tmp_path.parent / "keys")
    meters = {
        n: d1_meter(clock.now, serial=serial_of(n), title=title_of(n), since_s=SINCE_S, late_s=LATE_S[n])
        for n in range(1, METERS + 1)
    }
    sheets_of_town, new = tmp_path / "sheets", tmp_path / "another"

    async def first_life() -> dict[int, int]:
        async with HeadEndProcess(tmp_path, records_url) as headend:
            await headend.until_landed(1)
            made = await asyncio.to_thread(
                back_up, records_url, tmp_path, place, by="root", now=clock.now, wall=time.time
            )
            assert made.manifest.damaged == ()
            await headend.end(signal.SIGKILL)
            await headend.start()  # takes fresh counters, of which the backup knows nothing
            await headend.until_landed(2)
            await headend.end(signal.SIGKILL)
        return {n: meter.counters[32] for n, meter in meters.items()}

    async def second_life(used: dict[int, int]) -> None:
        shutil.copy(tmp_path / "clock", new / "clock")
        for meter in meters.values():
            meter.late_s = 0.0
        async with HeadEndProcess(new, another_url) as headend, asyncio.timeout(LONGEST_WAIT_S):
            while not await asyncio.to_thread(whole):  # noqa: ASYNC110 (another process fills the records)
                await asyncio.sleep(0.2)
            await headend.end(signal.SIGTERM)
            assert headend.process.returncode == 0
        assert {n for n, meter in meters.items() if meter.counters[32] <= used[n]} == set()

    def whole() -> bool:
        with Records(another_url, new, now=clock.now) as records:
            return len(records.readings.held(ProfileKind.BLOCK_LOAD, EVERYTHING)[0]) == WHOLE

    async def main() -> None:
        async with AsyncExitStack() as stack:
            for meter in meters.values():
                await stack.enter_async_context(meter)
            sheets(sheets_of_town, meters)
            with Records(records_url, tmp_path, now=clock.now) as records:
                assert import_registry(records, sheets_of_town, RING).error_count == 0
            used = await first_life()
            shutil.rmtree(tmp_path / "segments")  # the old machine is gone
            assert look_over(place)[1] == []
            asked = Restore(place=place, records_url=another_url, data_dir=new, by="root")
            report = await asyncio.to_thread(restore, asked, RING, time.time)
            assert (report.keys_open, report.audit.broken_at) == (True, None)
            with Records(another_url, new, now=clock.now) as records:
                assert {n for n in meters if records.counters.reserve(n, 32, 1) <= used[n]} == set()
            await second_life(used)

    uvloop.run(main())
    assert {n: meter.faults for n, meter in meters.items()} == {n: [] for n in meters}  # no counter came twice
    with Records(another_url, new, now=clock.now) as records:
        for n in meters:
            kept = records.readings.rows(ProfileKind.BLOCK_LOAD, n, EVERYTHING)
            order = np.argsort(kept.start_s)
            ends_s = kept.start_s[order] + 1800
            assert np.array_equal(ends_s, np.arange(SINCE_S, NOON_S + 1, 1800))
            slot = ends_s // 1800
            assert np.array_equal(kept.channels["voltage_mv"][order], (23_000 + slot % 100) * 10)
            assert np.array_equal(kept.channels["import_wh"][order], slot % 50 * 10)
            assert np.array_equal(kept.channels["import_vah"][order], slot % 60 * 10)
        assert [entry.what for entry in records.audit.entries(limit=9)] == ["restored-backup"]
