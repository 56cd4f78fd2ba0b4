"""SET and ACTION in blocks, lists of all three services, entries, events: a client against a meter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    NEED_DATA,
    ActionDone,
    ActionListDone,
    ActionRequested,
    Ciphering,
    EventNotified,
    GetFailed,
    GetListDone,
    GetRequested,
    GetSucceeded,
    Mechanism,
    SetDone,
    SetListDone,
    SetRequested,
    State,
    action_list,
    get_list,
    set_list,
)
from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, StaleReply, TooLarge
from bijlighar.dlms.limits import MAX_REFERENCES, MAX_VALUE_OCTETS
from bijlighar.dlms.notification import EventNotification, decode_event, encode_event
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import ActionResult, AttributeRef, DataAccessResult, EntrySelection, MethodRef
from bijlighar.dlms.xdlms.action import (
    ActionAnswer,
    ActionAnswerBlock,
    ActionBlock,
    ActionBlockTaken,
    ActionListAnswer,
    ActionListRequest,
    ActionNext,
    decode_action_request,
    decode_action_response,
    decode_answers,
    decode_joined_answer,
    encode_answers,
)
from bijlighar.dlms.xdlms.blocks import Piece
from bijlighar.dlms.xdlms.get import (
    GetListRequest,
    decode_get_request,
    decode_results,
    encode_results,
)
from bijlighar.dlms.xdlms.set_attribute import (
    SetAnswer,
    SetBlock,
    SetBlockAnswer,
    SetListAnswer,
    SetListRequest,
    decode_set_request,
    decode_set_response,
)
from dlms.wire import (
    BUFFER,
    CLIENT,
    CLOCK,
    DISCONNECT,
    Wire,
    client_settings,
    events_of,
    server_settings,
)

LONG = axdr.encode(axdr.octets(bytes(range(256)) * 12))
ENTRIES = EntrySelection(first=3, last=9, first_column=1, last_column=2)
WAYS = [
    (Mechanism.NONE, Ciphering.NONE),
    (Mechanism.HLS_GMAC, Ciphering.GLO),
    (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO),
]
METER_SAYS = WrapperLink(1, CLIENT)


def wire_of(mechanism=Mechanism.HLS_GMAC, ciphering=Ciphering.GENERAL_GLO, max_pdu=200, **others):
    client = client_settings(mechanism, ciphering, max_pdu=max_pdu, **others)
    wire = Wire(client, server_settings(mechanism, ciphering, max_pdu=max_pdu))
    wire.opened()
    return wire


def conversation(wire, ask, answers):
    """The client's event when the meter gives ``answers`` to what it is shown; what it was shown."""
    ask(wire.client)
    waiting, shown = list(answers), []
    for _ in range(1000):
        for octet in wire.client.data_to_send():
            wire.meter.receive_data(bytes([octet]))
            while (event := wire.meter.next_event()) is not NEED_DATA:
                shown.append(event)
                waiting.pop(0)(wire.meter)
        for octet in wire.meter.data_to_send():
            wire.client.receive_data(bytes([octet]))
            if events := events_of(wire.client):
                assert not waiting
                return events[0], shown
    raise AssertionError("no event")


def get(value):
    return lambda meter: meter.answer_get(value)


def was_set(result=DataAccessResult.SUCCESS):
    return lambda meter: meter.answer_set(result)


def acted(result=ActionResult.SUCCESS, value=None):
    return lambda meter: meter.answer_action(result, value)


@pytest.mark.parametrize("way", WAYS)
def test_a_long_set_goes_in_blocks_however_the_stream_is_cut(way):
    event, shown = conversation(wire_of(*way), lambda client: client.set(CLOCK, LONG), [was_set()])
    assert event == SetDone(DataAccessResult.SUCCESS)
    assert shown == [SetRequested(CLOCK, LONG)]


@pytest.mark.parametrize("way", WAYS)
def test_a_long_action_goes_in_blocks_both_ways(way):
    wire = wire_of(*way)
    event, shown = conversation(wire, lambda client: client.action(DISCONNECT, LONG), [acted(value=LONG + LONG)])
    assert event == ActionDone(ActionResult.SUCCESS, LONG + LONG)
    assert shown == [ActionRequested(DISCONNECT, LONG)]
    assert wire.client.state is State.OPEN


def test_a_long_answer_of_an_action_is_its_value_alone_and_both_forms_are_heard():
    meter = open_meter()
    served(meter, bytes.fromhex("C301C1 0046 0000600 30AFF 01 00".replace(" ", "")))
    meter.answer_action(ActionResult.SUCCESS, LONG)
    first = decode_action_response(meter.data_to_send()[8:])
    assert LONG.startswith(first.piece.octets)
    assert decode_joined_answer(1, LONG) == ActionAnswer(1, ActionResult.SUCCESS, LONG)
    assert decode_joined_answer(1, b"\x00\x01\x00" + LONG) == ActionAnswer(1, ActionResult.SUCCESS, LONG)
    assert decode_joined_answer(1, b"\x00") == ActionAnswer(1, ActionResult.SUCCESS, b"\x00")


def test_a_long_value_of_a_method_that_failed_is_left_out():
    meter = open_meter()
    served(meter, bytes.fromhex("C301C1 0046 0000600 30AFF 01 00".replace(" ", "")))
    meter.answer_action(ActionResult.TEMPORARY_FAILURE, LONG)
    assert meter.data_to_send()[8:].hex().startswith("c701c102")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [b"\x11\x01", LONG])
def test_a_list_is_read_attribute_by_attribute(way, value):
    asked = [(BUFFER, ENTRIES), (CLOCK, None), (BUFFER, None)]
    results = [value, DataAccessResult.READ_WRITE_DENIED, b"\x12\x12\x34"]
    event, shown = conversation(wire_of(*way), lambda client: client.ask(get_list(asked)), map(get, results))
    assert event == GetListDone(tuple(results))
    assert shown == [GetRequested(ref, selection) for ref, selection in asked]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [b"\x11\x01", LONG])
def test_a_list_is_written_attribute_by_attribute(way, value):
    results = [DataAccessResult.SUCCESS, DataAccessResult.TYPE_UNMATCHED]
    writes = [(BUFFER, value), (CLOCK, axdr.u8(3))]
    event, shown = conversation(wire_of(*way), lambda client: client.ask(set_list(writes)), map(was_set, results))
    assert event == SetListDone(tuple(results))
    assert shown == [SetRequested(BUFFER, value), SetRequested(CLOCK, b"\x11\x03")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [b"\x11\x01", LONG])
def test_a_list_of_methods_is_invoked_one_after_the_other(way, value):
    calls = [(DISCONNECT, value), (DISCONNECT, None)]
    answers = [acted(value=value), acted(ActionResult.TEMPORARY_FAILURE)]
    event, shown = conversation(wire_of(*way), lambda client: client.ask(action_list(calls)), answers)
    assert event == ActionListDone(
        (ActionDone(ActionResult.SUCCESS, value), ActionDone(ActionResult.TEMPORARY_FAILURE, None))
    )
    assert shown == [ActionRequested(DISCONNECT, value), ActionRequested(DISCONNECT, None)]


def test_after_something_long_the_association_goes_on():
    wire = wire_of()
    for _ in range(20):
        conversation(wire, lambda client: client.set(CLOCK, LONG), [was_set()])
        event, _ = conversation(wire, lambda client: client.get(BUFFER), [get(LONG)])
        assert event == GetSucceeded(LONG)


def test_a_list_is_refused_here_when_it_was_not_negotiated():
    wire = Wire(client_settings(Mechanism.NONE, Ciphering.NONE), server_settings(Mechanism.NONE, Ciphering.NONE))
    wire.client.open()
    request = wire.client.data_to_send().replace(bytes.fromhex("005E9F"), bytes.fromhex("00501D"))
    wire.meter.receive_data(request)
    events_of(wire.meter)
    wire.client.receive_data(wire.meter.data_to_send())
    events_of(wire.client)
    for question in (get_list([(CLOCK, None)]), set_list([(CLOCK, b"\x00")]), action_list([(DISCONNECT, None)])):
        with pytest.raises(LocalProtocolError, match="lists"):
            wire.client.ask(question)
    with pytest.raises(LocalProtocolError, match="receives"):
        wire.client.set(CLOCK, bytes(2000))
    assert wire.client.state is State.OPEN


@pytest.mark.parametrize("count", [0, MAX_REFERENCES + 1])
def test_a_list_of_nothing_or_of_too_much_is_our_fault(count):
    for question in (
        get_list([(CLOCK, None)] * count),
        set_list([(CLOCK, b"\x00")] * count),
        action_list([(DISCONNECT, None)] * count),
    ):
        with pytest.raises(LocalProtocolError):
            wire_of().client.ask(question)


def asking(ask):
    wire = wire_of(Mechanism.NONE, Ciphering.NONE)
    ask(wire.client)
    wire.client.data_to_send()
    return wire.client


FALSE_ANSWERS = [
    (lambda client: client.set(CLOCK, LONG), SetBlockAnswer(0xC1, 2), StaleReply),
    (lambda client: client.set(CLOCK, LONG), SetBlockAnswer(0xC2, 1), StaleReply),
    (lambda client: client.set(CLOCK, b"\x00"), SetBlockAnswer(0xC1, 1), StaleReply),
    (lambda client: client.set(CLOCK, b"\x00"), SetListAnswer(0xC1, (DataAccessResult.SUCCESS,)), Malformed),
    (
        lambda client: client.ask(set_list([(CLOCK, b"\x00")])),
        SetListAnswer(0xC1, (DataAccessResult.SUCCESS,) * 2),
        Malformed,
    ),
    (lambda client: client.set(CLOCK, b"\x00"), ActionAnswer(0xC1, ActionResult.SUCCESS), RemoteProtocolError),
    (lambda client: client.action(DISCONNECT), SetAnswer(0xC1, DataAccessResult.SUCCESS), RemoteProtocolError),
    (lambda client: client.action(DISCONNECT), ActionBlockTaken(0xC1, 1), StaleReply),
    (lambda client: client.action(DISCONNECT, LONG), ActionBlockTaken(0xC1, 7), StaleReply),
    (lambda client: client.action(DISCONNECT), ActionListAnswer(0xC1, b"\x01\x00\x00"), Malformed),
    (lambda client: client.action(DISCONNECT), ActionAnswerBlock(0xC1, Piece(False, 2, b"\x00")), StaleReply),
    (lambda client: client.action(DISCONNECT), ActionAnswerBlock(0xC1, Piece(False, 1, b"")), Malformed),
    (
        lambda client: client.action(DISCONNECT, LONG),
        ActionAnswerBlock(0xC1, Piece(False, 1, b"1")),
        RemoteProtocolError,
    ),
    (
        lambda client: client.ask(action_list([(DISCONNECT, None)])),
        ActionListAnswer(0xC1, b"\x02\x00\x00\x00\x00"),
        Malformed,
    ),
]


@pytest.mark.parametrize(("ask", "answer", "fault"), FALSE_ANSWERS)
def test_an_answer_that_does_not_fit_the_question_is_the_end(ask, answer, fault):
    client = asking(ask)
    client.receive_data(METER_SAYS.frame(answer.encode()))
    with pytest.raises(fault):
        client.next_event()
    assert client.state is State.FAILED


def test_a_meter_may_give_a_long_writing_up():
    client = asking(lambda client: client.set(CLOCK, LONG))
    client.receive_data(METER_SAYS.frame(SetBlockAnswer(0xC1, 1, DataAccessResult.LONG_SET_ABORTED).encode()))
    assert events_of(client) == [SetDone(DataAccessResult.LONG_SET_ABORTED)]
    client = asking(lambda client: client.action(DISCONNECT, LONG))
    client.receive_data(METER_SAYS.frame(ActionAnswer(0xC1, ActionResult.LONG_ACTION_ABORTED).encode()))
    assert events_of(client) == [ActionDone(ActionResult.LONG_ACTION_ABORTED, None)]


def test_a_list_may_be_refused_as_a_whole():
    client = asking(lambda client: client.ask(get_list([(CLOCK, None)])))
    client.receive_data(METER_SAYS.frame(bytes.fromhex("C401C10103")))
    assert events_of(client) == [GetFailed(DataAccessResult.READ_WRITE_DENIED)]
    client = asking(lambda client: client.ask(get_list([(CLOCK, None)])))
    client.receive_data(METER_SAYS.frame(bytes.fromhex("C402C1010000000101") + b"\x0f"))
    assert events_of(client) == [GetFailed(DataAccessResult.LONG_GET_ABORTED)]


def served(meter, apdu):
    meter.receive_data(WrapperLink(CLIENT, 1).frame(apdu))
    return events_of(meter), meter.data_to_send()[8:].hex().upper()


def open_meter():
    return wire_of(Mechanism.NONE, Ciphering.NONE).meter


@pytest.mark.parametrize(
    ("apdus", "answer"),
    [
        ([SetBlock(0xC1, Piece(False, 1, b"1"))], "C503C11200000001"),
        (
            [SetBlock(0xC1, Piece(False, 1, b"1"), (CLOCK,)), SetBlock(0xC1, Piece(True, 3, b"1"))],
            "C503C11300000003",
        ),
        (
            [SetBlock(0xC1, Piece(False, 1, b"1"), (CLOCK,)), SetBlock(0xC2, Piece(True, 2, b"1"))],
            "C503C21200000002",
        ),
        ([SetBlock(0xC1, Piece(False, 1, b"1"), (CLOCK,)), ActionBlock(0xC1, Piece(True, 2, b"1"))], "C701C11000"),
        ([ActionBlock(0xC1, Piece(False, 1, b"1"))], "C701C11000"),
        (
            [ActionBlock(0xC1, Piece(False, 1, b"1"), (DISCONNECT,)), ActionBlock(0xC1, Piece(True, 1, b"1"))],
            "C701C10F00",
        ),
    ],
)
def test_a_block_that_is_not_due_is_refused_and_no_more(apdus, answer):
    meter = open_meter()
    for apdu in apdus:
        events, said = served(meter, apdu.encode())
        assert events == []
    assert said == answer
    assert meter.state is State.OPEN
    assert served(meter, SetBlock(0xC3, Piece(True, 1, b"\x11\x01"), (CLOCK,)).encode())[0] == [
        SetRequested(CLOCK, b"\x11\x01")
    ]


@pytest.mark.parametrize("block", [0, 2])
def test_a_wrong_number_ends_the_long_answer_of_an_action_and_no_more(block):
    meter = open_meter()
    served(meter, bytes.fromhex("C301C1 0046 0000600 30AFF 01 00".replace(" ", "")))
    meter.answer_action(ActionResult.SUCCESS, LONG)
    assert meter.data_to_send()[8:12].hex() == "c702c100"
    assert served(meter, ActionNext(0xC1, block).encode()) == ([], "C701C10F00")
    assert meter.state is State.OPEN


def test_a_long_answer_without_granted_blocks_tells_at_least_how_it_went():
    wire = Wire(client_settings(Mechanism.NONE, Ciphering.NONE), server_settings(Mechanism.NONE, Ciphering.NONE))
    wire.client.open()
    wire.meter.receive_data(wire.client.data_to_send().replace(bytes.fromhex("005E9F"), bytes.fromhex("00501D")))
    events_of(wire.meter)
    wire.client.receive_data(wire.meter.data_to_send())
    events_of(wire.client)
    event, _ = conversation(wire, lambda client: client.action(DISCONNECT), [acted(value=LONG)])
    assert event == ActionDone(ActionResult.SUCCESS, None)


def test_blocks_of_a_request_cannot_grow_beyond_the_limit():
    meter = open_meter()
    served(meter, SetBlock(0xC1, Piece(False, 1, bytes(400)), (CLOCK,)).encode())
    allowed = MAX_VALUE_OCTETS // 400
    for number in range(2, allowed + 1):
        assert served(meter, SetBlock(0xC1, Piece(False, number, bytes(400))).encode())[0] == []
    with pytest.raises(TooLarge):
        served(meter, SetBlock(0xC1, Piece(False, allowed + 1, bytes(400))).encode())


def test_answers_to_a_list_must_follow_what_is_shown():
    meter = open_meter()
    served(meter, GetListRequest(0xC1, ((CLOCK, None), (BUFFER, None))).encode())
    meter.answer_get(b"\x00")
    with pytest.raises(LocalProtocolError):
        meter.answer_get(b"\x00")
    assert meter.state is State.FAILED


EVENT = EventNotification(ref=CLOCK, instant=bytes(12), octets=b"\x11\x07")


@pytest.mark.parametrize("event", [EVENT, EventNotification(ref=CLOCK, instant=None, octets=b"\x00")])
@pytest.mark.parametrize("way", WAYS)
def test_an_event_may_come_at_any_time(way, event):
    wire = wire_of(*way)
    wire.meter.notify_event(event)
    wire.client.receive_data(wire.meter.data_to_send())
    assert events_of(wire.client) == [EventNotified(event.ref, event.instant, event.octets)]
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("octets", ["", "C2", "0F00", "C202", "C2010B", "C20000", "C20000080000010000FF02"])
def test_octets_that_are_no_event_are_refused(octets):
    with pytest.raises(RemoteProtocolError):
        decode_event(bytes.fromhex(octets))


references = st.builds(AttributeRef, st.integers(0, 0xFFFF), st.just(CLOCK.obis), st.integers(-128, 127))
methods = st.builds(MethodRef, st.integers(0, 0xFFFF), st.just(CLOCK.obis), st.integers(-128, 127))
values = st.binary(max_size=300).map(lambda octets: axdr.encode(axdr.octets(octets)))
pieces = st.builds(Piece, st.booleans(), st.integers(0, 0xFFFFFFFF), st.binary(max_size=300))
invokes = st.integers(0, 255)
results = st.sampled_from(DataAccessResult)


@settings(max_examples=60)
@given(st.data())
def test_every_form_comes_back_as_it_went(data):
    count = data.draw(st.integers(1, 20))
    refs = tuple(data.draw(st.lists(references, min_size=count, max_size=count)))
    calls = tuple(data.draw(st.lists(methods, min_size=count, max_size=count)))
    octets = tuple(data.draw(st.lists(values, min_size=count, max_size=count)))
    piece, invoke = data.draw(pieces), data.draw(invokes)
    listed = data.draw(st.booleans())
    for decode, form in (
        (decode_get_request, GetListRequest(invoke, tuple((ref, None) for ref in refs))),
        (decode_set_request, SetListRequest(invoke, refs, octets)),
        (decode_set_request, SetBlock(invoke, piece)),
        (decode_set_request, SetBlock(invoke, piece, refs if listed else refs[:1], listed)),
        (decode_action_request, ActionListRequest(invoke, calls, octets)),
        (decode_action_request, ActionBlock(invoke, piece)),
        (decode_action_request, ActionBlock(invoke, piece, calls if listed else calls[:1], listed)),
        (decode_action_request, ActionNext(invoke, piece.number)),
        (decode_set_response, SetBlockAnswer(invoke, piece.number)),
        (decode_set_response, SetBlockAnswer(invoke, piece.number, data.draw(results))),
        (decode_set_response, SetListAnswer(invoke, (data.draw(results),) * count)),
        (decode_set_response, SetListAnswer(invoke, (data.draw(results),) * count, piece.number)),
        (decode_action_response, ActionAnswerBlock(invoke, piece)),
        (decode_action_response, ActionBlockTaken(invoke, piece.number)),
    ):
        assert decode(form.encode()) == form
    mixed = tuple(data.draw(st.lists(values | results, min_size=count, max_size=count)))
    assert decode_results(encode_results(mixed), count) == mixed
    answers = tuple(
        ActionAnswer(invoke, ActionResult.SUCCESS, value if listed else None, None if listed else result)
        for value, result in zip(octets, data.draw(st.lists(results, min_size=count, max_size=count)), strict=True)
    )
    assert decode_answers(invoke, encode_answers(answers), count) == answers


@pytest.mark.parametrize(
    ("decode", "octets"),
    [
        (decode_get_request, "C003C100"),
        (decode_get_request, "C003C1820200"),
        (decode_get_request, "C003C10100080000010000FF0200FF"),
        (decode_set_request, "C102C100080000010000FF020001"),
        (decode_set_request, "C103C1010000000105AA"),
        (decode_set_request, "C103C1010000000100AA"),
        (decode_set_request, "C104C10100080000010000FF02000211011101"),
        (decode_set_request, "C101C100080000010000FF02"),
        (decode_set_response, "C503C100000001"),
        (decode_set_response, "C505C102000000"),
        (decode_set_response, "C502C1000001"),
        (decode_action_request, "C302C1000001"),
        (decode_action_request, "C303C100"),
        (decode_action_response, "C704C1000001"),
        (decode_action_response, "C701C100"),
        (lambda octets: decode_results(octets, 2), "0100110100"),
        (lambda octets: decode_results(octets, 1), "0100110100"),
        (lambda octets: decode_results(octets, 1), "01021101"),
        (lambda octets: decode_results(octets, 1), "0100"),
        (lambda octets: decode_answers(0, octets, 1), "01000000"),
        (lambda octets: decode_answers(0, octets, 1), "0100"),
        (lambda octets: decode_answers(0, octets, 2), "010000"),
    ],
)
def test_forms_that_do_not_add_up_are_refused(decode, octets):
    with pytest.raises(RemoteProtocolError):
        decode(bytes.fromhex(octets))


def test_a_value_longer_than_any_may_be_is_our_fault():
    with pytest.raises(LocalProtocolError):
        wire_of().client.set(CLOCK, bytes(MAX_VALUE_OCTETS + 1))


def test_a_meter_tells_nothing_before_the_association_stands():
    wire = Wire(client_settings(), server_settings())
    with pytest.raises(LocalProtocolError):
        wire.meter.notify_event(EVENT)
    assert wire.meter.state is State.FAILED
