"""Ciphering under a dedicated key: ded- and general-ded, counters, and what is refused by name."""

import itertools

import pytest

from bijlighar.dlms.acse import Aarq, Diagnostic
from bijlighar.dlms.association import (
    NEED_DATA,
    Ciphering,
    ClientAssociation,
    GetSucceeded,
    Mechanism,
    NotificationReceived,
    Released,
    ServerAssociation,
    State,
)
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.errors import LocalProtocolError, NotAuthentic, NotSupported, RemoteProtocolError, Replayed
from bijlighar.dlms.notification import DataNotification
from bijlighar.dlms.security import SecurityControl
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import InitiateRequest
from dlms.wire import (
    AUTHENTICATION_KEY,
    BUFFER,
    CLIENT,
    CLIENT_TITLE,
    METER_TITLE,
    Wire,
    client_settings,
    events_of,
    material,
    server_settings,
    whole_session,
)

KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
FORMS = [Ciphering.GLO, Ciphering.GENERAL_GLO]
PROTECTIONS = [SecurityControl.ENCRYPTED, SecurityControl.AUTHENTICATED_ENCRYPTED]


def wire_of(ciphering=Ciphering.GLO, mechanism=Mechanism.HLS_GMAC, protection=PROTECTIONS[1], **others):
    client = client_settings(mechanism, ciphering, protection, dedicated_key=KEY, **others)
    return Wire(client, server_settings(mechanism, ciphering, protection))


@pytest.mark.parametrize(
    ("ciphering", "mechanism", "protection"), list(itertools.product(FORMS, Mechanism, PROTECTIONS))
)
def test_a_whole_session_under_a_dedicated_key(ciphering, mechanism, protection):
    wire = wire_of(ciphering, mechanism, protection)
    plain = Wire(
        client_settings(mechanism, ciphering, protection), server_settings(mechanism, ciphering, protection)
    )
    assert whole_session(wire) == whole_session(plain)
    openings = 2 if mechanism >= Mechanism.HLS_AES else 1
    requests = [octets[8] for octets in wire.sent[openings:-1]]
    answers = [octets[8] for octets in wire.answered[openings:-1]]
    if ciphering is Ciphering.GLO:
        assert (set(requests), set(answers)) == ({0xD0, 0xD1, 0xD3}, {0xD4, 0xD5, 0xD7})
    else:
        assert set(requests) == set(answers) == {0xDC}
    assert wire.client.next_invocation_counter == plain.client.next_invocation_counter
    assert wire.meter.next_invocation_counter == plain.meter.next_invocation_counter


def test_no_counter_is_used_twice_under_either_key():
    wire = wire_of()
    whole_session(wire)
    used = wire.client.next_invocation_counter
    assert used == 10
    assert wire.meter.last_accepted_counter == used - 1


def test_a_meter_may_still_push_under_its_global_keys():
    wire = wire_of()
    wire.opened()
    wire.client.get(BUFFER)
    wire.meter.receive_data(wire.client.data_to_send())
    events_of(wire.meter)
    wire.meter.notify(DataNotification(invoke_id=1, instant=None, octets=b"\x00"))
    wire.meter.answer_get(b"\x00")
    wire.client.receive_data(wire.meter.data_to_send())
    assert events_of(wire.client) == [NotificationReceived(1, None, b"\x00"), GetSucceeded(b"\x00")]


@pytest.mark.parametrize("ciphering", FORMS)
def test_no_flipped_bit_of_an_answer_is_accepted(ciphering):
    wire = wire_of(ciphering)
    wire.opened()
    wire.client.get(BUFFER)
    wire.value = b"\x12\x12\x34"
    assert wire.exchange() == [GetSucceeded(b"\x12\x12\x34")]
    answer = wire.answered[-1]
    for bit in range(8 * len(answer)):
        flipped = bytearray(answer)
        flipped[bit // 8] ^= 1 << bit % 8
        client = ClientAssociation(client_settings(ciphering=ciphering, dedicated_key=KEY))
        client.open()
        for octets in wire.answered[:-1]:
            client.receive_data(octets)
            events_of(client)
        client.get(BUFFER)
        client.receive_data(bytes(flipped))
        try:
            assert client.next_event() is NEED_DATA, bit
        except RemoteProtocolError:
            assert client.state is State.FAILED


@pytest.mark.parametrize("ciphering", FORMS)
def test_an_answer_is_not_taken_twice(ciphering):
    wire = wire_of(ciphering)
    wire.opened()
    wire.value = b"\x00"
    wire.client.get(BUFFER)
    wire.exchange()
    wire.client.get(BUFFER)
    wire.client.receive_data(wire.answered[-1])
    with pytest.raises(Replayed):
        wire.client.next_event()


def test_what_is_ciphered_under_a_dedicated_key_that_nobody_gave_is_refused():
    wire = Wire(client_settings(), server_settings())
    wire.opened()
    wire.client.get(BUFFER)
    wire.client.receive_data(WrapperLink(1, CLIENT).frame(b"\xdc\x08" + METER_TITLE + b"\x11\x30" + bytes(16)))
    with pytest.raises(NotAuthentic):
        wire.client.next_event()


@pytest.mark.parametrize(("tag", "name"), [(0xDD, "general-ciphering"), (0xDF, "general-signing")])
def test_what_belongs_to_other_suites_is_refused_by_name(tag, name):
    wire = Wire(client_settings(), server_settings())
    wire.opened()
    wire.client.get(BUFFER)
    wire.client.receive_data(WrapperLink(1, CLIENT).frame(bytes((tag, 0, 0, 0))))
    with pytest.raises(NotSupported, match=name):
        wire.client.next_event()
    meter = Wire(client_settings(), server_settings())
    meter.opened()
    meter.meter.receive_data(WrapperLink(CLIENT, 1).frame(bytes((tag, 0, 0, 0))))
    assert events_of(meter.meter) == []
    assert meter.meter.data_to_send()[8:].hex() == "d80202"


def test_a_dedicated_key_of_another_length_is_refused_by_both_sides():
    with pytest.raises(LocalProtocolError):
        ClientAssociation(client_settings(dedicated_key=bytes(8)))
    channel = SecureChannel(material(CLIENT_TITLE), None, 0x30, 1, 10)
    initiate = InitiateRequest(conformance=0x5E9F, max_pdu=1024, dedicated_key=bytes(8)).encode()
    aarq = Aarq(context=3, calling_title=CLIENT_TITLE, user_information=channel.seal_glo(initiate)).encode()
    meter = ServerAssociation(server_settings(Mechanism.NONE, Ciphering.GLO))
    meter.receive_data(WrapperLink(CLIENT, 1).frame(aarq))
    assert meter.next_event().diagnostic is Diagnostic.NO_REASON


def test_a_service_without_a_form_of_its_own_is_our_fault():
    channel = SecureChannel(material(CLIENT_TITLE), METER_TITLE, 0x30, 1, 10).dedicated(KEY, AUTHENTICATION_KEY)
    with pytest.raises(LocalProtocolError):
        channel.seal_glo(b"\x01\x00")


def test_the_association_ends_under_the_global_keys():
    wire = wire_of()
    wire.opened()
    wire.client.release()
    assert wire.exchange() == [Released()]
    assert b"\x21" in wire.sent[-1]
