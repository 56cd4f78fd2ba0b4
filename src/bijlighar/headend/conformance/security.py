"""Checks of protection: counters, tags, and what comes without them (security suite 0, IEC 62056-5-3)."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from bijlighar.dlms.acse import AARE, decode_aare
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.model import Quirk
from bijlighar.dlms.xdlms.get import encode_get
from bijlighar.dlms.xdlms.references import CLOCK_TIME
from bijlighar.dlms.xdlms.results import CONFIRMED_SERVICE_ERROR, EXCEPTION_RESPONSE
from bijlighar.headend.conformance.bench import Bench, Wish
from bijlighar.headend.conformance.line import Gone
from bijlighar.headend.conformance.talk import PRIORITY, Talk, declared, told
from bijlighar.headend.conformance.verdicts import Chapter, Failed, NotApplicable, Silent

SECURITY: Final = Chapter("IEC 62056-5-3, security suite 0")


def _ciphered(bench: Bench) -> Wish:
    role = bench.reading_role
    if bench.access(role).ciphering is Ciphering.NONE:
        raise NotApplicable(f"the {role} association is not ciphered")
    return Wish(role=role)


def _question(talk: Talk) -> bytes:
    return encode_get(talk.next_invoke(), CLOCK_TIME, None)


@SECURITY.check("invocation counter")
async def _a_question_heard_before_is_refused(bench: Bench) -> str:
    async with bench.open(_ciphered(bench)) as talk:
        sealed = talk.seal(_question(talk))
        talk.unseal(await talk.exchange(sealed))
        how = await talk.refusal(sealed)
        talk.spoiled = True
    return await _open_again(bench, how)


@SECURITY.check("invocation counter")
async def _an_opening_heard_before_is_refused(bench: Bench) -> str:
    async with bench.open(_ciphered(bench)) as talk:
        heard, address = talk.aarq, talk.access.client_address
    line = await bench.line()
    try:
        await line.send(heard, address)
        answer = await line.receive(address)
    except Gone:
        return "refused: the connection was closed"
    except Silent as silent:
        return f"refused: {silent.reason}"
    finally:
        line.abort()
    if answer[0] == AARE and decode_aare(answer).result == 0:
        raise Failed("the same AARQ opened an association again")
    return await _open_again(bench, f"refused: {_aare(answer)}")


@SECURITY.check("invocation counter")
async def _the_counter_of_the_meter_grows_from_answer_to_answer(bench: Bench) -> str:
    accepted: list[int] = []
    for _ in range(2):
        async with bench.open(_ciphered(bench)) as talk:
            for _ in range(3):
                await talk.value(CLOCK_TIME)
                assert talk.channel is not None, "a ciphered talk has one"
                accepted.append(talk.channel.last_accepted)
    if any(later <= earlier for earlier, later in pairwise(accepted)):
        raise Failed(f"its counters were {', '.join(map(str, accepted))}: a number came twice")
    return f"from {accepted[0]} to {accepted[-1]} over two associations"


@SECURITY.check("invocation counter")
async def _the_meter_tells_the_newest_counter_that_it_accepted(bench: Bench) -> str:
    declared(bench.has(Quirk.COUNTER_NOT_PUBLIC), "the model says that the public client is not told counters")
    wish = _ciphered(bench)
    access = bench.access(wish.role)
    async with bench.open(wish) as talk:
        await talk.value(CLOCK_TIME)
        assert talk.channel is not None, "a ciphered talk has one"
        used = talk.channel.next_counter - 1
    found = await bench.own_counter(access)
    if not used <= found <= used + 1:  # the release took one more, where the meter hears its counter
        raise Failed(f"{found} is told, {used} was the newest that it answered")
    return f"{found} is told after {used} was used"


@SECURITY.check("authentication tag")
async def _a_question_with_one_wrong_bit_in_its_tag_is_refused(bench: Bench) -> str:
    async with bench.open(_ciphered(bench)) as talk:
        if not talk.access.protection & 0x10:
            raise NotApplicable("the model's association carries no tags")
        sealed = bytearray(talk.seal(_question(talk)))
        sealed[-1] ^= 0x01
        how = await talk.refusal(bytes(sealed))
        talk.spoiled = True
    return await _open_again(bench, how)


@SECURITY.check("authentication tag")
async def _a_question_with_one_wrong_bit_of_ciphertext_is_refused(bench: Bench) -> str:
    async with bench.open(_ciphered(bench)) as talk:
        if not talk.access.protection & 0x10:
            raise NotApplicable("the model's association carries no tags")
        sealed = bytearray(talk.seal(_question(talk)))
        sealed[-14] ^= 0x01
        how = await talk.refusal(bytes(sealed))
        talk.spoiled = True
    return await _open_again(bench, how)


@SECURITY.check("security policy")
async def _a_question_without_protection_is_refused(bench: Bench) -> str:
    async with bench.open(_ciphered(bench)) as talk:
        how = await _plain_refusal(talk, encode_get(PRIORITY | 1, CLOCK_TIME, None))
        talk.spoiled = True
    return await _open_again(bench, how)


async def _plain_refusal(talk: Talk, octets: bytes) -> str:
    """As ``refusal``, but whatever is no refusal is an answer, plain or ciphered."""
    try:
        answer = await talk.exchange(octets)
    except Gone:
        return "refused: the connection was closed"
    except Silent as silent:
        return f"refused: {silent.reason}"
    if answer[0] not in (EXCEPTION_RESPONSE, CONFIRMED_SERVICE_ERROR):
        raise Failed(f"it was served: {told(answer)} came")
    return f"refused: {told(answer)}"


async def _open_again(bench: Bench, how: str) -> str:
    """The meter must be usable after what it refused."""
    async with bench.open(_ciphered(bench)):
        return how


def _aare(answer: bytes) -> str:
    if answer[0] != AARE:
        return told(answer)
    aare = decode_aare(answer)
    return f"result {aare.result}, diagnostic {aare.diagnostic}"
