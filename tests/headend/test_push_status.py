"""The event status word as event rows: codes where there are some, bit numbers else, and the raw word always."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.headend.push_intake import read_head
from bijlighar.headend.push_status import (
    FIRST_BREATH,
    LAST_GASP,
    LOAD_SWITCH_OPERATED,
    NOTHING_NAMED,
    STATUS_LOG,
    WORDS,
    codes_of,
    read_status,
    status_rows,
)

from .listening import D1, alert, plain
from .meters import NOON_S, stamp


def status_of(*bits, **named):
    apdu = plain(alert(*bits, **named))
    return apdu[read_head(apdu)[3] :]


def rows_of(*statuses, received_s=NOON_S):
    batch, faults = status_rows(D1, list(range(1, len(statuses) + 1)), list(statuses), received_s)
    columns = (batch.meter_id, batch.start_s, batch.channels["event_code"])
    return list(zip(*(column.tolist() for column in columns), strict=True)), faults, batch


def test_each_bit_has_the_code_of_the_meters_own_log_or_its_number():
    codes = codes_of(D1)
    own_logs = {0: 1, 1: 3, 2: 5, 3: 7, 4: 9, 5: 11, 6: 51, 7: 53, 8: 55, 9: 63, 10: 65, 11: 67, 12: 205, 51: 69}
    assert codes == own_logs | {81: 201, 82: 203, 83: 251, 84: 84, 85: 85, 86: 86, 87: 87}
    assert (LOAD_SWITCH_OPERATED, LAST_GASP, FIRST_BREATH) == (84, 85, 86)


def test_every_named_bit_is_a_row_and_all_rows_carry_the_whole_word():
    rows, faults, batch = rows_of(status_of(0, 81, 85, 100), status_of(86, at_s=NOON_S - 60))
    assert faults == {}
    assert rows == [(1, NOON_S, 1), (1, NOON_S, 201), (1, NOON_S, LAST_GASP), (2, NOON_S - 60, FIRST_BREATH)]
    assert set(batch.channels["event_log"].tolist()) == {STATUS_LOG}
    words = [[int(batch.channels[name][row]) for name in WORDS] for row in (0, 2, 3)]
    bit = lambda number: 1 << (31 - number % 32)  # noqa: E731
    assert words[0] == words[1] == [bit(0), 0, bit(81) | bit(85), bit(100)]
    assert words[2] == [0, 0, bit(86), 0]


def test_a_word_without_a_named_bit_is_kept_raw():
    rows, _, batch = rows_of(status_of(100, 127), status_of())
    assert [code for *_, code in rows] == [NOTHING_NAMED, NOTHING_NAMED]
    assert batch.channels["status_word_3"].tolist() == [1 << 27 | 1, 0]


@pytest.mark.parametrize("stamped_s", [946_665_000, NOON_S + 86_400])
def test_a_clock_that_cannot_be_true_gives_way_to_the_time_of_receipt(stamped_s):
    unset = axdr.encode(axdr.octets(b"\xff" * 9 + b"\x80\x00\xff")) + status_of(85)[14:]
    null = axdr.encode(axdr.null()) + status_of(85)[14:]
    rows, faults, _ = rows_of(status_of(85, at_s=stamped_s), unset, null)
    assert faults == {}
    assert {start_s for _, start_s, _ in rows} == {NOON_S}


def test_a_shorter_word_and_a_clock_as_date_time_are_understood():
    rows, faults, _ = rows_of(status_of(3, length=16), axdr.encode(axdr.null()) + axdr.encode(axdr.bits("0001")))
    assert faults == {}
    assert [code for *_, code in rows] == [7, 7]


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        axdr.encode(stamp(NOON_S)),
        axdr.encode(stamp(NOON_S)) + axdr.encode(axdr.u8(1)),
        axdr.encode(stamp(NOON_S)) + axdr.encode(axdr.bits("1" * 129)),
        axdr.encode(axdr.u8(1)) + axdr.encode(axdr.bits("1")),
        status_of(85) + b"\0",
    ],
)
def test_anything_else_costs_that_alert_only(octets):
    rows, faults, _ = rows_of(octets, status_of(85))
    assert set(faults) == {0}
    assert rows == [(2, NOON_S, LAST_GASP)]


@given(octets=st.binary(max_size=40))
def test_no_octets_break_it(octets):
    try:
        _, word = read_status(octets, D1)
    except RemoteProtocolError:
        return
    assert 0 <= word < 1 << 128
