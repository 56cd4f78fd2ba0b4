"""From an association of a meter model and a meter's keys to the machine that opens it."""

from __future__ import annotations

from bijlighar.dlms.association import Ciphering, ClientAssociation, ClientSettings, Mechanism
from bijlighar.dlms.limits import DEFAULT_MAX_PDU_OCTETS
from bijlighar.dlms.model import AssociationAccess
from bijlighar.dlms.security import ChallengePadding, SecurityMaterial
from bijlighar.headend.counters import Reserved
from bijlighar.headend.keys import MeterKeys

PUBLIC, READER, SETTING = "public", "reader", "setting"


def counts(access: AssociationAccess) -> bool:
    """Whether invocation counters are used."""
    return access.ciphering is not Ciphering.NONE or access.mechanism is Mechanism.HLS_GMAC


def client_association(
    access: AssociationAccess,
    keys: MeterKeys,
    *,
    own_title: bytes,
    reserved: Reserved | None,
    challenge: bytes,
    max_pdu: int = DEFAULT_MAX_PDU_OCTETS,
    zero_padding: bool = False,
) -> ClientAssociation:
    """The client's machine. ``reserved`` invocation counters, None where none are used; ``max_pdu`` octets.

    Raises LocalProtocolError for keys that the association needs and that are not there.
    """
    material = None
    if reserved is not None:
        material = SecurityMaterial(
            system_title=own_title,
            encryption_key=keys.encryption_key,
            authentication_key=keys.authentication_key,
        )
    secret = {READER: keys.reader_secret, SETTING: keys.setting_secret}.get(access.name, b"")
    return ClientAssociation(
        ClientSettings(
            mechanism=access.mechanism,
            ciphering=access.ciphering,
            client_address=access.client_address,
            secret=secret or None,
            protection=access.protection,
            own=material,
            invocation_counter=reserved.first if reserved else 0,
            counters_left=reserved.count if reserved else 0,
            challenge=challenge,
            max_pdu=max_pdu,
            padding=ChallengePadding.ZEROS if zero_padding else ChallengePadding.PKCS7,
        )
    )
