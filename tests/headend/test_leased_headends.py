"""Three head-end processes share a town: one joins, one is killed, one stands still for a while and wakes.

Processes, sockets, records and meters' counters are real: a meter counts it as a fault when a counter comes twice.
"""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import numpy as np
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState, ReadJob
from bijlighar.cim.period import Period
from bijlighar.headend.clock import TownClock
from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records

from .harness import serial_of, title_of
from .meters import MIDNIGHT_S, NOON_S, d1_meter
from .test_killed import sheets

CHILD = Path(__file__).with_name("leased_headend.py")
METERS, GROUPS, SPEED = 12, 6, 300
SINCE_S = MIDNIGHT_S
WHOLE_S = 60.0
"""A machine that does six things at once needs seconds for what a quiet one does in one, but never a minute."""


class Process:
    """One head-end. ``groups`` that it holds, as it last said."""

    def __init__(self, folder, owner, url):
        self._arguments = [sys.executable, str(CHILD), str(folder), owner, url]
        self.groups = 0
        self._heard = asyncio.Event()

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self):
        async for line in self._process.stdout:
            self.groups = int(line.split()[1])
            self._heard.set()

    def signal(self, number):
        self._process.send_signal(number)

    async def holds(self, groups):
        async with asyncio.timeout(WHOLE_S):
            while self.groups != groups:
                self._heard.clear()
                await self._heard.wait()

    async def ended(self):
        code = await self._process.wait()
        await self._listening
        return code

    async def end(self):
        """Whatever the test came to: nothing is left behind."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()


class Town:
    """Meters, records and processes below one folder."""

    def __init__(self, folder, stack, url):
        self.folder = folder
        self._url = url
        self.clock = TownClock.create(folder / "clock", start_s=float(NOON_S), speed=SPEED)
        self._stack = stack
        self.meters = {
            n: d1_meter(self.clock.now, serial=serial_of(n), title=title_of(n), since_s=SINCE_S)
            for n in range(1, METERS + 1)
        }

    async def open(self):
        for meter in self.meters.values():
            await self._stack.enter_async_context(meter)
        sheets(self.folder / "sheets", self.meters)
        table = self.folder / "sheets" / "meters.csv"
        head, *rows = table.read_text().splitlines()
        named = [row.replace(",,", f",tower-{n % GROUPS},", 1) for n, row in enumerate(rows)]
        table.write_text("\n".join([head, *named]) + "\n")
        with self.records() as records:
            assert import_registry(records, self.folder / "sheets", Keyring(bytes(range(32)))).error_count == 0

    def records(self):
        return Records(self._url, self.folder, now=self.clock.now)

    async def headend(self, owner):
        process = Process(self.folder, owner, self._url)
        await process.start()
        self._stack.push_async_callback(process.end)
        return process

    def held(self, end_s):
        """Which blocks up to ``end_s`` are kept, as (meters, starts)."""
        with self.records() as records:
            return records.readings.held(ProfileKind.BLOCK_LOAD, Period(start_s=SINCE_S - 1800, end_s=end_s))

    async def until_read(self):
        """Until every block that has ended by now is kept."""
        end_s = int(self.clock.now()) // 1800 * 1800
        slots = (end_s - SINCE_S) // 1800 + 1
        async with asyncio.timeout(WHOLE_S):
            while len((await asyncio.to_thread(self.held, end_s))[0]) < METERS * slots:  # noqa: ASYNC110
                await asyncio.sleep(0.3)
        return end_s

    async def job_done(self, job_id):
        with self.records() as records:
            async with asyncio.timeout(WHOLE_S):
                while (await asyncio.to_thread(records.jobs.get, job_id)).state is not JobState.DONE:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    def ask(self, job_id, meter_id):
        with self.records() as records:
            records.jobs.ask(
                ReadJob(
                    job_id=job_id,
                    meter_id=meter_id,
                    kinds=(ProfileKind.INSTANTANEOUS,),
                    period=None,
                    asked_by="op",
                    asked_ms=int(self.clock.now() * 1000),
                )
            )


def test_head_ends_join_die_and_wake_and_every_block_is_read_with_no_counter_twice(tmp_path, records_url):
    async def main():
        async with AsyncExitStack() as stack:
            town = Town(tmp_path, stack, records_url)
            await town.open()
            one = await town.headend("h1")
            await one.holds(GROUPS)
            two = await town.headend("h2")  # a newcomer gets its share, voluntarily
            await asyncio.gather(one.holds(GROUPS // 2), two.holds(GROUPS // 2))
            one.signal(signal.SIGKILL)  # the kernel tells that it has ended
            assert await one.ended() == -signal.SIGKILL
            for meter_id in town.meters:  # jobs go to whoever holds the group, or will
                town.ask(f"J{meter_id}", meter_id)
            await two.holds(GROUPS)
            for meter_id in town.meters:
                await town.job_done(f"J{meter_id}")
            three = await town.headend("h3")
            await asyncio.gather(two.holds(GROUPS // 2), three.holds(GROUPS // 2))
            two.signal(signal.SIGSTOP)  # lives, and beats no more: only time tells
            await three.holds(GROUPS)
            two.signal(signal.SIGCONT)  # wakes, and must not go on as if nothing had happened
            await asyncio.gather(two.holds(GROUPS // 2), three.holds(GROUPS // 2))
            end_s = await town.until_read()
            two.signal(signal.SIGTERM)
            assert await two.ended() == 0
            await three.holds(GROUPS)
            three.signal(signal.SIGTERM)
            assert await three.ended() == 0
            check(town, end_s)

    uvloop.run(main())


def check(town, end_s):
    with town.records() as records:
        assert records.leases.board().members == ()
        assert {lease.life for lease in records.leases.board().leases.values()} == {None}
        for meter_id in town.meters:
            rows = records.readings.rows(
                ProfileKind.BLOCK_LOAD, meter_id, Period(start_s=SINCE_S - 1800, end_s=end_s)
            )
            assert np.array_equal(rows.start_s, np.arange(SINCE_S - 1800, end_s, 1800))
            slot = (rows.start_s + 1800) // 1800
            assert np.array_equal(rows.channels["import_wh"], slot % 50 * 10)
    assert {n: meter.faults for n, meter in town.meters.items()} == {n: [] for n in town.meters}
