"""xDLMS application PDUs: what a request and an answer are made of (IEC 62056-5-3).

``references`` name attributes and methods and select rows; ``results`` tell how it went; ``initiate`` opens;
``get``, ``set_attribute`` and ``action`` are the three services of logical name referencing, ``blocks`` what their
long forms share. The ACCESS service is not spoken and is refused by name.
"""

from bijlighar.dlms.xdlms.initiate import Conformance, InitiateRequest, InitiateResponse
from bijlighar.dlms.xdlms.references import (
    CLOCK_TIME,
    AttributeRef,
    ColumnRef,
    EntrySelection,
    MethodRef,
    RangeSelection,
    Selection,
)
from bijlighar.dlms.xdlms.results import (
    ActionResult,
    ConfirmedServiceError,
    DataAccessResult,
    ExceptionResponse,
    ServiceError,
    StateError,
)

__all__ = [
    "CLOCK_TIME",
    "ActionResult",
    "AttributeRef",
    "ColumnRef",
    "ConfirmedServiceError",
    "Conformance",
    "DataAccessResult",
    "EntrySelection",
    "ExceptionResponse",
    "InitiateRequest",
    "InitiateResponse",
    "MethodRef",
    "RangeSelection",
    "Selection",
    "ServiceError",
    "StateError",
]
