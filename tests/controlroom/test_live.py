from __future__ import annotations

from datetime import date

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.live import STATES, LiveColumns

DAY = civil_day(date(2026, 6, 15))
NOON = DAY.start_s + 12 * 3600


def batch(
    kind: ProfileKind,
    rows: list[tuple[int, int]],
    period_s: int = 0,
    received_s: int = NOON,
    **channels: list[int],
) -> ReadingBatch:
    return ReadingBatch(
        kind=kind,
        period_s=period_s,
        meter_id=np.array([meter for meter, _ in rows], dtype=np.int32),
        start_s=np.array([start for _, start in rows], dtype=np.int64),
        received_s=np.full(len(rows), received_s, dtype=np.int64),
        channels={name: np.array(values, dtype=np.int64) for name, values in channels.items()},
    )


def live(capacity: int = 10) -> LiveColumns:
    return LiveColumns(capacity, now_s=NOON)


def contact(meter: int, at_s: int, outcome: Outcome = Outcome.OK, **more: int) -> Contact:
    return Contact(meter_id=meter, started_ms=at_s * 1000, purpose="block-load", outcome=outcome, **more)


def test_the_newest_instantaneous_row_stays_in_whatever_order_rows_come() -> None:
    columns = live()
    columns.apply_readings(
        batch(
            ProfileKind.INSTANTANEOUS,
            [(1, NOON), (1, NOON - 60), (2, NOON)],
            active_power_w=[700, 100, 50],
            voltage_mv=[231_000, 229_000, MISSING],
            relay_closed=[1, 0, MISSING],
        )
    )
    columns.apply_readings(batch(ProfileKind.INSTANTANEOUS, [(1, NOON - 10)], active_power_w=[999]))
    assert columns.power_w[[1, 2, 3]].tolist() == [700, 50, MISSING]
    assert columns.voltage_mv[[1, 2]].tolist() == [231_000, MISSING]
    assert columns.relay[[1, 2]].tolist() == [1, -1]
    assert columns.read_s[1] == NOON


def test_a_three_phase_meters_voltage_is_the_mean_of_the_phases_told() -> None:
    columns = live()
    columns.apply_readings(
        batch(
            ProfileKind.INSTANTANEOUS,
            [(1, NOON), (2, NOON)],
            voltage_r_mv=[230_000, MISSING],
            voltage_y_mv=[240_000, MISSING],
            voltage_b_mv=[MISSING, MISSING],
        )
    )
    assert columns.voltage_mv[[1, 2]].tolist() == [235_000, MISSING]


def test_a_block_counts_once_however_often_it_comes() -> None:
    columns = live()
    blocks = batch(
        ProfileKind.BLOCK_LOAD,
        [(1, DAY.start_s), (1, DAY.start_s + 1800), (1, DAY.start_s), (1, DAY.start_s - 1800), (2, DAY.start_s)],
        period_s=1800,
        import_wh=[100, 200, 100, 5000, MISSING],
    )
    columns.apply_readings(blocks)
    columns.apply_readings(blocks)
    assert columns.today_wh[[1, 2]].tolist() == [300, MISSING]


def test_a_new_day_begins_empty() -> None:
    columns = live()
    columns.apply_readings(batch(ProfileKind.BLOCK_LOAD, [(1, DAY.start_s)], period_s=1800, import_wh=[100]))
    columns.apply_contacts([contact(1, NOON)])
    assert columns.readings_today == 1
    assert not columns.roll(DAY.end_s - 1)
    assert columns.roll(DAY.end_s)
    assert columns.today_wh[1] == MISSING
    assert (columns.tried_today[1], columns.readings_today) == (0, 0)
    columns.apply_readings(batch(ProfileKind.BLOCK_LOAD, [(1, DAY.end_s)], period_s=1800, import_wh=[70]))
    assert columns.today_wh[1] == 70
    assert columns.last_contact_ms[1] == NOON * 1000


def test_contacts_in_any_order_tell_last_word_and_todays_success() -> None:
    columns = live()
    columns.apply_contacts(
        [
            contact(1, NOON, Outcome.NO_ANSWER),
            contact(1, NOON - 600, clock_offset_ms=-2500, signal_dbm=-91),
            contact(1, DAY.start_s - 60, Outcome.RESET),
        ]
    )
    assert columns.last_contact_ms[1] == (NOON - 600) * 1000
    assert columns.outcome[1] == list(Outcome).index(Outcome.NO_ANSWER)
    assert (columns.tried_today[1], columns.succeeded_today[1]) == (2, 1)


def test_what_a_contact_does_not_tell_stays_known() -> None:
    columns = live()
    columns.apply_contacts([contact(1, NOON - 60, clock_offset_ms=-2500, signal_dbm=-91), contact(1, NOON)])
    assert (columns.clock_offset_ms[1], columns.signal_dbm[1]) == (-2500, -91)


def test_states_follow_the_age_of_the_last_word() -> None:
    columns = live()
    columns.apply_contacts([contact(1, NOON - 3600), contact(2, NOON - 3601), contact(3, NOON - 86_401)])
    states = columns.states(np.array([1, 2, 3, 4], dtype=np.int32), NOON)
    assert [STATES[state] for state in states] == ["heard", "late", "silent", "silent"]


def test_changes_are_told_once() -> None:
    columns = live()
    columns.apply_contacts([contact(3, NOON), contact(7, NOON)])
    assert columns.take_changed().tolist() == [3, 7]
    assert columns.take_changed().tolist() == []


def test_meters_beyond_the_registry_are_left_out_until_there_is_room() -> None:
    columns = live(capacity=2)
    row = batch(ProfileKind.INSTANTANEOUS, [(5, NOON), (1, NOON)], active_power_w=[10, 20])
    columns.apply_readings(row)
    columns.apply_contacts([contact(5, NOON), contact(-1, NOON)])
    assert columns.power_w[1] == 20
    columns.ensure(6)
    assert columns.power_w[[1, 5]].tolist() == [20, MISSING]
    columns.apply_readings(row)
    assert columns.power_w[5] == 10


def test_changes_of_meters_that_nobody_looks_at_do_not_wait() -> None:
    columns = live()
    columns.apply_contacts([contact(3, NOON), contact(7, NOON)])
    assert columns.take_changed_of({7, 2, 10_000_000}) == [7]
    assert columns.take_changed().tolist() == []
