"""General block transfer: windows, loss, both roles; and the unacknowledged form for pushes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    ActionDone,
    Ciphering,
    GetSucceeded,
    Mechanism,
    NotificationReceived,
    SetDone,
)
from bijlighar.dlms.errors import LocalProtocolError, Malformed, NotSupported, RemoteProtocolError, TooLarge
from bijlighar.dlms.general_block import (
    BlockAssembly,
    BlockLink,
    BlockSettings,
    GeneralBlock,
    decode_general_block,
    stream,
)
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.limits import MAX_VALUE_OCTETS
from bijlighar.dlms.notification import DataNotification
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult
from dlms.wire import BUFFER, CLOCK, DISCONNECT, Wire, client_settings, events_of, server_settings

LONG = axdr.encode(axdr.octets(bytes(range(256)) * 20))
WAYS = [(Mechanism.NONE, Ciphering.NONE), (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO)]


def wire_of(way=WAYS[1], window=5, others=None):
    blocks = BlockSettings(window=window)
    client = client_settings(*way, max_pdu=200, general_blocks=blocks)
    wire = Wire(client, server_settings(*way, max_pdu=200, general_blocks=blocks), LONG)
    wire.opened()
    return wire


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("window", [1, 2, 8, 63])
def test_everything_long_goes_in_general_blocks(way, window):
    wire = wire_of(way, window)
    wire.client.get(BUFFER)
    assert wire.exchange() == [GetSucceeded(LONG)]
    wire.client.set(CLOCK, LONG)
    assert wire.exchange() == [SetDone(DataAccessResult.SUCCESS)]
    wire.client.action(DISCONNECT, LONG)
    assert wire.exchange() == [ActionDone(ActionResult.SUCCESS, b"\x16\x01")]
    assert wire.meter_events[-1].octets == LONG
    for turn in wire.sent[3:] + wire.answered[3:]:
        assert len(turn) <= window * (200 + 8)
    assert wire.client.next_invocation_counter <= 7  # a counter for each APDU, none for blocks


def test_the_stream_cut_at_every_octet_gives_the_same_events():
    wire = wire_of()
    wire.client.get(BUFFER)
    events = []
    while not events:
        for octet in wire.client.data_to_send():
            wire.meter.receive_data(bytes([octet]))
            for _ in events_of(wire.meter):
                wire.meter.answer_get(LONG)
        for octet in wire.meter.data_to_send():
            wire.client.receive_data(bytes([octet]))
            events += events_of(wire.client)
    assert events == [GetSucceeded(LONG)]


def test_a_long_notification_goes_in_general_blocks():
    wire = wire_of()
    wire.meter.notify(DataNotification(invoke_id=1, instant=None, octets=LONG))
    for _ in range(100):
        wire.client.receive_data(wire.meter.data_to_send())
        if events := events_of(wire.client):
            break
        wire.meter.receive_data(wire.client.data_to_send())
        assert events_of(wire.meter) == []
    assert events == [NotificationReceived(1, None, LONG)]


def test_over_hdlc_too():
    others = {"hdlc": HdlcSettings(), "general_blocks": BlockSettings(window=4), "max_pdu": 200}
    wire = Wire(client_settings(**others), server_settings(**others), LONG)
    wire.opened()
    wire.client.get(BUFFER)
    assert wire.exchange() == [GetSucceeded(LONG)]


def ends(window=4, granted=True):
    client = BlockLink(WrapperLink(16, 1), BlockSettings(window=window), client=True)
    server = BlockLink(WrapperLink(1, 16), BlockSettings(window=window), client=False)
    if granted:
        client.grant_blocks(100)
        server.grant_blocks(100)
    return client, server


APDU = bytes(range(1, 256)) * 8


@settings(max_examples=60)
@given(st.randoms(), st.integers(1, 12), st.booleans())
def test_lost_blocks_are_sent_again(chance, window, from_client):
    client, server = ends(window)
    sender, receiver = (client, server) if from_client else (server, client)
    sender.send(APDU)
    now, got, first = 0.0, [], True
    for _ in range(400):
        for one, other in ((sender, receiver), (receiver, sender)):
            frames = list(one.outgoing)
            one.outgoing.clear()
            one.transmitted(now)
            for frame in frames:
                if first or chance.randrange(6):
                    other.receive_data(frame)
                first = False
                while (apdu := other.next_apdu()) is not None:
                    got.append(apdu)
        if got:
            break
        if not sender.outgoing and not receiver.outgoing:
            timers = [timer for timer in (sender.get_timer(), receiver.get_timer()) if timer is not None]
            assert timers, "nobody will ever speak again"
            now = min(timers)
            sender.handle_timer(now)
            receiver.handle_timer(now)
            if sender._lost or receiver._lost:
                return
    assert got == [APDU]


def test_who_hears_nothing_asks_and_then_gives_up():
    client, _ = ends()
    client.send(APDU)
    first = b"".join(client.outgoing)
    for attempt in range(4):
        client.outgoing.clear()
        client.transmitted(10.0 * attempt)
        assert client.get_timer() == 10.0 * attempt + 5.0
        client.handle_timer(10.0 * attempt + 4.9)
        assert client.outgoing == []
        client.handle_timer(10.0 * attempt + 5.0)
        if attempt < 3:
            assert b"".join(client.outgoing) == first
    with pytest.raises(RemoteProtocolError):
        client.next_apdu()


def block(number, octets=b"1", last=False, streaming=False, acknowledged=0):
    return GeneralBlock(
        last=last, streaming=streaming, window=1, number=number, acknowledged=acknowledged, octets=octets
    )


def test_blocks_that_were_not_negotiated_are_refused_by_name():
    client, _ = ends(granted=False)
    client.receive_data(WrapperLink(1, 16).frame(block(1).encode()))
    with pytest.raises(NotSupported, match="general block"):
        client.next_apdu()


def test_an_acknowledgement_of_what_was_not_sent_is_refused():
    client, _ = ends()
    client.send(APDU)
    client.receive_data(WrapperLink(1, 16).frame(block(1, b"", acknowledged=1000).encode()))
    with pytest.raises(RemoteProtocolError, match="not sent"):
        client.next_apdu()


def test_an_apdu_cannot_grow_beyond_the_limit():
    assembly = BlockAssembly()
    allowed = MAX_VALUE_OCTETS // 1000
    for number in range(1, allowed + 1):
        assert assembly.take(block(number, bytes(1000))) is None
    with pytest.raises(TooLarge):
        assembly.take(block(allowed + 1, bytes(1000)))
    with pytest.raises(LocalProtocolError):
        stream(bytes(MAX_VALUE_OCTETS + 1000), 1000)
    with pytest.raises(LocalProtocolError):
        stream(bytes(100), 20)
    with pytest.raises(LocalProtocolError):
        BlockSettings(window=64)


@given(st.binary(min_size=1, max_size=3000), st.integers(64, 500))
def test_a_stream_of_blocks_comes_back_as_it_went(apdu, max_pdu):
    assembly, got = BlockAssembly(), []
    blocks = stream(apdu, max_pdu)
    assert max(map(len, blocks)) <= max_pdu
    for octets in blocks:
        whole = assembly.take(decode_general_block(octets))
        if whole is not None:
            got.append(whole)
    assert got == [apdu]


@given(st.binary(max_size=40))
def test_any_octets_are_a_block_or_a_fault_of_the_peer(octets):
    for apdu in (octets, b"\xe0" + octets):
        try:
            decode_general_block(apdu)
        except RemoteProtocolError:
            continue


def test_the_octets_of_a_block():
    made = GeneralBlock(last=True, streaming=True, window=5, number=1, acknowledged=2, octets=b"\xc0")
    assert made.encode().hex().upper() == "E0C50001000201C0"
    assert decode_general_block(made.encode()) == made


def test_a_wrapper_link_that_is_not_granted_passes_all():
    client, server = ends(granted=False)
    client.send(APDU)
    server.receive_data(client.outgoing[0])
    assert server.next_apdu() == APDU
    assert server.next_apdu() is None


def test_a_late_acknowledgement_and_a_repeated_block_say_nothing_new():
    client, server = ends(window=2)
    server.send(APDU[:150])
    first = server.outgoing[0]
    client.receive_data(first)
    assert client.next_apdu() is None
    server.receive_data(client.outgoing.pop())
    server.outgoing.clear()
    assert server.next_apdu() is None
    second = server.outgoing[-1]
    client.receive_data(second + first + second)
    assert [client.next_apdu(), client.next_apdu()] == [APDU[:150], None]
    for octets in client.outgoing:
        server.receive_data(octets)
    server.outgoing.clear()
    assert server.next_apdu() is None
    assert server.outgoing == []


def test_a_new_association_begins_without_blocks():
    _, server = ends()
    server.forget_peer()
    server.receive_data(WrapperLink(16, 1).frame(block(1).encode()))
    with pytest.raises(NotSupported):
        server.next_apdu()
    assert server.disconnected


def test_a_block_without_octets_is_refused():
    with pytest.raises(Malformed):
        BlockAssembly().take(block(1, b""))
