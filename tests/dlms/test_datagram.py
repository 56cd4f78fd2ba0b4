import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.datagram import MAX_DATAGRAM_OCTETS, Datagram, decode_datagram
from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, TooLarge, Truncated

ports = st.integers(0, 0xFFFF)


@given(st.builds(Datagram, source=ports, destination=ports, apdu=st.binary(min_size=1, max_size=2040)))
def test_a_datagram_comes_back_as_it_went(datagram):
    assert decode_datagram(datagram.encode()) == datagram


@given(st.binary(max_size=60))
def test_any_octets_are_a_datagram_or_a_fault_of_the_peer(octets):
    for received in (octets, b"\x00\x01" + octets):
        try:
            assert decode_datagram(received).encode() == received
        except RemoteProtocolError:
            continue


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        ("", Truncated),
        ("0001004000010000", Truncated),
        ("0001004000010002DB", Truncated),
        ("0001004000010001DBDB", Malformed),
        ("0002004000010001DB", Malformed),
        ("00" * (MAX_DATAGRAM_OCTETS + 1), TooLarge),
    ],
)
def test_what_is_not_exactly_one_frame_is_refused(octets, fault):
    with pytest.raises(fault):
        decode_datagram(bytes.fromhex(octets))


@pytest.mark.parametrize("size", [0, MAX_DATAGRAM_OCTETS - 7])
def test_an_apdu_that_does_not_go_in_one_datagram_is_our_fault(size):
    with pytest.raises(LocalProtocolError):
        Datagram(source=1, destination=1, apdu=bytes(size)).encode()
