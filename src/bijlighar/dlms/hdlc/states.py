"""Which frame may be heard in which state of the link, for both roles: one table."""

from __future__ import annotations

from enum import Enum

from bijlighar.dlms.hdlc.frames import Kind


class Role(Enum):
    """Client: the primary station, which polls. Server: the secondary, which speaks when polled."""

    CLIENT = "client"
    SERVER = "server"


class LinkState(Enum):
    """Where a link stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"


_OFF, _CALLING = LinkState.DISCONNECTED, LinkState.CONNECTING
_ON, _LEAVING = LinkState.CONNECTED, LinkState.DISCONNECTING

HEARD: dict[Role, dict[LinkState, dict[Kind, LinkState]]] = {
    Role.CLIENT: {
        _OFF: {Kind.UA: _OFF, Kind.DM: _OFF},  # late answers to a repeated DISC
        _CALLING: {
            Kind.UA: _ON,
            Kind.DM: _OFF,
            Kind.I: _CALLING,  # late words of an older link
            Kind.RR: _CALLING,
            Kind.RNR: _CALLING,
            Kind.REJ: _CALLING,
        },
        _ON: {
            Kind.I: _ON,
            Kind.RR: _ON,
            Kind.RNR: _ON,
            Kind.REJ: _ON,  # not in the standard's repertoire, and said by some meters after a gap: heard as RR
            Kind.UI: _ON,
            Kind.UA: _ON,  # a late answer to a repeated SNRM
            Kind.DM: _OFF,
            Kind.FRMR: _OFF,
        },
        _LEAVING: {
            Kind.UA: _OFF,
            Kind.DM: _OFF,
            Kind.I: _LEAVING,
            Kind.RR: _LEAVING,
            Kind.RNR: _LEAVING,
            Kind.REJ: _LEAVING,
        },
    },
    Role.SERVER: {
        _OFF: {
            Kind.SNRM: _ON,
            Kind.DISC: _OFF,
            Kind.I: _OFF,
            Kind.RR: _OFF,
            Kind.RNR: _OFF,
        },
        _CALLING: {},
        _ON: {
            Kind.I: _ON,
            Kind.RR: _ON,
            Kind.RNR: _ON,
            Kind.UI: _ON,
            Kind.SNRM: _ON,
            Kind.DISC: _OFF,
        },
        _LEAVING: {},
    },
}
"""Role → state → frame → state. A client takes any other frame for the end of the link; a connected server rejects
it (FRMR), one without a link passes over it."""
