"""Hostile octets into everything that reads octets: a ProtocolError or a value, bounded in memory, steps and time.

``DECODERS`` are functions from octets; both roles are fed over every kind of link.
"""

import sys
import tracemalloc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.acse import RLRE, RLRQ, decode_aare, decode_aarq, decode_release
from bijlighar.dlms.association import (
    NEED_DATA,
    ActionRequested,
    Ciphering,
    ClientAssociation,
    GetRequested,
    Mechanism,
    ServerAssociation,
    SetRequested,
    State,
)
from bijlighar.dlms.datagram import decode_datagram
from bijlighar.dlms.errors import Malformed, RemoteProtocolError
from bijlighar.dlms.gateway import REQUEST, RESPONSE, Gateway, split_prefix
from bijlighar.dlms.general_block import BlockAssembly, BlockSettings, decode_general_block
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.hdlc.frames import FrameReader, decode_frame
from bijlighar.dlms.hdlc.negotiation import decode_agreement
from bijlighar.dlms.key_transfer import transferred_keys
from bijlighar.dlms.limits import MAX_BUFFERED_OCTETS, MAX_ELEMENTS
from bijlighar.dlms.notification import decode_event, decode_notification, open_push, sender_title
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult
from bijlighar.dlms.xdlms.action import decode_action_request, decode_action_response, decode_answers
from bijlighar.dlms.xdlms.get import decode_get_request, decode_get_response, decode_results, split_block
from bijlighar.dlms.xdlms.initiate import decode_initiate_request, decode_initiate_response
from bijlighar.dlms.xdlms.references import decode_selection
from bijlighar.dlms.xdlms.results import decode_confirmed_service_error, decode_exception
from bijlighar.dlms.xdlms.set_attribute import decode_set_request, decode_set_response
from dlms.wire import (
    BUFFER,
    LOAD_PROFILE,
    METER_TITLE,
    Wire,
    client_settings,
    material,
    server_settings,
    whole_session,
)

DECODERS = {
    "axdr": axdr.decode,
    "aarq": decode_aarq,
    "aare": decode_aare,
    "rlrq": lambda octets: decode_release(octets, RLRQ),
    "rlre": lambda octets: decode_release(octets, RLRE),
    "initiate request": decode_initiate_request,
    "initiate response": decode_initiate_response,
    "get request": decode_get_request,
    "get response": decode_get_response,
    "get block": split_block,
    "get results": lambda octets: decode_results(octets, 2),
    "set request": decode_set_request,
    "set response": decode_set_response,
    "action request": decode_action_request,
    "action response": decode_action_response,
    "action answers": lambda octets: decode_answers(0, octets, 2),
    "selection": lambda octets: decode_selection(octets, 0),
    "exception": decode_exception,
    "service error": decode_confirmed_service_error,
    "notification": decode_notification,
    "event": decode_event,
    "push": lambda octets: open_push(octets, material(METER_TITLE)),
    "sender": sender_title,
    "general block": lambda octets: BlockAssembly().take(decode_general_block(octets)),
    "gateway request": lambda octets: split_prefix(octets, REQUEST),
    "gateway response": lambda octets: split_prefix(octets, RESPONSE),
    "datagram": decode_datagram,
    "hdlc frame": decode_frame,
    "hdlc parameters": decode_agreement,
    "keys": lambda octets: transferred_keys(axdr.decode(octets), bytes(16)),
}
FIRST_OCTETS = """
00 60 61 62 63 01 08 0E01 0F00000001 C001C1 C002C1 C003C101 C101C1 C102C1 C103C1 C104C101 C105C1
C200 C301C1 C303C101 C304C1 C401C100 C402C1 C403C1 C501C1 C504C1 C701C1 C702C1 C703C1 C8 CC D4 D801
DB084D4D4D0000BC614E DC08 DD DF E080 E60001 E7000161 7EA0 818014 0001 0130 0203 1302 130106 09 0482
"""
HEADS = [bytes.fromhex(head) for head in FIRST_OCTETS.split()]
octets = st.builds(lambda head, tail: head + tail, st.sampled_from(HEADS), st.binary(max_size=80))


@settings(max_examples=400)
@given(octets)
def test_no_decoder_fails_otherwise_than_by_a_fault_of_the_peer(hostile):
    for decode in DECODERS.values():
        try:
            decode(hostile)
        except RemoteProtocolError:
            continue


def test_the_six_octets_that_make_others_hang_are_an_error():
    with pytest.raises(Malformed):
        axdr.decode(bytes.fromhex("130200021206"))


BOMBS = {
    "an array of arrays of nothing": "13 01FFFF 01FFFF 01FFFF 00 0100",
    "structures of structures": "13" + "02FF" * 14 + "00" * 255 + "0100",
    "a compact array of many nothings": "13 0202 11 01FFFF 00 8203E8" + "00" * 1000,
    "a deep nest": "0201" * 5000,
    "an array that is said to be long": "0184FFFFFFFF",
    "a string that is said to be long": "0984FFFFFFFF",
    "bits that are said to be many": "0484FFFFFFFF",
    "a compact array that is said to be long": "1311 84FFFFFFFF",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_without_the_memory_it_asks_for(bomb):
    hostile = bytes.fromhex(BOMBS[bomb])
    peak = allocated(lambda: refused(axdr.decode, hostile))
    assert peak < MAX_ELEMENTS * 200


def refused(decode, hostile):
    with pytest.raises(RemoteProtocolError):
        decode(hostile)


def allocated(act):
    """The most octets that ``act`` held at once."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LINKS = {
    "wrapper": {},
    "hdlc": {"hdlc": HdlcSettings(receive_octets=256, send_octets=256, send_window=3, receive_window=3)},
    "gateway": {"gateway": Gateway(network_id=0, physical_address=b"12345678")},
    "general blocks": {"general_blocks": BlockSettings(), "max_pdu": 256},
}
WAYS = [
    (Mechanism.NONE, Ciphering.NONE),
    (Mechanism.LLS, Ciphering.GLO),
    (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO),
]


def wire_of(link, way):
    return Wire(client_settings(*way, **LINKS[link]), server_settings(*way, **LINKS[link]), LOAD_PROFILE[:900])


def answer(meter, event):
    if isinstance(event, GetRequested):
        meter.answer_get(b"\x00")
    elif isinstance(event, SetRequested):
        meter.answer_set(DataAccessResult.SUCCESS)
    elif isinstance(event, ActionRequested):
        meter.answer_action(ActionResult.SUCCESS)


def fed(side, hostile):
    """Feed a role; it must go on, wait or fail for good, and speak no more than it was spoken to."""
    side.receive_data(hostile)
    for _ in range(len(hostile) + 2):
        try:
            event = side.next_event()
        except RemoteProtocolError:
            assert side.state is State.FAILED
            break
        if event is NEED_DATA:
            break
        if isinstance(side, ServerAssociation):
            answer(side, event)
    else:
        raise AssertionError("more events than octets")
    return side.data_to_send(1.0)


def recorded(link, way):
    wire = wire_of(link, way)
    whole_session(wire)
    return wire


TURNS = {(link, way): recorded(link, way) for link in LINKS for way in WAYS}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(LINKS)), st.sampled_from(WAYS), st.integers(0, 9), st.integers(0, 2**31), st.booleans()
)
def test_a_recorded_session_that_is_changed_anywhere_breaks_neither_role(link, way, turns, seed, to_client):
    chance, true_turns, fresh = Random(seed), TURNS[link, way], wire_of(link, way)
    side = fresh.client if to_client else fresh.meter
    stream = (true_turns.answered if to_client else true_turns.sent)[: turns + 1]
    if to_client:
        fresh.client.open()
    for number, true in enumerate(stream):
        hostile = changed(chance, true) if number == len(stream) - 1 else true
        said = fed(side, hostile)
        assert len(said) <= 4096
        if side.state is State.OPEN and to_client:
            fresh.client.get(BUFFER)


def changed(chance, true):
    """A few octets flipped, cut, doubled or put in."""
    hostile = bytearray(true)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(hostile) + 1)
        kind = chance.randrange(5)
        if kind == 0 and place < len(hostile):
            hostile[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del hostile[place : place + chance.randrange(1, 20)]
        elif kind == 2:
            hostile[place:place] = chance.randbytes(chance.randrange(1, 20))
        elif kind == 3:
            hostile[place:place] = hostile[place : place + chance.randrange(1, 60)]
        elif place < len(hostile):
            hostile[place] = chance.choice((0, 1, 0x7E, 0x7F, 0x80, 0x82, 0x84, 0xFF))
    return bytes(hostile)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(LINKS)), st.sampled_from(WAYS), st.lists(octets, min_size=1, max_size=6), st.booleans()
)
def test_apdus_of_any_content_break_neither_role(link, way, apdus, to_client):
    wire = wire_of(link, way)
    wire.opened()
    side, other = (wire.client, wire.meter) if to_client else (wire.meter, wire.client)
    if to_client:
        wire.client.get(BUFFER)
        wire.meter.receive_data(wire.client.data_to_send())
        wire.meter.next_event()
    for apdu in apdus:
        if apdu and not other.link.disconnected | (link == "hdlc" and other.link.disconnected):
            other.link.send(apdu)
        fed(side, other.data_to_send())


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("role", [ClientAssociation, ServerAssociation])
def test_a_flood_is_held_within_the_limit(link, role):
    settings_of = client_settings if role is ClientAssociation else server_settings
    side = role(settings_of(**LINKS[link]))
    if role is ClientAssociation:
        side.open()
    flood = b"\x7e\xa7\xff\x00" * 4096
    peak = allocated(lambda: [side.receive_data(flood) for _ in range(200)])
    assert peak < 4 * MAX_BUFFERED_OCTETS
    with pytest.raises(RemoteProtocolError):
        side.next_event()


def steps_of(reader_class, hostile, read):
    """Python lines run for each octet: a measure of time that no other process changes."""
    lines = 0

    def count(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return count

    reader = reader_class()
    reader.receive_data(hostile)
    sys.settrace(count)
    try:
        while read(reader) is not None:
            pass
    except RemoteProtocolError:
        pass
    finally:
        sys.settrace(None)
    return lines / len(hostile)


@pytest.mark.parametrize("pattern", [b"\x7e", b"\x7e\xa0\x07", b"\x7e\xa0\x0a\x03\x21\x10", b"\x00", b"\xff\x7e"])
def test_time_for_each_octet_is_bounded_on_a_line(pattern):
    hostile = pattern * (8000 // len(pattern))
    assert steps_of(lambda: FrameReader(2047), hostile, FrameReader.next_frame) < 40


def test_time_for_each_octet_is_bounded_in_the_wrapper():
    hostile = WrapperLink(1, 16).frame(b"\x00") * 900
    assert steps_of(lambda: WrapperLink(16, 1), hostile, WrapperLink.next_apdu) < 40


def test_an_aarq_whose_ciphered_part_is_empty_is_refused_like_any_wrong_one():
    wire = wire_of("wrapper", WAYS[1])
    wire.client.open()
    aarq = bytearray(wire.client.data_to_send())
    information = aarq.index(b"\xbe", 8)
    del aarq[information + 2 :]
    aarq[information + 1 :] = b"\x02\x04\x00"
    aarq[7], aarq[9] = len(aarq) - 8, len(aarq) - 10
    wire.meter.receive_data(bytes(aarq))
    assert wire.meter.next_event().diagnostic.name == "AUTHENTICATION_FAILURE"
