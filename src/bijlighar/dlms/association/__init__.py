"""Associations: the conversation between a client (head-end) and a server (meter), without sockets.

Octets go in, events come out. Legal moves stand in one table (``states``); ``client`` and ``server`` are the two
roles, so that each is tested against the other.
"""

from bijlighar.dlms.association.client import ClientAssociation
from bijlighar.dlms.association.events import (
    NEED_DATA,
    ActionDone,
    ActionListDone,
    ActionRequested,
    AssociationOpened,
    AssociationRefused,
    AssociationRequested,
    ClientEvent,
    ClientProved,
    EventNotified,
    GetFailed,
    GetListDone,
    GetRequested,
    GetSucceeded,
    LinkEnded,
    NeedData,
    NotificationReceived,
    Released,
    ServerEvent,
    ServiceRefused,
    SetDone,
    SetListDone,
    SetRequested,
)
from bijlighar.dlms.association.questions import Question, action_list, get_list, set_list
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
    "ActionListDone",
    "ActionRequested",
    "AssociationOpened",
    "AssociationRefused",
    "AssociationRequested",
    "Ciphering",
    "ClientAssociation",
    "ClientEvent",
    "ClientProved",
    "ClientSettings",
    "EventNotified",
    "GetFailed",
    "GetListDone",
    "GetRequested",
    "GetSucceeded",
    "LinkEnded",
    "Mechanism",
    "NeedData",
    "NotificationReceived",
    "Question",
    "Released",
    "ServerAccess",
    "ServerAssociation",
    "ServerEvent",
    "ServerSettings",
    "ServiceRefused",
    "SetDone",
    "SetListDone",
    "SetRequested",
    "State",
    "action_list",
    "get_list",
    "set_list",
]
