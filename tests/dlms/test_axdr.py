import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data, Tag
from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, TooLarge, Truncated
from bijlighar.dlms.limits import MAX_DEPTH, MAX_ELEMENTS, MAX_VALUE_OCTETS


def whole(bits, signed):
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


SCALARS = st.one_of(
    st.just(axdr.null()),
    st.booleans().map(axdr.boolean),
    st.text("01", max_size=40).map(axdr.bits),
    whole(8, True).map(axdr.i8),
    whole(16, True).map(axdr.i16),
    whole(32, True).map(axdr.i32),
    whole(64, True).map(axdr.i64),
    whole(8, True).map(axdr.bcd),
    whole(8, False).map(axdr.u8),
    whole(16, False).map(axdr.u16),
    whole(32, False).map(axdr.u32),
    whole(64, False).map(axdr.u64),
    whole(8, False).map(axdr.enum),
    st.floats(width=32, allow_nan=False).map(axdr.f32),
    st.floats(allow_nan=False).map(axdr.f64),
    st.binary(max_size=300).map(axdr.octets),
    st.text(st.characters(max_codepoint=255), max_size=20).map(axdr.visible),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(axdr.utf8),
    st.binary(min_size=12, max_size=12).map(axdr.datetime_octets),
    st.binary(min_size=5, max_size=5).map(axdr.date_octets),
    st.binary(min_size=4, max_size=4).map(axdr.time_octets),
)
ROWS = st.lists(st.tuples(whole(16, False), st.binary(max_size=5)), max_size=6).map(
    lambda rows: axdr.compact_array(
        axdr.structure([axdr.u16(number), axdr.octets(octets), axdr.array([axdr.u8(1), axdr.u8(2)])])
        for number, octets in rows
    )
)
VALUES = st.recursive(
    SCALARS | ROWS,
    lambda inner: st.lists(inner, max_size=5).map(axdr.array) | st.lists(inner, max_size=5).map(axdr.structure),
    max_leaves=20,
)


@given(VALUES)
def test_every_value_comes_back(data):
    octets = axdr.encode(data)
    assert axdr.decode(octets) == data
    assert axdr.decode_from(b"\xff" + octets + b"\xff", 1) == (data, 1 + len(octets))


@given(VALUES, st.data())
def test_a_value_cut_anywhere_is_refused(data, draw):
    octets = axdr.encode(data)
    cut = draw.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(RemoteProtocolError):
        axdr.decode(octets[:cut])


@given(st.binary(max_size=200))
def test_any_octets_give_a_value_or_a_fault_of_the_peer(octets):
    try:
        data = axdr.decode(octets)
    except RemoteProtocolError:
        return
    assert isinstance(data, Data)


@pytest.mark.parametrize(
    ("octets", "data"),
    [
        ("00", axdr.null()),
        ("0301", axdr.boolean(True)),
        ("0404A0", axdr.bits("1010")),
        ("05FFFFFFFF", axdr.i32(-1)),
        ("0600000101", axdr.u32(257)),
        ("09020102", axdr.octets(b"\x01\x02")),
        ("0A024431", axdr.visible("D1")),
        ("0C03E0A495", axdr.utf8("क")),
        ("0D12", axdr.bcd(0x12)),
        ("0FFE", axdr.i8(-2)),
        ("10FFFE", axdr.i16(-2)),
        ("11FF", axdr.u8(255)),
        ("120102", axdr.u16(258)),
        ("14FFFFFFFFFFFFFFFE", axdr.i64(-2)),
        ("150000000000000001", axdr.u64(1)),
        ("161B", axdr.enum(27)),
        ("173FC00000", axdr.f32(1.5)),
        ("183FF8000000000000", axdr.f64(1.5)),
        ("01020F0110FFFF", axdr.array([axdr.i8(1), axdr.i16(-1)])),
        ("02020FFF161B", axdr.structure([axdr.i8(-1), axdr.enum(27)])),
        ("13120400010002", axdr.compact_array([axdr.u16(1), axdr.u16(2)])),
    ],
)
def test_the_octets_are_those_of_the_standard(octets, data):
    assert axdr.encode(data).hex().upper() == octets
    assert axdr.decode(bytes.fromhex(octets)) == data


def test_lengths_take_the_shortest_form_and_longer_ones_are_read():
    assert [axdr.encode_length(n).hex() for n in (0, 127, 128, 255, 256, 65535, 65536)] == [
        *("00", "7f", "8180", "81ff", "820100", "82ffff", "83010000"),
    ]
    assert axdr.decode(bytes.fromhex("0984000000021122")) == axdr.octets(b"\x11\x22")
    with pytest.raises(Malformed):
        axdr.read_length(b"\x85\0\0\0\0\1", 0)
    with pytest.raises(Malformed):
        axdr.read_length(b"\x80", 0)
    with pytest.raises(LocalProtocolError):
        axdr.encode_length(-1)


def test_six_octets_that_hang_others_are_refused():
    with pytest.raises(Malformed, match="consume no octets"):
        axdr.decode(bytes.fromhex("130002") + b"\x12\x06")
    with pytest.raises(RemoteProtocolError):
        axdr.decode(bytes.fromhex("130200021206"))


def test_a_compact_array_without_elements_is_empty():
    assert axdr.decode(bytes.fromhex("130600")) == axdr.compact_array([])


@pytest.mark.parametrize("octets", ["131300", "13020112", "1312030001", "13120300010002", "1301000500"])
def test_a_compact_array_that_does_not_add_up_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        axdr.decode(bytes.fromhex(octets))


def test_depth_is_bounded():
    fine = b"\x01\x01" * MAX_DEPTH + b"\x00"
    assert axdr.encode(axdr.decode(fine)) == fine
    with pytest.raises(TooLarge):
        axdr.decode(b"\x01\x01" * (MAX_DEPTH + 1) + b"\x00")
    with pytest.raises(TooLarge):
        axdr.decode(b"\x13" + b"\x02\x01" * 5000 + b"\x11\x01\x01")
    nested = axdr.null()
    for _ in range(MAX_DEPTH + 1):
        nested = axdr.structure([nested])
    with pytest.raises(LocalProtocolError):
        axdr.encode(nested)


def test_a_count_beyond_the_octets_is_refused_before_anything_is_made():
    with pytest.raises(Truncated):
        axdr.decode(bytes.fromhex("0184FFFFFFFF00"))
    with pytest.raises(Truncated):
        axdr.decode(bytes.fromhex("0984FFFFFFFF00"))
    with pytest.raises(Truncated):
        axdr.decode(bytes.fromhex("0484FFFFFFFF00"))


def test_few_octets_cannot_make_many_values():
    nulls = 2000
    description = b"\x02" + axdr.encode_length(nulls + 1) + bytes(nulls) + b"\x11"
    contents = bytes(MAX_ELEMENTS // nulls + 1)
    with pytest.raises(TooLarge):
        axdr.decode(b"\x13" + description + axdr.encode_length(len(contents)) + contents)


def test_a_value_beyond_the_limit_is_refused():
    with pytest.raises(TooLarge):
        axdr.decode(b"\x09\x83\x20\x00\x00" + bytes(MAX_VALUE_OCTETS))


@pytest.mark.parametrize(
    ("tag", "name"), [(28, "delta-integer"), (33, "delta-double-long-unsigned"), (7, "7"), (255, "dont-care")]
)
def test_types_that_are_not_supported_are_refused_by_name(tag, name):
    with pytest.raises(Malformed, match=name):
        axdr.decode(bytes([tag, 0, 0, 0, 0]))


def test_octets_behind_a_value_are_refused():
    with pytest.raises(Malformed):
        axdr.decode(b"\x11\x01\x00")


@pytest.mark.parametrize(
    "data",
    [
        axdr.u8(256),
        axdr.u8(-1),
        axdr.i16(40000),
        axdr.bits("012"),
        axdr.octets("text"),  # type: ignore[arg-type]
        axdr.utf8(b"octets"),  # type: ignore[arg-type]
        axdr.visible("क"),
        axdr.datetime_octets(bytes(11)),
        Data(Tag.NULL_DATA, 1),
        Data(Tag.ARRAY, 1),
        Data(Tag.LONG, "1"),
        axdr.compact_array([axdr.u8(1), axdr.u16(1)]),
        axdr.compact_array([axdr.null()]),
        axdr.compact_array([axdr.compact_array([axdr.u8(1)])]),
        axdr.compact_array([axdr.array([axdr.u8(1), axdr.u16(1)])]),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_our_fault(data):
    with pytest.raises(LocalProtocolError):
        axdr.encode(data)


def test_text_that_is_not_utf8_is_refused_and_visible_text_is_kept_whole():
    with pytest.raises(Malformed):
        axdr.decode(b"\x0c\x01\xff")
    assert axdr.decode(b"\x0a\x01\xff") == axdr.visible("ÿ")


def test_plain_values_lose_their_tags_only():
    data = axdr.array([axdr.structure([axdr.u8(1), axdr.octets(b"a"), axdr.null()]), axdr.f32(0.5)])
    assert axdr.plain(data) == [[1, b"a", None], 0.5]


@given(st.floats(width=32))
def test_floats_keep_their_very_octets(value):
    assert axdr.encode(axdr.f32(value))[1:] == struct.pack(">f", value)
