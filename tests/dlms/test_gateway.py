"""A meter behind a gateway: the prefix both ways, and what a gateway may mix up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.association import Ciphering, Mechanism, Released
from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, Truncated
from bijlighar.dlms.gateway import REQUEST, RESPONSE, Gateway, GatewayLink, split_prefix
from bijlighar.dlms.general_block import BlockSettings
from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, Role
from bijlighar.dlms.wrapper import WrapperLink
from dlms.wire import Wire, client_settings, server_settings, whole_session

METER = Gateway(network_id=3, physical_address=b"HP123456")


@pytest.mark.parametrize("hdlc", [None, HdlcSettings()])
@pytest.mark.parametrize("blocks", [None, BlockSettings()])
@pytest.mark.parametrize("ciphering", [Ciphering.NONE, Ciphering.GENERAL_GLO])
def test_a_whole_session_goes_through_a_gateway(hdlc, blocks, ciphering):
    others = {"hdlc": hdlc, "gateway": METER, "general_blocks": blocks}
    client = client_settings(Mechanism.HLS_AES, ciphering, **others)
    wire = Wire(client, server_settings(Mechanism.HLS_AES, ciphering, **others))
    direct = Wire(client_settings(Mechanism.HLS_AES, ciphering), server_settings(Mechanism.HLS_AES, ciphering))
    events, expected = whole_session(wire), whole_session(direct)
    assert events[1:] == expected[1:]
    assert events[-1] == Released()
    if hdlc is None:
        assert wire.sent[0][8:].startswith(b"\xe6\x03\x08HP123456\x60")
        assert wire.answered[0][8:].startswith(b"\xe7\x03\x08HP123456\x61")


@given(st.integers(0, 255), st.binary(min_size=1, max_size=32), st.binary(min_size=1, max_size=50))
def test_a_prefix_comes_back_as_it_went(network, address, apdu):
    gateway = Gateway(network_id=network, physical_address=address)
    assert split_prefix(gateway.prefix(RESPONSE) + apdu, RESPONSE) == (gateway, apdu)


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        ("E7", Truncated),
        ("E6000161C4", Malformed),
        ("E70000C4", Malformed),
        ("E70001", Truncated),
        ("E7000161", Truncated),
        ("E70021" + "00" * 40, Malformed),
    ],
)
def test_octets_that_are_no_prefix_are_refused(octets, fault):
    with pytest.raises(fault):
        split_prefix(bytes.fromhex(octets), RESPONSE)


def test_an_answer_of_another_meter_is_refused():
    link = GatewayLink(WrapperLink(16, 1), METER, REQUEST)
    other = Gateway(network_id=3, physical_address=b"HP654321")
    link.receive_data(WrapperLink(1, 16).frame(other.prefix(RESPONSE) + b"\xc4"))
    with pytest.raises(RemoteProtocolError, match="another meter"):
        link.next_apdu()


@pytest.mark.parametrize(("network", "address"), [(256, b"1"), (-1, b"1"), (0, b""), (0, bytes(33))])
def test_a_gateway_that_cannot_be_is_our_fault(network, address):
    with pytest.raises(LocalProtocolError):
        Gateway(network_id=network, physical_address=address)


def test_timers_are_those_of_the_line_below():
    link = GatewayLink(HdlcLink(Role.CLIENT, HdlcSettings(), 16, 1), METER, REQUEST)
    link.send(b"\x60\x00")
    call = list(link.outgoing)
    link.outgoing.clear()
    link.transmitted(1.0)
    assert link.get_timer() == 4.0
    link.handle_timer(4.0)
    assert link.outgoing == call
    assert not link.disconnected
