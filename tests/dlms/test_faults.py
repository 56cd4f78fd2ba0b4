"""Peers and callers that lie, stumble or stop: each is told apart, and after a fault all is over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms.association import (
    NEED_DATA,
    Ciphering,
    ClientAssociation,
    GetFailed,
    GetSucceeded,
    Mechanism,
    ServerAssociation,
    ServiceRefused,
    State,
    get_list,
)
from bijlighar.dlms.errors import (
    CountersSpent,
    LocalProtocolError,
    Malformed,
    NotAuthentic,
    RemoteProtocolError,
    Replayed,
    StaleReply,
    SuiteNotSupported,
    TooLarge,
)
from bijlighar.dlms.limits import MAX_BUFFERED_OCTETS, MAX_VALUE_OCTETS
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import DataAccessResult, ServiceError, StateError
from bijlighar.dlms.xdlms.get import GetAnswer, GetBlock, GetNext, GetRequest
from dlms.wire import (
    BUFFER,
    CLIENT,
    CLIENT_CHALLENGE,
    CLIENT_TITLE,
    CLOCK,
    DISCONNECT,
    LOAD_PROFILE,
    METER_TITLE,
    Wire,
    client_settings,
    events_of,
    server_settings,
    whole_session,
)

METER_SAYS = WrapperLink(1, CLIENT)
CLIENT_SAYS = WrapperLink(CLIENT, 1)
ACTS = {
    "open": lambda client: client.open(),
    "get": lambda client: client.get(BUFFER),
    "set": lambda client: client.set(CLOCK, b"\x00"),
    "action": lambda client: client.action(DISCONNECT),
    "release": lambda client: client.release(),
}
LEGAL = {State.IDLE: {"open"}, State.OPEN: {"get", "set", "action", "release"}}


def plain_wire():
    return Wire(client_settings(Mechanism.NONE, Ciphering.NONE), server_settings(Mechanism.NONE, Ciphering.NONE))


def open_client():
    wire = plain_wire()
    wire.opened()
    return wire.client


def client_in(state):
    wire = Wire(client_settings(), server_settings())
    client = wire.client
    if state is State.IDLE:
        return client
    client.open()
    if state is State.ASSOCIATING:
        return client
    if state is State.PROVING:
        wire.meter.receive_data(client.data_to_send())
        events_of(wire.meter)
        client.receive_data(wire.meter.data_to_send())
        events_of(client)
        return client
    wire.exchange()
    if state is State.SETTING_BLOCKS:
        client.set(CLOCK, bytes(2000))
    if state is State.ACTING_BLOCKS:
        client.action(DISCONNECT, bytes(2000))
    asks = {State.GETTING: "get", State.SETTING: "set", State.ACTING: "action", State.RELEASING: "release"}
    if state in asks:
        ACTS[asks[state]](client)
    if state is State.CLOSED:
        client.release()
        wire.exchange()
    if state is State.FAILED:
        client.receive_data(b"\xff" * 8)
        with pytest.raises(RemoteProtocolError):
            client.next_event()
    return client


BETWEEN = {state for state in State if state.name.startswith("BETWEEN")}
RESTING = [state for state in State if state is not State.CHALLENGED and state not in BETWEEN]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("state", RESTING)
def test_what_a_caller_may_not_do_now_is_a_local_fault_and_the_end(state, act):
    client = client_in(state)
    assert client.state is state
    if act in LEGAL.get(state, ()):
        ACTS[act](client)
        assert client.data_to_send()
        return
    client.data_to_send()
    counter = client.next_invocation_counter
    with pytest.raises(LocalProtocolError):
        ACTS[act](client)
    assert client.state is State.FAILED
    assert client.data_to_send() == b""
    assert client.next_invocation_counter == counter


def failed_by(client, octets, fault):
    client.receive_data(octets)
    with pytest.raises(fault) as caught:
        client.next_event()
    assert client.state is State.FAILED
    with pytest.raises(fault) as again:
        client.next_event()
    assert again.value is caught.value
    with pytest.raises(LocalProtocolError):
        client.get(BUFFER)


@pytest.mark.parametrize(
    "answer",
    [
        GetAnswer(0xC2, b"\x11\x01"),
        GetBlock(0xC2, False, 1, b"\x11"),
        GetBlock(0xC1, False, 0, b"\x11"),
        GetBlock(0xC1, False, 2, b"\x11"),
        GetBlock(0xC1, True, 2, b"\x11"),
    ],
)
def test_a_wrong_invoke_id_or_block_number_is_stale(answer):
    client = open_client()
    client.get(BUFFER)
    failed_by(client, METER_SAYS.frame(answer.encode()), StaleReply)


def test_a_block_that_comes_twice_is_stale():
    client = open_client()
    client.get(BUFFER)
    client.receive_data(METER_SAYS.frame(GetBlock(0xC1, False, 1, b"\x09").encode()))
    assert client.next_event() is NEED_DATA
    failed_by(client, METER_SAYS.frame(GetBlock(0xC1, False, 1, b"\x09").encode()), StaleReply)


def test_a_whole_answer_among_blocks_is_stale():
    client = open_client()
    client.get(BUFFER)
    client.receive_data(METER_SAYS.frame(GetBlock(0xC1, False, 1, b"\x09").encode()))
    assert client.next_event() is NEED_DATA
    failed_by(client, METER_SAYS.frame(GetAnswer(0xC1, b"\x00").encode()), StaleReply)


def test_a_late_answer_without_a_question_is_refused():
    client = open_client()
    client.get(BUFFER)
    answer = METER_SAYS.frame(GetAnswer(0xC1, b"\x11\x01").encode())
    client.receive_data(answer + answer)
    assert client.next_event() == GetSucceeded(b"\x11\x01")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_priority_bits_of_an_answer_do_not_matter():
    client = open_client()
    client.get(BUFFER)
    client.receive_data(METER_SAYS.frame(GetAnswer(0x01, b"\x11\x01").encode()))
    assert client.next_event() == GetSucceeded(b"\x11\x01")


def test_a_long_read_that_the_meter_gives_up_leaves_no_piece_behind():
    client = open_client()
    client.get(BUFFER)
    client.receive_data(METER_SAYS.frame(GetBlock(0xC1, False, 1, b"\x11").encode()))
    assert client.next_event() is NEED_DATA
    failed = GetBlock(0xC1, True, 2, None, DataAccessResult.LONG_GET_ABORTED)
    client.receive_data(METER_SAYS.frame(failed.encode()))
    assert client.next_event() == GetFailed(DataAccessResult.LONG_GET_ABORTED)
    client.get(BUFFER)
    client.receive_data(METER_SAYS.frame(GetBlock(0xC2, True, 1, b"\x11\x01").encode()))
    assert client.next_event() == GetSucceeded(b"\x11\x01")


def test_blocks_without_octets_cannot_go_on_for_ever():
    client = open_client()
    client.get(BUFFER)
    failed_by(client, METER_SAYS.frame(GetBlock(0xC1, False, 1, b"").encode()), Malformed)


def test_blocks_cannot_grow_beyond_the_limit():
    client = open_client()
    client.get(BUFFER)
    piece = bytes(1000)
    allowed = MAX_VALUE_OCTETS // len(piece)
    for number in range(1, allowed + 1):
        client.receive_data(METER_SAYS.frame(GetBlock(0xC1, False, number, piece).encode()))
        assert client.next_event() is NEED_DATA
        client.data_to_send()
    failed_by(client, METER_SAYS.frame(GetBlock(0xC1, False, allowed + 1, piece).encode()), TooLarge)


def test_an_oversized_frame_is_refused_at_its_header():
    failed_by(open_client(), METER_SAYS.frame(bytes(2000))[:8], TooLarge)


def test_octets_that_nobody_parses_are_bounded():
    for side in (open_client(), ServerAssociation(server_settings())):
        side.receive_data(bytes(MAX_BUFFERED_OCTETS + 1))
        with pytest.raises(TooLarge):
            side.next_event()
        assert side.state is State.FAILED


def test_an_answer_under_a_used_counter_is_a_replay():
    wire = Wire(client_settings(), server_settings())
    wire.opened()
    old = wire.answered[-1]
    wire.client.get(BUFFER)
    failed_by(wire.client, old, Replayed)


def test_a_request_under_a_used_counter_is_a_replay_and_the_meter_says_what_it_expects():
    wire = Wire(client_settings(), server_settings())
    wire.opened()
    wire.meter.receive_data(wire.sent[-1])
    with pytest.raises(Replayed):
        wire.meter.next_event()
    wire.client.get(BUFFER)
    wire.client.receive_data(wire.meter.data_to_send())
    refused = wire.client.next_event()
    assert isinstance(refused, ServiceRefused)
    assert refused.exception.service_error is ServiceError.INVOCATION_COUNTER_ERROR
    assert refused.exception.expected_counter == wire.meter.last_accepted_counter + 1 == 4


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
@pytest.mark.parametrize("turn", range(4))
def test_a_bit_flipped_in_any_authenticated_frame_is_never_accepted(ciphering, turn):
    """Turns: AARE, proof, GET answer, RLRE. Whatever is flipped, nothing other than the truth comes out."""
    good = Wire(client_settings(ciphering=ciphering), server_settings(ciphering=ciphering), b"\x12\x12\x34")
    steps = [lambda client: client.get(BUFFER), lambda client: client.release()]
    good_events = good.opened()
    for step in steps:
        step(good.client)
        good_events += good.exchange()
    frame = good.answered[turn]
    for bit in range(8 * len(frame)):
        forged = bytearray(frame)
        forged[bit // 8] ^= 1 << bit % 8
        answers = [*good.answered[:turn], bytes(forged), *good.answered[turn + 1 :]]
        events = replayed(ciphering, answers)
        assert events == good_events[: len(events)] or harmless(events[-1], turn), bit


def replayed(ciphering, answers):
    """The client's events when the meter's answers are these; a RemoteProtocolError ends the list."""
    client = ClientAssociation(client_settings(ciphering=ciphering))
    asks = [lambda: client.get(BUFFER), client.release]
    events = []
    client.open()
    try:
        for answer in answers:
            client.receive_data(answer)
            while (event := client.next_event()) is not NEED_DATA:
                events.append(event)
                if asks and client.state is State.OPEN:
                    asks.pop(0)()
    except RemoteProtocolError:
        pass
    return events


def harmless(event, turn):
    """ACSE's own fields are in the clear: a flip there can refuse an association, never open one.

    The reason of a release is one of them, and decides nothing.
    """
    return turn == 0 and type(event).__name__ == "AssociationRefused"


def test_a_flip_in_the_challenge_or_title_makes_the_proof_wrong():
    wire = Wire(
        client_settings(Mechanism.HLS_AES, Ciphering.NONE), server_settings(Mechanism.HLS_AES, Ciphering.NONE)
    )
    wire.client.open()
    wire.meter.receive_data(wire.client.data_to_send().replace(CLIENT_CHALLENGE, bytes(16)))
    events_of(wire.meter)
    wire.client.receive_data(wire.meter.data_to_send())
    assert events_of(wire.client) == []
    with pytest.raises(NotAuthentic):
        wire.exchange()
    assert wire.client.state is State.FAILED


def aare_changed(old, new, mechanism=Mechanism.HLS_GMAC, ciphering=Ciphering.GENERAL_GLO, **others):
    wire = Wire(client_settings(mechanism, ciphering, **others), server_settings(mechanism, ciphering))
    wire.client.open()
    wire.meter.receive_data(wire.client.data_to_send())
    events_of(wire.meter)
    answer = wire.meter.data_to_send()
    assert old in answer
    wire.client.receive_data(answer.replace(old, new))
    return wire.client


def test_a_reflected_challenge_is_refused():
    client = aare_changed(bytes(range(16, 32)), CLIENT_CHALLENGE, Mechanism.HLS_AES, Ciphering.NONE)
    with pytest.raises(NotAuthentic, match="reflection"):
        client.next_event()


def test_a_meter_that_skips_the_proof_is_refused():
    mechanism = bytes.fromhex("880207808907608574050802")
    client = aare_changed(mechanism + b"\x02", mechanism + b"\x01", Mechanism.HLS_AES, Ciphering.NONE)
    with pytest.raises(NotAuthentic):
        client.next_event()


def test_a_meter_that_answers_without_ciphering_is_refused():
    client = aare_changed(bytes.fromhex("6085740508 0103".replace(" ", "")), bytes.fromhex("60857405080101"))
    with pytest.raises(NotAuthentic):
        client.next_event()


def test_another_meter_than_the_expected_one_is_refused():
    wire = Wire(client_settings(meter_title=bytes(8)), server_settings())
    with pytest.raises(NotAuthentic, match="another meter"):
        wire.opened()


def test_a_meter_under_our_own_title_is_refused():
    client = aare_changed(METER_TITLE, CLIENT_TITLE)
    with pytest.raises(NotAuthentic, match="own system title"):
        client.next_event()


def test_an_unprotected_answer_in_a_ciphered_association_is_refused():
    wire = Wire(client_settings(), server_settings())
    wire.opened()
    wire.client.get(BUFFER)
    failed_by(wire.client, METER_SAYS.frame(GetAnswer(0xC2, b"\x00").encode()), NotAuthentic)


def test_another_suite_is_refused_by_name():
    wire = Wire(client_settings(), server_settings())
    wire.opened()
    wire.client.get(BUFFER)
    failed_by(
        wire.client,
        METER_SAYS.frame(b"\xdb\x08" + METER_TITLE + b"\x16\x31\xff" + bytes(20)),
        SuiteNotSupported,
    )


def test_counters_that_are_spent_end_the_association_before_one_repeats():
    wire = Wire(client_settings(counters_left=4), server_settings())
    wire.opened()
    wire.client.get(BUFFER)
    assert wire.client.data_to_send()
    wire = Wire(client_settings(counters_left=3), server_settings())
    wire.opened()
    with pytest.raises(CountersSpent):
        wire.client.get(BUFFER)
    assert wire.client.state is State.FAILED
    assert wire.client.data_to_send() == b""


def test_counters_that_are_spent_among_blocks_end_the_association():
    wire = Wire(client_settings(counters_left=4), server_settings())
    wire.opened()
    wire.client.get(BUFFER)
    with pytest.raises(CountersSpent):
        wire.exchange()
    assert wire.client.state is State.FAILED


def test_a_request_longer_than_the_meter_receives_is_refused_and_nothing_is_over():
    wire = Wire(client_settings(), server_settings(max_pdu=200))
    wire.opened()
    with pytest.raises(LocalProtocolError):
        wire.client.ask(get_list([(CLOCK, None)] * 20))
    assert wire.client.state is State.OPEN
    wire.client.set(CLOCK, bytes(100))
    assert wire.exchange()


@pytest.mark.parametrize("state", RESTING)
def test_a_lost_connection_is_a_fault_only_when_an_answer_was_awaited(state):
    client = client_in(state)
    client.connection_lost()
    if state in (State.IDLE, State.OPEN, State.RELEASING, State.CLOSED):
        assert client.next_event() is NEED_DATA
        assert client.state is State.CLOSED
    else:
        with pytest.raises(RemoteProtocolError):
            client.next_event()


@pytest.mark.parametrize(
    "apdu", ["6100", "C401C100", "00", "DB", "DB08", "0E", "D8", "D80101FF", "60", "63", "0F00000000", "2830"]
)
@pytest.mark.parametrize("state", [State.ASSOCIATING, State.PROVING, State.OPEN, State.GETTING, State.RELEASING])
def test_nonsense_never_escapes_as_another_error(state, apdu):
    client = client_in(state)
    client.receive_data(METER_SAYS.frame(bytes.fromhex(apdu)))
    try:
        event = client.next_event()
    except RemoteProtocolError:
        assert client.state is State.FAILED
    else:
        assert type(event).__name__ in ("AssociationRefused", "ServiceRefused", "Released")


@settings(max_examples=300)
@given(st.sampled_from([State.ASSOCIATING, State.PROVING, State.OPEN, State.GETTING, State.RELEASING]), st.data())
def test_any_octets_give_events_or_a_fault_of_the_peer(state, draw):
    client = client_in(state)
    tag = draw.draw(
        st.sampled_from([b"", b"\x61", b"\x63", b"\xc4\x02", b"\xdb\x08" + METER_TITLE, b"\xd8", b"\x0e"])
    )
    apdu = tag + draw.draw(st.binary(min_size=1, max_size=100))
    octets = draw.draw(st.just(METER_SAYS.frame(apdu)) | st.binary(max_size=60))
    client.receive_data(octets)
    try:
        events_of(client)
    except RemoteProtocolError:
        assert client.state is State.FAILED


@settings(max_examples=300)
@given(st.data())
def test_a_meter_survives_any_octets_too(draw):
    meter = ServerAssociation(server_settings(Mechanism.NONE, Ciphering.NONE))
    client = ClientAssociation(client_settings(Mechanism.NONE, Ciphering.NONE))
    client.open()
    if draw.draw(st.booleans()):
        meter.receive_data(client.data_to_send())
        events_of(meter)
    tag = draw.draw(st.sampled_from([b"", b"\x60", b"\x62", b"\xc0\x01", b"\xc0\x02", b"\xc1\x01", b"\xc3\x01"]))
    meter.receive_data(CLIENT_SAYS.frame(tag + draw.draw(st.binary(min_size=1, max_size=60))))
    try:
        events_of(meter)
    except RemoteProtocolError:
        assert meter.state is State.FAILED


def served(meter, apdu):
    meter.receive_data(CLIENT_SAYS.frame(apdu))
    events = events_of(meter)
    return events, meter.data_to_send()[8:]


def open_meter():
    wire = plain_wire()
    wire.opened()
    return wire.meter


@pytest.mark.parametrize("apdu", ["C004C101", "C106C1000000000000000000000000", "D9C1", "C203"])
def test_a_service_that_is_not_spoken_is_answered_so_and_nothing_is_over(apdu):
    meter = open_meter()
    events, answer = served(meter, bytes.fromhex(apdu))
    assert (events, answer) == ([], bytes([0xD8, StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED]))
    assert served(meter, GetRequest(0xC1, CLOCK).encode())[0] != []


@pytest.mark.parametrize("following", [GetNext(0xC1, 2), GetNext(0xC1, 0), GetNext(0xC2, 1)])
def test_a_wrong_block_number_ends_the_long_read_and_no_more(following):
    meter = open_meter()
    served(meter, GetRequest(0xC1, BUFFER).encode())
    meter.answer_get(LOAD_PROFILE)
    meter.data_to_send()
    _, answer = served(meter, following.encode())
    assert answer[3] == 1
    assert answer[-2:] == bytes([1, DataAccessResult.DATA_BLOCK_NUMBER_INVALID])
    assert meter.state is State.OPEN


def test_a_client_may_drop_a_long_read_for_another_question():
    meter = open_meter()
    served(meter, GetRequest(0xC1, BUFFER).encode())
    meter.answer_get(LOAD_PROFILE)
    meter.data_to_send()
    served(meter, GetRequest(0xC2, CLOCK).encode())
    meter.answer_get(b"\x11\x01")
    assert meter.data_to_send()[8:].hex() == "c401c2001101"


@pytest.mark.parametrize("apdu", [GetRequest(0xC1, BUFFER).encode(), b"\x62\x00", b"\xc8\x00"])
def test_a_meter_answers_nothing_before_an_association(apdu):
    meter = ServerAssociation(server_settings())
    meter.receive_data(CLIENT_SAYS.frame(apdu))
    with pytest.raises(RemoteProtocolError):
        meter.next_event()
    assert meter.state is State.FAILED
    assert meter.data_to_send()[8] == 0xD8


def test_a_meter_serves_nothing_before_the_proof():
    wire = Wire(
        client_settings(Mechanism.HLS_AES, Ciphering.NONE), server_settings(Mechanism.HLS_AES, Ciphering.NONE)
    )
    wire.client.open()
    wire.meter.receive_data(wire.client.data_to_send())
    events_of(wire.meter)
    wire.meter.data_to_send()
    wire.meter.receive_data(CLIENT_SAYS.frame(GetRequest(0xC1, BUFFER).encode()))
    with pytest.raises(RemoteProtocolError):
        wire.meter.next_event()


def test_an_answer_nobody_asked_for_is_the_meters_own_fault():
    for answer in (
        lambda meter: meter.answer_get(b"\x00"),
        lambda meter: meter.answer_set(DataAccessResult.SUCCESS),
        lambda meter: meter.start_next_association(server_settings()),
    ):
        meter = open_meter()
        with pytest.raises(LocalProtocolError):
            answer(meter)
        assert meter.state is State.FAILED


def test_requests_that_come_before_the_answer_wait():
    meter = open_meter()
    request = CLIENT_SAYS.frame(GetRequest(0xC1, CLOCK).encode())
    meter.receive_data(request + request)
    assert len(events_of(meter)) == 1
    meter.answer_get(b"\x00")
    assert len(events_of(meter)) == 1


def test_a_session_replayed_whole_is_refused():
    wire = Wire(client_settings(), server_settings())
    whole_session(wire)
    meter = ServerAssociation(server_settings(last_accepted_counter=wire.meter.last_accepted_counter))
    meter.receive_data(wire.sent[0])
    (requested,) = events_of(meter)
    assert requested.diagnostic.name == "AUTHENTICATION_FAILURE"
