"""kill -9 of a head-end while meters push: nothing acknowledged is lost, and no replay is accepted afterwards."""

import asyncio
import random
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.headend.clock import TownClock
from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records

from .fakes import WHOLE_S
from .listening import framed, sealed, snapshot
from .meters import NOON_S
from .test_killed import sheets

CHILD = Path(__file__).with_name("killed_pushes.py")
FIRST_S = NOON_S - 100_000
METERS, ROUNDS, PUSHES, SEED = 4, 5, 50, 20260612
EVER = Period(start_s=0, end_s=1 << 40)


class Life:
    """One life of the process. ``told`` are the lines of acknowledged rows."""

    def __init__(self, folder, url):
        self.command = [sys.executable, str(CHILD), str(folder), url]
        self.told = []

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        self.child = await asyncio.create_subprocess_exec(*self.command, stdout=pipe)
        word, port = (await self.child.stdout.readline()).split()
        assert word == b"port"
        _, self.writer = await asyncio.open_connection("127.0.0.1", int(port))
        self.attacked, self.attacker = await asyncio.open_connection("127.0.0.1", int(port))
        self.reading = asyncio.create_task(self._read())
        return self

    def replay(self, frames):
        """Somebody sends what he has recorded, until the connection is closed on him."""
        self.attacker.write(b"".join(frames))

    async def _read(self):
        while (line := await self.child.stdout.readline()).endswith(b"\n"):
            self.told.append(tuple(map(int, line.split())))

    async def end(self, number):
        self.child.send_signal(number)
        await self.reading
        code = await self.child.wait()
        for writer in (self.writer, self.attacker):
            writer.close()
        return code

    async def __aexit__(self, *_):
        if self.child.returncode is None:
            self.child.kill()
            await self.child.wait()


def test_acknowledged_pushes_outlive_any_kill_and_no_replay_is_accepted_after_it(records_url, tmp_path):
    clock = TownClock.create(tmp_path / "clock", start_s=float(NOON_S), speed=1)
    draw = random.Random(SEED)
    sheets(tmp_path / "sheets", {n: SimpleNamespace(host="127.0.0.1", port=1) for n in range(1, METERS + 1)})
    with Records(records_url, tmp_path, now=clock.now) as records:
        import_registry(records, tmp_path / "sheets", Keyring(bytes(range(32))))
    told, last_life, older = Counter(), {}, []

    def last_is_kept():
        with Records(records_url, tmp_path, now=clock.now) as records:
            rows = records.readings.table(ProfileKind.INSTANTANEOUS, None, EVER)
        return last_life.keys() <= set(zip(rows.meter_id.tolist(), rows.start_s.tolist(), strict=True))

    async def main():
        for life in range(ROUNDS):
            async with Life(tmp_path, records_url) as head:
                head.replay(older)
                # what may be lost is repeated first, as a meter does; the window is 64 wide, a life 50 long
                fresh = list(last_life.values())
                older.extend(fresh)
                last_life.clear()
                for count in range(PUSHES):
                    start_s = FIRST_S + life * PUSHES + count
                    for n in range(1, METERS + 1):
                        octets = framed(sealed(n, life * PUSHES + count, snapshot(start_s)))
                        last_life[n, start_s] = octets
                        fresh.append(octets)
                    head.writer.write(b"".join(fresh))
                    fresh = []
                    await asyncio.sleep(draw.uniform(0, 0.004))
                assert await head.end(signal.SIGKILL) == -signal.SIGKILL
                told.update(head.told)
        async with Life(tmp_path, records_url) as head:
            head.replay(older)
            head.writer.write(b"".join(last_life.values()))
            async with asyncio.timeout(WHOLE_S):
                with suppress(ConnectionResetError):
                    assert await head.attacked.read() == b""
                while not await asyncio.to_thread(last_is_kept):  # noqa: ASYNC110 (a database tells nobody)
                    await asyncio.sleep(0.05)
            assert await head.end(signal.SIGTERM) == 0
            told.update(head.told)

    uvloop.run(main())
    assert len(told) > METERS * PUSHES
    assert max(told.values()) == 1, "told twice is accepted twice"
    with Records(records_url, tmp_path, now=clock.now) as records:
        rows = records.readings.table(ProfileKind.INSTANTANEOUS, None, EVER)
        kept = set(zip(rows.meter_id.tolist(), rows.start_s.tolist(), strict=True))
        segments = records.manifest.pin(ProfileKind.INSTANTANEOUS.value).segments
        assert told.keys() <= kept
        assert sum(segment.rows for segment in segments) == len(kept), "no row was landed twice"
        assert kept >= last_life.keys(), "what was repeated in time is there"
