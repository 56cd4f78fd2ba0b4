"""The octets that stand still in the usual course of an association, worked out once and used by every visit.

The usual course is that of nearly every visit to nearly every meter: TCP wrapper, all APDUs under the global keys,
both authenticated and encrypted, each length in its shortest form. ``ClientAssociation`` goes it in few steps.
``Forms`` are what the frames of a fleet have in common and hold no key; ``Course`` adds the keys of one meter.

Everything here is cut from what the general encoders make; nothing is encoded a second way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import TypeVar

from bijlighar.dlms.acse import LN_CIPHERED_CONTEXT, RLRE, Aare, AssociationResult, Diagnostic, Release
from bijlighar.dlms.association.opening import REPLY_TO_HLS
from bijlighar.dlms.association.prepared import Prepared, prepared
from bijlighar.dlms.association.proofs import proof_value
from bijlighar.dlms.association.settings import ClientSettings, Mechanism, password
from bijlighar.dlms.channel import GENERAL_GLO, GLO_OF, length_and_control
from bijlighar.dlms.security import (
    BOTH,
    CHALLENGE_OCTETS,
    HLS_GMAC_OCTETS,
    KEY_OCTETS,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
)
from bijlighar.dlms.wrapper import HEADER_OCTETS, WrapperLink
from bijlighar.dlms.xdlms import ActionResult
from bijlighar.dlms.xdlms.action import ACTION_REQUEST, ACTION_RESPONSE, ActionAnswer, encode_action
from bijlighar.dlms.xdlms.get import GET_REQUEST, GET_RESPONSE
from bijlighar.dlms.xdlms.initiate import INITIATE_RESPONSE

INVOKE = 0xC0
"""Invoke-id-and-priority: high priority, confirmed."""
LONGEST_REQUEST_OCTETS = 1024
"""Longer requests, selections of hundreds of columns, are not usual."""
LONGEST_OPENING_OCTETS = 8 + 2 + 0x7F
"""Of the frame of an AARE or RLRE whose length is one octet."""
TITLE_AT, TITLE_ENDS = 37, 45
"""Where the meter's title stands in the frame of its AARE."""
_COUNTER_OCTETS = 4
_CIPHERED_OCTETS = 1 + _COUNTER_OCTETS + TAG_OCTETS
"""Octets of security control, counter and tag."""
_LEAST_INFORMATION, _LENGTHS_ARE_SHORT = 2 + _CIPHERED_OCTETS + 1, 0x80
"""Octets of a ciphered InitiateResponse: tag, length and at least one; less than what makes a length longer."""
_NO_AARE = b"", b"", b""
_INFORMATION_HEAD_OCTETS = 4
"""BE, length, 04, length: what stands before user information while both lengths are short."""
_KEPT = 1024
"""Forms kept, some 5 kB each: one for each kind of opening and pair of addresses."""
_GENERAL = Struct(">6sH10sBB"), Struct(">6sH10sBBB"), Struct(">6sH10sBHB")
_OWN = Struct(">6sHsBB"), Struct(">6sHsBBB"), Struct(">6sHsBHB")
"""Of a frame: ends, size, tag (and title), a length in one, two or three octets, security control."""

Made = TypeVar("Made")


class BySize(dict[int, Made]):
    """What there is for each size of a frame or APDU, made when it is first asked for."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, size: int) -> Made:
        self[size] = made = self._make(size)
        return made


class Forms:
    """What frames have in common for all meters that are visited in one way.

    Ours: ``aarq_head``, ``aarq_middle``, ``rlrq_head`` up to challenge, counter and counter; ``gets`` by the size
    of the request, up to the counter; ``proof_frame_head`` likewise, ``proof_heads`` by the invoke-id, what
    stands before our proof. The meter's: ``peer_ends`` begins each frame, ``most_octets`` is how long it may be;
    ``title_tag`` stands before its title in the general form, b"" when each APDU has a tag of its own, which then
    is ``get_tag`` or ``action_tag``; ``before`` octets go up to the ciphered length, its first included, and
    ``short``, ``middle``, ``long`` unpack up to the counter. ``aares`` by the frame's size: what stands before the
    title, between title and challenge (``challenge_at`` to ``challenge_ends``), from there to the counter;
    ``releases`` likewise: all up to the counter. ``proof_taken`` follows the invoke-id in the answer to our proof.
    """

    __slots__ = (
        "_meter",
        "_own",
        "_own_head",
        "aares",
        "aarq_head",
        "aarq_middle",
        "action_tag",
        "before",
        "challenge_at",
        "challenge_ends",
        "get_tag",
        "gets",
        "initiate",
        "initiate_again",
        "is_gmac",
        "is_hls",
        "long",
        "middle",
        "most_octets",
        "peer_ends",
        "proof_frame_head",
        "proof_heads",
        "proof_taken",
        "releases",
        "rlrq_head",
        "short",
        "title_tag",
    )

    def __init__(
        self,
        ready: Prepared,
        mechanism: Mechanism,
        password_octets: int,
        client_address: int,
        server_address: int,
    ) -> None:
        self._own = WrapperLink(client_address, server_address)
        self._meter = WrapperLink(server_address, client_address)
        self._own_head = bytes((GENERAL_GLO, SYSTEM_TITLE_OCTETS)) + (ready.title or b"") if ready.general else b""
        self.is_hls = ready.is_hls
        self.initiate, self.initiate_again = ready.initiate, ready.initiate_again
        open_octets = _COUNTER_OCTETS + len(ready.initiate) + TAG_OCTETS
        value = bytes(CHALLENGE_OCTETS if ready.is_hls else password_octets)
        aarq = self._own.frame(ready.aarq_head + value + ready.aarq_middle + bytes(open_octets))
        self.aarq_head, self.aarq_middle = aarq[: HEADER_OCTETS + len(ready.aarq_head)], ready.aarq_middle
        self.rlrq_head = self._own.frame(ready.rlrq_head + bytes(open_octets))[:-open_octets]
        self.gets = BySize(lambda size: self._request(GET_REQUEST, size))
        self.peer_ends = self._meter.frame(b"\0")[: HEADER_OCTETS - 2]
        self.most_octets = HEADER_OCTETS + ready.max_frame_octets
        self._prepare_answers(ready.general, mechanism)

    def _request(self, tag: int, size: int) -> bytes:
        head = (self._own_head or bytes((GLO_OF[tag],))) + length_and_control(size, BOTH)
        behind = _COUNTER_OCTETS + size + TAG_OCTETS
        return self._own.frame(head + bytes(behind))[:-behind]

    def _prepare_answers(self, general: bool, mechanism: Mechanism) -> None:
        self.title_tag = bytes((GENERAL_GLO, SYSTEM_TITLE_OCTETS)) if general else b""
        self.get_tag, self.action_tag = bytes((GLO_OF[GET_RESPONSE],)), bytes((GLO_OF[ACTION_RESPONSE],))
        tag_octets = 2 + SYSTEM_TITLE_OCTETS if general else 1
        self.before = HEADER_OCTETS + tag_octets + 1
        self.short, self.middle, self.long = [form.unpack_from for form in (_GENERAL if general else _OWN)]
        self.aares = BySize(lambda size: self._aare(size, mechanism))
        self.releases = BySize(self._release)
        self.challenge_ends = len(self._aare_of(mechanism, 0)) - _INFORMATION_HEAD_OCTETS
        self.challenge_at = self.challenge_ends - (CHALLENGE_OCTETS if self.is_hls else 0)
        self._prepare_proofs(mechanism)

    def _prepare_proofs(self, mechanism: Mechanism) -> None:
        self.is_gmac = mechanism is Mechanism.HLS_GMAC
        proof = proof_value(bytes(HLS_GMAC_OCTETS if self.is_gmac else KEY_OCTETS))
        requests = [encode_action(INVOKE | invoke, REPLY_TO_HLS.encode(), proof) for invoke in range(0x10)]
        self.proof_heads = tuple([request[: len(request) - proof[1]] for request in requests])
        self.proof_frame_head = self._request(ACTION_REQUEST, len(requests[0]))
        self.proof_taken = ActionAnswer(0, ActionResult.SUCCESS, proof).encode()[3 : -proof[1]]

    def is_unfinished(self, frame: bytes) -> bool:
        """Whether ``frame`` may be the beginning of a whole one of the meter."""
        if len(frame) < HEADER_OCTETS:
            return True
        size = HEADER_OCTETS + int.from_bytes(frame[HEADER_OCTETS - 2 : HEADER_OCTETS], "big")
        return frame.startswith(self.peer_ends) and len(frame) < size <= self.most_octets

    def _aare_of(self, mechanism: Mechanism, information_octets: int) -> bytes:
        aare = Aare(
            context=LN_CIPHERED_CONTEXT,
            result=AssociationResult.ACCEPTED,
            diagnostic=Diagnostic.AUTHENTICATION_REQUIRED if self.is_hls else Diagnostic.NONE,
            responding_title=bytes(SYSTEM_TITLE_OCTETS),
            mechanism=mechanism if self.is_hls else 0,
            authentication_value=bytes(CHALLENGE_OCTETS) if self.is_hls else None,
            user_information=bytes(information_octets),
        )
        return self._meter.frame(aare.encode())

    def _aare(self, size: int, mechanism: Mechanism) -> tuple[bytes, bytes, bytes]:
        octets = size - self.challenge_ends - _INFORMATION_HEAD_OCTETS
        if not _LEAST_INFORMATION <= octets < _LENGTHS_ARE_SHORT:
            return _NO_AARE
        aare = self._aare_of(mechanism, octets)
        information = aare[self.challenge_ends : -octets] + _response_head(octets)
        return (
            (aare[:TITLE_AT], aare[TITLE_ENDS : self.challenge_at], information) if len(aare) == size else _NO_AARE
        )

    def _release(self, size: int) -> bytes:
        octets = size - HEADER_OCTETS - len(Release(0, b"").encode(RLRE))
        if not _LEAST_INFORMATION <= octets < _LENGTHS_ARE_SHORT:
            return b""
        rlre = self._meter.frame(Release(0, bytes(octets)).encode(RLRE))
        return rlre[:-octets] + _response_head(octets) if len(rlre) == size else b""


def _response_head(octets: int) -> bytes:
    """What a ciphered InitiateResponse of ``octets`` in all begins with: tag, length, security control."""
    return bytes((GLO_OF[INITIATE_RESPONSE],)) + length_and_control(octets - 2 - _CIPHERED_OCTETS, BOTH)


class Course:
    """The usual course with one meter: ``forms``, keys, password. ``meter_title`` b"" = to be learnt."""

    __slots__ = ("aad_both", "encrypt", "forms", "meter_title", "own_title", "password", "suite")

    def __init__(self, settings: ClientSettings, forms: Forms) -> None:
        own = settings.own
        assert own is not None
        self.forms = forms
        self.suite = own.suite
        self.encrypt, self.aad_both = self.suite.encrypt, self.suite.aad_both
        self.own_title = own.system_title
        self.meter_title = settings.meter_title or b""
        self.password = password(settings)


_shared = lru_cache(maxsize=_KEPT)(Forms)


def course_of(settings: ClientSettings) -> Course | None:
    """The usual course under ``settings``; None when they ask for more. Raises as ``prepared``."""
    ready = prepared(settings)
    if len(settings.kept) > 1:
        kept = settings.kept[1]
        assert kept is None or isinstance(kept, Course)
        return kept
    plain_tcp = settings.hdlc is None and settings.gateway is None and settings.general_blocks is None
    course = None
    if plain_tcp and ready.ciphered and ready.protection == BOTH and settings.dedicated_key is None:
        secret_octets = len(password(settings))
        forms = _shared(ready, settings.mechanism, secret_octets, settings.client_address, settings.server_address)
        course = Course(settings, forms)
    settings.kept.append(course)
    return course
