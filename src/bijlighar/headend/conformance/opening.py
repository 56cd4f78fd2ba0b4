"""Checks of opening and closing: associations, mechanisms, proofs, who is let in, and who is not."""

from __future__ import annotations

from typing import Final

from bijlighar.dlms.acse import LN_CIPHERED_CONTEXT, LN_CONTEXT
from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.limits import MIN_PDU_OCTETS
from bijlighar.dlms.xdlms.references import CLOCK_TIME
from bijlighar.headend.associating import PUBLIC, SETTING
from bijlighar.headend.conformance.bench import Bench, Wish
from bijlighar.headend.conformance.line import Gone
from bijlighar.headend.conformance.talk import Talk
from bijlighar.headend.conformance.verdicts import Chapter, Failed, NotApplicable, Silent

OPENING: Final = Chapter("IEC 62056-5-3")
_STRANGERS: Final = (3, 111, 119)
"""Client addresses that IS 15959 gives to nobody; the first that the model does not use is tried."""


@OPENING.check("COSEM-OPEN")
async def _the_public_client_is_let_in_without_a_secret(bench: Bench) -> str:
    async with bench.open(Wish(role=PUBLIC)) as talk:
        return _granted(talk)


@OPENING.check("COSEM-OPEN")
async def _the_reading_client_is_let_in_by_its_mechanism(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        _judge_names(talk)
        return _granted(talk)


@OPENING.check("COSEM-OPEN, HLS")
async def _the_setting_client_and_the_meter_prove_themselves_to_each_other(bench: Bench) -> str:
    async with bench.open(Wish(role=SETTING)) as talk:
        _judge_names(talk)
        return f"mechanism {int(talk.access.mechanism)}; {_granted(talk)}"


@OPENING.check("xDLMS InitiateResponse")
async def _nothing_is_granted_that_was_not_proposed(bench: Bench) -> str:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        assert talk.initiate is not None, "an open talk has one"
        beyond = talk.initiate.conformance & ~talk.offered.conformance
        if beyond:
            raise Failed(f"conformance bits {beyond:06X}h were granted and not proposed")
        size = talk.initiate.max_pdu
        if 0 < size < MIN_PDU_OCTETS:
            raise Failed(f"the meter receives {size} octets: less than one request")
        return f"conformance {talk.initiate.conformance:06X}h, the meter receives {size} octets"


@OPENING.check("authentication")
async def _a_wrong_password_is_refused(bench: Bench) -> str:
    role = bench.reading_role
    access = bench.access(role)
    if access.mechanism is not Mechanism.LLS:
        raise NotApplicable(f"the {role} association has no password")
    wrong = bytes(octet ^ 0x01 for octet in bench.keys.reader_secret)
    return await bench.refused(Wish(role=role, secret=wrong))


@OPENING.check("authentication")
async def _a_client_that_leaves_its_mechanism_out_is_refused(bench: Bench) -> str:
    role = bench.reading_role
    if bench.access(role).mechanism is Mechanism.NONE:
        raise NotApplicable(f"the {role} association has no mechanism")
    return await bench.refused(Wish(role=role, mechanism=Mechanism.NONE))


@OPENING.check("authentication, HLS")
async def _a_wrong_proof_is_refused(bench: Bench) -> str:
    if bench.access(SETTING).mechanism < Mechanism.HLS_AES:
        raise NotApplicable("the setting association asks for no proof")
    talk, refused = await bench.knock(Wish(role=SETTING))
    try:
        if refused:
            raise Failed(f"the AARQ was refused before the proof: {refused}")
        bench.accept(talk)
        right = bench.proof(talk)
        answer = await bench.prove(talk, right[:-1] + bytes([right[-1] ^ 0x01]))
    finally:
        bench.used(talk)
        talk.line.abort()
    if isinstance(answer, str):
        return f"refused: {answer}"
    if answer.result == 0:
        raise Failed("a proof with one wrong bit was accepted")
    return f"refused: {answer.result.name.lower().replace('_', '-')}"


@OPENING.check("authentication, HLS")
async def _each_challenge_of_the_meter_is_a_fresh_one(bench: Bench) -> str:
    if bench.access(SETTING).mechanism < Mechanism.HLS_AES:
        raise NotApplicable("the setting association asks for no proof")
    seen = set()
    for _ in range(2):
        async with bench.open(Wish(role=SETTING)) as talk:
            assert talk.aare is not None, "an open talk has one"
            seen.add(talk.aare.authentication_value)
    if len(seen) < 2:
        raise Failed("two associations were given the same challenge")
    return "two challenges differ"


@OPENING.check("COSEM-OPEN")
async def _a_client_that_nobody_knows_is_refused(bench: Bench) -> str:
    known = {access.client_address for access in bench.model.associations.values()}
    stranger = next(address for address in _STRANGERS if address not in known)
    return f"client {stranger}: " + await bench.refused(Wish(role=PUBLIC, client_address=stranger))


@OPENING.check("COSEM-OPEN, application context")
async def _an_opening_in_the_other_context_is_refused(bench: Bench) -> str:
    role = bench.reading_role
    ciphered = bench.access(role).ciphering is not Ciphering.NONE
    return await bench.refused(Wish(role=role, context=LN_CONTEXT if ciphered else LN_CIPHERED_CONTEXT))


@OPENING.check("COSEM-RELEASE")
async def _a_release_is_answered_and_the_meter_is_free_again(bench: Bench) -> str:
    wish = Wish(role=bench.reading_role)
    for _ in range(2):
        async with bench.open(wish):
            pass
    return "twice opened, twice released"


@OPENING.check("COSEM-RELEASE")
async def _nothing_is_served_after_the_release(bench: Bench) -> str:
    talk, refused = await bench.knock(Wish(role=PUBLIC))
    try:
        if refused:
            raise Failed(f"the public association was refused: {refused}")
        bench.accept(talk)
        await talk.release()
        return await talk.refusal(bytes.fromhex("C001C1000F0000280000FF0100"))
    finally:
        talk.line.abort()


@OPENING.check("COSEM-OPEN")
async def _a_connection_that_was_torn_down_can_be_made_anew(bench: Bench) -> str:
    wish = Wish(role=bench.reading_role)
    talk, refused = await bench.knock(wish)
    talk.line.abort()
    bench.used(talk)
    if refused:
        raise Failed(f"the first association was refused: {refused}")
    async with bench.open(wish):
        return "opened again after an abort"


@OPENING.check("COSEM-OPEN")
async def _there_is_one_association_at_a_time(bench: Bench) -> str:
    ref = CLOCK_TIME
    async with bench.open(Wish(role=bench.reading_role)) as first:
        await first.value(ref)
        how = await _second(bench)
        if how:
            await first.value(ref)
            return f"a second caller is turned away ({how}), the first goes on"
        try:
            await first.value(ref)
        except (Gone, Silent):
            first.spoiled = True
            raise NotApplicable("the second caller takes the place of the first") from None
        raise Failed("two associations are open at once")


async def _second(bench: Bench) -> str:
    """How another call is turned away while one is open; "" when it is let in."""
    try:
        talk, how = await bench.knock(Wish(role=PUBLIC))
    except Silent as silent:
        return silent.reason
    talk.line.abort()
    return how


def _judge_names(talk: Talk) -> None:
    """The AARE names context and mechanism as asked, and a title where ciphering needs one."""
    aare = talk.aare
    assert aare is not None, "an open talk has one"
    wanted = LN_CIPHERED_CONTEXT if talk.ciphered else LN_CONTEXT
    if aare.context != wanted:
        raise Failed(f"the AARE names application context {aare.context}, {wanted} was asked")
    if talk.access.mechanism >= Mechanism.HLS_AES and aare.mechanism != talk.access.mechanism:
        raise Failed(f"the AARE names mechanism {aare.mechanism}, {int(talk.access.mechanism)} was asked")


def _granted(talk: Talk) -> str:
    assert talk.initiate is not None, "an open talk has one"
    title = talk.channel.peer_title.hex().upper() if talk.channel is not None else "none"
    return f"opened; system title {title}, the meter receives {talk.initiate.max_pdu} octets"
