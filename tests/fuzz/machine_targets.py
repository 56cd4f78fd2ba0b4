"""Both roles of an association, over wrapper and HDLC, with a peer that says anything at any time.

The first octets of an input choose the form of the association, the link, how far the honest peer came before the
lies begin, and whether they are sealed as the peer itself would seal them: octets without a right tag never get
beyond the first door. The rest is what the liar says, in pieces.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

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
    get_list,
)
from bijlighar.dlms.channel import GLO_OF, SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError
from bijlighar.dlms.framing import client_link, server_link
from bijlighar.dlms.gateway import Gateway
from bijlighar.dlms.general_block import BlockSettings
from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, Role
from bijlighar.dlms.hdlc.frames import Frame, FrameReader, client_octets, server_octets
from bijlighar.dlms.limits import MAX_FRAME_OCTETS
from bijlighar.dlms.security import BOTH, SecurityMaterial
from dlms.wire import (
    BUFFER,
    CLIENT,
    CLIENT_TITLE,
    CLOCK,
    DISCONNECT,
    METER_TITLE,
    Wire,
    client_settings,
    material,
    serve,
    server_settings,
)
from fuzz.codec_targets import chunks

_FORMS = (
    (Mechanism.NONE, Ciphering.NONE),
    (Mechanism.LLS, Ciphering.GLO),
    (Mechanism.HLS_AES, Ciphering.GLO),
    (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO),
)
_LINES = (None, HdlcSettings(), HdlcSettings(send_octets=40, receive_octets=64, receive_window=3))
_FAR = 10_000
"""The liar's counters begin here, above all that the honest peer used."""
_MOST_EVENTS = 4096
"""More than any input of ours can make happen: each event needs an octet at least."""
_VALUE = bytes.fromhex("0112") + bytes.fromhex("020309040102030406000000011100") * 18
_STRANGER = SecurityMaterial(
    system_title=METER_TITLE, encryption_key=bytes(range(64, 80)), authentication_key=bytes(range(80, 96))
)


def _wire(octets: bytes) -> Wire:
    mechanism, ciphering = _FORMS[octets[0] % len(_FORMS)]
    line = _LINES[octets[0] // 4 % len(_LINES)]
    blocks = BlockSettings() if octets[0] // 16 % 2 else None
    client = client_settings(mechanism, ciphering, hdlc=line, general_blocks=blocks, max_pdu=256)
    return Wire(client, server_settings(mechanism, ciphering, hdlc=line, general_blocks=blocks), _VALUE)


def _said(wire: Wire, octets: bytes, *, by_meter: bool, mode: int) -> list[bytes]:
    """The liar's octets: as they are, in frames, or sealed and in frames."""
    pieces = chunks(octets)
    if mode % 3 == 0:
        return pieces
    if mode % 3 == 2:
        own, peer = (METER_TITLE, CLIENT_TITLE) if by_meter else (CLIENT_TITLE, METER_TITLE)
        channel = SecureChannel(material(own), peer, int(BOTH), _FAR, len(pieces) + 1)
        pieces = [
            channel.seal_glo(piece) if piece[0] in GLO_OF and mode & 4 else channel.seal_general(piece)
            for piece in pieces
            if piece
        ]
    ends = (1, CLIENT) if by_meter else (CLIENT, 1)
    head = b"\x00\x01" + ends[0].to_bytes(2, "big") + ends[1].to_bytes(2, "big")
    return [head + len(piece).to_bytes(2, "big") + piece for piece in pieces if len(piece) <= MAX_FRAME_OCTETS]


def _drained(side: ClientAssociation | ServerAssociation) -> list[object]:
    events: list[object] = []
    while (event := side.next_event()) is not NEED_DATA:
        events.append(event)
        assert len(events) < _MOST_EVENTS
    return events


def clients(octets: bytes) -> None:
    """The head-end's side, with a meter that lies from the AARE on, or after the association stands."""
    if len(octets) < 3:
        return
    wire = _wire(octets)
    client = wire.client
    if octets[1] & 0x80:
        assert wire.opened()
        _ask(client, octets[2])
    else:
        client.open()
    client.data_to_send(0.0)
    for piece in _said(wire, octets[3:], by_meter=True, mode=octets[1] & 0x7F):
        client.receive_data(piece)
        _drained(client)
        client.data_to_send(0.0)
        if client.state is State.OPEN:
            _ask(client, octets[2])
            client.data_to_send(0.0)
        if (due := client.link.get_timer()) is not None:
            client.link.handle_timer(due)


def _ask(client: ClientAssociation, which: int) -> None:
    """Ask something, if the meter said that it can receive so much."""
    with suppress(LocalProtocolError):
        _asked(client, which % 6)


def _asked(client: ClientAssociation, ask: int) -> None:
    if ask == 0:
        client.get(BUFFER)
    elif ask == 1:
        client.set(CLOCK, b"\x12\x00\x01")
    elif ask == 2:
        client.action(DISCONNECT, b"\x0f\x00")
    elif ask == 3:
        client.ask(get_list([(BUFFER, None), (CLOCK, None)]))
    elif ask == 4:
        client.set(CLOCK, b"\x09\x82\x02\x00" + bytes(512))
    else:
        client.release()


def servers(octets: bytes) -> None:
    """The meter's side, with a client that lies from the AARQ on, or after the association stands."""
    if len(octets) < 3:
        return
    wire = _wire(octets)
    meter = wire.meter
    if octets[1] & 0x80:
        assert wire.opened()
    for piece in _said(wire, octets[3:], by_meter=False, mode=octets[1] & 0x7F):
        meter.receive_data(piece)
        assert len(serve(meter, _VALUE)) < _MOST_EVENTS
        meter.data_to_send(0.0)
        if meter.state is State.CLOSED:
            meter.start_next_association(wire.meter._settings)


def strangers(octets: bytes) -> None:
    """A client without keys and secrets is served nothing, whatever it says."""
    if len(octets) < 3:
        return
    mechanism, ciphering = _FORMS[1 + octets[0] % (len(_FORMS) - 1)]
    line = _LINES[octets[0] // 4 % len(_LINES)]
    known = server_settings(mechanism, ciphering, hdlc=line)
    access = replace(known.accesses[CLIENT], material=_STRANGER)
    if mechanism is not Mechanism.HLS_GMAC:
        access = replace(access, secret=bytes(range(96, 112)))
    meter = ServerAssociation(replace(known, accesses={CLIENT: access}))
    wire = _wire(octets)
    for piece in _said(wire, octets[3:], by_meter=False, mode=octets[1]):
        meter.receive_data(piece)
        for event in _drained(meter):
            assert not isinstance(event, GetRequested | SetRequested | ActionRequested), event
        meter.data_to_send(0.0)


def frames(octets: bytes) -> None:
    """HDLC links of both roles and the frame reader: the same frames however the stream is cut."""
    if len(octets) < 2:
        return
    cut, stream = 1 + octets[0] % 16, octets[2:]
    whole, parts = FrameReader(2040), FrameReader(2040)
    whole.receive_data(stream)
    found = _frames(whole)
    pieces = []
    for at in range(0, len(stream), cut):
        parts.receive_data(stream[at : at + cut])
        pieces += _frames(parts)
    assert pieces == found
    for frame in found:
        assert frame.encode()
    _links(octets[1], stream)


def _frames(reader: FrameReader) -> list[Frame]:
    found = []
    while (frame := reader.next_frame()) is not None:
        found.append(frame)
        assert len(found) < _MOST_EVENTS
    return found


def _links(which: int, stream: bytes) -> None:
    """A link that hears frames with a right check sequence: destination, source and control as the liar likes."""
    line = _LINES[1 + which % 2]
    role = Role.CLIENT if which & 2 else Role.SERVER
    link = HdlcLink(role, line, CLIENT if role is Role.CLIENT else None, 1)
    if role is Role.CLIENT:
        link.send(b"\xc0\x01\xc1" + bytes(300))
    ends = (client_octets(CLIENT), server_octets(1, None, 1))
    destination, source = ends if role is Role.CLIENT else ends[::-1]
    with suppress(RemoteProtocolError):
        for number, piece in enumerate(chunks(stream)):
            if not piece:
                continue
            frame = Frame(destination, source, piece[0], piece[1:120], bool(which & 4))
            link.receive_data(frame.encode())
            while link.next_apdu() is not None:
                pass
            link.outgoing.clear()
            link.transmitted(float(number))


def links(octets: bytes) -> None:
    """Wrapper, gateway and general blocks around it: the same APDUs however the stream is cut."""
    if len(octets) < 2:
        return
    which, cut, stream = octets[0], 1 + octets[1] % 16, octets[2:]
    assert _apdus(which, [stream]) == _apdus(which, [stream[at : at + cut] for at in range(0, len(stream), cut)])


def _apdus(which: int, pieces: list[bytes]) -> list[object]:
    gateway = Gateway(network_id=1, physical_address=b"\x01\x02") if which & 1 else None
    blocks = BlockSettings() if which & 2 else None
    form = {"gateway": gateway, "general_blocks": blocks}
    if which & 4:
        link = client_link(client_settings(Mechanism.NONE, Ciphering.NONE, **form), CLIENT, 1, 512)
    else:
        link = server_link(server_settings(Mechanism.NONE, Ciphering.NONE, **form), 1, 512)
    if blocks is not None:
        link.grant_blocks(256)
    found: list[object] = []
    try:
        for piece in pieces:
            link.receive_data(piece)
            while (apdu := link.next_apdu()) is not None:
                found.append(apdu)
                assert len(found) < _MOST_EVENTS
    except RemoteProtocolError as fault:
        found.append(type(fault).__name__)
    return found


MACHINES = {target.__name__: target for target in (clients, servers, strangers, frames, links)}
