"""What a meter does with one request of an open association: ask its objects, hand the answer to the machine.

No socket and no clock: connections call it, and so does a test or a simulation that carries octets by hand.
"""

from __future__ import annotations

from bijlighar.dlms.association import (
    ActionRequested,
    GetRequested,
    ServerAssociation,
    ServerEvent,
    SetRequested,
)
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.xdlms import DataAccessResult
from meterlab.access import association_name
from meterlab.lab import Lab
from meterlab.objects import Caller


def answer(lab: Lab, meter: int, association: ServerAssociation, event: ServerEvent, now_s: float) -> None:
    """Answer a request; other events need none."""
    name = association_name(lab, meter, association.client_address)
    caller = Caller(meter=meter, association=name, now_s=now_s)
    if isinstance(event, GetRequested):
        association.answer_get(lab.objects.get(caller, event.ref, event.selection))
    elif isinstance(event, SetRequested):
        try:
            value = event.data()
        except RemoteProtocolError:
            association.answer_set(DataAccessResult.TYPE_UNMATCHED)
        else:
            association.answer_set(lab.objects.set(caller, event.ref, value))
    elif isinstance(event, ActionRequested):
        association.answer_action(lab.objects.act(caller, event.ref))
