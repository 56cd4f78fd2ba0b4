"""Layouts: capture objects and scalers, as a meter tells them and as they are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import RemoteProtocolError, TooLarge
from bijlighar.dlms.models import load_model, model_names
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import (
    MAX_COLUMNS,
    CaptureObject,
    ProfileLayout,
    Scaler,
    capture_objects_from_octets,
    capture_objects_to_octets,
    scaler_from_octets,
    scaler_to_octets,
)

CLOCK = CaptureObject(class_id=8, obis=Obis.parse("0.0.1.0.0.255"))
VOLTAGE = CaptureObject(class_id=3, obis=Obis.parse("1.0.12.27.0.255"))
IMPORT = CaptureObject(class_id=3, obis=Obis.parse("1.0.1.29.0.255"))
VOLTS = Scaler(exponent=-2, unit=35)
WATT_HOURS = Scaler(exponent=1, unit=30)

CAPTURES = bytes.fromhex("01020204 120008 0906 0000010000FF 0F02 1200000204 120003 0906 01000C1B00FF 0F02 120000")
"""Attribute 3 of a profile with clock and average voltage, written by hand from IEC 62056-6-2, class 7."""

columns = st.builds(
    CaptureObject,
    class_id=st.integers(0, 65535),
    obis=st.binary(min_size=6, max_size=6).map(Obis),
    attribute=st.integers(-128, 127),
    data_index=st.integers(0, 65535),
)
scalers = st.builds(Scaler, exponent=st.integers(-128, 127), unit=st.integers(0, 255))


def test_capture_objects_on_the_wire() -> None:
    assert capture_objects_from_octets(CAPTURES) == (CLOCK, VOLTAGE)
    assert capture_objects_to_octets([CLOCK, VOLTAGE]) == CAPTURES


def test_a_scaler_on_the_wire() -> None:
    assert scaler_to_octets(VOLTS) == bytes.fromhex("02020FFE1623")
    assert scaler_from_octets(bytes.fromhex("02020FFE1623")) == VOLTS
    assert (VOLTS.symbol, Scaler(exponent=0, unit=255).symbol, Scaler(exponent=0, unit=1).symbol) == (
        "V",
        "",
        None,
    )


def test_scalers_are_matched_by_object_whatever_their_order() -> None:
    listed = capture_objects_to_octets(
        [
            CaptureObject(class_id=3, obis=IMPORT.obis, attribute=3),
            CaptureObject(class_id=3, obis=VOLTAGE.obis, attribute=3),
        ]
    )
    row = bytes.fromhex("0101 0202 02020F01161E 02020FFE1623")
    layout = ProfileLayout.from_meter(capture_objects_to_octets([CLOCK, VOLTAGE, IMPORT]), listed, row)
    assert layout.scalers == (None, VOLTS, WATT_HOURS)
    assert layout.clock_column == 0
    assert layout.instants == {0}


def test_a_maximum_has_a_scaler_and_its_time_has_none() -> None:
    maximum = CaptureObject(class_id=4, obis=Obis.parse("1.0.1.6.0.255"))
    at = CaptureObject(class_id=4, obis=Obis.parse("1.0.1.6.0.255"), attribute=5)
    layout = ProfileLayout(capture_objects=(maximum, at), scalers=(Scaler(exponent=0, unit=27), None))
    told = ProfileLayout.from_meter(capture_objects_to_octets([maximum, at]), *layout.scaler_profile())
    assert told == layout
    assert (told.clock_column, told.instants) == (None, {1})


def test_a_profile_without_scalers() -> None:
    layout = ProfileLayout.from_meter(CAPTURES)
    assert layout.scalers == (None, None)


@pytest.mark.parametrize("name", model_names())
def test_what_a_virtual_meter_tells_is_the_models_layout(name: str) -> None:
    for profile in load_model(name).profiles.values():
        told = ProfileLayout.from_meter(
            capture_objects_to_octets(profile.layout.capture_objects), *profile.layout.scaler_profile()
        )
        assert told == profile.layout


@given(st.lists(st.tuples(columns, st.none() | scalers), max_size=MAX_COLUMNS))
def test_a_layout_is_kept_and_found_again(pairs: list[tuple[CaptureObject, Scaler | None]]) -> None:
    layout = ProfileLayout(
        capture_objects=tuple(column for column, _ in pairs), scalers=tuple(scaler for _, scaler in pairs)
    )
    assert ProfileLayout.from_octets(layout.to_octets()) == layout


def test_too_many_columns() -> None:
    with pytest.raises(TooLarge, match="129 columns"):
        capture_objects_from_octets(capture_objects_to_octets([VOLTAGE] * (MAX_COLUMNS + 1)))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        axdr.encode(axdr.null()),
        axdr.encode(axdr.array([axdr.null()])),
        bytes.fromhex("0101 0203 120008 09060000010000FF 0F02"),
        bytes.fromhex("0101 0204 120008 09050000010000 0F02 120000"),
        bytes.fromhex("0101 0204 120008 120000 0F02 120000"),
        bytes.fromhex("0101 0204 0900 09060000010000FF 0F02 120000"),
        CAPTURES[:-1],
        CAPTURES + b"\x00",
    ],
)
def test_what_is_no_capture_list_is_refused(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        capture_objects_from_octets(octets)
    with pytest.raises(RemoteProtocolError):
        ProfileLayout.from_octets(octets)


@pytest.mark.parametrize("row", ["0100", "0101 0201 02020FFE1623", "0101 0202 02020FFE1623 0F01", "00"])
def test_scaler_list_and_row_must_agree(row: str) -> None:
    with pytest.raises(RemoteProtocolError):
        ProfileLayout.from_meter(CAPTURES, CAPTURES, bytes.fromhex(row))


@given(st.binary(max_size=60))
def test_any_octets_give_a_layout_or_a_remote_fault(octets: bytes) -> None:
    for read in (capture_objects_from_octets, scaler_from_octets, ProfileLayout.from_octets):
        try:
            read(octets)
        except RemoteProtocolError:
            continue
