"""A head-end begins again: only what is really missing is due, and a clock that was set back stops nothing."""

from dataclasses import replace

import numpy as np
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.own_clock import JUMP_S, QUORUM, VOTERS, OwnClock

from .doubles import Store
from .harness import Town
from .meters import NOON_S

BLOCK = ProfileKind.BLOCK_LOAD
DAY_S = 86_400


class Remembering(Store):
    """A store that also tells what was done before."""

    def ports(self):
        return replace(super().ports(), past=self)

    def firmware(self):
        return {meter_id: plate.firmware for meter_id, plate in self.plates.items()}

    def held_parts(self, kind, period, meter_ids=None):  # noqa: ARG002
        yield self.held(kind, period)

    def last_successes(self, since_s):
        for contact in self.contacts:
            if contact.outcome is Outcome.OK and contact.started_ms >= since_s * 1000:
                yield contact.purpose, np.array([contact.meter_id]), np.array([contact.started_ms / 1000])


def test_after_a_restart_only_what_is_missing_is_due():
    async def main():
        async with Town(3, store=Remembering(), since_s=0) as town:  # they hold all that is ever asked for
            await town.quiet()
            before = len(town.store.contacts)
        async with town:
            await town.quiet()
            assert len(town.store.contacts) == before  # all was done
        town.clock.instant_s += 1900
        async with town:
            await town.quiet()
            again = {contact.purpose for contact in town.store.contacts[before:]}
            assert again == {"instantaneous+block-load+event"}  # none of what is due once a day
            assert max(town.store.starts(BLOCK, 1)) == NOON_S

    uvloop.run(main())


def test_gaps_of_before_are_filled_after_a_restart():
    async def main():
        async with Town(1, store=Remembering()) as town:
            await town.quiet()
            whole = set(town.store.starts(BLOCK, 1))
            lost = town.store.landed.pop(next(n for n, b in enumerate(town.store.landed) if b.kind is BLOCK))
            assert set(town.store.starts(BLOCK, 1)) < whole
        async with town:
            await town.quiet()
            assert set(town.store.starts(BLOCK, 1)) == whole
            assert town.store.contacts[-1].purpose == "backfill"
            assert len(lost) > 50

    uvloop.run(main())


def test_a_clock_set_back_by_a_day_stops_nothing():
    async def main():
        async with Town(2) as town:
            town.clock.instant_s += DAY_S  # it ran ahead
            await town.quiet()
            before = len(town.store.contacts)
            await town.pass_time(-DAY_S)
            await town.pass_time(1900)
            assert len(town.store.contacts) >= before + 2
            assert NOON_S in town.store.starts(BLOCK, 1)

    uvloop.run(main())


def test_a_clock_set_forward_by_years_and_back_is_no_end_of_reading():
    async def main():
        async with Town(1) as town:
            await town.quiet()
            await town.pass_time(5 * 365 * DAY_S)
            await town.pass_time(-5 * 365 * DAY_S)
            await town.pass_time(1900)
            await town.until(lambda: NOON_S in town.store.starts(BLOCK, 1))

    uvloop.run(main())


def own_clock():
    return OwnClock(Alarms(Metrics(), lambda: 0.0), doubt_s=60.0)


def test_meters_that_are_off_one_by_one_leave_our_clock_trusted():
    clock = own_clock()
    for meter_id in range(VOTERS):
        clock.heard(meter_id, 3_600_000 if meter_id % 3 == 0 else 200)
    assert clock.is_trusted


def test_meters_that_are_all_off_together_outvote_our_clock_until_they_agree_again():
    clock = own_clock()
    for meter_id in range(QUORUM):
        assert clock.is_trusted
        clock.heard(meter_id, 90_000)
    assert not clock.is_trusted
    for meter_id in range(VOTERS):
        clock.heard(meter_id, -100)
    assert clock.is_trusted


def test_a_jump_of_the_machines_clock_is_seen_at_once_and_meters_are_not_set_by_it():
    clock = own_clock()
    clock.look(1000.0, 50.0, 12)
    clock.look(1001.0, 51.0, 12)
    assert clock.is_trusted
    clock.look(1002.0 + 2 * JUMP_S, 52.0, 12)
    assert not clock.is_trusted
    for meter_id in range(QUORUM):
        clock.heard(meter_id, -90_000)
        clock.look(1003.0 + 2 * JUMP_S, 53.0, 12)
        assert not clock.is_trusted
    for meter_id in range(QUORUM):
        clock.heard(meter_id, 100)
    clock.look(1004.0 + 2 * JUMP_S, 54.0, 12)
    assert clock.is_trusted


def test_a_jump_is_believed_when_the_only_meter_agrees_with_it():
    clock = own_clock()
    clock.look(1000.0, 50.0, 1)
    clock.look(5000.0, 51.0, 1)
    clock.heard(1, 500)
    clock.look(5001.0, 52.0, 1)
    assert clock.is_trusted


def test_a_visit_that_began_before_a_jump_says_nothing_of_the_clock_after_it():
    clock = own_clock()
    clock.look(1000.0, 50.0, 12)
    before = clock.jumps
    clock.look(4601.0, 51.0, 12)
    assert clock.jumps == before + 1
    for meter_id in range(QUORUM):
        clock.heard(meter_id, 100, before)  # measured by the clock as it was
    clock.look(4602.0, 52.0, 12)
    assert not clock.is_trusted
    for meter_id in range(QUORUM):
        clock.heard(meter_id, 100, clock.jumps)
    clock.look(4603.0, 53.0, 12)
    assert clock.is_trusted
