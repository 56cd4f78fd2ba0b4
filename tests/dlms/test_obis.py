import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.errors import LocalProtocolError, Malformed
from bijlighar.dlms.obis import Obis


def test_both_written_forms_name_the_same_code():
    code = Obis.parse("1.0.99.1.0.255")
    assert code.octets == bytes([1, 0, 99, 1, 0, 255])
    assert Obis.parse("1-0:99.1.0*255") == code
    assert str(code) == "1.0.99.1.0.255"
    assert repr(code) == "Obis(1.0.99.1.0.255)"


@given(st.binary(min_size=6, max_size=6))
def test_every_code_is_written_and_read_back(octets):
    assert Obis.parse(str(Obis.from_octets(octets))).octets == octets


def test_codes_are_ordered_by_their_numbers():
    assert sorted(map(Obis.parse, ["1.0.10.8.0.255", "1.0.2.8.0.255", "0.0.96.1.0.255"])) == [
        Obis.parse("0.0.96.1.0.255"),
        Obis.parse("1.0.2.8.0.255"),
        Obis.parse("1.0.10.8.0.255"),
    ]


@pytest.mark.parametrize(
    "text", ["", "1.0.99.1.0", "1.0.99.1.0.256", "1.0.99.1.0.255.1", "a.b.c.d.e.f", "१.0.9.1.0.255"]
)
def test_what_is_no_code_is_refused(text):
    with pytest.raises(LocalProtocolError):
        Obis.parse(text)


def test_another_length_is_the_peers_fault_when_it_came_from_the_peer():
    with pytest.raises(Malformed):
        Obis.from_octets(bytes(5))
    with pytest.raises(LocalProtocolError):
        Obis(bytes(7))
