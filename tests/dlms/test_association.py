"""A client against a meter over a fake wire: what works."""

import itertools

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.acse import RLRQ, AssociationResult, Diagnostic, decode_aarq, decode_release
from bijlighar.dlms.association import (
    NEED_DATA,
    ActionDone,
    ActionRequested,
    AssociationOpened,
    AssociationRefused,
    AssociationRequested,
    Ciphering,
    ClientAssociation,
    ClientProved,
    GetFailed,
    GetRequested,
    GetSucceeded,
    Mechanism,
    NotificationReceived,
    Released,
    ServerAssociation,
    ServerSettings,
    ServiceRefused,
    SetDone,
    SetRequested,
    State,
)
from bijlighar.dlms.errors import LocalProtocolError
from bijlighar.dlms.notification import DataNotification
from bijlighar.dlms.security import SecurityControl
from bijlighar.dlms.xdlms import (
    ActionResult,
    DataAccessResult,
    EntrySelection,
    ExceptionResponse,
    RangeSelection,
    ServiceError,
    StateError,
)
from dlms.wire import (
    BOTH,
    BUFFER,
    CLIENT,
    CLIENT_TITLE,
    CLOCK,
    DISCONNECT,
    LOAD_PROFILE,
    METER_TITLE,
    Wire,
    client_settings,
    events_of,
    serve,
    server_settings,
    whole_session,
)

PROTECTIONS = [SecurityControl(control) for control in (0x10, 0x20, 0x30)]
WAYS = [
    *itertools.product(Mechanism, [Ciphering.NONE], [BOTH]),
    *itertools.product(Mechanism, [Ciphering.GLO, Ciphering.GENERAL_GLO], PROTECTIONS),
]


def wire_of(
    mechanism=Mechanism.HLS_GMAC, ciphering=Ciphering.GENERAL_GLO, protection=BOTH, value=LOAD_PROFILE, **others
):
    return Wire(
        client_settings(mechanism, ciphering, protection, **others),
        server_settings(mechanism, ciphering, protection),
        value,
    )


@pytest.mark.parametrize(("mechanism", "ciphering", "protection"), WAYS)
def test_a_whole_session(mechanism, ciphering, protection):
    wire = wire_of(mechanism, ciphering, protection)
    opened, got, was_set, acted, released = whole_session(wire)
    assert isinstance(opened, AssociationOpened)
    known = ciphering is not Ciphering.NONE or mechanism is Mechanism.HLS_GMAC
    assert opened.meter_title == (METER_TITLE if known else b"")
    assert got == GetSucceeded(LOAD_PROFILE)
    assert was_set == SetDone(DataAccessResult.SUCCESS)
    assert acted == ActionDone(ActionResult.SUCCESS, b"\x16\x01")
    assert released == Released()
    assert wire.client.state is wire.meter.state is State.CLOSED
    hls = [ClientProved(CLIENT, True)] if mechanism >= Mechanism.HLS_AES else []
    assert wire.meter_events[1:] == [
        *hls,
        GetRequested(BUFFER, None),
        SetRequested(CLOCK, b"\x12\x00\x01"),
        ActionRequested(DISCONNECT, b"\x0f\x00"),
        Released(),
    ]
    assert isinstance(wire.meter_events[0], AssociationRequested)


@pytest.mark.parametrize(("mechanism", "ciphering", "protection"), WAYS)
def test_the_stream_cut_at_every_octet_gives_the_same_events(mechanism, ciphering, protection):
    whole = wire_of(mechanism, ciphering, protection, value=LOAD_PROFILE[:1200])
    events = whole_session(whole)
    client = ClientAssociation(client_settings(mechanism, ciphering, protection))
    meter = ServerAssociation(server_settings(mechanism, ciphering, protection))
    asks = [
        client.open,
        lambda: client.get(BUFFER),
        lambda: client.set(CLOCK, b"\x12\x00\x01"),
        lambda: client.action(DISCONNECT, b"\x0f\x00"),
        client.release,
    ]
    got, meter_got, sent, answered = [], [], b"", b""
    asks.pop(0)()
    while asks or client.state is not State.CLOSED:
        octets = client.data_to_send()
        sent += octets
        for octet in octets:
            meter.receive_data(bytes([octet]))
            meter_got += serve(meter, LOAD_PROFILE[:1200])
        octets = meter.data_to_send()
        answered += octets
        for octet in octets:
            client.receive_data(bytes([octet]))
            for event in events_of(client):
                got.append(event)
                if asks:
                    asks.pop(0)()
    assert got == events
    assert meter_got == whole.meter_events
    assert (sent, answered) == (b"".join(whole.sent), b"".join(whole.answered))


def test_the_stream_in_two_pieces_cut_anywhere_gives_the_same_events():
    whole = wire_of(value=LOAD_PROFILE)
    events = whole_session(whole)
    stream = b"".join(whole.answered)
    for cut in range(0, len(stream) + 1, 7):
        client, got = ClientAssociation(client_settings()), []
        asks = [
            lambda client=client: client.get(BUFFER),
            lambda client=client: client.set(CLOCK, b"\x12\x00\x01"),
            lambda client=client: client.action(DISCONNECT, b"\x0f\x00"),
            client.release,
        ]
        client.open()
        for piece in (stream[:cut], stream[cut:]):
            client.receive_data(piece)
            while (event := client.next_event()) is not NEED_DATA:
                got.append(event)
                if asks:
                    asks.pop(0)()
        assert got == events


def test_the_sizes_are_those_of_the_reference_session():
    wire = wire_of()
    wire.opened()
    wire.client.get(BUFFER)
    wire.exchange()
    wire.client.release()
    wire.exchange()
    assert list(map(len, wire.sent)) == [103, 68, 49, 43, 43, 50]
    assert [len(answer) for answer in wire.answered][:2] == [115, 61]
    assert len(wire.answered) == 6


@pytest.mark.parametrize("size", [0, 1, 60, 61, 62, 200, 2000, 5000])
@pytest.mark.parametrize("max_pdu", [64, 128, 1024])
def test_values_of_every_size_come_whole_within_the_pdu_size(size, max_pdu):
    value = axdr.encode(axdr.octets(bytes(size)))
    wire = wire_of(value=value, max_pdu=max_pdu)
    wire.opened()
    wire.client.get(BUFFER)
    assert wire.exchange() == [GetSucceeded(value)]
    assert max(map(len, wire.answered[2:])) <= max_pdu + 8


@pytest.mark.parametrize(
    "selection",
    [
        RangeSelection(start=bytes(range(12)), end=bytes(range(12, 24))),
        EntrySelection(first=1, last=48, first_column=2, last_column=3),
    ],
)
def test_a_selection_reaches_the_meter(selection):
    wire = wire_of()
    wire.opened()
    wire.client.get(BUFFER, selection)
    wire.exchange()
    assert wire.meter_events[-1] == GetRequested(BUFFER, selection)


def test_values_may_be_typed_or_raw():
    wire = wire_of(value=axdr.encode(axdr.u16(7)))
    wire.opened()
    wire.client.get(CLOCK)
    (got,) = wire.exchange()
    assert got.data() == axdr.u16(7)
    wire.client.set(CLOCK, axdr.u16(7))
    wire.exchange()
    assert wire.meter_events[-1].data() == axdr.u16(7)
    wire.client.action(DISCONNECT)
    wire.exchange()
    assert wire.meter_events[-1] == ActionRequested(DISCONNECT, None)


def asked(wire, ask):
    """Hand one request to the meter without answering it."""
    ask()
    wire.meter.receive_data(wire.client.data_to_send())
    return events_of(wire.meter)


def answered(wire):
    wire.client.receive_data(wire.meter.data_to_send())
    return events_of(wire.client)


def test_refusals_of_single_services_leave_the_association_open():
    wire = wire_of()
    wire.opened()
    asked(wire, lambda: wire.client.get(BUFFER))
    wire.meter.answer_get(DataAccessResult.READ_WRITE_DENIED)
    assert answered(wire) == [GetFailed(DataAccessResult.READ_WRITE_DENIED)]
    asked(wire, lambda: wire.client.set(CLOCK, b"\x00"))
    wire.meter.answer_set(DataAccessResult.TYPE_UNMATCHED)
    assert answered(wire) == [SetDone(DataAccessResult.TYPE_UNMATCHED)]
    asked(wire, lambda: wire.client.action(DISCONNECT))
    wire.meter.answer_action(ActionResult.OBJECT_UNDEFINED)
    assert answered(wire) == [ActionDone(ActionResult.OBJECT_UNDEFINED, None)]
    exception = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)
    asked(wire, lambda: wire.client.get(BUFFER))
    wire.meter.report_exception(exception)
    assert answered(wire) == [ServiceRefused(exception)]
    wire.client.get(BUFFER)
    assert wire.exchange() == [GetSucceeded(LOAD_PROFILE)]


@pytest.mark.parametrize("ciphering", Ciphering)
def test_a_notification_may_come_between_question_and_answer(ciphering):
    wire = wire_of(ciphering=ciphering)
    wire.opened()
    asked(wire, lambda: wire.client.get(BUFFER))
    wire.meter.notify(DataNotification(invoke_id=3, instant=None, octets=b"\x11\x05"))
    wire.meter.answer_get(b"\x11\x01")
    assert answered(wire) == [NotificationReceived(3, None, b"\x11\x05"), GetSucceeded(b"\x11\x01")]


def test_a_client_without_block_transfer_gets_a_refusal_for_a_long_value():
    wire = wire_of(Mechanism.NONE, Ciphering.NONE)
    wire.client.open()
    request = wire.client.data_to_send().replace(bytes.fromhex("005E9F"), bytes.fromhex("004E9F"))
    wire.meter.receive_data(request)
    events_of(wire.meter)
    answered(wire)
    wire.client.get(BUFFER)
    assert wire.exchange() == [GetFailed(DataAccessResult.OTHER_REASON)]


def test_counters_are_told_for_both_sides():
    wire = wire_of()
    whole_session(wire)
    # AARQ, proof, its ACTION, GET, two NEXT, SET, ACTION, RLRQ
    assert wire.client.next_invocation_counter == 10
    assert wire.meter.last_accepted_counter == 9
    assert wire.meter.next_invocation_counter == 7 + 9


def test_a_public_session_spends_no_counter():
    wire = wire_of(Mechanism.NONE, Ciphering.NONE)
    whole_session(wire)
    assert wire.client.next_invocation_counter == 1
    assert wire.meter.last_accepted_counter == -1


def test_a_meter_takes_a_public_and_then_a_ciphered_association_on_one_connection():
    public, setting = server_settings(Mechanism.NONE, Ciphering.NONE), server_settings()
    access = public.accesses[CLIENT]
    both = ServerSettings(accesses={16: access, CLIENT: setting.accesses[CLIENT]}, challenge=setting.challenge)
    first = Wire(client_settings(Mechanism.NONE, Ciphering.NONE, client_address=16), both)
    first.opened()
    first.client.release()
    assert first.exchange() == [Released()]
    second = Wire(client_settings(), both)
    second.meter = first.meter
    second.meter.start_next_association(both)
    assert whole_session(second)[-1] == Released()
    assert second.meter.client_address == CLIENT


def test_an_aarq_that_came_too_early_waits_for_the_next_association():
    wire = wire_of(Mechanism.NONE, Ciphering.NONE)
    wire.opened()
    wire.client.release()
    again = ClientAssociation(client_settings(Mechanism.NONE, Ciphering.NONE))
    again.open()
    wire.meter.receive_data(wire.client.data_to_send() + again.data_to_send())
    assert events_of(wire.meter) == [Released()]
    wire.meter.data_to_send()
    wire.meter.start_next_association(server_settings(Mechanism.NONE, Ciphering.NONE))
    (requested,) = events_of(wire.meter)
    assert requested.diagnostic is Diagnostic.NONE


REFUSALS = [
    (client_settings(client_address=99), Diagnostic.NO_REASON),
    (client_settings(Mechanism.HLS_GMAC, Ciphering.NONE), Diagnostic.CONTEXT_NOT_SUPPORTED),
    (client_settings(Mechanism.NONE), Diagnostic.MECHANISM_REQUIRED),
    (client_settings(Mechanism.LLS), Diagnostic.MECHANISM_NOT_RECOGNISED),
    (client_settings(protection=SecurityControl.ENCRYPTED), Diagnostic.AUTHENTICATION_FAILURE),
    (client_settings(invocation_counter=0), Diagnostic.AUTHENTICATION_FAILURE),
]


@pytest.mark.parametrize(("settings", "diagnostic"), REFUSALS)
def test_a_client_that_does_not_fit_is_refused(settings, diagnostic):
    wire = Wire(settings, server_settings())
    (refused,) = wire.opened()
    assert isinstance(refused, AssociationRefused)
    assert (refused.result, refused.diagnostic) == (AssociationResult.REJECTED_PERMANENT, diagnostic)
    assert refused.service_error is not None
    assert wire.client.state is wire.meter.state is State.CLOSED
    assert wire.meter_events[0].diagnostic is diagnostic


@pytest.mark.parametrize("ciphering", Ciphering)
def test_a_wrong_password_is_refused(ciphering):
    settings = client_settings(Mechanism.LLS, ciphering, secret=b"87654321")
    (refused,) = Wire(settings, server_settings(Mechanism.LLS, ciphering)).opened()
    assert refused.diagnostic is Diagnostic.AUTHENTICATION_FAILURE


@pytest.mark.parametrize("ciphering", Ciphering)
def test_a_wrong_hls_secret_is_refused_by_the_meter(ciphering):
    settings = client_settings(Mechanism.HLS_AES, ciphering, secret=b"FEDCBA9876543210")
    wire = Wire(settings, server_settings(Mechanism.HLS_AES, ciphering))
    (refused,) = wire.opened()
    assert refused.diagnostic is Diagnostic.AUTHENTICATION_FAILURE
    assert wire.meter_events[-1] == ClientProved(CLIENT, False)
    assert wire.client.state is wire.meter.state is State.CLOSED


def test_a_dedicated_key_reaches_the_meter():
    wire = wire_of(dedicated_key=bytes(range(16)))
    wire.opened()
    assert wire.meter_events[0].dedicated_key == bytes(range(16))
    assert wire.meter_events[0].client_title == CLIENT_TITLE


def test_the_expected_meter_may_be_named():
    opened = wire_of(meter_title=METER_TITLE).opened()
    assert opened[0].meter_title == METER_TITLE


@pytest.mark.parametrize(
    "wrong",
    [
        {"own": None},
        {"challenge": b"short"},
        {"meter_title": b"short"},
        {"max_pdu": 63},
        {"max_pdu": 70000},
        {"dedicated_key": b"short"},
        {"dedicated_key": bytes(16), "protection": SecurityControl.AUTHENTICATED},
        {"protection": SecurityControl.BROADCAST_KEY},
        {"protection": SecurityControl(0)},
        {"mechanism": Mechanism.LLS, "secret": None},
        {"mechanism": Mechanism.HLS_AES, "secret": b"short"},
    ],
)
def test_settings_that_cannot_work_are_our_fault(wrong):
    with pytest.raises(LocalProtocolError):
        ClientAssociation(client_settings(**wrong))


def test_a_meters_settings_that_cannot_work_are_our_fault():
    with pytest.raises(LocalProtocolError):
        ServerAssociation(server_settings(challenge=b""))
    with pytest.raises(LocalProtocolError):
        ServerAssociation(server_settings(max_pdu=1))


def test_one_set_of_settings_serves_many_visits():
    settings = client_settings(challenge=b"", invocation_counter=0, counters_left=0)
    counter = 1
    for visit in range(3):
        wire = Wire(
            client_settings(), server_settings(last_accepted_counter=counter - 1, challenge=bytes([visit] * 16))
        )
        wire.client = ClientAssociation(
            settings, challenge=bytes([99 - visit] * 16), invocation_counter=counter, counters_left=20
        )
        assert whole_session(wire)[-1] == Released()
        counter = wire.client.next_invocation_counter
    assert counter == 28
    with pytest.raises(LocalProtocolError):
        ClientAssociation(settings)


@pytest.mark.parametrize(("mechanism", "ciphering", "protection"), WAYS)
@pytest.mark.parametrize("dedicated_key", [None, bytes(16)])
def test_prepared_requests_are_what_the_general_encoder_makes(mechanism, ciphering, protection, dedicated_key):
    if dedicated_key and (ciphering is Ciphering.NONE or not protection & SecurityControl.ENCRYPTED):
        dedicated_key = None
    wire = wire_of(mechanism, ciphering, protection, dedicated_key=dedicated_key)
    events = whole_session(wire)
    assert events[-1] == Released()
    aarq = wire.sent[0][8:]
    assert decode_aarq(aarq).encode() == aarq
    rlrq = wire.sent[-1][8:]
    assert decode_release(rlrq, RLRQ).encode(RLRQ) == rlrq
