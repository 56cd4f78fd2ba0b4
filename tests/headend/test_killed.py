"""kill -9 of a head-end process in the middle of its work, again and again: real records, real sockets."""

import asyncio
import os
import random
import signal
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import numpy as np
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.headend.clock import TownClock
from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records

from .fakes import KEYS
from .harness import serial_of, title_of
from .meters import NOON_S, d1_meter

CHILD = Path(__file__).with_name("killed_headend.py")
METERS, SEED = 3, 20260611
ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
DAY_S = 86_400
SINCE_S = NOON_S - 20 * DAY_S
BLOCKS = 20 * 48 + 1
WINDOW = Period(start_s=SINCE_S - DAY_S, end_s=NOON_S + DAY_S)


def sheets(folder, meters):
    folder.mkdir()
    rows = {
        "divisions": ["code,name,name_hi", "D,Parade,"],
        "substations": ["code,name,division", "S,Parade,D"],
        "feeders": ["code,name,substation,limit_a", "F,Mall,S,400"],
        "transformers": ["code,name,feeder,rating_kva,latitude,longitude", "T,Sweet,F,250,,"],
        "usage_points": ["code,kind,name,transformer,phase,sanctioned_load_w,address,latitude,longitude"],
        "meters": ["serial,system_title,category,model,usage_point,host,port,group,maker"],
        "keys": ["serial,encryption_key,authentication_key,reader_secret,setting_secret,master_key"],
    }
    for n, meter in meters.items():
        rows["usage_points"].append(f"U{n},consumer,Home {n},T,R,5000,,,")
        named = f"{serial_of(n)},{title_of(n).hex()},D1,is15959-d1,U{n}"
        rows["meters"].append(f"{named},{meter.host},{meter.port},,")
        keys = (KEYS.encryption_key.hex(), KEYS.authentication_key.hex(), KEYS.reader_secret.decode())
        rows["keys"].append(f"{serial_of(n)},{','.join(keys)},{KEYS.setting_secret.hex()},{bytes(16).hex()}")
    for name, lines in rows.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


WHOLE_S = 60.0
"""A machine that does six things at once needs seconds for what a quiet one does in one, but never a minute."""


async def one_life(folder, url, acknowledged, wait_s, number, *, until=None):
    """Start the process, let it live, end it with ``number``, and note what it had acknowledged.

    It lives for ``wait_s``, and then until ``until()``.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CHILD), str(folder), url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(WHOLE_S):
        assert await child.stdout.readline() == b"ready\n"
    await asyncio.sleep(wait_s)
    async with asyncio.timeout(WHOLE_S):
        while until is not None and not until():
            with suppress(TimeoutError):
                acknowledged.add(await asyncio.wait_for(child.stdout.readline(), 0.2))
    child.send_signal(number)
    rest = await child.stdout.read()
    acknowledged.update(line + b"\n" for line in rest.split(b"\n")[:-1])
    return await child.wait()


def test_nothing_acknowledged_is_lost_and_no_counter_repeats(records_url, tmp_path):
    clock = TownClock.create(tmp_path / "clock", start_s=float(NOON_S), speed=1)
    draw = random.Random(SEED)
    meters = {
        n: d1_meter(clock.now, serial=serial_of(n), title=title_of(n), since_s=SINCE_S, late_s=0.01)
        for n in range(1, METERS + 1)
    }
    acknowledged = set()

    async def main():
        async with AsyncExitStack() as stack:
            for meter in meters.values():
                await stack.enter_async_context(meter)
            await lives()

    def whole():
        with Records(records_url, tmp_path, now=clock.now) as records:
            meter_ids, _ = records.readings.held(ProfileKind.BLOCK_LOAD, WINDOW)
        return len(meter_ids) == METERS * BLOCKS

    async def lives():
        sheets(tmp_path / "sheets", meters)
        with Records(records_url, tmp_path, now=clock.now) as records:
            import_registry(records, tmp_path / "sheets", Keyring(bytes(range(32))))
        for _ in range(ROUNDS):
            code = await one_life(tmp_path, records_url, acknowledged, draw.uniform(0, 1.2), signal.SIGKILL)
            assert code == -signal.SIGKILL
        assert await one_life(tmp_path, records_url, acknowledged, 0.0, signal.SIGTERM, until=whole) == 0

    uvloop.run(main())
    assert len(acknowledged) > 1000
    told = [line.split() for line in acknowledged]
    with Records(records_url, tmp_path, now=clock.now) as records:
        for n in meters:
            kept = records.readings.rows(ProfileKind.BLOCK_LOAD, n, WINDOW).start_s
            said = {int(s) for kind, m, s in told if kind == b"block-load" and int(m) == n}
            assert said <= set(kept.tolist())
            assert np.array_equal(np.sort(kept), np.arange(SINCE_S - 1800, NOON_S, 1800))
    assert [meter.faults for meter in meters.values()] == [[], [], []]
    assert all(meter.counters[32] > 0 for meter in meters.values())
