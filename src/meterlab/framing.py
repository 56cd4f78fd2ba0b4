"""What carries the APDUs of a town's meters: TCP wrapper, or HDLC as a gateway of octets passes it on."""

from __future__ import annotations

from enum import StrEnum

from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.hdlc.frames import MAX_INFORMATION_OCTETS
from bijlighar.dlms.hdlc.negotiation import MAX_WINDOW


class Framing(StrEnum):
    """By the name that the command line knows."""

    WRAPPER = "wrapper"
    HDLC = "hdlc"


HDLC = HdlcSettings(
    send_octets=MAX_INFORMATION_OCTETS,
    receive_octets=MAX_INFORMATION_OCTETS,
    send_window=MAX_WINDOW,
    receive_window=MAX_WINDOW,
)
"""All that the standard allows: lengths and windows are those of the client's SNRM. Addresses have one octet."""


def hdlc_of(framing: Framing) -> HdlcSettings | None:
    """A meter's HDLC settings, None = TCP wrapper."""
    return HDLC if framing is Framing.HDLC else None
