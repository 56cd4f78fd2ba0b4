import asyncio
import struct
import threading
import time

import pytest

from bijlighar.headend import clock as clock_module
from bijlighar.headend.clock import SystemClock, TornClock, TownClock

JUNE_NIGHT_S = 1_781_111_400.0


def test_a_town_starts_where_it_is_told_and_runs_at_its_speed(tmp_path, monkeypatch):
    wall = [100.0]
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: wall[0])
    town = TownClock.create(tmp_path / "clock", start_s=JUNE_NIGHT_S, speed=60)
    assert town.now() == JUNE_NIGHT_S
    wall[0] += 2.0
    assert town.now() == JUNE_NIGHT_S + 120
    town.set_speed(0)
    wall[0] += 50
    assert town.now() == JUNE_NIGHT_S + 120
    town.set_speed(1)
    wall[0] += 3
    assert town.now() == JUNE_NIGHT_S + 123
    assert town.speed == 1


def test_all_who_open_the_file_see_the_same_time_and_speed(tmp_path):
    first = TownClock.create(tmp_path / "clock", start_s=JUNE_NIGHT_S, speed=0)
    second = TownClock.open(tmp_path / "clock")
    assert second.now() == first.now() == JUNE_NIGHT_S
    second.set_speed(3600)
    assert first.speed == 3600


def test_the_layout_is_the_agreed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: 7.5)
    TownClock.create(tmp_path / "clock", start_s=JUNE_NIGHT_S, speed=30)
    sequence, monotonic_s, town_s, speed = struct.unpack("<Qddd", (tmp_path / "clock").read_bytes())
    assert (sequence, monotonic_s, town_s, speed) == (2, 7.5, JUNE_NIGHT_S, 30.0)


def test_no_reader_ever_sees_half_a_change(tmp_path):
    town = TownClock.create(tmp_path / "clock", start_s=JUNE_NIGHT_S, speed=0)
    reader = TownClock.open(tmp_path / "clock")
    stop = threading.Event()

    def change_speed():
        while not stop.is_set():
            town.set_speed(1e-9)
            town.set_speed(0)

    writer = threading.Thread(target=change_speed)
    writer.start()
    try:
        seen = [reader.now() for _ in range(20_000)]
    finally:
        stop.set()
        writer.join()
    assert all(JUNE_NIGHT_S <= instant < JUNE_NIGHT_S + 1 for instant in seen)
    assert seen == sorted(seen)


def test_a_writer_that_died_in_the_middle_is_told_not_waited_for(tmp_path):
    path = tmp_path / "clock"
    town = TownClock.create(path, start_s=JUNE_NIGHT_S, speed=1)
    octets = bytearray(path.read_bytes())
    octets[0] |= 1
    with path.open("r+b") as file:
        file.write(octets)
    with pytest.raises(TornClock, match="never ended"):
        town.now()


@pytest.mark.parametrize("octets", [b"", bytes(31), bytes(33)])
def test_a_foreign_file_is_refused(tmp_path, octets):
    (tmp_path / "clock").write_bytes(octets)
    with pytest.raises(TornClock):
        TownClock.open(tmp_path / "clock")


@pytest.mark.parametrize("speed", [-1, float("inf"), float("nan")])
def test_an_impossible_speed_is_refused(tmp_path, speed):
    with pytest.raises(ValueError, match="speed"):
        TownClock.create(tmp_path / "clock", start_s=JUNE_NIGHT_S, speed=speed)


def test_a_sleeper_wakes_when_the_town_gets_there_even_if_it_stood_still_at_first(tmp_path):
    town = TownClock.create(tmp_path / "clock", start_s=JUNE_NIGHT_S, speed=0)

    async def main():
        sleeper = asyncio.create_task(town.sleep_until(JUNE_NIGHT_S + 3600))
        await asyncio.sleep(0)
        assert not sleeper.done()
        town.set_speed(1_000_000)
        await asyncio.wait_for(sleeper, 60)

    asyncio.run(main())
    assert town.now() >= JUNE_NIGHT_S + 3600


def test_the_machines_clock_is_the_machines_clock():
    before = time.time()
    assert before <= SystemClock().now() <= time.time()
    asyncio.run(SystemClock().sleep_until(before - 10))
