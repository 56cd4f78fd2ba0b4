"""Checks of the HDLC link below the association (IEC 62056-46): calls, check sequences, windows, leave.

Made only where a meter is reached over HDLC. Whatever must be met by silence is waited for as long as an answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bijlighar.dlms.acse import AARE, decode_aare
from bijlighar.dlms.hdlc.frames import POLL, Frame, Kind, check_sequence, server_octets
from bijlighar.dlms.hdlc.negotiation import Agreement
from bijlighar.dlms.hdlc.sequence import LLC_REQUEST, segments
from bijlighar.dlms.xdlms.get import encode_get
from bijlighar.headend.conformance.bench import Bench
from bijlighar.headend.conformance.line import Gone
from bijlighar.headend.conformance.services import OBJECT_LIST
from bijlighar.headend.conformance.station import OPENING, Station, station, told
from bijlighar.headend.conformance.talk import PRIORITY
from bijlighar.headend.conformance.verdicts import Chapter, Failed, Silent

HDLC: Final = Chapter("IEC 62056-46")
DEFAULTS: Final = Agreement()
_OFFERED: Final = Agreement(send_octets=128, receive_octets=64, send_window=1, receive_window=3)
"""Fields of 64 octets, three at a time: a meter's list of objects does not fit one turn."""
_SMALL_OCTETS: Final = 12
"""Fields of a question that is cut in many: any meter takes shorter ones than were agreed."""
_STRANGER: Final = 119
"""A logical, and where there is one a physical device that no meter has."""
_UNKNOWN_CONTROL: Final = 0xEF
"""A control octet that the standard gives to nothing, its poll bit not set."""


@HDLC.check("SNRM and UA")
async def _a_call_is_answered_and_no_more_is_agreed_than_was_offered(bench: Bench) -> str:
    async with station(bench) as caller:
        theirs = await caller.call(_OFFERED)
        pairs = (
            ("octets in its frames", theirs.send_octets, _OFFERED.receive_octets),
            ("octets in ours", theirs.receive_octets, _OFFERED.send_octets),
            ("frames at once", theirs.send_window, _OFFERED.receive_window),
            ("frames of ours at once", theirs.receive_window, _OFFERED.send_window),
        )
        for what, came, offered in pairs:
            if came > offered:
                raise Failed(f"UA says {came} {what}, {offered} were offered")
    return ", ".join(f"{came} {what}" for what, came, _ in pairs)


@HDLC.check("SNRM and UA")
async def _a_call_without_parameters_means_128_octets_and_one_frame_at_a_time(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        return await _long_answer(caller, DEFAULTS)


@HDLC.check("window and segmentation")
async def _a_long_answer_keeps_to_the_window_and_the_length_that_were_offered(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call(_OFFERED)
        return await _long_answer(caller, _OFFERED)


@HDLC.check("segmentation")
async def _a_question_in_many_segments_is_joined(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        _judge_opened(await caller.exchange(OPENING, _SMALL_OCTETS))
    pieces = len(list(segments(LLC_REQUEST + OPENING, _SMALL_OCTETS)))
    return f"{pieces} segments of at most {_SMALL_OCTETS} octets, answered as one"


@HDLC.check("frame check sequence")
async def _a_frame_with_a_wrong_check_sequence_is_not_heard(bench: Bench) -> str:
    async with station(bench) as caller:
        octets = bytearray(caller.frame(Kind.SNRM | POLL).encode())
        octets[-2] ^= 0x01
        await _silence(caller, bytes(octets))
    return await _called(bench, "silence; the right frame is answered")


@HDLC.check("header check sequence")
async def _a_frame_with_a_wrong_header_check_is_not_heard(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        right = caller.question(OPENING)
        await _silence(caller, _with_wrong_header_check(right))
        await caller.say(right.encode())
        caller.sent = 1
        _judge_opened(await caller.answer())
    return "silence; the right frame is answered"


@HDLC.check("addresses")
async def _a_frame_for_another_station_is_not_answered(bench: Bench) -> str:
    hdlc = bench.hdlc
    assert hdlc is not None, "checks of HDLC are made over HDLC"
    physical = None if hdlc.physical_address is None else _STRANGER
    async with station(bench) as caller:
        other = server_octets(_STRANGER, physical, hdlc.address_octets)
        await _silence(caller, replace(caller.frame(Kind.SNRM | POLL), destination=other).encode())
    return await _called(
        bench, f"address {other.hex().upper()} stays silent, {caller.meter.hex().upper()} answers"
    )


@HDLC.check("flags")
async def _flags_between_frames_are_passed_over(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call(lead=b"\x7e" * 9)
    return "called behind nine flags"


@HDLC.check("RR")
async def _a_poll_without_a_question_is_answered_by_ready(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        answer = await caller.ask(caller.frame(Kind.RR | POLL))
    if answer.kind not in (Kind.RR, Kind.RNR) or not answer.poll or answer.received:
        raise Failed(f"RR is answered by {told(answer)}, number {answer.received}")
    return f"{told(answer)} 0"


@HDLC.check("sequence numbers")
async def _a_question_said_twice_is_answered_once(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        asked = caller.question(OPENING)
        _judge_opened(await _answered(caller, asked))
        again = replace(asked, control=caller.expected << 5 | asked.control & 0x1F)
        frame = await caller.ask(again)
    if frame.kind is Kind.I:
        raise Failed("the same I frame was answered a second time")
    if frame.kind not in (Kind.RR, Kind.RNR) or frame.received != 1:
        raise Failed(f"the same I frame again is answered by {told(frame)}, number {frame.received}")
    return f"{told(frame)} 1 to the second"


@HDLC.check("sequence numbers")
async def _an_answer_that_did_not_arrive_is_said_again(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        first = await _answered(caller, caller.question(OPENING))
        caller.expected = 0
        await caller.say(caller.frame(Kind.RR | POLL).encode())
        if await caller.answer() != first:
            raise Failed("another answer came the second time")
    return "the same octets under the same number"


@HDLC.check("SNRM")
async def _a_call_within_a_link_begins_it_anew(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        _judge_opened(await _answered(caller, caller.question(OPENING)))
        await caller.call()
        _judge_opened(await _answered(caller, caller.question(OPENING)))
    return "numbers at nought, opened a second time"


@HDLC.check("NDM, normal disconnected mode")
async def _a_question_without_a_call_is_not_served(bench: Bench) -> str:
    async with station(bench) as caller:
        return await _not_served(caller)


@HDLC.check("DISC")
async def _a_leave_is_answered_and_then_nothing_is_served(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        answer = await caller.ask(caller.frame(Kind.DISC | POLL))
        if answer.kind is not Kind.UA:
            raise Failed(f"DISC is answered by {told(answer)}")
        try:
            how = await _not_served(caller)
        except Gone:
            how = "the connection is closed"
    return await _called(bench, f"UA; then {how}")


@HDLC.check("FRMR")
async def _a_frame_that_does_not_exist_is_not_answered_as_if_it_did(bench: Bench) -> str:
    async with station(bench) as caller:
        await caller.call()
        await caller.say(caller.frame(_UNKNOWN_CONTROL).encode())
        try:
            answer = await caller.hear()
        except (Silent, Gone) as nothing:
            how = nothing.reason
        else:
            if answer.kind not in (Kind.FRMR, Kind.DM):
                raise Failed(f"control {_UNKNOWN_CONTROL:02X}h is answered by {told(answer)}")
            how = told(answer)
    return await _called(bench, f"{how}; the meter can be called again")


async def _long_answer(caller: Station, offered: Agreement) -> str:
    """The list of objects to the public client: how it came, when it kept to what was offered."""
    octets = caller.agreement.send_octets
    _judge_opened(await caller.exchange(OPENING, octets))
    answer = await caller.exchange(encode_get(PRIORITY | 1, OBJECT_LIST, None), octets)
    longest = max(size for turn in caller.turns for size in turn)
    most = max(map(len, caller.turns))
    if longest > offered.receive_octets:
        raise Failed(f"a frame carries {longest} octets, {offered.receive_octets} were offered")
    if most > offered.receive_window:
        raise Failed(f"{most} frames came at once, {offered.receive_window} were offered")
    frames = sum(map(len, caller.turns))
    return f"{len(answer)} octets in {frames} frames of at most {longest}, at most {most} at once"


async def _answered(caller: Station, question: Frame) -> bytes:
    await caller.say(question.encode())
    caller.sent = 1
    return await caller.answer()


def _judge_opened(answer: bytes) -> None:
    if answer[0] != AARE or decode_aare(answer).result != 0:
        raise Failed("the public client was not let in")


async def _silence(caller: Station, octets: bytes) -> None:
    """Nothing may come. Raises Failed when a frame does."""
    await caller.say(octets)
    try:
        frame = await caller.hear()
    except Silent:
        return
    raise Failed(f"it was answered by {told(frame)}")


async def _not_served(caller: Station) -> str:
    """How a question is turned away where there is no link."""
    await caller.say(caller.question(OPENING).encode())
    try:
        frame = await caller.hear()
    except Silent:
        return "silence"
    if frame.kind is not Kind.DM:
        raise Failed(f"a question without a link is answered by {told(frame)}")
    return "DM"


async def _called(bench: Bench, how: str) -> str:
    """The meter must be there after what it did not answer."""
    async with station(bench) as caller:
        await caller.call()
    return how


def _with_wrong_header_check(frame: Frame) -> bytes:
    """The frame with one wrong bit in its header check, and a right check sequence over all of it."""
    body = bytearray(frame.encode()[1:-3])
    body[-len(frame.information) - 1] ^= 0x01
    return b"\x7e" + bytes(body) + check_sequence(bytes(body)) + b"\x7e"
