"""The services of a server: requests read, answers given, whole, in blocks or as a list. It knows no ciphering.

``heard`` takes a plain request and ``answered`` the caller's answer; both say what follows as a ``Reply``: the
moves of the table, the plain APDU to send, the event for the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bijlighar.dlms.association.events import ActionRequested, GetRequested, ServerEvent, SetRequested
from bijlighar.dlms.association.states import Move
from bijlighar.dlms.association.tasks import (
    Answer,
    BlockRefused,
    LongRequest,
    Outcome,
    Task,
    action_answer,
    action_task,
    get_answer,
    get_task,
    long_action_task,
    long_request,
    long_set_task,
    set_answer,
    set_task,
)
from bijlighar.dlms.errors import LocalProtocolError
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult
from bijlighar.dlms.xdlms.action import (
    ActionAnswer,
    ActionBlock,
    ActionBlockTaken,
    ActionListRequest,
    ActionNext,
    decode_action_request,
)
from bijlighar.dlms.xdlms.blocks import Piece, parts_of
from bijlighar.dlms.xdlms.get import (
    BLOCK_OVERHEAD,
    GET_REQUEST,
    GetBlock,
    GetListRequest,
    GetNext,
    decode_get_request,
)
from bijlighar.dlms.xdlms.set_attribute import (
    SET_REQUEST,
    SetBlock,
    SetBlockAnswer,
    SetListRequest,
    decode_set_request,
)

_ANSWERS = {Move.ANSWER_GET: get_answer, Move.ANSWER_SET: set_answer, Move.ANSWER_ACT: action_answer}


@dataclass(slots=True)
class Reply:
    """``moves`` of the table, ``apdu`` to send or None, ``event`` for the caller or None."""

    moves: tuple[Move, ...] = ()
    apdu: bytes | None = None
    event: ServerEvent | None = None


class Services:
    """What is asked and answered in one association; ``room`` octets of a plain APDU, ``conformance`` granted."""

    __slots__ = ("_answer", "_block", "_conformance", "_invoke", "_long", "_parts", "_room", "_task")

    def __init__(self, room: int, conformance: int) -> None:
        self._room = room
        self._conformance = conformance
        self._invoke = 0
        self._task: Task | None = None
        self._long: LongRequest | None = None
        self._answer: Answer | None = None
        self._parts: Iterator[Piece] = iter(())
        self._block = 0

    def next_request(self) -> ServerEvent | None:
        """The next request of a list, once the one before is answered."""
        return None if self._task is None else self._task.next_request()

    def give_up(self) -> None:
        """The open request is answered otherwise."""
        self._task = None

    def heard(self, apdu: bytes) -> Reply:
        """A GET, SET or ACTION. Raises RemoteProtocolError."""
        if apdu[0] == GET_REQUEST:
            return self._heard_get(apdu)
        return self._heard_set(apdu) if apdu[0] == SET_REQUEST else self._heard_action(apdu)

    def answered(self, move: Move, outcome: Outcome | ActionResult, value: bytes | None = None) -> Reply:
        """The caller's answer to the request shown last. Raises LocalProtocolError when there is none."""
        task = self._task
        if task is None:
            raise LocalProtocolError("an answer to nothing")
        if isinstance(outcome, ActionResult):
            outcome = ActionAnswer(task.invoke, outcome, value)
        if not task.answered(outcome):
            return Reply()
        self._task = None
        answer = _ANSWERS[move](task)
        if len(answer.whole) <= self._room:
            return Reply((move,), answer.whole)
        if answer.block_of is None or not self._conformance & answer.service:
            return Reply((move,), answer.too_long)
        size = self._room - BLOCK_OVERHEAD
        self._parts = parts_of(answer.body, size, size)
        return self._give_block((), answer)

    def _give_block(self, before: tuple[Move, ...], answer: Answer) -> Reply:
        assert answer.block_of is not None
        assert answer.block_move is not None
        piece = next(self._parts)
        self._block = piece.number
        self._answer = None if piece.last else answer
        move = answer.move if piece.last else answer.block_move
        return Reply((*before, move), answer.block_of(piece))

    def _begin(self, move: Move, task: Task) -> Reply:
        self._task, self._long, self._answer = task, None, None
        self._invoke = task.invoke
        return Reply((move,), event=task.next_request())

    def _next_block(self, move: Move, invoke: int, block: int) -> Reply | None:
        """The block that is asked for; None when it is not the one that is due."""
        answer, self._answer = self._answer, None
        if answer is None or block != self._block or (invoke ^ self._invoke) & 0x0F:
            return None
        return self._give_block((move,), answer)

    def _heard_get(self, apdu: bytes) -> Reply:
        request = decode_get_request(apdu)
        invoke = request.invoke
        if isinstance(request, GetNext):
            wrong = DataAccessResult.DATA_BLOCK_NUMBER_INVALID
            refusal = GetBlock(invoke, True, request.block, None, wrong).encode()
            given = self._next_block(Move.GET_NEXT, invoke, request.block)
            return given or Reply((Move.GET_NEXT, Move.ANSWER_GET), refusal)
        if isinstance(request, GetListRequest):
            return self._begin(Move.GET, get_task(invoke, request.asked))
        return self._begin(Move.GET, Task(invoke, (GetRequested(request.ref, request.selection),)))

    def _heard_set(self, apdu: bytes) -> Reply:
        request = decode_set_request(apdu)
        invoke = request.invoke
        if isinstance(request, SetBlock):
            return self._heard_set_block(request)
        if isinstance(request, SetListRequest):
            return self._begin(Move.SET, set_task(invoke, request.refs, request.values))
        return self._begin(Move.SET, Task(invoke, (SetRequested(request.ref, request.value),)))

    def _heard_set_block(self, request: SetBlock) -> Reply:
        invoke, number = request.invoke, request.piece.number
        try:
            long, whole = self._gather(request)
        except BlockRefused as refused:
            refusal = SetBlockAnswer(invoke, number, refused.set_result).encode()
            return Reply((Move.SET_BLOCK, Move.ANSWER_SET), refusal)
        if whole is None:
            return Reply((Move.SET_BLOCK, Move.TAKE_SET_BLOCK), SetBlockAnswer(invoke, number).encode())
        return self._begin(Move.SET, long_set_task(long, whole, invoke, number))

    def _heard_action(self, apdu: bytes) -> Reply:
        request = decode_action_request(apdu)
        invoke = request.invoke
        if isinstance(request, ActionNext):
            aborted = ActionAnswer(invoke, ActionResult.LONG_ACTION_ABORTED).encode()
            given = self._next_block(Move.ANSWER_NEXT, invoke, request.block)
            return given or Reply((Move.ANSWER_NEXT, Move.ANSWER_ACT), aborted)
        if isinstance(request, ActionBlock):
            return self._heard_action_block(request)
        if isinstance(request, ActionListRequest):
            return self._begin(Move.ACT, action_task(invoke, request.refs, request.parameters))
        return self._begin(Move.ACT, Task(invoke, (ActionRequested(request.ref, request.parameter),)))

    def _heard_action_block(self, request: ActionBlock) -> Reply:
        invoke, number = request.invoke, request.piece.number
        try:
            long, whole = self._gather(request)
        except BlockRefused as refused:
            refusal = ActionAnswer(invoke, refused.action_result).encode()
            return Reply((Move.ACT_BLOCK, Move.ANSWER_ACT), refusal)
        if whole is None:
            return Reply((Move.ACT_BLOCK, Move.TAKE_ACT_BLOCK), ActionBlockTaken(invoke, number).encode())
        return self._begin(Move.ACT, long_action_task(long, whole, invoke))

    def _gather(self, block: SetBlock | ActionBlock) -> tuple[LongRequest, bytes | None]:
        """The long request, and its values when this was the last block. Raises BlockRefused."""
        self._answer = None
        long, self._long = long_request(self._long, block), None
        whole = long.add(block.piece)
        self._long = long
        return long, whole
