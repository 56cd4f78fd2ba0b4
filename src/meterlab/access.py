"""Who may associate with a meter: its model's table of clients with the meter's own test keys and counters."""

from __future__ import annotations

import secrets

from bijlighar.dlms.association import Mechanism, ServerAccess, ServerAssociation, ServerSettings
from bijlighar.dlms.model import AssociationAccess
from bijlighar.dlms.security import CHALLENGE_OCTETS, SecurityMaterial
from meterlab import identity
from meterlab.associations import MAX_PDU_OCTETS
from meterlab.identity import MeterKeys
from meterlab.lab import Lab

NOBODY = "nobody"
"""The association of a client that the model does not know."""

_PUSH = "push"  # pre-established: it is never opened


def server_settings(lab: Lab, meter: int) -> ServerSettings:
    """The meter's side of its next association, with a fresh challenge."""
    seed = lab.town.seed
    keys = identity.keys_in(lab.keys[meter])
    material = SecurityMaterial(
        system_title=identity.system_title(seed, meter),
        encryption_key=keys.encryption,
        authentication_key=keys.authentication,
    )
    associations = lab.objects.plan(meter).model.associations
    accesses = {
        access.client_address: _access(lab, meter, access, keys, material)
        for name, access in associations.items()
        if name != _PUSH
    }
    sent = int(lab.state.sent[meter])
    return ServerSettings(
        accesses=accesses,
        challenge=secrets.token_bytes(CHALLENGE_OCTETS),
        invocation_counter=sent,
        max_pdu=MAX_PDU_OCTETS,
    )


def _access(
    lab: Lab, meter: int, access: AssociationAccess, keys: MeterKeys, material: SecurityMaterial
) -> ServerAccess:
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
    for name, access in lab.objects.plan(meter).model.associations.items():
        if access.client_address == client_address:
            return name
    return NOBODY
