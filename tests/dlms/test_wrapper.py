import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, TooLarge
from bijlighar.dlms.limits import MAX_BUFFERED_OCTETS, MAX_FRAME_OCTETS
from bijlighar.dlms.wrapper import WrapperLink


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.data())
def test_frames_come_back_however_the_stream_is_cut(apdus, draw):
    meter, client = WrapperLink(1, 16), WrapperLink(16, 1)
    stream = b"".join(map(meter.frame, apdus))
    got = []
    while stream:
        size = draw.draw(st.integers(1, len(stream)))
        client.receive_data(stream[:size])
        stream = stream[size:]
        while (apdu := client.next_apdu()) is not None:
            got.append(apdu)
    assert got == apdus
    assert client.trailing_octets == b""


def test_the_header_is_version_source_destination_length():
    assert WrapperLink(16, 1).frame(b"\x62\x00").hex() == "0001001000010002" + "6200"


def test_a_server_learns_its_client():
    meter = WrapperLink(1, None)
    with pytest.raises(LocalProtocolError):
        meter.frame(b"\x01")
    meter.receive_data(WrapperLink(48, 1).frame(b"\x01"))
    assert meter.next_apdu() == b"\x01"
    assert meter.peer_address == 48


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        ("0002000100100001 00", Malformed),
        ("0001000200100001 00", RemoteProtocolError),
        ("0001000100110001 00", RemoteProtocolError),
        ("0001000100100000", TooLarge),
        ("0001000100100065", TooLarge),
    ],
)
def test_a_wrong_header_is_refused_before_its_body_came(octets, fault):
    link = WrapperLink(16, 1, max_octets=100)
    link.receive_data(bytes.fromhex(octets))
    with pytest.raises(fault):
        link.next_apdu()


def test_what_waits_is_bounded():
    link = WrapperLink(16, 1)
    link.receive_data(bytes(MAX_BUFFERED_OCTETS))
    with pytest.raises(Malformed):
        link.next_apdu()
    for _ in range(3):
        link.receive_data(bytes(MAX_BUFFERED_OCTETS))
    assert len(link.trailing_octets) == MAX_BUFFERED_OCTETS + 1
    with pytest.raises(TooLarge):
        link.next_apdu()


def test_an_apdu_beyond_the_length_field_is_our_fault():
    link = WrapperLink(16, 1)
    assert len(link.frame(bytes(MAX_FRAME_OCTETS))) == MAX_FRAME_OCTETS + 8
    with pytest.raises(LocalProtocolError):
        link.frame(bytes(MAX_FRAME_OCTETS + 1))
