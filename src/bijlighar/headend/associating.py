"""From an association of a meter model and a meter's keys to the machine that opens it."""

from __future__ import annotations

from collections.abc import Callable

from bijlighar.cim.gateway_address import parse_gateway_address
from bijlighar.dlms.association import Ciphering, ClientAssociation, ClientSettings, Mechanism
from bijlighar.dlms.gateway import Gateway
from bijlighar.dlms.limits import DEFAULT_MAX_PDU_OCTETS
from bijlighar.dlms.model import AssociationAccess, MeterModel, Quirk
from bijlighar.dlms.security import ChallengePadding, SecurityMaterial
from bijlighar.headend.counters import Reserved
from bijlighar.headend.heard import NOT_HEARD
from bijlighar.headend.keys import MeterKeys

PUBLIC, READER, SETTING = "public", "reader", "setting"
MAX_KEPT = 16_384
"""Settings kept, 4 kB each, some 60 MB. Beyond that, key schedules are made anew, a few microseconds a visit."""


def counts(access: AssociationAccess) -> bool:
    """Whether invocation counters are used."""
    return access.ciphering is not Ciphering.NONE or access.mechanism is Mechanism.HLS_GMAC


def client_title(own_title: bytes, client_address: int) -> bytes:
    """The head-end's title as one of its clients: the fourth octet tells the client's address.

    A nonce is title and counter. Counters are kept by client and a meter has one key for all of them, so under one
    title the same nonce would come from two clients, which breaks AES-GCM (NIST SP 800-38D, 8).
    """
    return own_title[:3] + bytes([own_title[3] ^ client_address & 0xFF]) + own_title[4:]


def passing_title(draw: Callable[[int], bytes]) -> bytes:
    """A title for one reading without the records, ``draw`` as ``secrets.token_bytes``.

    Who does not reserve its counters in the records may use one that a head-end uses too, so it must never have a
    head-end's title, nor that of another such reading. Head-ends are counted from 1; here the highest bit is set.
    """
    drawn = draw(4)
    return b"BJG\x00" + bytes([drawn[0] | 0x80]) + drawn[1:]


def client_settings(
    access: AssociationAccess,
    keys: MeterKeys,
    *,
    own_title: bytes,
    max_pdu: int = DEFAULT_MAX_PDU_OCTETS,
    zero_padding: bool = False,
    gateway_address: str = "",
) -> ClientSettings:
    """What stays the same from visit to visit. ``own_title`` of the head-end, ``max_pdu`` octets.

    ``gateway_address`` as the registry tells it of a meter behind a gateway.

    Raises LocalProtocolError for keys that the association needs and that are not there.
    """
    material = None
    if counts(access):
        material = SecurityMaterial(
            system_title=client_title(own_title, access.client_address),
            encryption_key=keys.encryption_key,
            authentication_key=keys.authentication_key,
        )
    secret = {READER: keys.reader_secret, SETTING: keys.setting_secret}.get(access.name, b"")
    return ClientSettings(
        mechanism=access.mechanism,
        ciphering=access.ciphering,
        client_address=access.client_address,
        secret=secret or None,
        protection=access.protection,
        own=material,
        max_pdu=max_pdu,
        padding=ChallengePadding.ZEROS if zero_padding else ChallengePadding.PKCS7,
        gateway=_gateway(gateway_address) if gateway_address else None,
    )


def _gateway(text: str) -> Gateway:
    network_id, physical_address = parse_gateway_address(text)
    return Gateway(network_id=network_id, physical_address=physical_address)


def begin(
    settings: ClientSettings, reserved: Reserved | None, challenge: bytes, heard: int = NOT_HEARD
) -> ClientAssociation:
    """The machine of one visit. ``reserved`` invocation counters, None where none are used; fresh ``challenge``.

    ``heard`` the newest counter that the meter used in an earlier visit. Raises LocalProtocolError for settings
    that cannot work.
    """
    first, count = (0, 0) if reserved is None else (reserved.first, reserved.count)
    return ClientAssociation(
        settings, challenge=challenge, invocation_counter=first, counters_left=count, heard=heard
    )


def client_association(
    access: AssociationAccess,
    keys: MeterKeys,
    *,
    own_title: bytes,
    reserved: Reserved | None,
    challenge: bytes,
) -> ClientAssociation:
    """The machine for one meter that is visited once. Raises as ``client_settings`` and ``begin``."""
    return begin(client_settings(access, keys, own_title=own_title), reserved, challenge)


class KeptSettings:
    """The settings of every meter and association visited so far, key schedules included.

    What is kept is used only for the same model and the same keys, whichever are given anew at every visit:
    changed keys replace what stood there. Nothing here is more secret than the master key beside it in memory.
    """

    def __init__(self, own_title: bytes, max_pdu: int) -> None:
        self._own_title = own_title
        self._max_pdu = max_pdu
        self._kept: dict[tuple[int, str], tuple[MeterModel, MeterKeys, str, ClientSettings]] = {}

    def of(
        self,
        meter_id: int,
        model: MeterModel,
        access: AssociationAccess,
        keys: MeterKeys,
        gateway_address: str = "",
    ) -> ClientSettings:
        """The settings for one meter's ``access``. Raises as ``client_settings``."""
        named = meter_id, access.name
        kept = self._kept.pop(named, None)
        if kept is None or kept[0] is not model or kept[1] != keys or kept[2] != gateway_address:
            made = client_settings(
                access,
                keys,
                own_title=self._own_title,
                max_pdu=self._max_pdu,
                zero_padding=Quirk.HLS_ZERO_PADDING in model.quirks,
                gateway_address=gateway_address,
            )
            kept = model, keys, gateway_address, made
        self._kept[named] = kept  # at the end: first in the dictionary is who was visited longest ago
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept[3]
