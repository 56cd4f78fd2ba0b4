"""What goes wrong with a mohalla, and how it comes out: told, bounded, nothing lost or doubled.

A disk that fills up in mid-reading; a database that is away; all meters restarting at once; a tower that is gone;
a server's clock that jumps by hours. A storm of last gasps stands in ``test_push_storm``, what a killed process
leaves in ``test_killed``; small forms in ``test_service`` and ``test_restart``.
"""

import os
from dataclasses import replace

import numpy as np
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.headend.clocksetting import ClockLimits
from bijlighar.headend.schedule import CADENCES, Task
from bijlighar.headend.tenure import TenureSettings
from meterlab import scenes
from meterlab.town import mohalla
from simulation import truths

from .mohalla import DAY_S, SEED, SETTINGS, Mohalla
from .mohalla_hurts import Disk, ServerClock, database_away

HOMES = int(os.environ.get("MOHALLA_HOMES", "600"))
"""2,000 in ``make nightly``."""
QUEUE_OCTETS = 300_000
"""Of answers that wait: what some hundred and fifty meters say, so that a store that is away is felt."""
ONE_ANSWER_OCTETS = 4_096
SMALL_QUEUE = replace(
    SETTINGS, delivery=replace(SETTINGS.delivery, most_octets=QUEUE_OCTETS // 8, queue_octets=QUEUE_OCTETS)
)
MOST_WAITING = QUEUE_OCTETS + SETTINGS.dispatch.most_sessions * ONE_ANSWER_OCTETS
"""No visit begins while the queue is full; those under way still bring what they were sent for."""
HOUR_S = 3_600


def whole_and_once(town):
    """Every row has landed once, and stands in the store."""
    assert town.doubled() == []
    assert town.kept() == town.landing.rows.keys()
    assert town.exchange.tally.faults == 0


def test_a_disk_that_fills_up_in_mid_reading_is_told_and_nothing_is_lost_when_there_is_room_again(
    tmp_path, records_url
):
    async def main():
        disk = Disk()
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url, files=disk) as town:
            disk.fills_up(after=3)
            reader = await town.reader(SMALL_QUEUE)
            await town.until(lambda: disk.refused > 3 and reader.tells("store") and reader.tells("queue-full"))
            assert "the disk of the readings is full" in reader.alarms()["store"]
            await town.until(lambda: reader.beat.sessions == 0)
            acknowledged = sum(contact.rows for contact in reader.contacts)
            assert len(town.kept()) == acknowledged == reader.metric("rows_landed_total", kind="daily") > 0
            assert not town.whole()
            assert not list(tmp_path.rglob("*.part"))
            disk.has_room()
            await town.until(town.whole)
            await town.until(lambda: not reader.tells("store") and not reader.tells("queue-full"))
            assert reader.most_octets <= MOST_WAITING
            whole_and_once(town)

    uvloop.run(main())


def test_a_database_that_is_away_for_ten_minutes_is_told_and_all_goes_on_where_it_stood(tmp_path, records_url):
    tenure = TenureSettings(renew_s=0.1, fresh_s=0.5, held_s=1.0, taken_s=2.0)

    async def main():
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url, busy_s=0.05) as town:
            reader = await town.reader(replace(SMALL_QUEUE, tenure=tenure))
            await town.until(lambda: len(town.landing.rows) > 1_000)
            with database_away(records_url):
                await town.until(lambda: all(map(reader.tells, ("store", "leases"))))
                kept = len(town.landing.rows)
                town.clock.instant_s += 600
                await town.until(lambda: reader.beat.sessions == 0 and reader.headend._tenure.lapsed)
                assert len(town.landing.rows) == kept
                assert not town.whole()
            await town.until(lambda: not reader.alarms())
            await later(town, town.whole)
            assert reader.most_octets <= MOST_WAITING
            whole_and_once(town)

    uvloop.run(main())


def unanswered(reader):
    """Visits that came to nothing, as a metric."""
    return sum(reader.metric("visits_total", outcome=word) for word in ("reset", "no-answer"))


def test_all_meters_that_restart_at_once_are_read_whole_afterwards(tmp_path, records_url):
    async def main():
        async with Mohalla(mohalla(SEED, HOMES), tmp_path, url=records_url) as town:
            reader = await town.reader()
            await town.until(lambda: len(town.landing.rows) > 1_000)
            await town.switch_off()
            missed = len(town.meters) - len(town.held())
            assert missed > 0
            await town.until(lambda: reader.beat.sessions == 0)
            await town.until(lambda: unanswered(reader) > 0)
            assert unanswered(reader) == reader.outcomes()["reset"] + reader.outcomes()["no-answer"]
            await town.switch_on(town.port)
            await later(town, town.whole)
            assert reader.most_octets <= SETTINGS.delivery.queue_octets
            whole_and_once(town)

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
            town.clock.instant_s += HOUR_S
            reader = await town.reader()
            await town.until(lambda: reader.beat.sessions == 0 and len(reader.contacts) >= len(town.meters))
            assert set(reader.outcomes()) <= {"ok", "no-answer", "reset", "hung"}
            town.clock.instant_s += 2 * HOUR_S
            await later(town, town.whole)
            whole_and_once(town)

    uvloop.run(main())


BLOCKS = replace(
    SETTINGS,
    schedule=replace(
        SETTINGS.schedule,
        cadences={task: replace(CADENCES[task], delay_s=0, spread_s=0) for task in (Task.BLOCK_LOAD, Task.DAILY)},
    ),
    visits=replace(SETTINGS.visits, clock=ClockLimits(allow_jump=True)),
    backfill_days=1,
)
"""Every half hour blocks of the last day; a clock may be set as far as one likes, when it is believed."""
KINDS = (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY)


def due_rows(town):
    """What the meters hold of the last day."""
    now_s = town.clock.now()
    rows = set()
    for meter_id, meter in town.numbers().items():
        for kind in KINDS:
            starts, _ = truths.rows(town.lab, meter, kind, now_s)
            rows |= {(kind, meter_id, start_s) for start_s in starts.tolist() if start_s >= now_s - DAY_S + HOUR_S}
    return rows


async def all_visited(town, reader):
    """Every meter is visited once more."""
    since = len(reader.contacts)
    await town.until(lambda: {contact.meter_id for contact in reader.contacts[since:]} == town.meters.keys())


def test_a_server_whose_clock_jumps_by_hours_in_mid_reading_loses_nothing_and_sets_no_meter(tmp_path, records_url):
    async def main():
        async with Mohalla(
            mohalla(SEED, HOMES), tmp_path, url=records_url, server=ServerClock, with_blocks=True
        ) as town:
            state = town.lab.state
            before = state.clock_set_s.copy(), state.clock_offset_s.copy()
            reader, clock = await town.reader(BLOCKS), town.server_clock
            await town.until(lambda: len(reader.contacts) > HOMES // 5)
            clock.off_s = 3 * HOUR_S
            left_s = clock.now() - DAY_S  # what is older has left the window of a head-end of so late a time
            await all_visited(town, reader)
            assert reader.tells("clock-doubtful")
            clock.off_s = -2 * HOUR_S
            town.clock.instant_s += HOUR_S
            await all_visited(town, reader)
            assert reader.tells("clock-doubtful")
            clock.off_s = 0.0
            await all_visited(town, reader)
            await town.until(lambda: not reader.tells("clock-doubtful"))
            due = due_rows(town)
            await town.until(lambda: due <= town.landing.all.keys())
            await town.until(lambda: reader.beat.sessions == 0)
            assert not any("clock set" in contact.detail for contact in reader.contacts)
            assert all(map(np.array_equal, before, (state.clock_set_s, state.clock_offset_s)))
            assert all(start_s < left_s for _, _, start_s in town.doubled())
            assert {(kind, *row) for kind in KINDS for row in town.kept(kind)} == town.landing.all.keys()
            assert town.exchange.tally.faults == 0

    uvloop.run(main())
