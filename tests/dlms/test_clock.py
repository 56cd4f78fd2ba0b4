import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.clock import NOT_SET, CosemInstant, DeviationSign, decode_instant, encode_instant
from bijlighar.dlms.errors import LocalProtocolError, Malformed

ROWS = json.loads((Path(__file__).parents[1] / "vectors" / "clock-rows.json").read_text())["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['octets']} {row['sign']}")
def test_clock_cells_of_real_meters(row):
    expected = None if row["utc"] is None else int(datetime.fromisoformat(row["utc"]).timestamp())
    assert decode_instant(bytes.fromhex(row["octets"]), DeviationSign[row["sign"]]) == expected


def test_the_wrong_sign_is_eleven_hours_off():
    octets = bytes.fromhex("07E9071703081E18FF014A00")
    right = decode_instant(octets, DeviationSign.INDIAN)
    wrong = decode_instant(octets, DeviationSign.BLUE_BOOK)
    assert wrong - right == 11 * 3600


INSTANTS = st.integers(0, 2**33)
OFFSETS = st.integers(-720, 840)


@given(INSTANTS, OFFSETS, st.sampled_from(DeviationSign))
def test_every_instant_comes_back(epoch_s, offset_min, sign):
    octets = encode_instant(epoch_s, sign, offset_min)
    assert decode_instant(octets, sign) == epoch_s
    assert CosemInstant.from_octets(octets).to_octets() == octets


def test_what_is_written_is_civil_time_with_its_weekday():
    epoch_s = int(datetime(2025, 7, 23, 3, 0, 24, tzinfo=UTC).timestamp())
    assert encode_instant(epoch_s, DeviationSign.INDIAN).hex().upper() == "07E9071703081E1800014A00"
    assert encode_instant(epoch_s, DeviationSign.BLUE_BOOK).hex().upper() == "07E9071703081E1800FEB600"


def test_fields_are_kept_as_they_came():
    instant = CosemInstant.from_octets(bytes.fromhex("07E9071703081E18FF014A81"))
    assert (instant.year, instant.month, instant.day, instant.weekday) == (2025, 7, 23, 3)
    assert (instant.hundredths, instant.deviation_min, instant.status) == (255, 330, 0x81)


def test_not_set_is_none_and_a_missing_second_is_zero():
    assert decode_instant(NOT_SET, DeviationSign.INDIAN) is None
    assert decode_instant(bytes.fromhex("07E9071703FF1E18FF014A00"), DeviationSign.INDIAN) is None
    assert decode_instant(bytes.fromhex("07E907FE03081E18FF014A00"), DeviationSign.INDIAN) is None
    whole = decode_instant(bytes.fromhex("07E9071703081E00FF014A00"), DeviationSign.INDIAN)
    assert decode_instant(bytes.fromhex("07E9071703081EFFFF014A00"), DeviationSign.INDIAN) == whole


@pytest.mark.parametrize(
    "octets",
    [
        "07E90D1703081E18FF014A00",
        "07E9021E03081E18FF014A00",
        "07E9071703181E18FF014A00",
        "07E9071703083C18FF014A00",
        "07E9071703081E3CFF014A00",
        "07E9071703081E18FF7FFF00",
        "000007170308 1E18FF014A00".replace(" ", ""),
        "07E9071703081E18FF014A",
    ],
)
def test_what_names_no_instant_is_refused(octets):
    with pytest.raises(Malformed):
        decode_instant(bytes.fromhex(octets), DeviationSign.INDIAN)


def test_an_instant_outside_the_calendar_is_our_fault():
    with pytest.raises(LocalProtocolError):
        encode_instant(10**14, DeviationSign.INDIAN)
    with pytest.raises(Malformed):
        CosemInstant.from_octets(bytes(11))
