"""The ACTION service, normal (IEC 62056-5-3)."""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms.errors import Malformed, NotSupported, Truncated
from bijlighar.dlms.xdlms.get import NORMAL
from bijlighar.dlms.xdlms.references import DESCRIPTOR_OCTETS, MethodRef, decode_descriptor
from bijlighar.dlms.xdlms.results import ActionResult, DataAccessResult, named

ACTION_REQUEST, ACTION_RESPONSE = 0xC3, 0xC7


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
        head = bytes((ACTION_RESPONSE, NORMAL, self.invoke, self.result))
        if self.value is not None:
            return head + b"\x01\x00" + self.value
        if self.value_result is not None:
            return head + bytes((1, 1, self.value_result))
        return head + b"\x00"


def decode_action_request(apdu: bytes) -> ActionRequest:
    """Raises Malformed, Truncated, NotSupported. The parameter is not decoded here."""
    offset = 3 + DESCRIPTOR_OCTETS
    if len(apdu) <= offset:
        raise Truncated("an action-request ends before its parameter")
    if apdu[1] != NORMAL:
        raise NotSupported(f"action-request choice {apdu[1]} is not supported")
    class_id, obis, method = decode_descriptor(apdu, 3)
    parameter = apdu[offset + 1 :] if apdu[offset] else None
    if (len(apdu) > offset + 1) is not (parameter is not None):
        raise Malformed("an action-request's parameter is not what its flag tells")
    return ActionRequest(apdu[2], MethodRef(class_id, obis, method), parameter)


def decode_action_response(apdu: bytes) -> ActionAnswer:
    """Raises Malformed, Truncated, NotSupported. The returned value is not decoded here."""
    size = len(apdu)
    if size < 5:
        raise Truncated("an action-response ends within its head")
    if apdu[1] != NORMAL:
        raise NotSupported(f"action-response choice {apdu[1]} is not supported")
    invoke, result = apdu[2], named(ActionResult, apdu[3])
    if apdu[4] == 0 and size == 5:
        return ActionAnswer(invoke, result)
    if apdu[4] == 1 and size > 6 and apdu[5] == 0:
        return ActionAnswer(invoke, result, apdu[6:])
    if apdu[4] == 1 and size == 7 and apdu[5] == 1:
        return ActionAnswer(invoke, result, None, named(DataAccessResult, apdu[6]))
    raise Malformed("an action-response holds neither a value, a result nor nothing")
