"""How a server tells a client of a fault in its request: the exception-response for each kind of error."""

from __future__ import annotations

from bijlighar.dlms.errors import Malformed, NotAuthentic, NotSupported, RemoteProtocolError, Replayed
from bijlighar.dlms.xdlms import ExceptionResponse, ServiceError, StateError


def exception_for(fault: RemoteProtocolError) -> ExceptionResponse:
    """The exception-response for ``fault``; after a replay it names the counter that is expected."""
    if isinstance(fault, Replayed):
        error = ServiceError.INVOCATION_COUNTER_ERROR
        return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, error, fault.last_accepted + 1)
    if isinstance(fault, NotSupported):
        return ExceptionResponse(StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)
    if isinstance(fault, NotAuthentic):
        return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.DECIPHERING_ERROR)
    if isinstance(fault, Malformed):
        return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)
    return ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
