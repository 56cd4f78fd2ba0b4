"""The usual course of a client's association: its few frames, written and read in one step each.

It knows no fault. A frame is taken when every octet of it is as it should be, its tag included and its counter
above the last; for any other the hearing methods return None, and nothing has changed. ``ClientAssociation`` then
lets ``GeneralClient`` hear the same octets, which alone tells what is wrong.
"""

from __future__ import annotations

from hmac import compare_digest
from struct import Struct

from bijlighar.dlms.association.course import (
    INVOKE,
    LONGEST_OPENING_OCTETS,
    TITLE_AT,
    TITLE_ENDS,
    Course,
)
from bijlighar.dlms.association.events import (
    NEED_DATA,
    AssociationOpened,
    GetSucceeded,
    NeedData,
    Released,
)
from bijlighar.dlms.association.settings import ClientSettings, check_challenge
from bijlighar.dlms.association.states import State
from bijlighar.dlms.association.terms import NOTHING_NEGOTIATED, terms_of
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.limits import MAX_BLOCKS, MAX_COUNTER, MAX_VALUE_OCTETS
from bijlighar.dlms.security import (
    AUTHENTICATED,
    BEFORE_FULL_TAG,
    BOTH,
    CHALLENGE_OCTETS,
    LAST_TAG,
    TAG_ALONE,
    TAG_OCTETS,
    TAG_OF_FULL_TAG,
    UP_TO_TAG,
    hls_aes,
    hls_gmac,
)
from bijlighar.dlms.wrapper import HEADER_OCTETS
from bijlighar.dlms.xdlms.get import BLOCK_OVERHEAD, encode_next
from bijlighar.dlms.xdlms.initiate import INITIATE_RESPONSE

# Members of an Enum are slow to look up in the class (Python 3.11), and a session needs them two dozen times.
ASSOCIATING, PROVING, OPEN, GETTING = State.ASSOCIATING, State.PROVING, State.OPEN, State.GETTING
IDLE, RELEASING, CLOSED = State.IDLE, State.RELEASING, State.CLOSED
_LEAST_HELD = 1 + 4 + 1 + TAG_OCTETS
"""Octets of security control, counter, the shortest APDU, tag."""
_unpack_block = Struct(">HBBIHH").unpack_from
_BLOCK_ANSWER, _WHOLE_ANSWER, _ACTION_ANSWER = 0xC402, b"\xc4\x01", b"\xc7\x01"
_DATA_OF_ONE_LENGTH_OCTET, _DATA_OF_TWO_LENGTH_OCTETS = 0x0081, 0x0082


class UsualClient:
    """Where an association stands that went the usual course so far. Raises LocalProtocolError for a challenge.

    ``_counter`` is our next one, ``_end`` behind the last of the reserved block; ``_accepted`` the meter's last,
    b"" = none, ``_earlier`` its last in the association before, ``_heard`` that of a frame not taken yet;
    ``_prefix`` what begins its general form, once known. ``_octets`` are never more than the longest frame has.
    """

    __slots__ = (
        "_accepted",
        "_challenge",
        "_counter",
        "_course",
        "_earlier",
        "_end",
        "_heard",
        "_invoke",
        "_octets",
        "_outgoing",
        "_pieces",
        "_prefix",
        "_settings",
        "_size",
        "_state",
        "_terms",
        "_title",
    )

    def __init__(
        self, settings: ClientSettings, course: Course, challenge: bytes, counter: int, count: int, heard: int
    ) -> None:
        self._settings, self._course = settings, course
        if len(challenge) != CHALLENGE_OCTETS:
            check_challenge(settings.mechanism, challenge)
        self._challenge = challenge
        self._counter, end = counter, counter + count
        self._end = end if end <= MAX_COUNTER else MAX_COUNTER + 1
        self._state = IDLE
        self._octets = self._outgoing = self._heard = self._prefix = b""
        self._earlier = heard
        self._accepted = b"" if heard < 0 else heard.to_bytes(4, "big")
        self._title = course.meter_title
        self._invoke = self._size = 0
        self._terms = NOTHING_NEGOTIATED
        self._pieces: list[bytes] = []

    @property
    def _last_accepted(self) -> int:
        return int.from_bytes(self._accepted, "big") if self._accepted else -1

    def _hear(self, frame: bytes) -> AssociationOpened | GetSucceeded | Released | NeedData | None:
        """What ``frame`` leads to when it is the usual one that is due now; then it was taken."""
        state = self._state
        if state is GETTING:
            return self._hear_value(frame)
        if state is RELEASING:
            return self._hear_release(frame)
        if state is PROVING:
            return self._hear_proof(frame)
        return self._hear_opening(frame) if state is ASSOCIATING else None

    def _say(self, head: bytes, apdu: bytes) -> None:
        """A frame of ours from its ``head`` and the plain ``apdu``. The caller has seen that a counter is left."""
        counter, course = self._counter, self._course
        self._counter = counter + 1
        count = counter.to_bytes(4, "big")
        self._outgoing += head + count + course.encrypt(course.own_title + count, apdu, course.aad_both)[UP_TO_TAG]

    def _unsealed(self, frame: bytes, at: int, title: bytes) -> bytes | None:
        """The plain APDU whose counter stands ``at``, when it is newer than the last and its tag is right."""
        course = self._course
        count = frame[at : at + 4]
        if count <= self._accepted:
            return None
        nonce, encrypt = title + count, course.encrypt
        plain = encrypt(nonce, frame[at + 4 : -TAG_OCTETS], None)[BEFORE_FULL_TAG]
        if not compare_digest(encrypt(nonce, plain, course.aad_both)[TAG_OF_FULL_TAG], frame[LAST_TAG]):
            return None
        self._heard = count
        return plain

    def _opened(self, frame: bytes, tag: bytes) -> bytes | None:
        """The plain APDU of a frame that is one whole, ciphered under ``tag`` or in the meter's general form."""
        forms = self._course.forms
        size = len(frame)
        held = size - forms.before
        if held < 0x80:
            if held < _LEAST_HELD:
                return None
            ends, octets, begins, form, control = forms.short(frame)
            usual = form == held
        elif held > 0x101:
            ends, octets, begins, form, length, control = forms.long(frame)
            held -= 2
            usual = form == 0x82 and length == held
        else:
            ends, octets, begins, form, length, control = forms.middle(frame)
            held -= 1
            usual = form == 0x81 and length == held
        if (
            not usual
            or begins != (self._prefix or tag)
            or ends != forms.peer_ends
            or octets != size - HEADER_OCTETS
            or control != BOTH
        ):
            return None
        return self._unsealed(frame, size - held + 1, self._title)

    def _hear_opening(self, frame: bytes) -> AssociationOpened | NeedData | None:
        course, size = self._course, len(frame)
        forms = course.forms
        if size > LONGEST_OPENING_OCTETS:
            return None
        head, middle, information = forms.aares[size]
        begins = forms.challenge_ends
        at = begins + len(information)
        if (
            not head
            or frame[:TITLE_AT] != head
            or frame[TITLE_ENDS : forms.challenge_at] != middle
            or frame[begins:at] != information
        ):
            return None
        title, challenge = frame[TITLE_AT:TITLE_ENDS], frame[forms.challenge_at : begins]
        if title == course.own_title or (self._title and title != self._title):
            return None
        if forms.is_hls and challenge == self._challenge:
            return None
        plain = self._unsealed(frame, at, title)
        if plain is None or self._counter + 2 > self._end:
            return None
        try:
            terms = terms_of(plain, True, False)
        except RemoteProtocolError:
            return None
        self._terms, self._title, self._accepted = terms, title, self._heard
        self._prefix = forms.title_tag + title if forms.title_tag else b""
        if not forms.is_hls:
            self._state = OPEN
            return AssociationOpened(title, terms.max_pdu, terms.conformance)
        self._prove(challenge)
        return NEED_DATA

    def _prove(self, challenge: bytes) -> None:
        """Give our proof over the meter's ``challenge``; at most two counters are spent."""
        course = self._course
        forms = course.forms
        if forms.is_gmac:
            octets = hls_gmac(course.suite, course.own_title, self._counter, challenge)
            self._counter += 1
        else:
            octets = hls_aes(self._settings.secret or b"", challenge, self._settings.padding)
        self._invoke = invoke = (self._invoke + 1) & 0x0F
        self._state = PROVING
        self._say(forms.proof_frame_head, forms.proof_heads[invoke] + octets)

    def _hear_proof(self, frame: bytes) -> AssociationOpened | None:
        forms = self._course.forms
        apdu = self._opened(frame, forms.action_tag)
        if apdu is None or apdu[:2] != _ACTION_ANSWER or (apdu[2] ^ self._invoke) & 0x0F:
            return None
        taken = forms.proof_taken
        octets = apdu[3 + len(taken) :]
        if apdu[3 : 3 + len(taken)] != taken or len(octets) != taken[-1] or not self._is_proof(octets):
            return None
        self._accepted, self._state = self._heard, OPEN
        return AssociationOpened(self._title, self._terms.max_pdu, self._terms.conformance)

    def _is_proof(self, octets: bytes) -> bool:
        course, settings = self._course, self._settings
        if not course.forms.is_gmac:
            return compare_digest(hls_aes(settings.secret or b"", self._challenge, settings.padding), octets)
        suite = course.suite
        tag = suite.encrypt(self._title + octets[1:5], b"", suite.aad_authenticated + self._challenge)[TAG_ALONE]
        return octets[0] == AUTHENTICATED and compare_digest(tag, octets[5:])

    def _hear_value(self, frame: bytes) -> GetSucceeded | NeedData | None:
        apdu = self._opened(frame, self._course.forms.get_tag)
        if apdu is None or len(apdu) < BLOCK_OVERHEAD:
            return None if apdu is None else self._hear_whole(apdu)
        choice, invoke, last, number, form, length = _unpack_block(apdu)
        if choice != _BLOCK_ANSWER:
            return self._hear_whole(apdu)
        size = len(apdu) - BLOCK_OVERHEAD
        if form == _DATA_OF_TWO_LENGTH_OCTETS and length == size:
            piece = apdu[BLOCK_OVERHEAD:]
        elif form == _DATA_OF_ONE_LENGTH_OCTET and length >> 8 == size + 1:
            piece = apdu[BLOCK_OVERHEAD - 1 :]
        elif form < 0x80 and form == size + 2:
            piece = apdu[BLOCK_OVERHEAD - 2 :]
        else:
            return None
        pieces, total = self._pieces, self._size + len(piece)
        if (invoke ^ self._invoke) & 0x0F or number != len(pieces) + 1:
            return None
        if total > MAX_VALUE_OCTETS or number > MAX_BLOCKS:
            return None
        if last:
            self._accepted, self._state, self._pieces, self._size = self._heard, OPEN, [], 0
            return GetSucceeded(b"".join((*pieces, piece)))
        if self._counter >= self._end:
            return None
        self._accepted, self._size = self._heard, total
        pieces.append(piece)
        following = encode_next(INVOKE | self._invoke, number)
        self._say(self._course.forms.gets[len(following)], following)
        return NEED_DATA

    def _hear_whole(self, apdu: bytes) -> GetSucceeded | None:
        if (
            len(apdu) < 5
            or apdu[:2] != _WHOLE_ANSWER
            or (apdu[2] ^ self._invoke) & 0x0F
            or apdu[3]
            or self._pieces
        ):
            return None
        self._accepted, self._state = self._heard, OPEN
        return GetSucceeded(apdu[4:])

    def _hear_release(self, frame: bytes) -> Released | None:
        forms, size = self._course.forms, len(frame)
        if size > LONGEST_OPENING_OCTETS:
            return None
        start = forms.releases[size]
        if not start or not frame.startswith(start):
            return None
        plain = self._unsealed(frame, len(start), self._title)
        if plain is None or plain[0] != INITIATE_RESPONSE:
            return None
        self._accepted, self._state = self._heard, CLOSED
        return Released()
