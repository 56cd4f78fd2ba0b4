"""A feeder goes dark and 1,400 meters say so within seconds, while the others are read as if nothing happened."""

import asyncio
import time
from collections import Counter
from dataclasses import replace

import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.headend.push import PushSettings
from bijlighar.headend.push_status import LAST_GASP
from meterlab import scenes
from meterlab.push import ALERT
from meterlab.push_plan import PushPlan
from meterlab.radio import Fate
from meterlab.town import mohalla

from .mohalla import ALWAYS, SETTINGS, Mohalla

SEED, HOMES, GASPS = 7, 2_400, 1_400
AT_ONCE = 200
"""Connections that are being opened at a time."""
QUEUE_OCTETS, SESSIONS, GATHERED = 60_000, 20, 64
STORMY = replace(
    SETTINGS,
    delivery=replace(SETTINGS.delivery, most_octets=QUEUE_OCTETS // 8, queue_octets=QUEUE_OCTETS),
    dispatch=replace(SETTINGS.dispatch, most_sessions=SESSIONS),
    push=PushSettings(host="127.0.0.1", port=0, gather_s=0.005, most_gathered=GATHERED),
)
MOST_WAITING = QUEUE_OCTETS + SESSIONS * 4_096 + GATHERED * 1_024
"""The storm as a whole is five times as much: what has no room waits in the sockets."""
EVENT = ProfileKind.EVENT


def landed(town, kind):
    """Rows of a kind by meter."""
    return Counter(
        meter_id for (one, meter_id, _), count in town.landing.all.items() for _ in range(count) if one is kind
    )


async def push_all(port, frames):
    """Each over a connection of its own, as meters do that have no supply any more."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def push(frame):
        async with gate:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(frame)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*map(push, frames))


def gasps(town):
    """Meters that tell their end within half a minute, and the frame of each."""
    now_s = town.clock.now()
    dues = [due for due in PushPlan(town.lab).due(now_s, now_s + 45) if due.name == ALERT and due.final]
    return {
        due.meter: town.maker.sealed(due.meter, town.maker.alert(due.meter, due.bits, due.at_s)) for due in dues
    }


def test_a_storm_of_last_gasps_is_kept_whole_and_once_while_the_other_meters_are_read(tmp_path, records_url):
    calls = [scenes.parse(f"last-gasp-storm:feeder={feeder}:after=10:minutes=35") for feeder in (0, 1)]

    async def main():
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url, calls=calls) as town:
            town.landing.before = lambda: time.sleep(0.02)  # a disk with a life of its own
            reader = await town.reader(STORMY)
            frames = gasps(town)
            assert len(frames) >= GASPS
            await town.until(lambda: len(reader.contacts) > HOMES // 10)
            town.clock.instant_s += 45
            visited = len(reader.contacts)
            await push_all(reader.headend.push.listener.port, frames.values())
            await town.until(lambda: reader.metric("pushes_total", outcome="accepted") == len(frames))
            assert len(reader.contacts) > visited
            meters = town.numbers()
            dark = [meter_id for meter_id, meter in meters.items() if meter in frames]
            lit = {
                meter_id
                for meter_id, meter in meters.items()
                if town.lab.fate(meter, town.clock.now()) is not Fate.RESET
            }
            await town.until(lambda: landed(town, EVENT) == dict.fromkeys(dark, 1))
            await town.until(lambda: lit <= town.held().keys())
            assert reader.was_paused
            assert "queue-full" in reader.raised
            await town.until(lambda: not reader.alarms() and reader.metric("push_paused") == 0)
            assert reader.most_octets <= MOST_WAITING
            assert town.doubled() == []
            kept = town.records.readings.table(EVENT, None, ALWAYS)
            assert sorted(kept.meter_id.tolist()) == sorted(dark)
            assert set(kept.channels["event_code"].tolist()) == {LAST_GASP}

    uvloop.run(main())
