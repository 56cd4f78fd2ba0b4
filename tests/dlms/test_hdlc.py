"""HDLC: frames, negotiation, both roles over a line that cuts, loses and flips; the same association above."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms.association import (
    NEED_DATA,
    Ciphering,
    ClientAssociation,
    GetSucceeded,
    LinkEnded,
    Mechanism,
    NotificationReceived,
    Released,
    ServerAssociation,
    State,
)
from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, TooLarge
from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, LinkLost, Role
from bijlighar.dlms.hdlc.frames import (
    MAX_INFORMATION_OCTETS,
    POLL,
    Frame,
    FrameReader,
    Kind,
    check_sequence,
    client_octets,
    decode_frame,
    server_octets,
)
from bijlighar.dlms.hdlc.negotiation import Agreement, agreed, decode_agreement
from bijlighar.dlms.hdlc.sequence import Receiving, Sending
from bijlighar.dlms.hdlc.states import HEARD, LinkState
from bijlighar.dlms.limits import MAX_BUFFERED_OCTETS
from bijlighar.dlms.notification import DataNotification
from dlms.wire import (
    BUFFER,
    CLOCK,
    DISCONNECT,
    LOAD_PROFILE,
    Wire,
    client_settings,
    events_of,
    serve,
    server_settings,
    whole_session,
)

CLIENT_SAP, SERVER_SAP = 48, 1
SIZES = [
    HdlcSettings(),
    HdlcSettings(send_octets=32, receive_octets=40),
    HdlcSettings(send_octets=128, receive_octets=128, send_window=3, receive_window=7),
    HdlcSettings(send_octets=2030, receive_octets=2030, address_octets=4, physical_address=17),
]


def wire_of(line=SIZES[0], mechanism=Mechanism.HLS_GMAC, ciphering=Ciphering.GENERAL_GLO, **others):
    return Wire(
        client_settings(mechanism, ciphering, hdlc=line, **others),
        server_settings(mechanism, ciphering, hdlc=line),
    )


# Frames


def test_the_check_sequence_is_that_of_x25():
    assert check_sequence(b"123456789").hex() == "6e90"  # CRC-16/X.25 906E, low octet first


def test_a_call_is_what_every_meter_knows():
    frame = Frame(server_octets(1, None, 1), client_octets(16), Kind.SNRM | POLL)
    assert frame.encode().hex().upper() == "7EA0070321930F017E"  # as in every trace of a serial line


@pytest.mark.parametrize(
    ("logical", "physical", "octets", "expected"),
    [
        (1, None, 1, "03"),
        (1, 17, 2, "0223"),
        (1, None, 2, "0201"),
        (1, 0x1234, 4, "00024869"),
        (0x3FFF, 0x3FFF, 4, "FEFEFEFF"),
    ],
)
def test_addresses_of_servers(logical, physical, octets, expected):
    assert server_octets(logical, physical, octets).hex().upper() == expected


@pytest.mark.parametrize(
    ("logical", "physical", "octets"), [(0x80, None, 1), (1, 2, 1), (1, 0x80, 2), (1, 0x4000, 4), (1, None, 3)]
)
def test_an_address_that_does_not_fit_is_our_fault(logical, physical, octets):
    with pytest.raises(LocalProtocolError):
        server_octets(logical, physical, octets)


frames = st.builds(
    Frame,
    st.sampled_from([b"\x03", b"\x02\x23", b"\x00\x02\x48\x69"]),
    st.sampled_from([b"\x21", b"\x61"]),
    st.integers(0, 255),
    st.binary(max_size=200),
    st.booleans(),
)


@given(st.lists(frames, max_size=5), st.data())
def test_frames_come_back_however_the_stream_is_cut(sent, draw):
    reader, got = FrameReader(MAX_INFORMATION_OCTETS + 20), []
    stream = b"".join(frame.encode() for frame in sent)
    while stream:
        size = draw.draw(st.integers(1, len(stream)))
        reader.receive_data(stream[:size])
        stream = stream[size:]
        while (frame := reader.next_frame()) is not None:
            got.append(frame)
    assert got == sent
    assert reader.damaged == 0


@given(frames, st.binary(max_size=60))
def test_a_frame_is_found_behind_noise(frame, noise):
    reader = FrameReader(300)
    reader.receive_data(noise.replace(b"\x7e", b"") + frame.encode())
    assert reader.next_frame() == frame


def test_frames_may_share_their_flags():
    first, second = Frame(b"\x03", b"\x21", 0x11), Frame(b"\x03", b"\x21", 0x31)
    reader = FrameReader(100)
    reader.receive_data(first.encode() + b"\x7e\x7e" + second.encode()[1:])
    assert [reader.next_frame(), reader.next_frame(), reader.next_frame()] == [first, second, None]


@settings(max_examples=30)
@given(frames)
def test_no_flipped_bit_makes_another_frame(frame):
    octets = frame.encode()
    for bit in range(8, 8 * (len(octets) - 1)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decode_frame(bytes(flipped[1:-1])) is None


def test_what_waits_is_bounded():
    reader = FrameReader(100)
    reader.receive_data(b"\x7e" * (MAX_BUFFERED_OCTETS + 1))
    with pytest.raises(TooLarge):
        reader.next_frame()


def test_an_information_field_beyond_the_length_is_our_fault():
    with pytest.raises(LocalProtocolError):
        Frame(b"\x03", b"\x21", 0, bytes(MAX_INFORMATION_OCTETS + 1)).encode()


# Negotiation


@given(st.builds(Agreement, *[st.integers(32, 2030)] * 2, *[st.integers(1, 7)] * 2))
def test_what_is_agreed_comes_back_as_it_went(agreement):
    assert decode_agreement(agreement.encode()) == agreement


def test_both_ends_agree_on_what_both_can():
    client, server = Agreement(500, 300, 3, 5), Agreement(400, 128, 7, 1)
    assert agreed(client, server) == Agreement(128, 300, 1, 5)
    assert agreed(server, client) == Agreement(300, 128, 5, 1)
    assert decode_agreement(b"") == Agreement(128, 128, 1, 1)
    assert decode_agreement(bytes.fromhex("818003050140")) == Agreement(64, 128, 1, 1)


@pytest.mark.parametrize(
    "octets",
    [
        "81",
        "8180",
        "818001",
        "81800105",
        "8180020501",
        "8180030500",
        "818003050110",
        "8180030701000000",
        "81800305000101",
        "828000",
    ],
)
def test_parameters_that_make_no_sense_are_refused(octets):
    if octets == "8180030701000000":
        octets = "818006070400000000"
    with pytest.raises(Malformed):
        decode_agreement(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "wrong", [{"send_octets": 31}, {"receive_octets": 2031}, {"send_window": 0}, {"receive_window": 8}]
)
def test_settings_that_cannot_work_are_our_fault(wrong):
    with pytest.raises(LocalProtocolError):
        HdlcSettings(**wrong)


# Sequence


@settings(max_examples=40)
@given(st.integers(1, 7), st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), st.randoms())
def test_segments_arrive_whole_through_any_loss(window, messages, chance):
    sending, receiving, got = Sending(), Receiving(), []
    sending.window = window
    for message in messages:
        sending.queue(message, 32)
    for _ in range(300):
        for number, segment in sending.batch():
            if chance.randrange(5):
                whole = receiving.take(number, segment.octets, segmented=segment.segmented)
                if whole is not None:
                    got.append(whole)
        sending.acknowledge(receiving.expected)
        sending.rewind()
        if not len(sending):
            break
    assert got == messages[: len(got)]
    assert len(sending) or got == messages


def test_an_acknowledgement_of_what_was_not_sent_is_refused():
    sending = Sending()
    sending.queue(b"123", 2)
    sending.batch()
    with pytest.raises(RemoteProtocolError):
        sending.acknowledge(2)
    sending.acknowledge(1)


# Sessions


@pytest.mark.parametrize("line", SIZES)
@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("ciphering", [Ciphering.NONE, Ciphering.GENERAL_GLO])
def test_a_whole_session_is_the_same_as_over_the_wrapper(line, mechanism, ciphering):
    over_line = wire_of(line, mechanism, ciphering)
    over_wrapper = Wire(client_settings(mechanism, ciphering), server_settings(mechanism, ciphering))
    assert whole_session(over_line) == whole_session(over_wrapper)
    assert over_line.meter_events == over_wrapper.meter_events
    over_line.meter.receive_data(over_line.client.data_to_send())
    assert events_of(over_line.meter) == []
    over_line.client.receive_data(over_line.meter.data_to_send())
    assert events_of(over_line.client) == []
    assert over_line.client.link.disconnected
    assert over_line.meter.link.disconnected


def test_no_information_field_is_longer_than_agreed():
    wire = wire_of(HdlcSettings(send_octets=40, receive_octets=64))
    whole_session(wire)
    for octets, limit in ((b"".join(wire.sent), 64), (b"".join(wire.answered), 64)):
        reader = FrameReader(MAX_INFORMATION_OCTETS)
        reader.receive_data(octets)
        while (frame := reader.next_frame()) is not None:
            assert len(frame.information) <= limit


class Line:
    """A client and a meter on a serial line with a clock; ``spoil`` may take octets away or change them."""

    def __init__(self, line=SIZES[0], spoil=lambda octets: octets, value=LOAD_PROFILE[:600], **others):
        self.client = ClientAssociation(client_settings(hdlc=line, **others))
        self.meter = ServerAssociation(server_settings(hdlc=line))
        self.spoil, self.value, self.now = spoil, value, 1000.0
        self.meter_events = []

    def step(self):
        """One turn of the client and the meter; False when nothing was said."""
        asked = self.client.data_to_send(self.now)
        for octet in self.spoil(asked):
            self.meter.receive_data(bytes([octet]))
            self.meter_events += serve(self.meter, self.value)
        answered = self.meter.data_to_send(self.now)
        for octet in self.spoil(answered):
            self.client.receive_data(bytes([octet]))
        return bool(asked or answered)

    def event(self):
        """The client's next event; time passes when nothing is said."""
        for _ in range(500):
            event = self.client.next_event()
            if event is not NEED_DATA:
                return event
            if not self.step():
                timer = self.client.link.get_timer()
                assert timer is not None, "nobody will ever speak again"
                assert timer > self.now
                self.now = timer
                self.client.link.handle_timer(self.now)
        raise AssertionError("no event")

    def session(self):
        self.client.open()
        events = [self.event()]
        for ask in (
            lambda: self.client.get(BUFFER),
            lambda: self.client.set(CLOCK, bytes(500)),
            lambda: self.client.action(DISCONNECT),
            self.client.release,
        ):
            ask()
            events.append(self.event())
        return events


TRUTH = [type(event) for event in Line().session()]


@pytest.mark.parametrize("line", SIZES)
@pytest.mark.parametrize("every", [3, 5, 7])
def test_what_is_lost_is_said_again(line, every):
    count = itertools.count(1)
    lossy = Line(line, lambda octets: b"" if next(count) % every == 0 else octets)
    assert [type(event) for event in lossy.session()] == TRUTH
    assert lossy.now > 1000.0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SIZES[:3]), st.integers(0, 2**30), st.sampled_from([60, 150, 400]))
def test_through_flipped_bits_only_the_truth_arrives_or_the_link_is_lost(line, seed, rarity):
    state = seed

    def spoil(octets):
        nonlocal state
        spoilt = bytearray(octets)
        for index in range(len(spoilt)):
            state = (state * 1103515245 + 12345) % 2**31
            if state >> 8 & 0xFFFF < 0x10000 // rarity // 4:
                spoilt[index] ^= 1 << (state >> 3 & 7)
        return bytes(spoilt)

    noisy = Line(line, spoil)
    try:
        events = noisy.session()
    except RemoteProtocolError:
        return
    assert [type(event) for event in events] == TRUTH
    assert events[1] == GetSucceeded(noisy.value)


def test_a_silent_meter_is_asked_four_times_and_then_given_up():
    silent = Line(spoil=lambda octets: octets[:0])
    silent.client.open()
    with pytest.raises(LinkLost):
        silent.event()
    assert silent.client.state is State.FAILED
    assert silent.now == 1000.0 + 4 * 3.0
    with pytest.raises(LinkLost):
        silent.client.next_event()


def test_a_meter_that_is_not_ready_is_asked_again_after_a_while():
    slow = Line()
    slow.client.open()
    slow.event()
    slow.client.get(BUFFER)
    octets = slow.client.data_to_send(slow.now)
    slow.meter.receive_data(octets)
    assert len(events_of(slow.meter)) == 1
    slow.meter.receive_data(octets)  # the client's own time-out was shorter than the meter's thinking
    assert slow.meter.next_event() is NEED_DATA
    slow.meter.answer_get(b"\x11\x01")
    assert slow.event() == GetSucceeded(b"\x11\x01")


def test_a_notification_before_the_answer_does_not_leave_the_answer_behind():
    line = Line(HdlcSettings(send_window=1, receive_window=1))
    line.client.open()
    line.event()
    line.client.get(BUFFER)
    line.meter.receive_data(line.client.data_to_send(line.now))
    events_of(line.meter)
    line.meter.notify(DataNotification(invoke_id=3, instant=None, octets=b"\x11\x05"))
    line.meter.answer_get(b"\x11\x01")
    assert line.event() == NotificationReceived(3, None, b"\x11\x05")
    assert line.event() == GetSucceeded(b"\x11\x01")


def test_a_new_call_ends_the_association_and_another_can_begin():
    line = Line()
    line.client.open()
    line.event()
    again = ClientAssociation(client_settings(hdlc=SIZES[0], invocation_counter=50))
    again.open()
    line.meter.receive_data(again.data_to_send())
    assert events_of(line.meter) == [LinkEnded()]
    assert line.meter.state is State.CLOSED
    line.meter.start_next_association(server_settings(hdlc=SIZES[0], invocation_counter=100))
    line.client = again
    again.receive_data(line.meter.data_to_send())
    assert line.event().meter_title
    again.release()
    assert line.event() == Released()


def test_two_associations_may_use_one_link():
    line = Line()
    line.client.open()
    line.event()
    line.client.release()
    octets = line.client.data_to_send(line.now)
    line.meter.receive_data(octets)
    assert events_of(line.meter) == [Released()]
    assert not line.meter.link.disconnected
    line.meter.start_next_association(server_settings(hdlc=SIZES[0], invocation_counter=100))
    assert line.meter.state is State.IDLE


def test_a_server_forgets_a_client_that_says_nothing():
    line = Line()
    line.client.open()
    line.event()
    due = line.meter.link.get_timer()
    assert due == line.now + 120.0
    line.meter.link.handle_timer(due)
    assert events_of(line.meter) == [LinkEnded()]


def link_of(role, line=SIZES[0]):
    return HdlcLink(role, line, CLIENT_SAP if role is Role.CLIENT else None, SERVER_SAP)


def connected():
    client, server = link_of(Role.CLIENT), link_of(Role.SERVER)
    client.send(b"\x60\x00")
    carry(client, server)
    carry(server, client)
    carry(client, server)
    return client, server


def carry(one, other):
    octets = b"".join(one.outgoing)
    one.outgoing.clear()
    other.receive_data(octets)
    return other.next_apdu()


def said(link):
    reader = FrameReader(MAX_INFORMATION_OCTETS)
    reader.receive_data(b"".join(link.outgoing))
    link.outgoing.clear()
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames


def to_server(control, information=b"", segmented=False, source=CLIENT_SAP):
    return Frame(b"\x03", client_octets(source), control, information, segmented).encode()


def to_client(control, information=b"", segmented=False):
    return Frame(client_octets(CLIENT_SAP), b"\x03", control, information, segmented).encode()


@pytest.mark.parametrize("kind", [Kind.DM, Kind.FRMR])
def test_a_meter_that_ends_the_link_is_told_as_such(kind):
    client, _ = connected()
    client.receive_data(to_client(kind | POLL))
    with pytest.raises(RemoteProtocolError, match=kind.name):
        client.next_apdu()
    calling = link_of(Role.CLIENT)
    calling.send(b"\x60\x00")
    calling.receive_data(to_client(Kind.DM | POLL))
    with pytest.raises(RemoteProtocolError, match="DM"):
        calling.next_apdu()


@pytest.mark.parametrize("control", [Kind.RR | POLL, 0x10, Kind.DISC | POLL])
def test_a_server_without_a_link_says_so(control):
    server = link_of(Role.SERVER)
    server.receive_data(to_server(control, b"1" if control == 0x10 else b""))
    assert server.next_apdu() is None
    (frame,) = said(server)
    assert frame.kind is Kind.DM
    assert frame.destination == client_octets(CLIENT_SAP)


@pytest.mark.parametrize(("control", "reason"), [(0x0D | POLL, 1), (0xF1, 8)])
def test_a_frame_that_makes_no_sense_is_rejected_and_the_link_is_over(control, reason):
    _, server = connected()
    server.outgoing.clear()
    server.receive_data(to_server(control))
    assert server.next_apdu() is None
    (frame,) = said(server)
    assert frame.kind is Kind.FRMR
    assert frame.information[0] == control
    assert frame.information[2] == reason
    assert server.ended


def test_frames_for_others_are_passed_over():
    _, server = connected()
    server.receive_data(to_server(0x30, b"\xe6\xe6\x00\x00", source=17))
    server.receive_data(Frame(b"\x05", client_octets(CLIENT_SAP), 0x30, b"\xe6\xe6\x00\x00").encode())
    assert server.next_apdu() is None
    assert said(server) == []


def test_a_meter_that_rejects_what_follows_a_gap_gets_it_again():
    client = link_of(Role.CLIENT, HdlcSettings(send_octets=32, send_window=3))
    client.send(bytes(90))
    said(client)
    client.receive_data(to_client(Kind.UA | POLL, Agreement(128, 32, 1, 3).encode()))
    assert client.next_apdu() is None
    assert [frame.sent for frame in said(client)] == [0, 1, 2]
    client.receive_data(to_client(Kind.REJ | POLL | 1 << 5))
    assert client.next_apdu() is None
    assert [(frame.sent, frame.poll) for frame in said(client)] == [(1, False), (2, True)]


def test_a_busy_meter_is_asked_again_and_then_gets_the_rest():
    client = link_of(Role.CLIENT, HdlcSettings(send_octets=32))
    client.send(bytes(60))
    client.receive_data(to_client(Kind.UA | POLL, Agreement(128, 32, 1, 1).encode()))
    assert client.next_apdu() is None
    said(client)
    client.receive_data(to_client(Kind.RNR | POLL | 1 << 5))
    assert client.next_apdu() is None
    assert said(client) == []
    client.transmitted(5.0)
    assert client.get_timer() == pytest.approx(5.2)
    client.handle_timer(5.2)
    (poll,) = said(client)
    assert (poll.kind, poll.poll) == (Kind.RR, True)
    client.receive_data(to_client(Kind.RR | POLL | 1 << 5))
    assert client.next_apdu() is None
    (rest,) = said(client)
    assert rest.kind is Kind.I
    assert rest.sent == 1


def test_a_meter_that_answers_for_ever_and_takes_nothing_is_given_up():
    line = HdlcSettings(send_octets=32, max_polls=5)
    client = link_of(Role.CLIENT, line)
    client.send(bytes(60))
    said(client)
    client.receive_data(to_client(Kind.UA | POLL, Agreement(128, 32, 1, 1).encode()))
    assert client.next_apdu() is None
    resent = len(said(client))
    for _ in range(line.max_polls):
        client.receive_data(to_client(Kind.RR | POLL))
        assert client.next_apdu() is None
        resent += len(said(client))
    client.receive_data(to_client(Kind.RR | POLL))
    with pytest.raises(LinkLost, match="took and told nothing"):
        client.next_apdu()
    assert resent == 1 + line.max_polls
    assert client.disconnected


def test_an_unnumbered_frame_carries_an_apdu_too():
    client, _ = connected()
    client.receive_data(to_client(Kind.UI, b"\xe6\xe7\x00\x0f\x00"))
    assert client.next_apdu() == b"\x0f\x00"


@pytest.mark.parametrize("information", [b"\xe6\xe6\x00\x01", b"\xe6\xe7\x00", b"\xe6"])
def test_a_message_without_its_llc_header_is_refused(information):
    client, _ = connected()
    client.receive_data(to_client(0x30, information))
    with pytest.raises(Malformed):
        client.next_apdu()


def test_a_message_cannot_grow_beyond_the_limit():
    _, server = connected()
    for number in range(65535 // 120):
        server.receive_data(to_server((number + 1) % 8 << 1, bytes(120), segmented=True))
        assert server.next_apdu() is None
    server.receive_data(to_server((number + 2) % 8 << 1, bytes(120), segmented=True))
    with pytest.raises(TooLarge):
        server.next_apdu()


def test_an_apdu_beyond_what_the_meter_can_receive_is_refused_over_hdlc_as_over_the_wrapper():
    receiving = Receiving(max_octets=100)
    receiving.take(0, bytes(60), segmented=True)
    assert len(Receiving(max_octets=100).take(0, bytes(103), segmented=False)) == 103  # with its LLC header
    with pytest.raises(TooLarge):
        receiving.take(1, bytes(44), segmented=False)


def test_what_cannot_be_said_is_our_fault():
    with pytest.raises(LocalProtocolError):
        link_of(Role.SERVER).send(b"\x00")
    with pytest.raises(LocalProtocolError):
        link_of(Role.CLIENT).send(bytes(70000))
    with pytest.raises(LocalProtocolError):
        HdlcLink(Role.CLIENT, SIZES[0], 200, 1)


@pytest.mark.parametrize("role", Role)
def test_every_state_has_its_row(role):
    assert set(HEARD[role]) == set(LinkState)


def test_a_link_that_ends_before_any_association_is_nothing_to_tell():
    meter = ServerAssociation(server_settings(hdlc=SIZES[0]))
    call, leave = to_server(Kind.SNRM | POLL), to_server(Kind.DISC | POLL)
    meter.receive_data((call + leave) * 3000 + call)
    assert meter.next_event() is NEED_DATA
    assert meter.state is State.IDLE
    assert not meter.link.disconnected
    assert len(meter.data_to_send()) < 100 * 6001


def test_a_farewell_that_is_lost_is_said_again():
    line = Line()
    line.session()
    farewell = line.client.data_to_send(line.now)
    due = line.client.link.get_timer()
    assert due == line.now + 3.0
    line.client.link.handle_timer(due)
    assert line.client.data_to_send(due) == farewell
    line.meter.receive_data(farewell)
    line.meter.next_event()
    line.client.receive_data(line.meter.data_to_send())
    assert line.client.next_event() is NEED_DATA
    assert line.client.link.disconnected
    assert line.client.link.get_timer() is None


def test_what_comes_after_the_release_waits_for_the_next_association():
    line = Line()
    line.client.open()
    line.event()
    line.client.release()
    line.meter.receive_data(line.client.data_to_send())
    assert events_of(line.meter) == [Released()]
    line.meter.data_to_send()
    # the client's next AARQ on the same link: number 3 after AARQ, proof and RLRQ
    aarq = ClientAssociation(client_settings(Mechanism.NONE, Ciphering.NONE))
    aarq.open()
    line.meter.receive_data(to_server(3 << 5 | POLL | 3 << 1, b"\xe6\xe6\x00" + aarq.data_to_send()[8:]))
    assert line.meter.next_event() is NEED_DATA
    line.meter.start_next_association(server_settings(Mechanism.NONE, Ciphering.NONE, hdlc=SIZES[0]))
    (requested,) = events_of(line.meter)
    assert requested.client_address == CLIENT_SAP


@pytest.mark.parametrize("octets", [to_client(0x0D | POLL), to_client(0xF1), to_client(Kind.SNRM | POLL)])
def test_a_client_gives_up_a_link_on_which_senseless_frames_come(octets):
    client, _ = connected()
    client.receive_data(octets)
    with pytest.raises(RemoteProtocolError, match="not possible"):
        client.next_apdu()
    assert client.disconnected


def test_damaged_frames_are_counted_and_passed_over():
    client, _ = connected()
    frame = to_client(0x30, b"\xe6\xe7\x00\x61")
    client.receive_data(frame[:-3] + b"\x00" + frame[-2:] + frame)
    assert client.next_apdu() == b"\x61"
    assert client.damaged_frames == 1
    assert client.agreement == Agreement()


def with_right_check(head):
    return head + check_sequence(head)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        with_right_check(bytes.fromhex("A008032113")),
        with_right_check(bytes.fromhex("B007032113")),
        with_right_check(bytes.fromhex("A009020202021300")),
        with_right_check(bytes.fromhex("A0080203")),
        with_right_check(bytes.fromhex("A00902040321")),
        with_right_check(bytes.fromhex("A00A0321130000FF")),
    ],
)
def test_frames_of_a_wrong_form_are_not_there(body):
    assert decode_frame(body) is None


def test_a_client_address_of_more_than_one_octet_is_refused():
    server = link_of(Role.SERVER)
    server.receive_data(Frame(b"\x03", b"\x02\x23", Kind.SNRM | POLL).encode())
    with pytest.raises(Malformed):
        server.next_apdu()
