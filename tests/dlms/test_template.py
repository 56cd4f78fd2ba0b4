"""Many meters' rows at once say exactly what the general decoder says of each cell, or refuse the row by name."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.clock import NOT_SET as UNSET_OCTETS
from bijlighar.dlms.clock import DeviationSign, decode_instant, encode_instant
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.template import NOT_SET, ColumnKind, RowRules, RowTable, Template

MIDNIGHT_S = 1_782_844_200
"""2026-07-01 00:00 IST, checked against decode_instant below."""

BLOCK_LOAD = RowRules(columns=4, instants=frozenset({0}), clock_column=0, period_s=1800)


def clock(epoch_s: int) -> Data:
    return axdr.octets(encode_instant(epoch_s, DeviationSign.INDIAN))


def row(slot: int, *, energy: Data | None = None, stamp: Data | None = None) -> Data:
    cells = [
        clock(MIDNIGHT_S + 1800 * slot) if stamp is None else stamp,
        axdr.u16(23000 + slot),
        axdr.u32(1000 * slot) if energy is None else energy,
        axdr.i8(-slot % 100),
    ]
    return axdr.structure(cells)


def buffer(rows: list[Data]) -> bytes:
    return axdr.encode(axdr.array(rows))


def day(slots: int = 48) -> bytes:
    return buffer([row(slot) for slot in range(slots)])


def cells(table: RowTable) -> list[tuple[object, ...]]:
    """Rows as tuples: (buffer, row, value or None …)."""
    columns = [
        [None if gone else value for value, gone in zip(values.tolist(), missing.tolist(), strict=True)]
        for values, missing in zip(table.columns, table.missing, strict=True)
    ]
    return list(zip(table.buffer_index.tolist(), table.row_index.tolist(), *columns, strict=True))


def template() -> Template:
    return Template.learn(day(), BLOCK_LOAD)


def test_the_midnight_of_these_tests_is_an_indian_one() -> None:
    octets = bytes.fromhex("07EA0701FF000000FF014A00")
    assert decode_instant(octets, DeviationSign.INDIAN) == MIDNIGHT_S


def test_rows_of_many_meters_come_as_columns_in_the_order_of_the_buffers() -> None:
    table = template().decode_rows([day(), day(3), b"\x01\x00", day()])
    assert not table.faults
    assert table.kinds == (ColumnKind.INSTANT, ColumnKind.INTEGER, ColumnKind.INTEGER, ColumnKind.INTEGER)
    assert [column.dtype for column in table.columns] == [np.int64] * 4
    assert len(table) == 48 + 3 + 48
    assert table.buffer_index.tolist() == [0] * 48 + [1] * 3 + [3] * 48
    assert table.row_index.tolist() == [*range(48), *range(3), *range(48)]
    expected = [(MIDNIGHT_S + 1800 * slot, 23000 + slot, 1000 * slot, -slot % 100) for slot in range(48)]
    assert [line[2:] for line in cells(table)] == expected + expected[:3] + expected


def test_a_null_cell_is_missing_and_shifts_nothing() -> None:
    strange = buffer([row(slot, energy=axdr.null() if slot == 5 else None) for slot in range(48)])
    table = template().decode_rows([day(), strange, day()])
    lines = cells(table)
    assert lines[48 + 5][2:] == (MIDNIGHT_S + 1800 * 5, 23005, None, 95)
    assert lines[48 + 6][2:] == (MIDNIGHT_S + 1800 * 6, 23006, 6000, 94)
    assert not table.faults


@pytest.mark.parametrize(("newest_first", "step_s"), [(False, 1800), (True, -1800)])
def test_a_null_clock_means_one_period_on(newest_first: bool, step_s: int) -> None:
    rules = replace(BLOCK_LOAD, newest_first=newest_first)
    one = buffer([row(slot, stamp=axdr.null() if slot else None) for slot in range(48)])
    for learnt_from in (day(), one):
        table = Template.learn(learnt_from, rules).decode_rows([one, one])
        assert not table.faults
        assert table.columns[0].tolist() == [MIDNIGHT_S + step_s * slot for slot in range(48)] * 2
        assert table.columns[2].tolist() == [1000 * slot for slot in range(48)] * 2


def test_a_clock_that_is_not_set_is_missing_with_all_that_count_on_from_it() -> None:
    unset = axdr.octets(UNSET_OCTETS)
    one = buffer([row(slot, stamp=axdr.null() if slot else unset) for slot in range(48)])
    for learnt_from in (day(), one):
        table = Template.learn(learnt_from, BLOCK_LOAD).decode_rows([one, day()])
        assert not table.faults
        assert table.missing[0].tolist() == [True] * 48 + [False] * 48
        assert set(table.columns[0][:48].tolist()) == {NOT_SET}


def test_a_null_clock_without_a_row_before_it_or_a_period_is_refused() -> None:
    headless = buffer([row(0, stamp=axdr.null()), row(1), row(2, stamp=axdr.null())])
    table = template().decode_rows([headless])
    assert [(fault.buffer, fault.row) for fault in table.faults] == [(0, 0)]
    assert table.columns[0].tolist() == [MIDNIGHT_S + 1800, MIDNIGHT_S + 3600]
    without = Template.learn(day(), replace(BLOCK_LOAD, period_s=None)).decode_rows([headless])
    assert [(fault.buffer, fault.row) for fault in without.faults] == [(0, 0), (0, 2)]


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: (*c, axdr.u8(0)), lambda c: c[1:]])
def test_a_row_of_another_length_is_refused_by_name_and_the_others_stay(change: object) -> None:
    rows = [row(slot) for slot in range(48)]
    rows[7] = axdr.structure(change(rows[7].value))  # type: ignore[operator]
    table = template().decode_rows([day(), buffer(rows)])
    (fault,) = table.faults
    assert isinstance(fault, RemoteProtocolError)
    assert (fault.buffer, fault.row) == (1, 7)
    assert "buffer 1, row 7" in str(fault)
    assert len(table) == 95
    assert 7 not in table.row_index[table.buffer_index == 1].tolist()


def test_null_clocks_behind_a_refused_row_are_refused_until_a_clock_stands_again() -> None:
    rows = [row(slot, stamp=axdr.null() if slot in (3, 4) else None) for slot in range(9)]
    rows[2] = axdr.structure(rows[2].value[:3])  # type: ignore[index]
    table = template().decode_rows([buffer(rows)])
    assert [fault.row for fault in table.faults] == [2, 3, 4]
    assert table.row_index.tolist() == [0, 1, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "octets",
    [b"", b"\x01", day()[:-1], day() + b"\x00", b"\x01\x30", b"\x02\x00", b"\x00", bytes.fromhex("130200021206")],
)
def test_malformed_octets_cost_their_own_buffer_only(octets: bytes) -> None:
    table = template().decode_rows([day(), octets, day()])
    assert [(fault.buffer, fault.row) for fault in table.faults] == [(1, None)]
    assert len(table) == 96


def test_another_integer_type_in_a_column_keeps_its_values() -> None:
    wide = buffer([row(slot, energy=axdr.u64((1 << 40) + slot)) for slot in range(48)])
    table = template().decode_rows([wide, day()])
    assert not table.faults
    assert table.columns[2][:48].tolist() == [(1 << 40) + slot for slot in range(48)]


def test_a_float_makes_the_column_float_and_changes_no_integer() -> None:
    floats = buffer([row(slot, energy=axdr.f32(1.5)) for slot in range(9)])
    table = template().decode_rows([day(), floats])
    assert table.kinds[2] is ColumnKind.FLOAT
    assert table.columns[2].tolist() == [1000.0 * slot for slot in range(48)] + [1.5] * 9


def test_an_integer_that_float64_would_round_is_never_mixed_with_floats() -> None:
    large = (1 << 53) + 1
    wide = buffer([row(slot, energy=axdr.u64(large)) for slot in range(48)])
    floats = buffer([row(slot, energy=axdr.f32(1.5)) for slot in range(9)])
    table = Template.learn(wide, BLOCK_LOAD).decode_rows([wide, floats])
    assert table.columns[2].tolist() == [large] * 48
    assert [fault.buffer for fault in table.faults] == [1] * 9


def test_a_number_beyond_int64_is_refused_not_wrapped() -> None:
    wide = [row(slot, energy=axdr.u64(slot)) for slot in range(48)]
    learnt = Template.learn(buffer(wide), BLOCK_LOAD)
    wide[9] = row(9, energy=axdr.u64(1 << 63))
    table = learnt.decode_rows([buffer(wide), buffer(wide[:9])])
    assert [(fault.buffer, fault.row) for fault in table.faults] == [(0, 9)]
    assert len(table) == 47 + 9


def test_text_in_a_column_of_numbers_is_refused() -> None:
    table = template().decode_rows([buffer([row(0, energy=axdr.visible("12"))]), day()])
    assert [(fault.buffer, fault.row) for fault in table.faults] == [(0, 0)]
    assert "column 2 holds object where the others hold integer" in str(table.faults[0])


def test_an_impossible_date_is_refused_and_its_neighbours_stay() -> None:
    octets = bytearray(day())
    octets[2 + 4 + 2] = 13  # the month of the first row
    table = template().decode_rows([bytes(octets), day()])
    assert [(fault.buffer, fault.row) for fault in table.faults] == [(0, 0)]
    assert len(table) == 95


@pytest.mark.parametrize("sign", list(DeviationSign))
def test_deviation_signs_and_open_deviations(sign: DeviationSign) -> None:
    rules = replace(BLOCK_LOAD, deviation_sign=sign)
    octets = axdr.encode(
        axdr.array([row(slot, stamp=axdr.octets(bytes.fromhex("07EA0701FF000000FF800000"))) for slot in range(9)])
    )
    table = Template.learn(octets, rules).decode_rows([octets])
    assert set(table.columns[0].tolist()) == {MIDNIGHT_S}
    sent = encode_instant(MIDNIGHT_S, sign)
    octets = axdr.encode(axdr.array([row(slot, stamp=axdr.octets(sent)) for slot in range(9)]))
    assert set(Template.learn(octets, rules).decode_rows([octets]).columns[0].tolist()) == {MIDNIGHT_S}


def test_a_nameplate_of_strings_is_decoded_row_by_row() -> None:
    octets = buffer([axdr.structure([axdr.octets(b"ABC"), axdr.visible("5-60A"), axdr.u16(2026)])])
    table = Template.learn(octets).decode_rows([octets] * 9)
    assert table.kinds == (ColumnKind.OBJECT, ColumnKind.OBJECT, ColumnKind.INTEGER)
    assert cells(table)[8] == (8, 0, b"ABC", "5-60A", 2026)


def test_nothing_to_learn_from_is_said() -> None:
    for octets in (b"\x01\x00", buffer([row(0)])):
        with pytest.raises(RemoteProtocolError):
            Template.learn(octets, replace(BLOCK_LOAD, columns=9))
    with pytest.raises(RemoteProtocolError):
        Template.learn(b"\x01\x00")


# --- no wrong cell, ever: against a reference written here, on random layouts and random damage

NUMBERS = {
    Tag.BOOLEAN: (axdr.boolean, st.booleans()),
    Tag.INTEGER: (axdr.i8, st.integers(-128, 127)),
    Tag.UNSIGNED: (axdr.u8, st.integers(0, 255)),
    Tag.ENUM: (axdr.enum, st.integers(0, 255)),
    Tag.LONG: (axdr.i16, st.integers(-(1 << 15), (1 << 15) - 1)),
    Tag.LONG_UNSIGNED: (axdr.u16, st.integers(0, (1 << 16) - 1)),
    Tag.DOUBLE_LONG: (axdr.i32, st.integers(-(1 << 31), (1 << 31) - 1)),
    Tag.DOUBLE_LONG_UNSIGNED: (axdr.u32, st.integers(0, (1 << 32) - 1)),
    Tag.LONG64: (axdr.i64, st.integers(-(1 << 63), (1 << 63) - 1)),
    Tag.LONG64_UNSIGNED: (axdr.u64, st.integers(0, (1 << 64) - 1)),
    Tag.FLOAT32: (axdr.f32, st.floats(width=32)),
    Tag.FLOAT64: (axdr.f64, st.floats()),
}
INSTANT_OCTETS = st.one_of(
    st.integers(0, 4_000_000_000).map(lambda s: encode_instant(s, DeviationSign.INDIAN)),
    st.just(UNSET_OCTETS),
    st.binary(min_size=12, max_size=12),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Tag], list[list[list[Data]]]]:
    """Random column types with a clock in front, and buffers of random rows of them."""
    tags = draw(st.lists(st.sampled_from([*NUMBERS, Tag.DATE_TIME]), min_size=1, max_size=7))

    def cell(tag: Tag) -> Data:
        if tag is Tag.DATE_TIME:
            return axdr.datetime_octets(draw(INSTANT_OCTETS))
        make, values = NUMBERS[tag]
        return make(draw(values))  # type: ignore[operator]

    def cells_of_row() -> list[Data]:
        return [axdr.octets(draw(INSTANT_OCTETS)), *(cell(tag) for tag in tags)]

    even = st.tuples(st.integers(4, 12), st.integers(2, 5)).map(lambda t: [t[0]] * t[1])
    counts = draw(st.one_of(even, st.lists(st.integers(0, 12), min_size=1, max_size=5)))
    return tags, [[cells_of_row() for _ in range(count)] for count in counts]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, RowRules, list[bytes]]:
    """A buffer to learn from, its rules, and buffers of which some are damaged by cells, rows or octets."""
    tags, buffers = draw(tables())
    null_clocks = draw(st.booleans())
    encoded = []
    for rows in buffers:
        for position, line in enumerate(rows):
            if null_clocks and position:
                line[0] = axdr.null()
            match draw(st.sampled_from(["", "", "", "", "null", "type", "short", "long"])):
                case "null":
                    line[draw(st.integers(0, len(line) - 1))] = axdr.null()
                case "type":
                    make, values = NUMBERS[draw(st.sampled_from(list(NUMBERS)))]
                    line[draw(st.integers(0, len(line) - 1))] = make(draw(values))  # type: ignore[operator]
                case "short":
                    line.pop(draw(st.integers(0, len(line) - 1)))
                case "long":
                    line.append(axdr.u8(0))
        octets = bytearray(buffer([axdr.structure(line) for line in rows]))
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
            octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
        encoded.append(bytes(octets))
    sign = draw(st.sampled_from(list(DeviationSign)))
    rules = RowRules(
        columns=len(tags) + 1,
        instants=frozenset([0]),
        clock_column=0,
        deviation_sign=sign,
        period_s=draw(st.sampled_from([None, 900])),
        newest_first=draw(st.booleans()),
    )
    stamp = encode_instant(MIDNIGHT_S, sign)
    plain = [axdr.datetime_octets(stamp) if t is Tag.DATE_TIME else NUMBERS[t][0](0) for t in tags]  # type: ignore[operator]
    first = axdr.structure([axdr.octets(stamp), *plain])
    rest = axdr.structure([axdr.null() if null_clocks else axdr.octets(stamp), *plain])
    return buffer([first, rest, rest]), rules, encoded


def reference(octets: bytes, rules: RowRules) -> dict[int, list[object]] | None:
    """What the general decoder says: row to cells (None = missing), without unreadable rows; None = malformed."""
    try:
        rows = axdr.decode(octets)
    except RemoteProtocolError:
        return None
    if rows.tag not in (Tag.ARRAY, Tag.COMPACT_ARRAY):
        return None
    result: dict[int, list[object]] = {}
    before: list[object] | None = None
    for position, line in enumerate(rows.value):  # type: ignore[arg-type]
        try:
            before = _reference_row(line, rules, before)
        except (RemoteProtocolError, LookupError):
            before = None
            continue
        result[position] = before
    return result


def _reference_row(line: Data, rules: RowRules, before: list[object] | None) -> list[object]:
    if line.tag is not Tag.STRUCTURE or len(line.value) != rules.columns:  # type: ignore[arg-type]
        raise LookupError
    result: list[object] = []
    for column, data in enumerate(line.value):  # type: ignore[arg-type]
        value = data.value
        if column == 0 and data.tag is Tag.NULL_DATA:
            if before is None or rules.step_s is None:
                raise LookupError
            value = None if before[0] is None else before[0] + rules.step_s
        elif column == 0 or data.tag is Tag.DATE_TIME:
            if data.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME, Tag.NULL_DATA):
                raise LookupError
            value = decode_instant(value, rules.deviation_sign) if value else None
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise LookupError
        elif value is not None and not isinstance(value, int | float):
            value = axdr.plain(data)
        result.append(value)
    return result


def same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return left == right


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_no_cell_differs_from_the_general_decoder(case: tuple[bytes, RowRules, list[bytes]]) -> None:
    learnt_from, rules, buffers = case
    learnt = Template.learn(learnt_from, rules)
    table = learnt.decode_rows(buffers)
    got = {(line[0], line[1]): line[2:] for line in cells(table)}
    faults = {(fault.buffer, fault.row): str(fault) for fault in table.faults}
    assert len(got) == len(table)
    for index, octets in enumerate(buffers):
        expected = reference(octets, rules)
        if expected is None:
            assert (index, None) in faults
            assert not any(place[0] == index for place in got)
            continue
        for position, values in expected.items():
            if (index, position) in got:
                line = got[index, position]
                assert all(same(a, b) for a, b in zip(line, values, strict=True)), (line, values)
            else:  # readable alone, but of another kind than its column
                assert "column" in faults[index, position]
        for place in got:
            assert place[0] != index or place[1] in expected
    # and again: what the template remembers between calls changes nothing
    again = learnt.decode_rows(buffers)
    assert all(
        all(same(a, b) for a, b in zip(left, right, strict=True))
        for left, right in zip(cells(table), cells(again), strict=True)
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(INSTANT_OCTETS, min_size=3, max_size=3), min_size=3, max_size=6),
    st.sampled_from(list(DeviationSign)),
    st.sampled_from([330, 0, -720]),
)
def test_instants_at_once_equal_instants_one_by_one(
    grid: list[list[bytes]], sign: DeviationSign, default_offset_min: int
) -> None:
    rules = RowRules(
        columns=1,
        instants=frozenset({0}),
        clock_column=0,
        deviation_sign=sign,
        default_offset_min=default_offset_min,
    )
    stamps = [[axdr.structure([axdr.octets(stamp)]) for stamp in line] for line in grid]
    learnt = Template.learn(buffer([axdr.structure([axdr.octets(bytes(12))])]), rules)
    table = learnt.decode_rows([buffer(line) for line in stamps])
    got = {(line[0], line[1]): line[2] for line in cells(table)}
    faults = {(fault.buffer, fault.row) for fault in table.faults}
    for index, line in enumerate(grid):
        for position, stamp in enumerate(line):
            try:
                expected = decode_instant(stamp, sign, default_offset_min)
            except RemoteProtocolError:
                assert (index, position) in faults
            else:
                assert got[index, position] == expected


def instants_of(stamps: list[bytes], sign: DeviationSign) -> dict[int, object]:
    """Row to instant (None = not set) as the template has it, refused rows left out; each stamp its own buffer."""
    rules = RowRules(columns=1, instants=frozenset({0}), clock_column=0, deviation_sign=sign)
    learnt = Template.learn(buffer([axdr.structure([axdr.octets(bytes(12))])]), rules)
    table = learnt.decode_rows([buffer([axdr.structure([axdr.octets(stamp)])]) for stamp in stamps])
    return {line[0]: line[2] for line in cells(table)}  # type: ignore[misc]


def instants_expected(stamps: list[bytes], sign: DeviationSign) -> dict[int, object]:
    result: dict[int, object] = {}
    for index, stamp in enumerate(stamps):
        try:
            result[index] = decode_instant(stamp, sign)
        except RemoteProtocolError:
            continue
    return result


@pytest.mark.parametrize("sign", list(DeviationSign))
@pytest.mark.parametrize("position", range(12))
def test_every_value_of_every_octet_of_an_instant(position: int, sign: DeviationSign) -> None:
    base = bytearray(encode_instant(MIDNIGHT_S + 45_296, sign))
    stamps = [bytes([*base[:position], value, *base[position + 1 :]]) for value in range(256)]
    assert instants_of(stamps, sign) == instants_expected(stamps, sign)


def test_every_last_day_of_every_month() -> None:
    stamps = [
        year.to_bytes(2, "big") + bytes([month, day, 255, 12, 30, 0, 0, 1, 74, 0])
        for year in (1970, 1999, 2000, 2024, 2026, 2100, 2233, 2234)
        for month in range(14)
        for day in (0, 1, 27, 28, 29, 30, 31, 32)
    ]
    sign = DeviationSign.INDIAN
    assert instants_of(stamps, sign) == instants_expected(stamps, sign)


def test_any_octet_but_zero_is_a_true_boolean() -> None:
    rows = [axdr.structure([axdr.boolean(True), axdr.u8(slot)]) for slot in range(9)]
    octets = bytearray(buffer(rows))
    octets[2 + 2 + 1] = 7
    octets[2 + 6 + 2 + 1] = 0
    table = Template.learn(buffer(rows)).decode_rows([bytes(octets)])
    assert table.columns[0].tolist() == [1, 0, 1, 1, 1, 1, 1, 1, 1]
