import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import MISSING
from bijlighar.dlms import axdr
from bijlighar.headend.decoding import Parcel, Templates, understand
from bijlighar.headend.layouts import default_layout
from bijlighar.headend.reading import Order, ProfileRead
from bijlighar.headend.seen import SeenRows

from .meters import D1, NOON_S, block_row, event_row

LAYOUTS = {profile: default_layout(D1, profile) for profile in D1.profiles}


def parcel(meter_id, *reads, **changes):
    profile_reads = tuple(
        ProfileRead(
            order=Order(profile=profile), asked=None, layout=LAYOUTS[profile], octets=octets, received_s=NOON_S
        )
        for profile, octets in reads
    )
    return Parcel(meter_id=meter_id, model=D1, reads=profile_reads, contact=None, token=None, **changes)


def buffer(*rows):
    return axdr.encode(axdr.array(rows))


def blocks(count, first=0):
    return buffer(*(block_row(NOON_S - 1800 * n) for n in range(first, first + count)))


def understood(*parcels, seen=None):
    return understand(parcels, Templates(), seen or SeenRows(), NOON_S)


def test_many_meters_of_one_layout_become_one_batch():
    result = understood(*(parcel(n, ("block-load", blocks(48))) for n in range(1, 31)))
    [batch] = result.readings
    assert len(batch) == 30 * 48
    assert [one.rows for one in result.results] == [48] * 30
    assert np.bincount(batch.meter_id)[1:].tolist() == [48] * 30


def test_garbage_of_one_meter_costs_nobody_else_a_row():
    good, bad = parcel(1, ("block-load", blocks(48))), parcel(2, ("block-load", b"\x01\x7f" + b"\x13\x02" * 40))
    result = understood(good, bad, parcel(3, ("block-load", blocks(10))))
    assert [one.rows for one in result.results] == [48, 0, 10]
    assert [list(one.faults) for one in result.results] == [[], ["block-load"], []]
    assert set(result.readings[0].meter_id.tolist()) == {1, 3}


def test_garbage_of_all_is_told_for_each():
    result = understood(parcel(1, ("block-load", b"")), parcel(2, ("block-load", b"\xff")))
    assert [len(one.faults["block-load"]) for one in result.results] == [1, 1]
    assert result.readings == []


def test_an_empty_answer_is_no_fault():
    result = understood(parcel(1, ("block-load", buffer())))
    assert result.results[0].faults == {}
    assert result.readings == []


def test_short_rows_are_refused_and_the_good_ones_kept():
    rows = [block_row(NOON_S), block_row(NOON_S - 1800, columns=6), block_row(NOON_S - 3600)]
    result = understood(parcel(1, ("block-load", buffer(*rows))))
    assert result.results[0].rows == 2
    assert result.results[0].faults["block-load"] == ["row 1: 6 cells for 7 columns"]


def test_null_cells_do_not_shift_their_row():
    row = block_row(NOON_S, cells={1: axdr.null()})
    [batch] = understood(parcel(1, ("block-load", buffer(row)))).readings
    assert batch.channels["voltage_mv"].tolist() == [MISSING]
    assert batch.channels["import_wh"].tolist() == [NOON_S // 1800 % 50 * 10]


def test_a_null_clock_is_a_period_after_the_row_before():
    rows = [block_row(NOON_S - 3600), block_row(0, cells={0: axdr.null()})]
    [batch] = understood(parcel(1, ("block-load", buffer(*rows)))).readings
    assert batch.start_s.tolist() == [NOON_S - 5400, NOON_S - 3600]


def test_rows_of_the_year_2000_are_kept_apart_and_counted():
    y2k = 946_684_800
    result = understood(parcel(1, ("block-load", buffer(*(block_row(y2k + 1800 * n) for n in range(3))))))
    assert result.results[0].apart == {"long-past": 3}
    assert result.results[0].rows == 0
    assert result.readings == []
    assert len(result.quarantined[0].readings) == 3


def test_events_seen_before_are_left_out_unless_a_person_asked():
    seen = SeenRows()
    log = buffer(event_row("event-power", NOON_S - 50, 101), event_row("event-power", NOON_S - 20, 102))
    first = understood(parcel(1, ("event-power", log)), seen=seen)
    assert first.results[0].events == [(2, 101, NOON_S - 50), (2, 102, NOON_S - 20)]
    seen.note(first.readings[0])
    again = understood(parcel(1, ("event-power", log)), seen=seen)
    assert again.readings == []
    assert again.results[0].events == []
    asked = understood(parcel(1, ("event-power", log), repeat=True), seen=seen)
    assert len(asked.readings[0]) == 2


def test_profiles_of_one_parcel_are_told_apart():
    log = buffer(event_row("event-power", NOON_S - 50, 101))
    result = understood(parcel(1, ("block-load", blocks(2)), ("event-power", log), ("block-load", blocks(3, 5))))
    kinds = {batch.kind: len(batch) for batch in result.readings}
    assert kinds == {ProfileKind.BLOCK_LOAD: 5, ProfileKind.EVENT: 1}
    assert result.results[0].rows == 6


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"\x01\x01" * 5_000 + b"\x00", id="deeply nested"),
        pytest.param(bytes.fromhex("13020002 1206"), id="never ending"),
        pytest.param(bytes.fromhex("01820fff") + b"\x13\x02\x00\x02\x12\x06" * 100, id="never ending within"),
        pytest.param(b"\x01\x84\x7f\xff\xff\xff" + bytes(100), id="announces two thousand million rows"),
        pytest.param(b"\x09\x84\x7f\xff\xff\xff", id="announces a huge string"),
        pytest.param(bytes.fromhex("0f01"), id="no array"),
        pytest.param(buffer(axdr.u8(1), axdr.u8(2)), id="rows that are no rows"),
        pytest.param(blocks(48)[:-7], id="cut short"),
        pytest.param(blocks(48) + b"\x00", id="octets behind the end"),
    ],
)
def test_absurd_answers_are_told_and_cost_nothing_else(octets):
    result = understood(parcel(1, ("block-load", octets)), parcel(2, ("block-load", blocks(48))))
    assert result.results[0].faults["block-load"]
    assert [one.rows for one in result.results] == [0, 48]


def test_log_rows_with_an_impossible_time_are_kept_apart_once():
    seen = SeenRows()
    log = buffer(event_row("event-power", 946_684_900, 101), event_row("event-power", 946_684_950, 102))
    first = understood(parcel(1, ("event-power", log)), seen=seen)
    assert first.quarantined[0].reasons == ("long-past", "long-past")
    seen.note_apart(first.quarantined[0].readings)
    again = understood(parcel(1, ("event-power", log)), seen=seen)
    assert again.quarantined == []
    assert again.results[0].apart == {"long-past": 2}
