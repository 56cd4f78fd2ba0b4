"""What a client may ask beyond one attribute: lists, and whatever goes in blocks.

A question is told each answer and says what follows: the moves, the next request, the event when it is over. It
knows no ciphering and no link. Each question is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bijlighar.dlms.association.events import (
    ActionDone,
    ActionListDone,
    ClientEvent,
    GetFailed,
    GetListDone,
    SetDone,
    SetListDone,
)
from bijlighar.dlms.association.states import Move
from bijlighar.dlms.association.terms import Terms
from bijlighar.dlms.axdr import Data, encode
from bijlighar.dlms.errors import LocalProtocolError, Malformed, StaleReply
from bijlighar.dlms.limits import MAX_VALUE_OCTETS
from bijlighar.dlms.xdlms import AttributeRef, Conformance, MethodRef
from bijlighar.dlms.xdlms.action import (
    ACTION_RESPONSE,
    ActionAnswer,
    ActionAnswerBlock,
    ActionBlock,
    ActionBlockTaken,
    ActionListAnswer,
    ActionListRequest,
    ActionNext,
    ActionRequest,
    decode_action_response,
    decode_answers,
    decode_joined_answer,
)
from bijlighar.dlms.xdlms.blocks import BLOCK_HEAD_OCTETS, Gathering, Piece, parts_of
from bijlighar.dlms.xdlms.get import (
    BLOCK,
    GET_RESPONSE,
    LIST,
    Asked,
    GetAnswer,
    GetListRequest,
    decode_get_response,
    decode_results,
    encode_next,
    split_block,
)
from bijlighar.dlms.xdlms.set_attribute import (
    HEAD_OCTETS,
    SET_RESPONSE,
    SetAnswer,
    SetBlock,
    SetListAnswer,
    SetListRequest,
    SetRequest,
    decode_set_response,
    encode_values,
)


@dataclass(slots=True)
class Turn:
    """What follows an answer: ``moves`` of the table, a ``request`` to send, or the ``event`` that ends it."""

    moves: tuple[Move, ...]
    request: bytes | None = None
    event: ClientEvent | None = None


class Question(Protocol):
    """The one open question of a client."""

    @property
    def tag(self) -> int:
        """First octet of its answers."""

    def begin(self, invoke: int, terms: Terms) -> Turn:
        """The first request. Raises LocalProtocolError when the terms do not allow it."""

    def heard(self, apdu: bytes) -> Turn:
        """What follows an answer with the right invoke-id. Raises RemoteProtocolError."""


_NO_BLOCKS = Conformance(0)
"""A get-request goes in one APDU, however long its list."""


class _Outgoing:
    """The blocks of a request that is too long; ``make`` builds the APDU of each."""

    __slots__ = ("_make", "_parts", "_sent", "last")

    def __init__(self, body: bytes, octets: int, head: int, make: Callable[[Piece], bytes]) -> None:
        if len(body) > MAX_VALUE_OCTETS:
            raise LocalProtocolError(f"a value of {len(body)} octets is longer than any may be")
        other = octets - HEAD_OCTETS - BLOCK_HEAD_OCTETS
        self._parts: Iterator[Piece] = parts_of(body, octets - head - BLOCK_HEAD_OCTETS, other)
        self._make = make
        self._sent = 0
        self.last = False

    def next(self) -> bytes:
        """The next block's APDU."""
        piece = next(self._parts)
        self._sent, self.last = piece.number, piece.last
        return self._make(piece)

    def check(self, number: int) -> None:
        """Raise StaleReply unless ``number`` is the block that was sent last."""
        if number != self._sent:
            raise StaleReply(f"block {number} is acknowledged, {self._sent} was sent")


class GetListQuestion:
    """Several attributes at once; the results may come in blocks."""

    __slots__ = ("_asked", "_gathering", "_invoke")
    tag = GET_RESPONSE

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._asked = tuple(asked)
        self._gathering = Gathering()
        self._invoke = 0

    def begin(self, invoke: int, terms: Terms) -> Turn:
        """The whole list."""
        self._invoke = invoke
        request = GetListRequest(invoke, self._asked).encode()
        terms.check(len(request), _NO_BLOCKS, listed=True)
        return Turn((Move.GET,), request)

    def heard(self, apdu: bytes) -> Turn:
        """The results, a block of them, or one result for all."""
        if apdu[1] == LIST:
            if self._gathering.number:
                raise StaleReply("a whole answer among the blocks of another")
            return Turn(
                (Move.ANSWER_GET,), event=GetListDone(decode_results(apdu[HEAD_OCTETS:], len(self._asked)))
            )
        if apdu[1] == BLOCK:
            last, number, octets = split_block(apdu)
            if not isinstance(octets, bytes):
                return Turn((Move.ANSWER_GET,), event=GetFailed(octets))
            whole = self._gathering.add(number, octets, last)
            if whole is None:
                return Turn((Move.GIVE_BLOCK, Move.GET_NEXT), encode_next(self._invoke, number))
            return Turn((Move.ANSWER_GET,), event=GetListDone(decode_results(whole, len(self._asked))))
        answer = decode_get_response(apdu)
        if not isinstance(answer, GetAnswer) or answer.value is not None:
            raise Malformed("one value in answer to a list")
        return Turn((Move.ANSWER_GET,), event=GetFailed(answer.result))


class SetQuestion:
    """One attribute or a list (``listed``) to be written, in one request or in blocks."""

    __slots__ = ("_listed", "_outgoing", "_refs", "_values")
    tag = SET_RESPONSE

    def __init__(self, writes: Sequence[tuple[AttributeRef, Data | bytes]], *, listed: bool) -> None:
        self._refs = tuple([ref for ref, _ in writes])
        self._values = tuple([_octets(value) for _, value in writes])
        self._listed = listed
        self._outgoing: _Outgoing | None = None

    def begin(self, invoke: int, terms: Terms) -> Turn:
        """All, or the first block."""
        refs, values, listed = self._refs, self._values, self._listed
        if listed:
            request = SetListRequest(invoke, refs, values).encode()
        else:
            request = SetRequest(invoke, refs[0], values[0]).encode()
        if not terms.check(len(request), Conformance.BLOCK_TRANSFER_WITH_SET, listed=listed):
            return Turn((Move.SET,), request)
        body = encode_values(values) if listed else values[0]

        def make(piece: Piece) -> bytes:
            return SetBlock(invoke, piece, refs if piece.number == 1 else (), listed).encode()

        self._outgoing = outgoing = _Outgoing(body, terms.octets, len(request) - len(body), make)
        request = outgoing.next()
        return Turn((Move.SET if outgoing.last else Move.SET_BLOCK,), request)

    def heard(self, apdu: bytes) -> Turn:
        """How it went, or that a block was taken."""
        answer = decode_set_response(apdu)
        if isinstance(answer, SetAnswer):
            return Turn((Move.ANSWER_SET,), event=SetDone(answer.result))
        if isinstance(answer, SetListAnswer):
            if not self._listed or len(answer.results) != len(self._refs):
                raise Malformed(f"{len(answer.results)} results for {len(self._refs)} attributes")
            return Turn((Move.ANSWER_SET,), event=SetListDone(answer.results))
        if self._outgoing is None:
            raise StaleReply("a block is acknowledged, none was sent")
        self._outgoing.check(answer.number)
        if answer.result is not None:
            return Turn((Move.ANSWER_SET,), event=SetDone(answer.result))
        if self._outgoing.last:
            raise Malformed("the last block is acknowledged without a result")
        request = self._outgoing.next()
        return Turn((Move.TAKE_SET_BLOCK, Move.SET if self._outgoing.last else Move.SET_BLOCK), request)


class ActionQuestion:
    """One method or a list (``listed``) to be invoked, parameters and answers in one APDU or in blocks."""

    __slots__ = ("_gathering", "_invoke", "_listed", "_outgoing", "_parameters", "_refs")
    tag = ACTION_RESPONSE

    def __init__(self, calls: Sequence[tuple[MethodRef, Data | bytes | None]], *, listed: bool) -> None:
        self._refs = tuple([ref for ref, _ in calls])
        self._parameters = [None if parameter is None else _octets(parameter) for _, parameter in calls]
        self._listed = listed
        self._invoke = 0
        self._gathering = Gathering()
        self._outgoing: _Outgoing | None = None

    def begin(self, invoke: int, terms: Terms) -> Turn:
        """All, or the first block."""
        self._invoke = invoke
        refs, listed = self._refs, self._listed
        values = tuple([b"\x00" if parameter is None else parameter for parameter in self._parameters])
        if listed:
            request = ActionListRequest(invoke, refs, values).encode()
        else:
            request = ActionRequest(invoke, refs[0], self._parameters[0]).encode()
        if not terms.check(len(request), Conformance.BLOCK_TRANSFER_WITH_ACTION, listed=listed):
            return Turn((Move.ACT,), request)
        body = encode_values(values) if listed else values[0]

        def make(piece: Piece) -> bytes:
            return ActionBlock(invoke, piece, refs if piece.number == 1 else (), listed).encode()

        self._outgoing = outgoing = _Outgoing(body, terms.octets, len(request) - len(body), make)
        request = outgoing.next()
        return Turn((Move.ACT if outgoing.last else Move.ACT_BLOCK,), request)

    def heard(self, apdu: bytes) -> Turn:
        """How it went, a block of that, or that a block of ours was taken."""
        answer = decode_action_response(apdu)
        if isinstance(answer, ActionBlockTaken):
            return self._taken(answer.number)
        if isinstance(answer, ActionAnswerBlock):
            piece = answer.piece
            whole = self._gathering.add(piece.number, piece.octets, piece.last)
            if whole is None:
                following = ActionNext(self._invoke, piece.number).encode()
                return Turn((Move.GIVE_ANSWER_BLOCK, Move.ANSWER_NEXT), following)
            return self._answered(whole)
        if self._gathering.number:
            raise StaleReply("a whole answer among the blocks of another")
        if isinstance(answer, ActionListAnswer):
            if not self._listed:
                raise Malformed("a list in answer to one method")
            return self._answered(answer.body)
        return Turn((Move.ANSWER_ACT,), event=_done(answer))

    def _taken(self, number: int) -> Turn:
        if self._outgoing is None or self._outgoing.last:
            raise StaleReply("a block is acknowledged, none was open")
        self._outgoing.check(number)
        request = self._outgoing.next()
        return Turn((Move.TAKE_ACT_BLOCK, Move.ACT if self._outgoing.last else Move.ACT_BLOCK), request)

    def _answered(self, body: bytes) -> Turn:
        if self._listed:
            answers = decode_answers(self._invoke, body, len(self._refs))
            return Turn((Move.ANSWER_ACT,), event=ActionListDone(tuple(map(_done, answers))))
        return Turn((Move.ANSWER_ACT,), event=_done(decode_joined_answer(self._invoke, body)))


def _done(answer: ActionAnswer) -> ActionDone:
    return ActionDone(answer.result, answer.value)


def _octets(value: Data | bytes) -> bytes:
    return encode(value) if isinstance(value, Data) else value


def get_list(asked: Sequence[Asked]) -> Question:
    """Several attributes at once. Ends in GetListDone, GetFailed or ServiceRefused."""
    return GetListQuestion(asked)


def set_list(writes: Sequence[tuple[AttributeRef, Data | bytes]]) -> Question:
    """Several attributes to write at once. Ends in SetListDone, SetDone (refused as a whole) or ServiceRefused."""
    return SetQuestion(writes, listed=True)


def action_list(calls: Sequence[tuple[MethodRef, Data | bytes | None]]) -> Question:
    """Several methods in order. Ends in ActionListDone, ActionDone (refused as a whole) or ServiceRefused."""
    return ActionQuestion(calls, listed=True)
