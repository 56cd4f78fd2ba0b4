"""Who may associate with a meter: its model's table of clients with the meter's own test keys and counters."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from bijlighar.dlms.association import Mechanism, ServerAccess, ServerAssociation, ServerSettings
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.model import AssociationAccess
from bijlighar.dlms.security import CHALLENGE_OCTETS, SecurityMaterial
from meterlab import identity
from meterlab.associations import MAX_PDU_OCTETS
from meterlab.lab import Lab

WRAPPER_HEADER_OCTETS = 8

NOBODY = "nobody"
"""The association of a client that the model does not know."""


def server_settings(lab: Lab, meter: int, client_address: int) -> ServerSettings:
    """The meter's side of its next association with one client, with a fresh challenge."""
    access = lab.objects.plan(meter).clients.get(client_address)
    return _settings(lab, meter, [] if access is None else [access], None)


def hdlc_settings(lab: Lab, meter: int, hdlc: HdlcSettings) -> ServerSettings:
    """The same over HDLC, for whichever client calls: a link may outlive associations of several."""
    return _settings(lab, meter, lab.objects.plan(meter).clients.values(), hdlc)


def _settings(
    lab: Lab, meter: int, clients: Iterable[AssociationAccess], hdlc: HdlcSettings | None
) -> ServerSettings:
    return ServerSettings(
        accesses={access.client_address: _access(lab, meter, access) for access in clients},
        challenge=secrets.token_bytes(CHALLENGE_OCTETS),
        invocation_counter=int(lab.state.sent[meter]),
        max_pdu=MAX_PDU_OCTETS,
        hdlc=hdlc,
    )


def _access(lab: Lab, meter: int, access: AssociationAccess) -> ServerAccess:
    seed = lab.town.seed
    keys = identity.keys_in(lab.keys[meter])
    material = SecurityMaterial(
        system_title=identity.system_title(seed, meter),
        encryption_key=keys.encryption,
        authentication_key=keys.authentication,
    )
    column = lab.state.counter_column(access.client_address)
    secret = {Mechanism.LLS: keys.reader_secret, Mechanism.HLS_AES: keys.setting_secret}.get(access.mechanism)
    return ServerAccess(
        client_address=access.client_address,
        mechanism=access.mechanism,
        ciphering=access.ciphering,
        secret=secret,
        protection=access.protection,
        material=material,
        last_accepted_counter=-1 if column is None else int(lab.state.next_received[meter, column]) - 1,
    )


def keep_counters(lab: Lab, meter: int, association: ServerAssociation) -> None:
    """Remember both invocation counters of an association, so that a later one refuses what was seen."""
    lab.state.sent[meter] = association.next_invocation_counter
    column = lab.state.counter_column(association.client_address or 0)
    if column is not None and association.last_accepted_counter >= 0:
        lab.state.next_received[meter, column] = association.last_accepted_counter + 1


def association_name(lab: Lab, meter: int, client_address: int | None) -> str:
    """The name that the model gives to a client's association."""
    access = lab.objects.plan(meter).clients.get(client_address or 0)
    return NOBODY if access is None else access.name


def caller_of(first_octets: bytes) -> int:
    """The client address in the wrapper header of a connection's first frame."""
    return int.from_bytes(first_octets[2:4], "big")
