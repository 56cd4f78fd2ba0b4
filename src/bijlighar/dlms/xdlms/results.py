"""How it went: results of services, exception-response, confirmed-service-error (IEC 62056-5-3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar, cast

from bijlighar.dlms.errors import Malformed, Truncated

EXCEPTION_RESPONSE = 0xD8
CONFIRMED_SERVICE_ERROR = 0x0E


class DataAccessResult(IntEnum):
    """Result of reading or writing one attribute."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class ActionResult(IntEnum):
    """Result of invoking one method."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


class StateError(IntEnum):
    """First half of an exception-response."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceError(IntEnum):
    """Second half of an exception-response."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


Result = TypeVar("Result", DataAccessResult, ActionResult, StateError, ServiceError)


def named(kind: type[Result], octet: int) -> Result:
    """The result with this number. Raises Malformed for one that the standard does not know."""
    result = _KNOWN[kind].get(octet)
    if result is None:
        raise Malformed(f"{kind.__name__} {octet} is not known")
    return cast("Result", result)


_KNOWN: dict[type[IntEnum], dict[int, IntEnum]] = {
    kind: {int(member): member for member in kind}
    for kind in (DataAccessResult, ActionResult, StateError, ServiceError)
}


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The peer could not treat a request at all. It comes unprotected: a hint, never a proof.

    ``expected_counter`` is what the peer wants to see when the fault is INVOCATION_COUNTER_ERROR.
    """

    state_error: StateError
    service_error: ServiceError
    expected_counter: int | None = None

    def encode(self) -> bytes:
        """The octets."""
        head = bytes([EXCEPTION_RESPONSE, self.state_error, self.service_error])
        return head if self.expected_counter is None else head + self.expected_counter.to_bytes(4, "big")


def decode_exception(apdu: bytes) -> ExceptionResponse:
    """Raises Malformed, Truncated."""
    if len(apdu) < 3:
        raise Truncated("an exception-response has at least three octets")
    state, service = named(StateError, apdu[1]), named(ServiceError, apdu[2])
    if service is ServiceError.INVOCATION_COUNTER_ERROR and len(apdu) == 7:
        return ExceptionResponse(state, service, int.from_bytes(apdu[3:], "big"))
    if len(apdu) != 3:
        raise Malformed("octets follow an exception-response")
    return ExceptionResponse(state, service)


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """The older form of refusal.

    ``service`` 1 = initiate, 5 = read, 6 = write; ``kind`` and ``value`` as in the standard's ServiceError choice:
    kind 6 = initiate with value 1 = DLMS version too low, 2 = incompatible conformance, 3 = PDU size too short.
    """

    service: int
    kind: int
    value: int

    def encode(self) -> bytes:
        """The octets."""
        return bytes([CONFIRMED_SERVICE_ERROR, self.service, self.kind, self.value])


def decode_confirmed_service_error(apdu: bytes) -> ConfirmedServiceError:
    """Raises Malformed."""
    if len(apdu) != 4:
        raise Malformed("a confirmed-service-error has four octets")
    return ConfirmedServiceError(*apdu[1:])
