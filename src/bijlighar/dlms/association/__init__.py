"""Associations: the conversation between a client (head-end) and a server (meter), without sockets.

Octets go in, events come out. Legal moves stand in one table (``states``); ``client`` and ``server`` are the two
roles, so that each is tested against the other.
"""

from bijlighar.dlms.association.client import ClientAssociation
from bijlighar.dlms.association.events import (
    NEED_DATA,
    ActionDone,
    ActionRequested,
    AssociationOpened,
    AssociationRefused,
    AssociationRequested,
    ClientEvent,
    ClientProved,
    GetFailed,
    GetRequested,
    GetSucceeded,
    NeedData,
    NotificationReceived,
    Released,
    ServerEvent,
    ServiceRefused,
    SetDone,
    SetRequested,
)
from bijlighar.dlms.association.server import ServerAssociation
from bijlighar.dlms.association.settings import (
    Ciphering,
    ClientSettings,
    Mechanism,
    ServerAccess,
    ServerSettings,
)
from bijlighar.dlms.association.states import State

__all__ = [
    "NEED_DATA",
    "ActionDone",
    "ActionRequested",
    "AssociationOpened",
    "AssociationRefused",
    "AssociationRequested",
    "Ciphering",
    "ClientAssociation",
    "ClientEvent",
    "ClientProved",
    "ClientSettings",
    "GetFailed",
    "GetRequested",
    "GetSucceeded",
    "Mechanism",
    "NeedData",
    "NotificationReceived",
    "Released",
    "ServerAccess",
    "ServerAssociation",
    "ServerEvent",
    "ServerSettings",
    "ServiceRefused",
    "SetDone",
    "SetRequested",
    "State",
]
