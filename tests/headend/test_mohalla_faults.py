"""What goes wrong with a mohalla of 400 meters, and how it comes out: told, bounded, nothing lost or doubled.

A store that takes nothing in mid-reading, for ten minutes; all meters restarting at once; a tower that is gone.
Small forms stand in ``test_service`` and ``test_restart``, where the clock jumps too; a storm of last gasps in
``test_push_town``; what a killed process leaves in ``test_killed``.
"""

from dataclasses import replace

import uvloop

from bijlighar.cim.exchange import Unavailable
from meterlab import scenes
from meterlab.town import mohalla

from .mohalla import SEED, SETTINGS, Mohalla

HOMES = 400
QUEUE_OCTETS = 60_000
"""Of answers that wait: what some thirty meters say, so that a store that is away is felt."""
ONE_ANSWER_OCTETS = 4_096
SMALL_QUEUE = replace(
    SETTINGS, delivery=replace(SETTINGS.delivery, most_octets=QUEUE_OCTETS // 8, queue_octets=QUEUE_OCTETS)
)
MOST_WAITING = QUEUE_OCTETS + SETTINGS.dispatch.most_sessions * ONE_ANSWER_OCTETS
"""No visit begins while the queue is full; those under way still bring what they were sent for."""


class Away:
    """A store that refuses from the ``after``-th landing on, until it is back."""

    def __init__(self, reason, after):
        self.reason, self.left, self.refused = reason, after, 0

    def __call__(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.refused += 1
                raise Unavailable(self.reason)

    def back(self):
        self.left = None


async def out_and_back(town, reader, away):
    """The store goes away in mid-reading and comes back after a while; what waits stays bounded."""
    town.landing.before = away
    await town.until(lambda: away.refused > 3 and {"store", "queue-full"} <= reader.alarms().keys())
    assert not town.whole()
    assert away.reason in reader.alarms()["store"]
    town.clock.instant_s += 600
    await town.until(lambda: reader.beat.sessions == 0)
    assert reader.headend._delivery.octets <= MOST_WAITING
    away.back()
    await town.until(town.whole)
    await town.until(lambda: not reader.alarms().keys() & {"store", "queue-full"})
    assert town.doubled() == []


def test_a_disk_that_fills_up_in_mid_reading_is_told_and_nothing_is_lost_when_there_is_room_again(
    tmp_path, records_url
):
    async def main():
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url) as town:
            away = Away("no space left on device", after=3)
            town.landing.before = away
            await out_and_back(town, await town.reader(SMALL_QUEUE), away)

    uvloop.run(main())


def test_all_meters_that_restart_at_once_are_read_whole_afterwards(tmp_path, records_url):
    async def main():
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url) as town:
            reader = await town.reader()
            await town.until(lambda: len(town.landing.rows) > 1_000)
            await town.switch_off()
            missed = len(town.meters) - len(town.held())
            assert missed > 0
            await town.until(lambda: reader.beat.sessions == 0)
            await town.switch_on(town.port)
            await later(town, town.whole)
            assert town.doubled() == []
            assert town.exchange.tally.faults == 0

    uvloop.run(main())


async def later(town, true):
    """Until it holds, a minute of the utility's clock after the other, for back-offs to end."""
    for _ in range(60):
        if true():
            return
        town.clock.instant_s += 60
        for reader in town.readers:
            beats = reader.beats
            await town.until(lambda beats=beats, reader=reader: reader.beats > beats + 2)
            await town.until(lambda reader=reader: reader.beat.sessions == 0)
    await town.until(true)


def test_a_tower_that_is_gone_costs_its_own_meters_only_and_they_follow(tmp_path, records_url):
    async def main():
        calls = [scenes.parse("tower-outage:hours=1")]
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url, calls=calls) as town:
            town.clock.instant_s += 3_600
            reader = await town.reader()
            await town.until(lambda: reader.beat.sessions == 0 and len(reader.contacts) >= len(town.meters))
            assert set(reader.outcomes()) <= {"ok", "no-answer", "reset", "hung"}
            town.clock.instant_s += 2 * 3_600
            await later(town, town.whole)
            assert town.doubled() == []

    uvloop.run(main())
