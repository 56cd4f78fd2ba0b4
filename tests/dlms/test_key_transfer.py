"""Key transfer: octets, and the procedure with every crash, loss and refusal there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import LocalProtocolError, NotAuthentic, RemoteProtocolError
from bijlighar.dlms.key_transfer import (
    KeyChange,
    KeyId,
    Phase,
    transfer_method,
    transfer_parameter,
    transferred_keys,
)
from bijlighar.dlms.obis import Obis

MASTER = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def test_the_octets_are_those_of_rfc_3394_in_class_64():
    parameter = transfer_parameter({KeyId.UNICAST_ENCRYPTION: KEY}, MASTER)
    wrapped = "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"  # RFC 3394, 4.1
    assert axdr.encode(parameter).hex().upper() == "0101020216000918" + wrapped
    ref = transfer_method(Obis.parse("0.0.43.0.3.255"))
    assert (ref.class_id, ref.method) == (64, 2)


keys = st.dictionaries(st.sampled_from(KeyId), st.binary(min_size=16, max_size=16), min_size=1)


@given(keys)
def test_a_meter_unwraps_what_was_wrapped(wanted):
    octets = axdr.encode(transfer_parameter(wanted, MASTER))
    assert transferred_keys(axdr.decode(octets), MASTER) == wanted


@given(keys, st.data())
def test_no_flipped_bit_of_a_wrapped_key_is_taken(wanted, draw):
    octets = bytearray(axdr.encode(transfer_parameter(wanted, MASTER)))
    entry = draw.draw(st.integers(0, len(wanted) - 1))
    octets[2 + entry * 30 + 6 + draw.draw(st.integers(0, 23))] ^= 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(NotAuthentic):
        transferred_keys(axdr.decode(bytes(octets)), MASTER)


@pytest.mark.parametrize(
    "parameter",
    [
        axdr.u8(1),
        axdr.array([]),
        axdr.array([axdr.u8(1)]),
        axdr.array([axdr.structure([axdr.enum(3), axdr.octets(bytes(24))])]),
        axdr.array([axdr.structure([axdr.enum(0), axdr.u8(1)])]),
        axdr.array([axdr.structure([axdr.enum(0), axdr.octets(bytes(16))])]),
    ],
)
def test_what_is_no_key_transfer_is_refused(parameter):
    with pytest.raises(RemoteProtocolError):
        transferred_keys(parameter, MASTER)


def test_no_key_or_a_short_one_is_our_fault():
    for wrong in ({}, {KeyId.AUTHENTICATION: b"short"}):
        with pytest.raises(LocalProtocolError):
            transfer_parameter(wrong, MASTER)


def following(stored, in_meter):
    """Everything that can happen next: (what, stored afterwards, the meter's keys afterwards).

    A crash is the absence of what could follow; a lost request or answer leaves what was stored before it.
    """
    if stored.phase is Phase.SETTLED and stored.current == "1":
        yield "prepared", stored.prepare("2"), in_meter
    if stored.phase is Phase.PREPARED:
        yield "given up", stored.give_up(), in_meter
        sent = stored.send()
        yield "sent and lost on the way", sent, in_meter
        if in_meter == stored.current:
            yield "sent, taken, the answer lost or seen", sent, stored.pending
            yield "sent and refused, the answer lost", sent, in_meter
            yield "sent and refused", sent.refused(), in_meter
    for keys in stored.candidates:
        if keys == in_meter:
            yield f"opened with {keys}", stored.opened(keys), in_meter
            break


def test_no_sequence_of_crashes_losses_and_refusals_locks_a_meter_out():
    start = (KeyChange(current="1"), "1")
    seen, waiting, happened = {start}, [start], set()
    while waiting:
        stored, in_meter = waiting.pop()
        assert in_meter in stored.candidates, "locked out"
        if stored.phase is Phase.SETTLED:
            assert stored.current == in_meter
        for what, *reached in following(stored, in_meter):
            happened.add(what)
            state = tuple(reached)
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    assert (KeyChange(current="2"), "2") in seen
    assert len(happened) == 8
    assert {stored.phase for stored, _ in seen} == set(Phase)


def test_a_change_that_was_sent_ends_at_the_next_contact_whatever_became_of_it():
    sent = KeyChange(current="1").prepare("2").send()
    assert sent.candidates == ("2", "1")
    assert sent.opened("2") == KeyChange(current="2")
    again = sent.opened("1")
    assert again.phase is Phase.PREPARED
    assert again.candidates == ("1",)
    assert again.opened("1") == again


MOVES = {
    "prepare": lambda change: change.prepare("3"),
    "send": lambda change: change.send(),
    "refused": lambda change: change.refused(),
    "give_up": lambda change: change.give_up(),
}
LEGAL = {Phase.SETTLED: {"prepare"}, Phase.PREPARED: {"send", "give_up"}, Phase.SENT: {"refused"}}
CHANGES = [KeyChange(current="1"), KeyChange(current="1").prepare("2"), KeyChange(current="1").prepare("2").send()]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("move", MOVES)
def test_each_move_has_its_phase(change, move):
    if move in LEGAL[change.phase]:
        MOVES[move](change)
    else:
        with pytest.raises(LocalProtocolError):
            MOVES[move](change)


def test_what_cannot_be_stored_cannot_be_made():
    for wrong in (
        {"pending": "2"},
        {"phase": Phase.SENT},
        {"pending": "1", "phase": Phase.SENT},
    ):
        with pytest.raises(LocalProtocolError):
            KeyChange(current="1", **wrong)
    with pytest.raises(LocalProtocolError):
        KeyChange(current="1").opened("2")
