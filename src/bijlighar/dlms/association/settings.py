"""What both sides know before they speak: mechanism, secrets, keys, counters, sizes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

from bijlighar.dlms.errors import LocalProtocolError
from bijlighar.dlms.gateway import Gateway
from bijlighar.dlms.general_block import BlockSettings
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.limits import DEFAULT_MAX_PDU_OCTETS, MAX_COUNTER, MIN_PDU_OCTETS
from bijlighar.dlms.security import (
    CHALLENGE_OCTETS,
    KEY_OCTETS,
    SYSTEM_TITLE_OCTETS,
    ChallengePadding,
    SecurityControl,
    SecurityMaterial,
)
from bijlighar.dlms.xdlms import Conformance


class Mechanism(IntEnum):
    """How a client proves itself; the number is that of the standard's mechanism name."""

    NONE = 0
    LLS = 1
    HLS_AES = 2
    HLS_GMAC = 5


class Ciphering(Enum):
    """The form of ciphered APDUs."""

    NONE = "none"
    GLO = "glo"
    GENERAL_GLO = "general-glo"


_HLS_AES = Mechanism.HLS_AES
BOTH_PROTECTIONS = SecurityControl.AUTHENTICATED_ENCRYPTED
_CLIENT_CONFORMANCE = int(
    Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_GET
    | Conformance.BLOCK_TRANSFER_WITH_SET
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.EVENT_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)
CONFORMANCE_OF = {
    Ciphering.NONE: _CLIENT_CONFORMANCE,
    Ciphering.GLO: _CLIENT_CONFORMANCE,
    Ciphering.GENERAL_GLO: _CLIENT_CONFORMANCE | int(Conformance.GENERAL_PROTECTION),
}
"""What this package can do, as a client proposes it and a server grants it."""


def conformance(ciphering: Ciphering, general_blocks: BlockSettings | None) -> int:
    """CONFORMANCE_OF, and general block transfer when the settings have it."""
    blocks = 0 if general_blocks is None else int(Conformance.GENERAL_BLOCK_TRANSFER)
    return CONFORMANCE_OF[ciphering] | blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The associations of a client with one meter. Keep them: what they come to is worked out once.

    ``secret`` LLS password, or the HLS secret of mechanism 2 (16 octets); ``own`` our title and the meter's keys,
    needed for ciphering and for mechanism 5; ``meter_title`` what must answer, None = learn it.
    ``invocation_counter`` the first of ``counters_left`` reserved numbers.
    ``challenge`` 16 octets from the caller's random source, fresh for every association. Challenge and counters
    may also be given to ClientAssociation, which lets the same settings serve every visit.
    ``max_pdu`` octets that we can receive. ``padding`` how this make fills a mechanism 2 challenge.
    ``dedicated_key`` 16 fresh octets: services are then ciphered under it (ded- or general-ded).
    ``hdlc`` None = TCP wrapper; ``gateway`` the meter behind a data concentrator; ``general_blocks`` offers
    general block transfer.
    """

    mechanism: Mechanism = Mechanism.NONE
    ciphering: Ciphering = Ciphering.NONE
    client_address: int = 16
    server_address: int = 1
    secret: bytes | None = field(default=None, repr=False)
    protection: SecurityControl = BOTH_PROTECTIONS
    own: SecurityMaterial | None = None
    meter_title: bytes | None = None
    invocation_counter: int = 0
    counters_left: int = 0
    challenge: bytes = field(default=b"", repr=False)
    max_pdu: int = DEFAULT_MAX_PDU_OCTETS
    dedicated_key: bytes | None = field(default=None, repr=False)
    padding: ChallengePadding = ChallengePadding.PKCS7
    hdlc: HdlcSettings | None = None
    gateway: Gateway | None = None
    general_blocks: BlockSettings | None = None
    kept: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)
    """What these settings come to, once it was asked for (see ``prepared`` and ``course``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccess:
    """One row of a meter's table of clients: who may associate, and how.

    ``last_accepted_counter`` the newest invocation counter accepted from this client, -1 = none yet.
    With ciphering, both glo and general-glo requests are taken and answered in kind.
    """

    client_address: int
    mechanism: Mechanism = Mechanism.NONE
    ciphering: Ciphering = Ciphering.NONE
    secret: bytes | None = field(default=None, repr=False)
    protection: SecurityControl = BOTH_PROTECTIONS
    material: SecurityMaterial | None = None
    last_accepted_counter: int = -1
    padding: ChallengePadding = ChallengePadding.PKCS7


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """A meter's side. ``accesses`` by client address; ``challenge`` fresh for every association.

    ``invocation_counter`` the first of ``counters_left`` own numbers; ``max_pdu`` octets that we can receive.
    ``hdlc``, ``gateway`` and ``general_blocks`` as for a client.
    """

    accesses: dict[int, ServerAccess]
    challenge: bytes = field(default=b"", repr=False)
    invocation_counter: int = 0
    counters_left: int = MAX_COUNTER + 1
    server_address: int = 1
    max_pdu: int = DEFAULT_MAX_PDU_OCTETS
    hdlc: HdlcSettings | None = None
    gateway: Gateway | None = None
    general_blocks: BlockSettings | None = None


def password(settings: ClientSettings) -> bytes:
    """What proves the client in its AARQ: the LLS password, b"" with any other mechanism."""
    return settings.secret or b"" if settings.mechanism is Mechanism.LLS else b""


def check_client(settings: ClientSettings) -> None:
    """Raise LocalProtocolError for settings that cannot work."""
    _check_access(settings.mechanism, settings.ciphering, settings.secret, settings.own, settings.protection)
    if settings.meter_title is not None and len(settings.meter_title) != SYSTEM_TITLE_OCTETS:
        raise LocalProtocolError(f"a meter's title has {SYSTEM_TITLE_OCTETS} octets")
    if settings.dedicated_key is not None and (
        settings.ciphering is Ciphering.NONE
        or not settings.protection & SecurityControl.ENCRYPTED
        or len(settings.dedicated_key) != KEY_OCTETS
    ):
        raise LocalProtocolError("a dedicated key has 16 octets and travels encrypted only")
    _check_max_pdu(settings.max_pdu)


def check_server(settings: ServerSettings) -> None:
    """Raise LocalProtocolError for settings that cannot work."""
    for access in settings.accesses.values():
        _check_access(access.mechanism, access.ciphering, access.secret, access.material, access.protection)
        check_challenge(access.mechanism, settings.challenge)
    _check_max_pdu(settings.max_pdu)


def check_challenge(mechanism: Mechanism, challenge: bytes) -> None:
    """Raise LocalProtocolError unless our challenge suits the mechanism."""
    if mechanism >= _HLS_AES and len(challenge) != CHALLENGE_OCTETS:
        raise LocalProtocolError(f"a challenge has {CHALLENGE_OCTETS} octets, not {len(challenge)}")


def _check_access(
    mechanism: Mechanism,
    ciphering: Ciphering,
    secret: bytes | None,
    material: SecurityMaterial | None,
    protection: SecurityControl,
) -> None:
    if material is None and (ciphering is not Ciphering.NONE or mechanism is Mechanism.HLS_GMAC):
        raise LocalProtocolError("ciphering and mechanism 5 need keys and a system title")
    if ciphering is not Ciphering.NONE and protection not in (0x10, 0x20, 0x30):
        raise LocalProtocolError("the protection is authenticated, encrypted or both, of suite 0")
    if mechanism is Mechanism.LLS and not secret:
        raise LocalProtocolError("mechanism 1 needs a password")
    if mechanism is Mechanism.HLS_AES and (secret is None or len(secret) != KEY_OCTETS):
        raise LocalProtocolError("mechanism 2 needs a secret of 16 octets")


def _check_max_pdu(max_pdu: int) -> None:
    if not MIN_PDU_OCTETS <= max_pdu <= 0xFFFF:
        raise LocalProtocolError(f"a PDU size of {max_pdu} octets, possible are {MIN_PDU_OCTETS} to 65535")
