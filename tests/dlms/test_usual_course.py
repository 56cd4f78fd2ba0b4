"""The usual course of a client and the general machine are the same to whoever looks at them from outside.

Both are told the same: events, octets to send, faults, state, counters and title must be equal after every step,
for streams that are right, cut, joined, spoilt in any octet, repeated, swapped, and for callers that turn off.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.acse import RLRE, Release, decode_aare
from bijlighar.dlms.association import (
    NEED_DATA,
    AssociationOpened,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    GetSucceeded,
    Mechanism,
    Released,
    State,
)
from bijlighar.dlms.association.general import GeneralClient
from bijlighar.dlms.association.questions import SetQuestion
from bijlighar.dlms.axdr import encode_length
from bijlighar.dlms.channel import SecureChannel, length_and_control
from bijlighar.dlms.errors import ProtocolError
from bijlighar.dlms.limits import MAX_COUNTER
from bijlighar.dlms.notification import DataNotification
from bijlighar.dlms.security import ChallengePadding, hls_aes, hls_gmac
from bijlighar.dlms.wrapper import WrapperLink
from bijlighar.dlms.xdlms import DataAccessResult
from bijlighar.dlms.xdlms.get import GetAnswer, GetBlock
from dlms.wire import (
    BOTH,
    BUFFER,
    CLIENT,
    CLIENT_CHALLENGE,
    CLIENT_TITLE,
    CLOCK,
    LOAD_PROFILE,
    METER_TITLE,
    SECRETS,
    Wire,
    client_settings,
    material,
    server_settings,
)

WAYS = list(
    itertools.product(
        [Mechanism.LLS, Mechanism.HLS_AES, Mechanism.HLS_GMAC, Mechanism.NONE],
        [Ciphering.GLO, Ciphering.GENERAL_GLO],
    )
)
SHORT = LOAD_PROFILE[:300]
Client = ClientAssociation | GeneralClient


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is told to a client: ``pieces`` that come, and how many values it reads before it releases.

    ``heard`` the meter's counter in an association before.
    """

    settings: ClientSettings
    pieces: tuple[bytes, ...]
    reads: int = 1
    heard: int = -1


def answers(mechanism, ciphering, value=SHORT, reads=1, max_pdu=192, meter=None, **others) -> list[bytes]:
    """What a meter answers in a visit that reads ``value`` so many times."""
    wire = Wire(
        client_settings(mechanism, ciphering, max_pdu=max_pdu, **others),
        server_settings(mechanism, ciphering, **(meter or {})),
        value,
    )
    assert isinstance(wire.opened()[0], AssociationOpened)
    for _ in range(reads):
        wire.client.get(BUFFER)
        wire.exchange()
    wire.client.release()
    assert wire.exchange() == [Released()]
    return wire.answered


def told(make: Callable[..., Client], story: Story) -> list[object]:
    """Everything that can be seen of a client while ``story`` is told to it."""
    client = make(story.settings, heard=story.heard)
    seen: list[object] = []
    left = story.reads

    def look(what: object) -> None:
        seen.append(
            (what, client.state, client.next_invocation_counter, client.last_heard_counter, client.meter_title)
        )

    def ask() -> None:
        nonlocal left
        if left:
            left -= 1
            client.get(BUFFER)
        elif client.state is State.OPEN:
            client.release()

    try:
        client.open()
        for piece in story.pieces:
            look(client.data_to_send())
            client.receive_data(piece)
            while (event := client.next_event()) is not NEED_DATA:
                look(event)
                if isinstance(event, AssociationOpened | GetSucceeded):
                    ask()
        look(client.data_to_send())
        client.connection_lost()
        look("connection lost")
        client.next_event()
    except ProtocolError as fault:
        look((type(fault), str(fault), client.data_to_send()))
        with pytest.raises(ProtocolError) as again:
            client.next_event()
        look((type(again.value), str(again.value)))
    return seen


def same(story: Story) -> list[object]:
    seen = told(ClientAssociation, story)
    assert seen == told(GeneralClient, story)
    return seen


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
@pytest.mark.parametrize("title", [None, METER_TITLE])
def test_a_whole_visit_goes_the_usual_course(mechanism, ciphering, title):
    settings = client_settings(mechanism, ciphering, max_pdu=192, meter_title=title)
    pieces = answers(mechanism, ciphering, reads=2)
    seen = same(Story(settings=settings, pieces=tuple(pieces), reads=2))
    assert [what for what, *_ in seen if what == GetSucceeded(SHORT)] == [GetSucceeded(SHORT)] * 2
    client = ClientAssociation(settings)
    client.open()
    for piece in pieces:
        client.receive_data(piece)
        while (event := client.next_event()) is not NEED_DATA:
            if isinstance(event, AssociationOpened):
                client.get(BUFFER)
            elif isinstance(event, GetSucceeded):
                client.release()
        assert client._general is None, "nothing of this needs the general machine"
        if client.state is State.RELEASING:
            break


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
@pytest.mark.parametrize(
    "size", [1, 2, 9, 80, 88, 89, 90, 95, 96, 97, 105, 106, 107, 120, 127, 128, 129, 220, 260]
)
@pytest.mark.parametrize("max_pdu", [0xFFFF, 512, 130])
def test_values_of_every_length_of_length_go_the_usual_course(ciphering, size, max_pdu):
    value = random.Random(size).randbytes(size)
    settings = client_settings(Mechanism.LLS, ciphering, max_pdu=max_pdu)
    pieces = answers(Mechanism.LLS, ciphering, value, max_pdu=max_pdu)
    seen = same(Story(settings=settings, pieces=tuple(pieces)))
    assert GetSucceeded(value) in [what for what, *_ in seen]


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
def test_any_spoilt_octet_of_any_frame(mechanism, ciphering):
    settings = client_settings(mechanism, ciphering, max_pdu=192)
    pieces = answers(mechanism, ciphering)
    for number, piece in enumerate(pieces):
        for at in range(len(piece)):
            spoilt = piece[:at] + bytes([piece[at] ^ (1 << at % 8)]) + piece[at + 1 :]
            same(Story(settings=settings, pieces=(*pieces[:number], spoilt, *pieces[number + 1 :])))


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
def test_frames_cut_anywhere_joined_repeated_left_out_or_swapped(mechanism, ciphering):
    settings = client_settings(mechanism, ciphering, max_pdu=192)
    pieces = tuple(answers(mechanism, ciphering))
    for number, piece in enumerate(pieces):
        before, behind = pieces[:number], pieces[number + 1 :]
        for at in range(1, len(piece)):
            seen = same(Story(settings=settings, pieces=(*before, piece[:at], piece[at:], *behind)))
            assert Released() in [what for what, *_ in seen]
        for others in (
            behind,
            (piece, piece, *behind),
            (piece + piece, *behind),
            (piece[:-1],),
            (piece + b"\0", *behind),
            (*behind[:1], piece, *behind[1:]),
            (piece + b"".join(behind[:1]), *behind[1:]),
            (b"", piece, *behind),
        ):
            same(Story(settings=settings, pieces=(*before, *others)))
    same(Story(settings=settings, pieces=(b"".join(pieces),)))
    same(Story(settings=settings, pieces=tuple(bytes([octet]) for octet in b"".join(pieces))))


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
@pytest.mark.parametrize("count", range(10))
def test_a_reserved_block_that_ends_anywhere(mechanism, ciphering, count):
    pieces = tuple(answers(mechanism, ciphering))
    same(Story(settings=client_settings(mechanism, ciphering, max_pdu=192, counters_left=count), pieces=pieces))
    near = client_settings(
        mechanism, ciphering, max_pdu=192, invocation_counter=MAX_COUNTER + 1 - count, counters_left=1000
    )
    same(Story(settings=near, pieces=pieces))


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
@pytest.mark.parametrize("heard", [*range(-1, 15), MAX_COUNTER])
def test_an_association_before_in_which_the_meter_was_heard(mechanism, ciphering, heard):
    pieces = tuple(answers(mechanism, ciphering))
    settings = client_settings(mechanism, ciphering, max_pdu=192)
    same(Story(settings=settings, pieces=pieces, heard=heard))
    same(Story(settings=settings, pieces=(*pieces[:2], pieces[0], *pieces[2:]), heard=heard))


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
@pytest.mark.parametrize("title", [CLIENT_TITLE, b"another!", METER_TITLE])
def test_titles_that_are_expected_or_our_own(mechanism, ciphering, title):
    pieces = tuple(answers(mechanism, ciphering))
    same(Story(settings=client_settings(mechanism, ciphering, max_pdu=192, meter_title=title), pieces=pieces))


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_AES, Mechanism.HLS_GMAC])
@pytest.mark.parametrize(
    "challenge", [CLIENT_CHALLENGE, b"", bytes(7), bytes(8), bytes(15), bytes(17), bytes(64), bytes(65), None]
)
def test_challenges_that_are_reflected_or_of_another_length(mechanism, challenge):
    first, *others = answers(mechanism, Ciphering.GLO)
    aare = decode_aare(first[8:])
    aare.authentication_value = challenge
    same(
        Story(
            settings=client_settings(mechanism, Ciphering.GLO, max_pdu=192),
            pieces=(framed(aare.encode()), *others),
        )
    )


def framed(apdu: bytes) -> bytes:
    """``apdu`` as the meter sends it."""
    return WrapperLink(1, CLIENT).frame(apdu)


def meter_channel(protection: int = BOTH, first: int = 500) -> SecureChannel:
    return SecureChannel(material(METER_TITLE), CLIENT_TITLE, protection, first, 100)


def piece_of(number: int, octets: bytes, **others: object) -> bytes:
    fields = {"invoke": 0xC2, "last": False, "number": number, "piece": octets}
    return GetBlock(**{**fields, **others}).encode()  # type: ignore[arg-type]


ODD_ANSWERS = {
    "a block of the right number": [piece_of(1, b"\x09" * 30), piece_of(2, b"1", last=True)],
    "another number": [piece_of(2, b"\x09" * 30)],
    "a number twice": [piece_of(1, b"\x09" * 30), piece_of(1, b"\x09" * 30)],
    "another question": [piece_of(1, b"\x09" * 30, invoke=0xC3)],
    "a lower priority": [piece_of(1, b"\x09" * 30, invoke=0x42), piece_of(2, bytes(300), last=True, invoke=2)],
    "an empty block": [piece_of(1, b"")],
    "an empty last block": [piece_of(1, b"12"), piece_of(2, b"", last=True)],
    "a refusal": [GetAnswer(0xC2, None, DataAccessResult.OBJECT_UNAVAILABLE).encode()],
    "a refusal that is not known": [b"\xc4\x01\xc2\x01\x63"],
    "a refusal among blocks": [
        piece_of(1, b"12"),
        piece_of(2, b"", piece=None, result=DataAccessResult.LONG_GET_ABORTED),
    ],
    "a whole value among blocks": [piece_of(1, b"12"), GetAnswer(0xC2, b"\x11\x01").encode()],
    "a whole value": [GetAnswer(0xC2, b"\x11\x01").encode()],
    "a whole value of another question": [GetAnswer(0xC4, b"\x11\x01").encode()],
    "a value of nothing": [b"\xc4\x01\xc2\x00"],
    "a length that is too long": [b"\xc4\x02\xc2\x01\x00\x00\x00\x01\x00\x05\x01\x02\x03"],
    "a length that is too short": [b"\xc4\x02\xc2\x01\x00\x00\x00\x01\x00\x02\x01\x02\x03"],
    "a length longer than need be": [b"\xc4\x02\xc2\x01\x00\x00\x00\x01\x00\x82\x00\x03\x01\x02\x03"],
    "last told by another number": [b"\xc4\x02\xc2\x07\x00\x00\x00\x01\x00\x03\x01\x02\x03"],
    "a head alone": [b"\xc4\x02\xc2\x01\x00\x00\x00\x01\x00"],
    "a list": [b"\xc4\x03\xc2\x01\x00\x11\x01"],
    "a choice that is not known": [b"\xc4\x09\xc2\x01\x00\x00\x00\x01\x00\x03\x01\x02\x03"],
    "an answer to another service": [b"\xc5\x01\xc2\x00", b"\xc7\x01\xc2\x00\x00"],
    "a tag alone": [b"\xc4"],
    "an event": [b"\xc2\x00\x00\x08\x00\x00\x01\x00\x00\xff\x02\x11\x01"],
}


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_answers_that_are_sealed_right_and_odd_inside(ciphering, odd):
    channel = meter_channel()
    seal = channel.seal_glo if ciphering is Ciphering.GLO else channel.seal_general
    opening = answers(Mechanism.HLS_GMAC, ciphering)[:2]
    settings = client_settings(ciphering=ciphering, max_pdu=192)
    same(Story(settings=settings, pieces=(*opening, *map(framed, map(seal, ODD_ANSWERS[odd])))))


@pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS_GMAC])
def test_a_meter_under_our_own_title(mechanism):
    opening, *others = answers(mechanism, Ciphering.GLO)
    channel = SecureChannel(material(CLIENT_TITLE), METER_TITLE, BOTH, 500, 100)
    aare = decode_aare(opening[8:])
    aare.responding_title = CLIENT_TITLE
    aare.user_information = channel.seal_glo(ODD_INFORMATION["right"])
    for title in (None, CLIENT_TITLE):
        settings = client_settings(mechanism, Ciphering.GLO, max_pdu=192, meter_title=title)
        same(Story(settings=settings, pieces=(framed(aare.encode()), *others)))


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
@pytest.mark.parametrize("form", [Ciphering.GLO, Ciphering.GENERAL_GLO])
@pytest.mark.parametrize("protection", [0x10, 0x20, 0x30])
def test_answers_under_another_protection_or_in_another_form(ciphering, form, protection):
    channel = meter_channel(protection)
    seal = channel.seal_glo if form is Ciphering.GLO else channel.seal_general
    opening = answers(Mechanism.HLS_GMAC, ciphering)[:2]
    settings = client_settings(ciphering=ciphering, max_pdu=192)
    for plain in (
        GetAnswer(0xC2, b"\x11\x01").encode(),
        piece_of(1, bytes(400)),
        piece_of(1, bytes(90)),
        piece_of(1, bytes(2000)),
    ):
        same(Story(settings=settings, pieces=(*opening, framed(seal(plain)))))


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
def test_a_tag_that_does_not_fit_a_length_longer_than_need_be_and_other_controls(ciphering):
    opening = answers(Mechanism.HLS_GMAC, ciphering)[:2]
    settings = client_settings(ciphering=ciphering, max_pdu=0xFFFF)
    for size in (2, 100, 300):
        channel = meter_channel()
        sealed = channel.seal(GetAnswer(0xC2, b"\x09" + bytes(size)).encode())
        tag = b"\xcc" if ciphering is Ciphering.GLO else b"\xdb\x08" + METER_TITLE
        held = len(sealed) + 1
        tags = tag, b"\xcd", b"\xcf", b"\xd4", b"\xdb\x08" + CLIENT_TITLE, b"\xdb\x07" + METER_TITLE
        two = held.to_bytes(2, "big")
        lengths = two[1:], b"\x81" + two[1:], b"\x82" + two, b"\x84" + two, b"\x80"
        for begins, length, control in itertools.product(
            tags, lengths, (0x30, 0x31, 0x70, 0xB0, 0x00, 0x10, 0x20)
        ):
            apdu = begins + length + bytes([control]) + sealed
            same(Story(settings=settings, pieces=(*opening, framed(apdu))))


ODD_INFORMATION = {
    "right": b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\x04\xc8\x00\x07",
    "with a quality": b"\x08\x01\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\x04\xc8\x00\x07",
    "too small a PDU": b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\x00\x01\x00\x07",
    "small enough to forbid the question": b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\x00\x30\x00\x07",
    "no limit": b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\x00\x00\x00\x07",
    "another name": b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\x04\xc8\x00\x08",
    "another service": b"\xc4\x01\xc1\x00\x11\x01",
    "one octet": b"\x08",
    "too long": b"\x08" + bytes(90),
}


@pytest.mark.parametrize("odd", ODD_INFORMATION)
@pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS_GMAC])
@pytest.mark.parametrize("first", [0, 1, 500])
def test_openings_and_releases_that_are_sealed_right_and_odd_inside(odd, mechanism, first):
    opening, *others, release = answers(mechanism, Ciphering.GLO)
    settings = client_settings(mechanism, Ciphering.GLO, max_pdu=192)
    for tag, form in itertools.product((0x28, 0xDB, 0x2F, 0xCC), (Ciphering.GLO, Ciphering.GENERAL_GLO)):
        channel = meter_channel(first=first)
        plain = ODD_INFORMATION[odd]
        sealed = (
            channel.seal_general(plain)
            if form is Ciphering.GENERAL_GLO
            else b"\x28" + length_and_control(len(plain), BOTH) + channel.seal(plain)
        )
        aare = decode_aare(opening[8:])
        for information in (bytes([tag]) + sealed[1:], plain, b"", None):
            aare.user_information = information
            same(Story(settings=settings, pieces=(framed(aare.encode()), *others, release)))
            for reason in (0, 1, None):
                rlre = framed(Release(reason, information).encode(RLRE))
                same(Story(settings=settings, pieces=(opening, *others, rlre)))


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
@pytest.mark.parametrize("mechanism", [Mechanism.HLS_AES, Mechanism.HLS_GMAC])
def test_proofs_that_are_sealed_right_and_odd_inside(mechanism, ciphering):
    opening, _, *others = answers(mechanism, ciphering)
    settings = client_settings(mechanism, ciphering, max_pdu=192)
    right = hls_gmac(material(METER_TITLE).suite, METER_TITLE, 9, CLIENT_CHALLENGE)
    if mechanism is Mechanism.HLS_AES:
        right = hls_aes(SECRETS[mechanism], CLIENT_CHALLENGE)
    for octets in (right, right[:-1], right + b"\0", right[:-1] + b"\0", b"\x20" + right[1:], b"", bytes(200)):
        for invoke, result, head in itertools.product(
            (0xC1, 0x41, 0xC2), (0, 1), (b"\x01\x00\x09", b"\x00", b"\x01\x01")
        ):
            channel = meter_channel(first=8)
            seal = channel.seal_glo if ciphering is Ciphering.GLO else channel.seal_general
            apdu = bytes((0xC7, 1, invoke, result)) + head + encode_length(len(octets)) + octets
            same(Story(settings=settings, pieces=(opening, framed(seal(apdu)), *others)))
    for held in (0, 1, len(right) - 1, len(right) + 1):
        channel = meter_channel(first=8)
        seal = channel.seal_glo if ciphering is Ciphering.GLO else channel.seal_general
        apdu = b"\xc7\x01\xc1\x00\x01\x00\x09" + encode_length(len(right)) + (right + b"\0")[:held]
        same(Story(settings=settings, pieces=(opening, framed(seal(apdu)), *others)))


def test_a_value_that_never_ends():
    settings = client_settings(max_pdu=0xFFFF)
    channel = meter_channel()
    block = bytes(60_000)
    pieces = [framed(channel.seal_general(piece_of(number, block))) for number in range(1, 99)]
    opening = answers(Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO)[:2]
    seen = same(Story(settings=settings, pieces=(*opening, *pieces)))
    assert "a value of" in str(seen[-1])


def test_another_padding_another_secret_and_other_addresses():
    for others in (
        {"padding": ChallengePadding.ZEROS},
        {"secret": b"another secret!!"},
        {"client_address": 16},
        {"server_address": 7},
        {"max_pdu": 128},
        {"protection": 0x10},
        {"protection": 0x20},
    ):
        settings = client_settings(Mechanism.HLS_AES, Ciphering.GLO, **{"max_pdu": 192, **others})
        same(Story(settings=settings, pieces=tuple(answers(Mechanism.HLS_AES, Ciphering.GLO))))


@pytest.mark.parametrize("ciphering", [Ciphering.GLO, Ciphering.GENERAL_GLO])
def test_other_priorities_refusals_and_notifications(ciphering):
    def visit(client: Client) -> list[object]:
        wire = Wire(client_settings(ciphering=ciphering), server_settings(ciphering=ciphering))
        wire.client = client
        seen: list[object] = wire.opened()
        for number in range(6):
            client.get(CLOCK)
            wire.meter.receive_data(client.data_to_send())
            wire.meter.next_event()
            if number % 3 == 0:
                wire.meter.notify(DataNotification(invoke_id=number, instant=None, octets=b"\x12\x00\x01"))
            wire.meter.answer_get(DataAccessResult.OTHER_REASON if number % 2 else b"\x12\x00\x02")
            client.receive_data(wire.meter.data_to_send())
            while (event := client.next_event()) is not NEED_DATA:
                seen.append(event)
        client.release()
        return [*seen, *wire.exchange(), client.next_invocation_counter]

    settings = client_settings(ciphering=ciphering)
    assert visit(ClientAssociation(settings)) == visit(GeneralClient(settings))


TURNINGS: dict[str, Callable[[Client], object]] = {
    "open": lambda client: client.open(),
    "get": lambda client: client.get(CLOCK),
    "set": lambda client: client.ask(SetQuestion(((CLOCK, b"\x12\x00\x01"),), listed=False)),
    "release": lambda client: client.release(),
    "lost": lambda client: client.connection_lost(),
    "link": lambda client: client.link.peer_address,
}


def turned(
    client: Client, turning: Callable[[Client], object], before: list[bytes], behind: list[bytes]
) -> object:
    """What is seen when a caller does something else after the answers ``before``."""
    seen: list[object] = []

    def look(step: Callable[[], object]) -> None:
        try:
            seen.append(step())
        except ProtocolError as fault:
            seen.append((type(fault), str(fault)))
        seen.append((client.state, client.next_invocation_counter, client.meter_title))

    look(client.open)
    for number, piece in enumerate(before, 1):
        look(client.data_to_send)
        client.receive_data(piece)
        look(client.next_event)
        if client.state is State.OPEN:
            look((lambda: client.get(BUFFER)) if number < 3 else client.release)
    look(lambda: turning(client))
    for piece in (b"", *behind):
        client.receive_data(piece)
        look(client.next_event)
        look(client.data_to_send)
    return seen


@pytest.mark.parametrize(("mechanism", "ciphering"), WAYS)
@pytest.mark.parametrize("turning", TURNINGS)
def test_a_caller_that_turns_off_anywhere(mechanism, ciphering, turning):
    pieces = answers(mechanism, ciphering)
    settings = client_settings(mechanism, ciphering, max_pdu=192)
    for after in range(len(pieces) + 1):
        told_to = TURNINGS[turning], pieces[:after], pieces[after:]
        assert turned(ClientAssociation(settings), *told_to) == turned(GeneralClient(settings), *told_to)


RECORDED = {way: tuple(answers(*way)) for way in WAYS}


@given(st.data())
def test_whatever_comes(data):
    way = data.draw(st.sampled_from(WAYS))
    stream = bytearray(b"".join(RECORDED[way]))
    for _ in range(data.draw(st.integers(0, 3))):
        at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(stream))] * 2)))
        stream[at : min(end, at + 40)] = data.draw(st.binary(max_size=40))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = tuple(bytes(stream[a:b]) for a, b in itertools.pairwise([0, *cuts, len(stream)]))
    same(Story(settings=client_settings(*way, max_pdu=192), pieces=pieces))
