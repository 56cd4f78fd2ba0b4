"""The ACTION service: normal, with list, and both in blocks, parameters as well as answers (IEC 62056-5-3).

What goes in the blocks of an answer is the returned value alone, for blocks tell a success; of a list it is what
would follow the invoke-id, the count and result and value of each method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bijlighar.dlms.axdr import encode_length
from bijlighar.dlms.errors import Malformed, NotSupported, Truncated
from bijlighar.dlms.xdlms.blocks import Piece, check_count, decode_number, decode_piece, read_count
from bijlighar.dlms.xdlms.get import NORMAL, decode_result
from bijlighar.dlms.xdlms.references import DESCRIPTOR_OCTETS, MethodRef, decode_descriptor
from bijlighar.dlms.xdlms.results import ActionResult, DataAccessResult, named
from bijlighar.dlms.xdlms.set_attribute import decode_values

ACTION_REQUEST, ACTION_RESPONSE = 0xC3, 0xC7
_NEXT, _LIST, _FIRST_BLOCK, _LIST_FIRST_BLOCK, _BLOCK = 2, 3, 4, 5, 6
_ANSWER_BLOCK, _LIST_DONE, _TAKEN = 2, 3, 4
_SUCCESS = ActionResult.SUCCESS
HEAD_OCTETS: Final = 3
"""Tag, choice and invoke-id."""


@dataclass(slots=True)
class ActionRequest:
    """Invokes one method. ``parameter`` raw A-XDR octets, or None."""

    invoke: int
    ref: MethodRef
    parameter: bytes | None = None

    def encode(self) -> bytes:
        """The octets."""
        return encode_action(self.invoke, self.ref.encode(), self.parameter)


def encode_action(invoke: int, descriptor: bytes, parameter: bytes | None) -> bytes:
    """The octets of an ActionRequest; ``descriptor`` as ``MethodRef.encode`` gives it."""
    head = bytes((ACTION_REQUEST, NORMAL, invoke)) + descriptor
    return head + (b"\x00" if parameter is None else b"\x01" + parameter)


@dataclass(slots=True)
class ActionListRequest:
    """Invokes several methods in order. ``parameters`` raw A-XDR octets, null-data (00) for none."""

    invoke: int
    refs: tuple[MethodRef, ...]
    parameters: tuple[bytes, ...]

    def encode(self) -> bytes:
        """The octets. Raises LocalProtocolError for too many."""
        head = bytes((ACTION_REQUEST, _LIST, self.invoke)) + encode_methods(self.refs)
        return head + encode_length(len(self.parameters)) + b"".join(self.parameters)


@dataclass(slots=True)
class ActionBlock:
    """One block of a long parameter, or of those of a list (``listed``); only the first names ``refs``."""

    invoke: int
    piece: Piece
    refs: tuple[MethodRef, ...] = ()
    listed: bool = False

    def encode(self) -> bytes:
        """The octets."""
        if not self.refs:
            choice, references = _BLOCK, b""
        elif self.listed:
            choice, references = _LIST_FIRST_BLOCK, encode_methods(self.refs)
        else:
            choice, references = _FIRST_BLOCK, self.refs[0].encode()
        return bytes((ACTION_REQUEST, choice, self.invoke)) + references + self.piece.encode()


@dataclass(slots=True)
class ActionNext:
    """Asks for the block of the answer after ``block``."""

    invoke: int
    block: int

    def encode(self) -> bytes:
        """The octets."""
        return bytes((ACTION_REQUEST, _NEXT, self.invoke)) + self.block.to_bytes(4, "big")


def encode_methods(refs: Sequence[MethodRef]) -> bytes:
    """Count and methods of a list. Raises LocalProtocolError for too many."""
    check_count(len(refs))
    return encode_length(len(refs)) + b"".join(ref.encode() for ref in refs)


@dataclass(slots=True)
class ActionAnswer:
    """How it went, and what the method returned: ``value`` raw A-XDR octets, or None.

    ``value_result`` stands in for a value that could not be returned.
    """

    invoke: int
    result: ActionResult
    value: bytes | None = None
    value_result: DataAccessResult | None = None

    def encode(self) -> bytes:
        """The octets."""
        return bytes((ACTION_RESPONSE, NORMAL, self.invoke)) + self.body()

    def body(self) -> bytes:
        """What follows the invoke-id."""
        head = bytes((self.result,))
        if self.value is not None:
            return head + b"\x01\x00" + self.value
        if self.value_result is not None:
            return head + bytes((1, 1, self.value_result))
        return head + b"\x00"


@dataclass(slots=True)
class ActionListAnswer:
    """How each method of a list went. ``body`` as ``encode_answers`` gives it."""

    invoke: int
    body: bytes

    def encode(self) -> bytes:
        """The octets."""
        return bytes((ACTION_RESPONSE, _LIST_DONE, self.invoke)) + self.body


@dataclass(slots=True)
class ActionAnswerBlock:
    """One block of a long answer."""

    invoke: int
    piece: Piece

    def encode(self) -> bytes:
        """The octets."""
        return bytes((ACTION_RESPONSE, _ANSWER_BLOCK, self.invoke)) + self.piece.encode()


@dataclass(slots=True)
class ActionBlockTaken:
    """Block ``number`` of the parameters was taken, the next one is due."""

    invoke: int
    number: int

    def encode(self) -> bytes:
        """The octets."""
        return bytes((ACTION_RESPONSE, _TAKEN, self.invoke)) + self.number.to_bytes(4, "big")


def decode_action_request(apdu: bytes) -> ActionRequest | ActionListRequest | ActionBlock | ActionNext:
    """Raises RemoteProtocolError. A single parameter is not decoded here."""
    if len(apdu) <= HEAD_OCTETS:
        raise Truncated("an action-request ends within its head")
    choice, invoke = apdu[1], apdu[2]
    if choice == NORMAL:
        return _normal_request(apdu)
    if choice == _NEXT:
        return ActionNext(invoke, decode_number(apdu))
    if choice == _BLOCK:
        return ActionBlock(invoke, decode_piece(apdu, HEAD_OCTETS))
    if choice == _FIRST_BLOCK:
        ref = MethodRef(*decode_descriptor(apdu, HEAD_OCTETS))
        return ActionBlock(invoke, decode_piece(apdu, HEAD_OCTETS + DESCRIPTOR_OCTETS), (ref,))
    if choice in (_LIST, _LIST_FIRST_BLOCK):
        refs, offset = _methods(apdu)
        if choice == _LIST:
            return ActionListRequest(invoke, refs, decode_values(apdu, offset, len(refs)))
        return ActionBlock(invoke, decode_piece(apdu, offset), refs, listed=True)
    raise NotSupported(f"action-request choice {choice} is not supported")


def _normal_request(apdu: bytes) -> ActionRequest:
    offset = HEAD_OCTETS + DESCRIPTOR_OCTETS
    if len(apdu) <= offset:
        raise Truncated("an action-request ends before its parameter")
    class_id, obis, method = decode_descriptor(apdu, HEAD_OCTETS)
    parameter = apdu[offset + 1 :] if apdu[offset] else None
    if (len(apdu) > offset + 1) is not (parameter is not None):
        raise Malformed("an action-request's parameter is not what its flag tells")
    return ActionRequest(apdu[2], MethodRef(class_id, obis, method), parameter)


def _methods(apdu: bytes) -> tuple[tuple[MethodRef, ...], int]:
    count, offset = read_count(apdu, HEAD_OCTETS)
    refs = []
    for _ in range(count):
        refs.append(MethodRef(*decode_descriptor(apdu, offset)))
        offset += DESCRIPTOR_OCTETS
    return tuple(refs), offset


ActionResponse = ActionAnswer | ActionListAnswer | ActionAnswerBlock | ActionBlockTaken


def decode_action_response(apdu: bytes) -> ActionResponse:
    """Raises Malformed, Truncated, NotSupported. A single returned value is not decoded here."""
    if len(apdu) < HEAD_OCTETS + 2:
        raise Truncated("an action-response ends within its head")
    choice, invoke = apdu[1], apdu[2]
    if choice == NORMAL:
        return decode_answer(invoke, apdu, HEAD_OCTETS)
    if choice == _ANSWER_BLOCK:
        return ActionAnswerBlock(invoke, decode_piece(apdu, HEAD_OCTETS))
    if choice == _LIST_DONE:
        return ActionListAnswer(invoke, apdu[HEAD_OCTETS:])
    if choice == _TAKEN:
        return ActionBlockTaken(invoke, decode_number(apdu))
    raise NotSupported(f"action-response choice {choice} is not supported")


def decode_answer(invoke: int, octets: bytes, offset: int) -> ActionAnswer:
    """The answer that fills ``octets`` from ``offset``. Raises Malformed, Truncated."""
    size = len(octets) - offset
    if size < 2:
        raise Truncated("an action's answer ends within its head")
    if size > 3 and octets[offset : offset + 3] == b"\x00\x01\x00":  # success with a value, as of every proof
        return ActionAnswer(invoke, _SUCCESS, octets[offset + 3 :])
    result = named(ActionResult, octets[offset])
    flag = octets[offset + 1]
    if flag == 0 and size == 2:
        return ActionAnswer(invoke, result)
    if flag == 1 and size > 3 and octets[offset + 2] == 0:
        return ActionAnswer(invoke, result, octets[offset + 3 :])
    if flag == 1 and size == 4 and octets[offset + 2] == 1:
        return ActionAnswer(invoke, result, None, named(DataAccessResult, octets[offset + 3]))
    raise Malformed("an action-response holds neither a value, a result nor nothing")


def decode_joined_answer(invoke: int, octets: bytes) -> ActionAnswer:
    """The answer of one method that came in blocks: its value alone, or what stands in an answer of one piece.

    Some peers send the latter. No value begins with 00 and goes on. Raises Malformed, Truncated.
    """
    if octets[:1] == b"\x00" and len(octets) > 1:
        return decode_answer(invoke, octets, 0)
    return ActionAnswer(invoke, _SUCCESS, octets)


def encode_answers(answers: Sequence[ActionAnswer]) -> bytes:
    """Count and answers of a list, as they follow the invoke-id or go in blocks."""
    return encode_length(len(answers)) + b"".join(answer.body() for answer in answers)


def decode_answers(invoke: int, octets: bytes, expected: int) -> tuple[ActionAnswer, ...]:
    """The ``expected`` answers that fill ``octets``. Raises RemoteProtocolError."""
    count, offset = read_count(octets, 0)
    if count != expected:
        raise Malformed(f"{count} answers for {expected} methods")
    answers = []
    for _ in range(count):
        answer, offset = _one_of_list(invoke, octets, offset)
        answers.append(answer)
    if offset != len(octets):
        raise Malformed("octets follow the answers of a list")
    return tuple(answers)


def _one_of_list(invoke: int, octets: bytes, offset: int) -> tuple[ActionAnswer, int]:
    if offset + 2 > len(octets):
        raise Truncated("a list ends where an answer should stand")
    result, flag = named(ActionResult, octets[offset]), octets[offset + 1]
    if not flag:
        return ActionAnswer(invoke, result), offset + 2
    value, end = decode_result(octets, offset + 2)
    if isinstance(value, bytes):
        return ActionAnswer(invoke, result, value), end
    return ActionAnswer(invoke, result, None, value), end
