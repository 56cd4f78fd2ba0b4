"""The bench on which a meter stands: how to call it, who may ask, and how a check opens what it needs.

Each association takes invocation counters above all that were used before: the meter is asked for its own by the
public client once, then they only grow. Nothing is stored; a head-end that reads the same meter skips ahead when
it is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from typing import Final

from bijlighar.dlms import axdr
from bijlighar.dlms.acse import AARE, LN_CIPHERED_CONTEXT, LN_CONTEXT, Aarq, AssociationResult, decode_aare
from bijlighar.dlms.association import Ciphering, Mechanism
from bijlighar.dlms.association.opening import REPLY_TO_HLS
from bijlighar.dlms.association.proofs import octet_string, proof_value
from bijlighar.dlms.association.settings import CONFORMANCE_OF
from bijlighar.dlms.channel import SecureChannel
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.limits import DEFAULT_MAX_PDU_OCTETS
from bijlighar.dlms.model import AssociationAccess, MeterModel, Quirk
from bijlighar.dlms.security import (
    CHALLENGE_OCTETS,
    SYSTEM_TITLE_OCTETS,
    ChallengePadding,
    SecurityMaterial,
    check_hls_gmac,
    hls_aes,
    hls_gmac,
)
from bijlighar.dlms.xdlms import AttributeRef, InitiateRequest
from bijlighar.dlms.xdlms.action import ACTION_RESPONSE, ActionAnswer, decode_action_response, encode_action
from bijlighar.dlms.xdlms.initiate import decode_initiate_response
from bijlighar.headend.associating import PUBLIC, READER, SETTING, client_title, counts
from bijlighar.headend.conformance.line import Gone, HdlcLine, Line, Record, Wire, WrapperLine, connect
from bijlighar.headend.conformance.talk import Talk, told
from bijlighar.headend.conformance.verdicts import Failed, NotApplicable, Silent
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.session import TimeLimits

_COUNTERS_A_TALK: Final = 100_000
"""More than the questions of one association, blocks included."""
CLOSED: Final = "the connection was closed"
SETTLE_S: Final = 0.3
"""A meter has seen the last connection end by then; modems need some tenths of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How an association is asked for. None: as the model and the keys say."""

    role: str
    client_address: int | None = None
    mechanism: Mechanism | None = None
    context: int | None = None
    secret: bytes | None = None
    max_pdu: int = DEFAULT_MAX_PDU_OCTETS


@dataclass(slots=True, kw_only=True)
class Bench:
    """One meter on trial.

    ``now`` epoch seconds of this machine; ``draw`` random octets; ``first_counter`` where the meter does not tell
    its own; ``serial`` what it should show, None = not known; ``hdlc`` None = TCP wrapper. ``record`` what went
    over the line of late; ``counters`` the next invocation counter by the object that tells it.
    """

    host: str
    port: int
    model: MeterModel
    keys: MeterKeys
    limits: TimeLimits
    now: Callable[[], float]
    draw: Callable[[int], bytes]
    own_title: bytes
    serial: str | None = None
    first_counter: int = 1
    hdlc: HdlcSettings | None = None
    record: Record = field(init=False)
    counters: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.record = Record(self._hide)

    @property
    def reading_role(self) -> str:
        """The association that reads: the reader's, or the setting one where only its secret is there."""
        return READER if self.able(READER) or not self.able(SETTING) else SETTING

    def able(self, role: str) -> bool:
        """Whether the model has this association and its secrets were given."""
        access = self.model.associations.get(role)
        return access is not None and not self._missing(access)

    def access(self, role: str) -> AssociationAccess:
        """How the model says to associate. Raises NotApplicable without such an association, or its secrets."""
        access = self.model.associations.get(role)
        if access is None:
            raise NotApplicable(f"the model has no {role} association")
        if missing := self._missing(access):
            raise NotApplicable(f"{missing} not given")
        return access

    def _missing(self, access: AssociationAccess) -> str:
        keyed = self.keys.encryption_key and self.keys.authentication_key
        if counts(access) and not keyed:
            return "the meter's keys were"
        secret = {Mechanism.LLS: self.keys.reader_secret, Mechanism.HLS_AES: self.keys.setting_secret}
        return "" if secret.get(access.mechanism, b"-") else f"the secret of the {access.name} association was"

    def has(self, quirk: Quirk) -> bool:
        """Whether the model declares this departure from the standard."""
        return quirk in self.model.quirks

    async def line(self) -> Line:
        """A fresh connection. Raises Silent."""
        wire = await self.wire()
        return WrapperLine(wire, self.record) if self.hdlc is None else HdlcLine(wire, self.record, self.hdlc)

    async def wire(self) -> Wire:
        """A fresh connection that carries octets. Raises Silent."""
        limits = self.limits
        return await connect(self.host, self.port, connect_s=limits.connect_s, answer_s=limits.answer_s)

    def _hide(self, octets: bytes) -> bytes:
        """A password goes in clear in an AARQ; in a report it does not."""
        secret = self.keys.reader_secret
        return octets.replace(secret, b"*" * len(secret)) if secret else octets

    async def knock(self, wish: Wish) -> tuple[Talk, str]:
        """Ask for an association: the talk as far as it came, and in words how it was refused ("" = accepted).

        The connection stays open; the caller hangs up. A meter that takes one connection at a time may still hold
        the one before and close this one at once, so one that is closed without an answer is tried once more.
        """
        talk, refused = await self._knock(wish)
        if refused != CLOSED:
            return talk, refused
        await talk.line.close()
        self.used(talk)
        await asyncio.sleep(SETTLE_S)
        return await self._knock(wish)

    async def _knock(self, wish: Wish) -> tuple[Talk, str]:
        access = self.access(wish.role)
        talk = await self._called(wish, access)
        try:
            talk.aarq = self._aarq(wish, talk)
            answer = await talk.exchange(talk.aarq)
        except Gone:
            return talk, CLOSED
        except BaseException:
            talk.line.abort()
            self.used(talk)
            raise
        if answer[0] != AARE:
            return talk, told(answer)
        talk.aare = aare = decode_aare(answer)
        if aare.result != AssociationResult.ACCEPTED:
            return talk, f"result {aare.result}, diagnostic {aare.diagnostic}"
        return talk, ""

    async def _called(self, wish: Wish, access: AssociationAccess) -> Talk:
        first = await self._next_counter(access) if counts(access) else 0
        called = replace(
            access,
            client_address=access.client_address if wish.client_address is None else wish.client_address,
            mechanism=access.mechanism if wish.mechanism is None else wish.mechanism,
        )
        talk = Talk(
            line=await self.line(),
            access=called,
            channel=None,
            offered=InitiateRequest(conformance=int(CONFORMANCE_OF[access.ciphering]), max_pdu=wish.max_pdu),
            ciphered=access.ciphering is not Ciphering.NONE,
            first_counter=first,
        )
        if counts(access):
            protection = int(access.protection)
            talk.channel = SecureChannel(self._material(access), None, protection, first, _COUNTERS_A_TALK)
            self.counters[_counter(access)] = first + _COUNTERS_A_TALK  # until the talk tells how many it took
        return talk

    async def _next_counter(self, access: AssociationAccess) -> int:
        known = self.counters.get(_counter(access))
        if known is None:
            told_own = access.counter_obis is not None and not self.has(Quirk.COUNTER_NOT_PUBLIC)
            known = await self.own_counter(access) + 1 if told_own else self.first_counter
        return known

    async def own_counter(self, access: AssociationAccess) -> int:
        """The newest invocation counter that the meter accepted from a client, as it tells the public one."""
        if access.counter_obis is None:
            raise NotApplicable(f"the model names no counter of the {access.name} association")
        async with self.open(Wish(role=PUBLIC)) as talk:
            value = axdr.plain(axdr.decode(await talk.value(AttributeRef(1, access.counter_obis, 2))))
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Failed(f"the invocation counter {access.counter_obis} is {value!r}")
        return value

    def _aarq(self, wish: Wish, talk: Talk) -> bytes:
        initiate = talk.offered.encode()
        usual = LN_CIPHERED_CONTEXT if talk.ciphered else LN_CONTEXT
        if talk.ciphered and talk.channel is not None:
            initiate = talk.channel.seal_glo(initiate)
        mechanism = talk.access.mechanism
        secret = wish.secret
        if secret is None and mechanism is not Mechanism.NONE:
            secret = self.keys.reader_secret if mechanism is Mechanism.LLS else self.draw(CHALLENGE_OCTETS)
        talk.challenge = secret or b""
        return Aarq(
            context=usual if wish.context is None else wish.context,
            mechanism=mechanism,
            calling_title=talk.channel.own_title if talk.channel is not None else None,
            authentication_value=secret,
            user_information=initiate,
        ).encode()

    @asynccontextmanager
    async def open(self, wish: Wish) -> AsyncIterator[Talk]:
        """An open association, proofs included; released at the end, torn down after a fault.

        Raises Failed when the meter refuses what it should accept.
        """
        talk, refused = await self.knock(wish)
        try:
            if refused:
                raise Failed(f"the {wish.role} association was refused: {refused}")
            self.accept(talk)
            if talk.access.mechanism >= Mechanism.HLS_AES:
                await self._prove(talk)
            yield talk
            if not talk.spoiled:
                await talk.release()
                await talk.line.close()
        finally:
            talk.line.abort()  # nothing, once the line is closed in good order
            self.used(talk)

    def used(self, talk: Talk) -> None:
        """Give back the counters that a talk did not take, unless another talk has begun behind them."""
        name = _counter(talk.access)
        if talk.channel is not None and self.counters[name] == talk.first_counter + _COUNTERS_A_TALK:
            self.counters[name] = talk.channel.next_counter

    def accept(self, talk: Talk) -> None:
        """Judge an accepting AARE as any client must, and keep what it says."""
        aare, channel = talk.aare, talk.channel
        assert aare is not None, "an AARE came, or knock would have told a refusal"
        if channel is not None:
            title = aare.responding_title
            if title is None or len(title) != SYSTEM_TITLE_OCTETS or title == channel.own_title:
                raise Failed("the AARE tells no system title of 8 octets of its own")
            channel.learn_peer(title)
        information = aare.user_information
        if not information:
            raise Failed("an accepting AARE without an InitiateResponse")
        if talk.ciphered and channel is not None:
            information = channel.open(information)
        talk.initiate = decode_initiate_response(information)

    def proof(self, talk: Talk) -> bytes:
        """Our proof over the meter's challenge."""
        challenge = talk.aare.authentication_value if talk.aare is not None else None
        if not challenge:
            raise Failed("the AARE brings no challenge, though the mechanism needs one")
        if talk.access.mechanism is Mechanism.HLS_AES:
            return hls_aes(self.keys.setting_secret, challenge, self._padding())
        assert talk.channel is not None, "mechanism 5 has keys"
        counter = talk.channel.take_counter()
        return hls_gmac(self._material(talk.access).suite, talk.channel.own_title, counter, challenge)

    async def prove(self, talk: Talk, proof: bytes) -> ActionAnswer | str:
        """Give a proof: the meter's answer to it, or in words how it was refused."""
        request = encode_action(talk.next_invoke(), REPLY_TO_HLS.encode(), proof_value(proof))
        try:
            plain = await talk.ask(request)
        except Gone:
            return "the connection was closed"
        if plain[0] != ACTION_RESPONSE:
            return told(plain)
        answer = decode_action_response(plain)
        if not isinstance(answer, ActionAnswer):
            raise Failed("the proof's answer is in blocks")
        return answer

    async def _prove(self, talk: Talk) -> None:
        answer = await self.prove(talk, self.proof(talk))
        if isinstance(answer, str) or answer.result != 0 or answer.value is None:
            raise Failed(
                f"the right proof was refused: {answer if isinstance(answer, str) else answer.result.name}"
            )
        theirs = octet_string(answer.value)
        if talk.access.mechanism is Mechanism.HLS_AES:
            if not compare_digest(hls_aes(self.keys.setting_secret, talk.challenge, self._padding()), theirs):
                raise Failed("the meter's own proof is wrong")
            return
        assert talk.channel is not None, "mechanism 5 has keys"
        check_hls_gmac(self._material(talk.access).suite, talk.channel.peer_title, talk.challenge, theirs)

    def _padding(self) -> ChallengePadding:
        return ChallengePadding.ZEROS if self.has(Quirk.HLS_ZERO_PADDING) else ChallengePadding.PKCS7

    def _material(self, access: AssociationAccess) -> SecurityMaterial:
        return SecurityMaterial(
            system_title=client_title(self.own_title, access.client_address),
            encryption_key=self.keys.encryption_key,
            authentication_key=self.keys.authentication_key,
        )

    async def refused(self, wish: Wish) -> str:
        """How the meter refused an association that it must not open. Raises Failed when it opened."""
        try:
            talk, how = await self.knock(wish)
        except Silent as silent:
            return f"refused: {silent.reason}"
        talk.line.abort()
        self.used(talk)
        if not how:
            raise Failed("the association was opened")
        return f"refused: {how}"


def _counter(access: AssociationAccess) -> str:
    """Which invocation counter an association uses: some makes have one for several clients."""
    return access.name if access.counter_obis is None else str(access.counter_obis)
