"""HDLC framing for serial lines, optical ports and gateways (IEC 62056-46), without a serial port.

``frames`` are the octets, ``negotiation`` what SNRM and UA agree on, ``sequence`` the numbers of I frames,
``states`` the table of the link, ``link`` the machine of both roles.
"""

from bijlighar.dlms.hdlc.link import HdlcLink, LinkLost
from bijlighar.dlms.hdlc.negotiation import HdlcSettings
from bijlighar.dlms.hdlc.states import Role

__all__ = ["HdlcLink", "HdlcSettings", "LinkLost", "Role"]
