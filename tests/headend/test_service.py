import time
from dataclasses import replace

import pytest
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.exchange import JobState, Unavailable
from bijlighar.cim.period import Period
from bijlighar.dlms import axdr
from bijlighar.dlms.clock import decode_instant
from bijlighar.dlms.xdlms import DataAccessResult
from bijlighar.headend import associating
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.schedule import Cadence, Task
from bijlighar.headend.session import TimeLimits
from bijlighar.headend.visitor import Visitor

from .fakes import KEYS
from .harness import IMPATIENT, SETTINGS, Town, all_well, serial_of
from .meters import D1, MIDNIGHT_S, NOON_S, buffer_ref, default_cell, events, plate

BLOCK = ProfileKind.BLOCK_LOAD
ONLY_BLOCKS = {"cadences": {Task.BLOCK_LOAD: Cadence(period_s=1800, delay_s=30)}}
DAY_S = 86_400


def asked(meter, profile):
    """Ranges asked of a profile, as stamps."""
    return [
        None
        if selection is None
        else (
            decode_instant(selection.start, D1.deviation_sign),
            decode_instant(selection.end, D1.deviation_sign),
        )
        for name, selection in meter.asked
        if name == profile
    ]


def test_a_new_meter_is_read_whole_and_landed():
    async def main():
        async with Town() as town:
            await town.quiet()
            store, meter = town.store, town.meters[1]
            expected = list(range(MIDNIGHT_S - 2 * DAY_S - 1800, NOON_S, 1800))
            assert sorted(store.starts(BLOCK, 1)) == expected
            daily = sorted(store.starts(ProfileKind.DAILY, 1))
            assert daily == [MIDNIGHT_S - 2 * DAY_S, MIDNIGHT_S - DAY_S, MIDNIGHT_S]
            assert len(store.starts(ProfileKind.INSTANTANEOUS, 1)) >= 1
            assert len(store.starts(ProfileKind.BILLING, 1)) == 1
            assert all_well(town)
            first = store.contacts[0]
            assert first.purpose == "instantaneous+block-load+daily+billing+event+nameplate+clock"
            assert (first.clock_offset_ms, first.signal_dbm, first.attempt) == (0, -87, 1)
            assert first.rows > 100
            await town.until(lambda: 1 in store.plates and len(store.kept_layouts) > 8)
            assert store.plates[1].serial == serial_of(1)
            assert ("is15959-d1", "F1.0", "block-load") in store.kept_layouts
            assert meter.most_open == 1

    uvloop.run(main())


def test_gaps_are_filled_back_to_35_days_and_no_slot_is_asked_for_twice():
    async def main():
        async with Town(schedule=ONLY_BLOCKS, since_s=0) as town:
            await town.quiet()
            starts = town.store.starts(BLOCK, 1)
            assert len(starts) == len(set(starts)) == 35 * 48
            assert min(starts) == NOON_S - 35 * DAY_S
            assert asked(town.meters[1], "block-load")[0][1] == NOON_S
            town.meters[1].asked.clear()
            await town.pass_time(1900)
            assert asked(town.meters[1], "block-load") == [(NOON_S + 1800, NOON_S + 1800)]

    uvloop.run(main())


def test_gaps_are_filled_no_further_back_than_is_set():
    async def main():
        async with Town(schedule=ONLY_BLOCKS, since_s=0, settings=replace(SETTINGS, backfill_days=2)) as town:
            await town.quiet()
            starts = town.store.starts(BLOCK, 1)
            assert (len(starts), min(starts)) == (2 * 48, NOON_S - 2 * DAY_S)
            assert asked(town.meters[1], "block-load") == [(NOON_S - 2 * DAY_S + 1800, NOON_S)]

    uvloop.run(main())


def test_only_what_the_store_does_not_hold_is_asked_for_after_a_restart():
    async def main():
        async with Town(schedule=ONLY_BLOCKS) as town:
            await town.quiet()
        for meter in town.meters.values():
            meter.asked.clear()
        town.clock.instant_s += 1900
        async with town:
            await town.quiet()
            ranges = asked(town.meters[1], "block-load")
            assert ranges[0] == (NOON_S + 1800, NOON_S + 1800)
            starts = town.store.starts(BLOCK, 1)
            assert len(starts) == len(set(starts))

    uvloop.run(main())


def test_slots_that_the_meter_does_not_have_are_not_asked_for_again_and_again():
    async def main():
        lost = {NOON_S - 20 * 1800 - 1800 * n for n in range(4)}
        async with Town(schedule=ONLY_BLOCKS, absent=lost) as town:
            await town.quiet()
            town.meters[1].asked.clear()
            for _ in range(3):
                await town.pass_time(1800)
            assert [end - start for start, end in asked(town.meters[1], "block-load")] == [0, 0, 0]

    uvloop.run(main())


def test_a_failing_meter_backs_off_and_the_others_go_on():
    async def main():
        async with Town(3, schedule=ONLY_BLOCKS, limits=IMPATIENT) as town:
            town.meters[2].hang_after = 0
            await town.quiet()
            assert town.outcomes(2) == [Outcome.HUNG]
            assert set(town.outcomes(1) + town.outcomes(3)) == {Outcome.OK}
            await town.pass_time(5)
            assert town.outcomes(2) == [Outcome.HUNG]
            await town.pass_time(60)
            assert town.outcomes(2) == [Outcome.HUNG] * 2
            assert [c.attempt for c in town.store.contacts if c.meter_id == 2] == [1, 2]
            town.meters[2].hang_after = None
            await town.pass_time(120)
            assert town.outcomes(2)[2] is Outcome.OK
            assert town.metric("bijlighar_visits_total", outcome="hung") == 2

    uvloop.run(main())


def test_another_meter_at_the_address_is_told_and_nothing_of_it_is_stored():
    async def main():
        async with Town(serial="KP999999") as town:
            await town.contacts(1)
            assert town.outcomes() == [Outcome.WRONG_METER]
            assert town.store.landed == []
            assert town.store.plates == {}

    uvloop.run(main())


def test_a_serial_that_changes_is_found_with_the_next_nameplate():
    async def main():
        async with Town() as town:
            await town.quiet()
            rows = len(town.store.landed)
            plate(town.meters[1], "KP999999")
            await town.pass_time(DAY_S)
            assert Outcome.WRONG_METER in town.outcomes()
            assert len(town.store.landed) == rows

    uvloop.run(main())


def test_a_meter_that_lives_in_the_year_2000_is_told_and_its_rows_are_kept_apart():
    async def main():
        y2k = 946_684_800
        row = axdr.encode(axdr.array([_instantaneous(y2k)]))
        async with Town() as town:
            town.meters[1].clock.offset_s = y2k - NOON_S
            town.meters[1].objects[buffer_ref("instantaneous")] = row
            await town.quiet()
            told = town.store.contacts[0]
            assert told.outcome is Outcome.INCOMPLETE
            assert told.clock_offset_ms == (y2k - NOON_S) * 1000
            assert "too far to set without leave" in told.detail
            assert "1 rows kept apart: long-past" in told.detail
            assert town.store.apart[0][1] == ("long-past",)
            assert town.metric("bijlighar_rows_quarantined_total", reason="long-past") >= 1

    uvloop.run(main())


def _instantaneous(at_s):
    return axdr.structure([default_cell(q, at_s) for q in D1.profiles["instantaneous"].columns])


def test_events_are_landed_once_and_grave_ones_bring_a_visit_at_once():
    async def main():
        async with Town(schedule={"cadences": {Task.EVENT: Cadence(period_s=3600)}}) as town:
            events(town.meters[1], "event-power", (NOON_S - 500, 101), (NOON_S - 400, 102))
            await town.quiet()
            assert town.store.starts(ProfileKind.EVENT, 1) == [NOON_S - 500, NOON_S - 400]
            assert town.store.starts(ProfileKind.INSTANTANEOUS, 1) == []
            events(town.meters[1], "event-power", (NOON_S - 500, 101), (NOON_S - 400, 102), (NOON_S + 60, 101))
            events(town.meters[1], "event-other", (NOON_S + 100, 201))
            await town.pass_time(3600)
            assert sorted(town.store.starts(ProfileKind.EVENT, 1))[2:] == [NOON_S + 60, NOON_S + 100]
            assert len(town.store.starts(ProfileKind.INSTANTANEOUS, 1)) == 1
            assert asked(town.meters[1], "event-power")[-1][0] == NOON_S - 400

    uvloop.run(main())


def test_no_meter_is_called_twice_at_once_and_groups_keep_their_limit():
    async def main():
        tower = {}
        async with Town(6, dispatch={"most_sessions": 4, "most_sessions_a_group": 2}, late_s=0.005) as town:
            for n in (1, 2, 3, 4, 5):
                town.enrol(n, town.meters[n], group="tower-A")
            await town.until(lambda: list(town.headend._fleet.groups.values()).count("tower-A") == 5)
            await town.pass_time(0)  # visits of before have ended
            for n in (1, 2, 3, 4, 5):
                town.meters[n].tower = tower
            for _ in range(3):
                await town.pass_time(1800)
            assert {meter.most_open for meter in town.meters.values()} == {1}
            assert tower["most"] == 2
            assert all_well(town)

    uvloop.run(main())


def test_a_job_is_read_at_once_with_progress_and_lands_before_it_is_done():
    async def main():
        async with Town(schedule={"cadences": {}}) as town:
            period = Period(start_s=NOON_S - 12 * DAY_S, end_s=NOON_S)
            town.store.ask("J1", 1, (BLOCK, ProfileKind.INSTANTANEOUS, ProfileKind.NAMEPLATE), period)
            await town.until(lambda: town.news.get("jobs", []) and town.news["jobs"][-1].state is JobState.DONE)
            [done] = [job for job in town.news["jobs"] if job.state is JobState.DONE]
            held = len(set(town.store.starts(BLOCK, 1)))
            assert done.rows == held + 1
            assert done.progress == 1.0
            progress = [job.progress for job in town.news["jobs"]]
            assert progress == sorted(progress)
            assert any(0 < share < 1 for share in progress)
            assert town.store.contacts[-1].purpose == "on-demand block-load+instantaneous+nameplate"
            await town.until(lambda: 1 in town.store.plates)
            await town.until(lambda: any(r[1] is JobState.DONE for r in town.store.reports))

    uvloop.run(main())


def test_a_job_for_a_meter_that_hangs_fails_with_its_cause_after_a_few_tries():
    async def main():
        async with Town(schedule={"cadences": {}}, limits=IMPATIENT) as town:
            town.meters[1].hang_after = 0
            town.store.ask("J1", 1, (ProfileKind.INSTANTANEOUS,))
            town.store.ask("J2", 77, (ProfileKind.INSTANTANEOUS,))
            ended = {}
            await town.until(lambda: len(_ended(town, ended)) == 2)
            assert ended["J1"].state is JobState.FAILED
            assert ended["J1"].detail == "hung: invocation counter: silent for 0.4 s while associating"
            assert town.outcomes(1) == [Outcome.HUNG] * 3
            assert ended["J2"].detail == "meter 77: is not a meter of this head-end"

    uvloop.run(main())


def _ended(town, ended):
    for job in town.news.get("jobs", []):
        if job.state in (JobState.DONE, JobState.FAILED):
            ended[job.job_id] = job
    return ended


def test_a_job_goes_before_everything_scheduled():
    async def main():
        async with Town(8, dispatch={"most_sessions": 1}) as town:
            town.store.ask("J1", 8, (ProfileKind.INSTANTANEOUS,))
            await town.until(lambda: _ended(town, {}))
            assert any("on-demand" in c.purpose for c in town.store.contacts[:4])

    uvloop.run(main())


def test_a_store_that_takes_nothing_alarms_keeps_all_and_resumes():
    async def main():
        async with Town(2, schedule=ONLY_BLOCKS) as town:
            await town.quiet()
            before = len(town.store.contacts)
            town.store.unavailable = "no space left on device"
            town.clock.instant_s += 1900
            await town.until(lambda: "store" in town.alarms())
            assert len(town.store.contacts) == before
            assert town.news["heartbeat"][-1].queue_octets > 0
            assert town.metric("bijlighar_alarm", code="store") == 1
            town.store.unavailable = None
            await town.until(lambda: "store" not in town.alarms())
            await town.quiet()
            assert all_well(town)
            starts = town.store.starts(BLOCK, 1)
            assert max(starts) == NOON_S
            assert len(starts) == len(set(starts))

    uvloop.run(main())


def test_without_counters_nobody_is_called():
    async def main():
        town = Town(schedule=ONLY_BLOCKS)
        real = town.store.reserve

        def locked(*arguments):
            raise Unavailable("database is locked")

        town.store.reserve = locked
        async with town:
            await town.until(lambda: "counters" in town.alarms())
            assert town.meters[1].associations == []
            assert town.store.contacts == []
            town.store.reserve = real
            await town.pass_time(120)
            assert all_well(town)
            assert "counters" not in town.alarms()

    uvloop.run(main())


def test_stopping_ends_within_seconds_even_with_a_meter_that_hangs_and_keeps_what_came():
    async def main():
        async with Town(2, schedule=ONLY_BLOCKS) as town:
            town.meters[2].hang_after = 0
            await town.until(lambda: town.meters[2].open_now == 1)
            begun_s = time.monotonic()
            await town.headend.stop()
            await town.task
            assert time.monotonic() - begun_s < TimeLimits().answer_s  # else the meter would have been called hung
            stopped = [c for c in town.store.contacts if c.meter_id == 2]
            assert [c.detail for c in stopped] == ["stopped by the head-end"]

    uvloop.run(main())


def test_meters_that_join_or_leave_the_registry_are_noticed():
    async def main():
        async with Town(2, schedule=ONLY_BLOCKS) as town:
            await town.quiet()
            gone = town.store.registry.pop(2)
            town.store.registry_version += 1
            await town.until(lambda: town.news["heartbeat"][-1].meters == 1)
            await town.pass_time(1900)
            assert max(town.store.starts(BLOCK, 2)) < NOON_S
            town.store.registry[2] = gone
            town.store.registry_version += 1
            await town.until(lambda: town.news["heartbeat"][-1].meters == 2)
            await town.until(lambda: max(town.store.starts(BLOCK, 2)) == NOON_S)

    uvloop.run(main())


def test_meters_without_keys_or_of_an_unknown_model_are_told_not_skipped_in_silence():
    async def main():
        town = Town(2, schedule=ONLY_BLOCKS)
        async with town:
            await town.quiet()
            del town.store.sealed[2]
            town.store.add_meter(
                3, "127.0.0.1", 1, keys=town.meters[1].keys, serial="KP000003", title=b"KPS00003", model="no-such"
            )
            await town.until(lambda: "meters-unreadable" in town.alarms())
            [alarm] = [a for a in town.headend.alarms if a.code == "meters-unreadable"]
            assert alarm.detail.startswith("2 meters cannot be read")
            town.store.ask("J1", 3, (ProfileKind.INSTANTANEOUS,))
            await town.until(lambda: _ended(town, {}))
            assert "no meter model is named 'no-such'" in _ended(town, {})["J1"].detail

    uvloop.run(main())


def test_lag_tells_how_far_behind_the_schedule_is():
    async def main():
        async with Town(3, schedule=ONLY_BLOCKS, dispatch={"most_sessions": 1}, late_s=0.05) as town:
            await town.until(lambda: "heartbeat" in town.news)
            town.clock.instant_s += 500
            await town.until(lambda: any(beat.lag_s > 400 for beat in town.news.get("heartbeat", [])))
            await town.quiet()
            assert town.news["heartbeat"][-1].lag_s == 0
            assert town.metric("bijlighar_lag_seconds") == 0

    uvloop.run(main())


def _breaks(settings, **visit):
    raise RuntimeError(
        f"a fault with {settings} and {visit} in its message and secrets in the variables around it"
    )


def test_no_log_line_holds_a_key(capsys, monkeypatch):
    async def main():
        async with Town(2, serial="KP999999") as town:
            await town.contacts(2)
        async with Town(2, limits=IMPATIENT) as town:
            town.meters[2].hang_after = 3
            await town.contacts(2)
        monkeypatch.setattr(associating, "ClientAssociation", _breaks)
        async with Town() as town:
            await town.contacts(1)

    uvloop.run(main())
    told = "".join(capsys.readouterr())
    assert "contact" in told
    assert "RuntimeError" in told
    for key in (KEYS.encryption_key, KEYS.authentication_key, KEYS.reader_secret, KEYS.setting_secret):
        assert key.decode() not in told
        assert key.hex() not in told
        assert repr(key)[2:-1] not in told


def test_a_meter_that_leaves_the_registry_during_its_visit_troubles_nobody():
    async def main():
        async with Town(2, schedule=ONLY_BLOCKS, late_s=0.05) as town:
            await town.until(lambda: town.meters[2].open_now == 1)
            del town.store.registry[2]
            town.store.registry_version += 1
            await town.until(lambda: town.news.get("heartbeat") and town.news["heartbeat"][-1].meters == 1)
            await town.contacts(2)
            assert all_well(town)
            await town.pass_time(1900)
            assert max(town.store.starts(BLOCK, 1)) == NOON_S

    uvloop.run(main())


def test_a_fault_of_our_own_is_told_with_its_meter_and_the_others_go_on(monkeypatch):
    whole = Visitor.visit

    async def breaks(self, errand, keys, gathered):
        if errand.meter.meter_id == 2:
            raise ZeroDivisionError
        return await whole(self, errand, keys, gathered)

    monkeypatch.setattr(Visitor, "visit", breaks)

    async def main():
        async with Town(3, schedule=ONLY_BLOCKS) as town:
            await town.quiet()
            assert town.outcomes(2) == [Outcome.INCOMPLETE]
            assert [c.detail for c in town.store.contacts if c.meter_id == 2] == [
                "fault of the head-end: ZeroDivisionError"
            ]
            assert set(town.outcomes(1) + town.outcomes(3)) == {Outcome.OK}
            monkeypatch.setattr(Visitor, "visit", whole)
            await town.pass_time(1900)
            assert max(town.store.starts(BLOCK, 2)) == NOON_S

    uvloop.run(main())


def test_a_profile_that_the_meter_refuses_is_not_asked_for_all_the_time():
    async def main():
        async with Town(schedule=ONLY_BLOCKS) as town:
            town.meters[1].objects[buffer_ref("block-load")] = DataAccessResult.HARDWARE_FAULT
            await town.quiet()
            assert town.outcomes() == [Outcome.INCOMPLETE]
            assert town.store.contacts[0].detail == "block-load hardware-fault"
            await town.pass_time(60)
            await town.pass_time(60)
            assert town.outcomes() == [Outcome.INCOMPLETE] * 2

    uvloop.run(main())


@pytest.mark.parametrize("step", ["backlogs", "answered"])
def test_a_fault_while_settling_does_not_lock_the_meter(monkeypatch, step):
    whole = getattr(Fleet, step)
    broken = [True]

    def breaks(self, *arguments):
        if broken.pop() if broken else False:
            raise ZeroDivisionError
        return whole(self, *arguments)

    monkeypatch.setattr(Fleet, step, breaks)

    async def main():
        async with Town(schedule=ONLY_BLOCKS) as town:
            await town.quiet()
            await town.pass_time(1900)
            assert max(town.store.starts(BLOCK, 1)) == NOON_S

    uvloop.run(main())
