"""What happened: the events of both roles, named in the past tense."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from bijlighar.dlms.acse import AssociationResult, Diagnostic
from bijlighar.dlms.association.settings import Mechanism
from bijlighar.dlms.axdr import Data, decode
from bijlighar.dlms.xdlms import (
    ActionResult,
    AttributeRef,
    ConfirmedServiceError,
    DataAccessResult,
    ExceptionResponse,
    MethodRef,
    Selection,
)


class NeedData(Enum):
    """The type of NEED_DATA."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
"""No event now: send what ``data_to_send`` gives, then receive more."""


@dataclass(slots=True)
class AssociationOpened:
    """The association stands, proofs included. ``meter_title`` as named by the meter, proven when ciphered.

    ``max_pdu`` octets that the meter can receive, 0 = no limit; ``conformance`` bits as negotiated.
    """

    meter_title: bytes
    max_pdu: int
    conformance: int


@dataclass(slots=True)
class AssociationRefused:
    """The meter did not want this association. ``diagnostic``: a Diagnostic, or the number of an unlisted one."""

    result: AssociationResult | int
    diagnostic: Diagnostic | int
    service_error: ConfirmedServiceError | None = None


@dataclass(slots=True)
class GetSucceeded:
    """The attribute was read. ``octets`` raw A-XDR of the whole value, blocks already joined."""

    octets: bytes

    def data(self) -> Data:
        """The typed value. Raises RemoteProtocolError when the octets are no value."""
        return decode(self.octets)


@dataclass(slots=True)
class GetFailed:
    """The meter did not give the attribute."""

    result: DataAccessResult


@dataclass(slots=True)
class GetListDone:
    """The attributes of a list were read: for each its raw A-XDR octets, or why there are none."""

    results: tuple[bytes | DataAccessResult, ...]


@dataclass(slots=True)
class SetDone:
    """The meter answered a SET; ``result`` says how."""

    result: DataAccessResult


@dataclass(slots=True)
class SetListDone:
    """The meter answered a SET with list: a result for each attribute."""

    results: tuple[DataAccessResult, ...]


@dataclass(slots=True)
class ActionDone:
    """The meter answered an ACTION. ``octets`` raw A-XDR of what the method returned, if it did."""

    result: ActionResult
    octets: bytes | None


@dataclass(slots=True)
class ActionListDone:
    """The meter answered an ACTION with list: what became of each method."""

    results: tuple[ActionDone, ...]


@dataclass(slots=True)
class ServiceRefused:
    """The meter could not treat the request at all. It comes unprotected: a hint, not a proof."""

    exception: ExceptionResponse | ConfirmedServiceError


@dataclass(slots=True)
class Released:
    """The association is over, in good order."""


@dataclass(slots=True)
class NotificationReceived:
    """The meter told something unasked. ``instant`` date-time of 12 octets or None; ``octets`` raw A-XDR."""

    invoke_id: int
    instant: bytes | None
    octets: bytes


@dataclass(slots=True)
class EventNotified:
    """The meter told that something happened. ``instant`` date-time of 12 octets or None; ``octets`` raw A-XDR."""

    ref: AttributeRef
    instant: bytes | None
    octets: bytes


@dataclass(slots=True)
class LinkEnded:
    """The peer closed the link below the association or began it anew (HDLC), and the association with it."""


@dataclass(slots=True)
class AssociationRequested:
    """A client asked for an association and was answered by the table of accesses.

    ``diagnostic`` NONE = it stands; AUTHENTICATION_REQUIRED = a proof must follow (then ClientProved comes);
    anything else = refused. ``dedicated_key`` as the client sent it.
    """

    client_address: int
    mechanism: Mechanism | int
    client_title: bytes | None
    diagnostic: Diagnostic
    dedicated_key: bytes | None = None


@dataclass(slots=True)
class ClientProved:
    """The client's HLS proof was judged and answered; ``accepted`` False = wrong, and all is over."""

    client_address: int
    accepted: bool


@dataclass(slots=True)
class GetRequested:
    """A client wants an attribute: ``answer_get``."""

    ref: AttributeRef
    selection: Selection | None


@dataclass(slots=True)
class SetRequested:
    """A client wants to write: ``answer_set``. ``octets`` raw A-XDR of the value."""

    ref: AttributeRef
    octets: bytes

    def data(self) -> Data:
        """The typed value. Raises RemoteProtocolError when the octets are no value."""
        return decode(self.octets)


@dataclass(slots=True)
class ActionRequested:
    """A client invokes a method: ``answer_action``. ``octets`` raw A-XDR of the parameter, if any."""

    ref: MethodRef
    octets: bytes | None


ClientEvent: TypeAlias = (
    AssociationOpened
    | AssociationRefused
    | GetSucceeded
    | GetFailed
    | GetListDone
    | SetDone
    | SetListDone
    | ActionDone
    | ActionListDone
    | ServiceRefused
    | Released
    | NotificationReceived
    | EventNotified
)
ServerEvent: TypeAlias = (
    AssociationRequested | ClientProved | GetRequested | SetRequested | ActionRequested | Released | LinkEnded
)
