"""What a server has been asked and still owes an answer: one request, or the requests of a list one by one.

The caller sees one request at a time, however they came. The results are gathered here, and so are the blocks of a
long request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bijlighar.dlms.association.events import ActionRequested, GetRequested, SetRequested
from bijlighar.dlms.association.states import Move
from bijlighar.dlms.errors import LocalProtocolError, StaleReply
from bijlighar.dlms.xdlms import ActionResult, AttributeRef, Conformance, DataAccessResult, MethodRef
from bijlighar.dlms.xdlms.action import (
    ActionAnswer,
    ActionAnswerBlock,
    ActionBlock,
    ActionListAnswer,
    encode_answers,
)
from bijlighar.dlms.xdlms.blocks import Gathering, Piece
from bijlighar.dlms.xdlms.get import Asked, GetAnswer, GetBlock, GetResult, encode_list_answer, encode_results
from bijlighar.dlms.xdlms.set_attribute import SetAnswer, SetBlock, SetBlockAnswer, SetListAnswer, decode_values

Asking = GetRequested | SetRequested | ActionRequested
Outcome = GetResult | ActionAnswer
_NULL = b"\x00"
"""Null-data: in a list, a method without a parameter."""


@dataclass(slots=True)
class Answer:
    """An answer ready to go: ``whole`` the APDU, or ``body`` in blocks that ``block_of`` makes.

    ``move`` and ``block_move`` what is said; ``service`` the block transfer that must be granted, else
    ``too_long`` goes instead.
    """

    whole: bytes
    move: Move
    body: bytes = b""
    block_move: Move | None = None
    service: int = 0
    block_of: Callable[[Piece], bytes] | None = None
    too_long: bytes = b""


@dataclass(slots=True)
class Task:
    """Requests under one ``invoke``; ``listed`` as a list; ``block`` the last block they came in, or None."""

    invoke: int
    requests: Sequence[Asking]
    listed: bool = False
    block: int | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    shown: int = 0

    def next_request(self) -> Asking | None:
        """The next request for the caller; None while the last one is not answered, or when there is none."""
        if self.shown > len(self.outcomes) or self.shown == len(self.requests):
            return None
        self.shown += 1
        return self.requests[self.shown - 1]

    def answered(self, outcome: Outcome) -> bool:
        """Take the caller's answer; whether it was the last. Raises LocalProtocolError when none was asked for."""
        if len(self.outcomes) >= self.shown:
            raise LocalProtocolError("an answer to a request that was not shown")
        self.outcomes.append(outcome)
        return len(self.outcomes) == len(self.requests)


def get_answer(task: Task) -> Answer:
    """The answer to a GET."""
    invoke = task.invoke
    results = [outcome for outcome in task.outcomes if not isinstance(outcome, ActionAnswer)]

    def block_of(piece: Piece) -> bytes:
        return GetBlock(invoke, piece.last, piece.number, piece.octets).encode()

    if task.listed:
        body = encode_results(results)
        whole = encode_list_answer(invoke, body)
    else:
        (result,) = results
        if isinstance(result, DataAccessResult):
            return Answer(GetAnswer(invoke, None, result).encode(), Move.ANSWER_GET)
        body = result
        whole = GetAnswer(invoke, result).encode()
    service = Conformance.BLOCK_TRANSFER_WITH_GET
    too_long = GetAnswer(invoke, None, DataAccessResult.OTHER_REASON).encode()
    return Answer(whole, Move.ANSWER_GET, body, Move.GIVE_BLOCK, service, block_of, too_long)


def set_answer(task: Task) -> Answer:
    """The answer to a SET: never long."""
    results = tuple([outcome for outcome in task.outcomes if isinstance(outcome, DataAccessResult)])
    if task.listed:
        return Answer(SetListAnswer(task.invoke, results, task.block).encode(), Move.ANSWER_SET)
    if task.block is not None:
        return Answer(SetBlockAnswer(task.invoke, task.block, results[0]).encode(), Move.ANSWER_SET)
    return Answer(SetAnswer(task.invoke, results[0]).encode(), Move.ANSWER_SET)


def action_answer(task: Task) -> Answer:
    """The answer to an ACTION."""
    invoke = task.invoke
    answers = [outcome for outcome in task.outcomes if isinstance(outcome, ActionAnswer)]

    def block_of(piece: Piece) -> bytes:
        return ActionAnswerBlock(invoke, piece).encode()

    service = Conformance.BLOCK_TRANSFER_WITH_ACTION
    if task.listed:
        body = encode_answers(answers)
        whole = ActionListAnswer(invoke, body).encode()
    else:
        body, whole = answers[0].value or b"", answers[0].encode()
        if answers[0].result is not ActionResult.SUCCESS:
            service = Conformance(0)  # blocks have no place for it
    unsaid = ActionAnswer(invoke, answers[0].result, None, DataAccessResult.OTHER_REASON).encode()
    return Answer(whole, Move.ANSWER_ACT, body, Move.GIVE_ANSWER_BLOCK, service, block_of, unsaid)


def get_task(invoke: int, asked: Sequence[Asked]) -> Task:
    """The attributes of a GET with list."""
    return Task(invoke, [GetRequested(ref, selection) for ref, selection in asked], listed=True)


def set_task(invoke: int, refs: Sequence[AttributeRef], values: Sequence[bytes], block: int | None = None) -> Task:
    """The attributes of a SET with list."""
    requests = [SetRequested(ref, value) for ref, value in zip(refs, values, strict=True)]
    return Task(invoke, requests, listed=True, block=block)


def action_task(invoke: int, refs: Sequence[MethodRef], parameters: Sequence[bytes]) -> Task:
    """The methods of an ACTION with list; null-data is no parameter."""
    requests = [
        ActionRequested(ref, None if parameter == _NULL else parameter)
        for ref, parameter in zip(refs, parameters, strict=True)
    ]
    return Task(invoke, requests, listed=True)


class BlockRefused(Exception):
    """A block is not the one that is due. The results tell a SET and an ACTION so."""

    def __init__(self, set_result: DataAccessResult, action_result: ActionResult) -> None:
        super().__init__(set_result.name)
        self.set_result = set_result
        self.action_result = action_result


_NOTHING_LONG = DataAccessResult.NO_LONG_SET_IN_PROGRESS, ActionResult.NO_LONG_ACTION_IN_PROGRESS
_WRONG_BLOCK = DataAccessResult.DATA_BLOCK_NUMBER_INVALID, ActionResult.LONG_ACTION_ABORTED


class LongRequest:
    """A request that comes in blocks. ``refs`` of its first block; ``listed`` whether it is a list."""

    __slots__ = ("_gathering", "_invoke", "_kind", "listed", "refs")

    def __init__(self, first: SetBlock | ActionBlock) -> None:
        self.refs = first.refs
        self.listed = first.listed
        self._kind = type(first)
        self._invoke = first.invoke
        self._gathering = Gathering()

    def continues(self, block: SetBlock | ActionBlock) -> bool:
        """Whether ``block`` belongs to this request."""
        return type(block) is self._kind and not (block.invoke ^ self._invoke) & 0x0F

    def add(self, piece: Piece) -> bytes | None:
        """The values when they are whole. Raises BlockRefused, TooLarge, Malformed."""
        try:
            return self._gathering.add(piece.number, piece.octets, piece.last)
        except StaleReply:
            raise BlockRefused(*_WRONG_BLOCK) from None


def long_request(open_request: LongRequest | None, block: SetBlock | ActionBlock) -> LongRequest:
    """The request that ``block`` begins or continues. Raises BlockRefused."""
    if block.refs:
        return LongRequest(block)
    if open_request is None or not open_request.continues(block):
        raise BlockRefused(*_NOTHING_LONG)
    return open_request


def long_set_task(long: LongRequest, body: bytes, invoke: int, block: int) -> Task:
    """What a SET in blocks asks for. Raises RemoteProtocolError."""
    refs = [ref for ref in long.refs if isinstance(ref, AttributeRef)]
    if long.listed:
        return set_task(invoke, refs, decode_values(body, 0, len(refs)), block)
    return Task(invoke, (SetRequested(refs[0], body),), block=block)


def long_action_task(long: LongRequest, body: bytes, invoke: int) -> Task:
    """What an ACTION in blocks asks for. Raises RemoteProtocolError."""
    refs = [ref for ref in long.refs if isinstance(ref, MethodRef)]
    if long.listed:
        return action_task(invoke, refs, decode_values(body, 0, len(refs)))
    return Task(invoke, (ActionRequested(refs[0], body),))
