"""Tables on the wire: read back by the general decoder, and short for a real row of a D1 meter."""

import numpy as np
import pytest

from bijlighar.dlms import axdr
from meterlab import distortions, rows


def columns(count):
    return [
        rows.Column(kind=rows.INSTANT, values=np.arange(count) * 1800 + 1_753_239_600),
        rows.Column(kind="u16", values=np.arange(count) + 23_000),
        rows.Column(kind="u32", values=np.arange(count) * 7),
        rows.Column(kind="i8", values=np.full(count, -98)),
    ]


def test_a_date_time_is_that_of_a_real_meter():
    # 2025-07-23 08:30:24 IST as read from a fielded D1 meter; deviation +330
    octets = rows.instants(np.asarray([1_753_239_624]), 330).tobytes()
    assert octets.hex().upper() == "07E9071703081E1800014A00"


def test_an_instant_that_is_not_set_is_all_ones():
    assert rows.instants(np.asarray([0, 1]), 330).tobytes()[:12] == b"\xff" * 12


@pytest.mark.parametrize("count", [0, 1, 48, 300])
def test_what_is_sent_is_what_was_meant(count):
    plain = axdr.plain(axdr.decode(rows.buffer(columns(count), 330)))
    assert len(plain) == count
    for number, row in enumerate(plain):
        assert row[1:] == [23_000 + number, 7 * number, -98]
        assert len(row[0]) == 12


@pytest.mark.parametrize("gaps", [(), (1,), (2, 3), (5,), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("step_s", [1800, -1800])
def test_a_null_clock_follows_its_row_before_and_no_other_row_has_one(gaps, step_s):
    stamps = 1_753_239_600 + step_s * np.arange(6)
    for gap in gaps:
        stamps[gap:] += 7 * step_s
    table = [rows.Column(kind=rows.INSTANT, values=stamps), *columns(6)[1:]]
    whole = axdr.plain(axdr.decode(rows.buffer(table, 330)))
    told = axdr.plain(axdr.decode(rows.buffer_with_null_clocks(table, 330, step_s)))
    expected = [[row[0] if n in (0, *gaps) else None, *row[1:]] for n, row in enumerate(whole)]
    assert told == expected


def test_null_clocks_of_no_rows():
    assert rows.buffer_with_null_clocks(columns(0), 330, 1800) == b"\x01\x00"


def test_cells_are_the_same_octets():
    table = columns(5)
    assert rows.buffer_of_cells(rows.cells_of(table, 330)) == rows.buffer(table, 330)


def test_a_counter_beyond_its_width_shows_the_remainder():
    column = rows.Column(kind="u16", values=np.asarray([65_536 + 5]))
    assert axdr.plain(axdr.decode(rows.buffer([column], 330))) == [[5]]


def test_a_table_without_columns_is_refused():
    with pytest.raises(ValueError, match="1 to 127 columns"):
        rows.buffer([], 330)


def test_short_rows_lack_their_last_cell():
    plain = axdr.plain(axdr.decode(distortions.short_rows(columns(6), 330)))
    assert [len(row) for row in plain] == [4, 4, 3, 4, 4, 3]


def test_null_cells_stand_where_values_stood():
    plain = axdr.plain(axdr.decode(distortions.null_cells(columns(6), 330)))
    assert [row[0] is None for row in plain] == [False] + [True] * 5
    assert sum(cell is None for row in plain for cell in row[1:]) == 3


def test_wrong_tags_are_no_types():
    octets = distortions.wrong_tags(columns(2), 330)
    assert octets[-2] == 0x7E
    assert len(octets) == len(rows.buffer(columns(2), 330))


def test_oversized_is_more_than_anybody_asked_for():
    assert len(distortions.oversized(columns(6), 330)) > 1 << 20
    assert distortions.oversized(columns(0), 330) == b"\x01\x00"
