"""The seam between an association and what carries its APDUs: TCP wrapper or HDLC, perhaps through a gateway.

An association knows a ``link.Link`` and no more. Which one it gets is told by its settings: ``hdlc`` None =
wrapper; ``gateway`` puts the gateway's prefix before each APDU; ``general_blocks`` lets long APDUs go in blocks.
The last two are links around a link.
"""

from __future__ import annotations

from typing import Protocol

from bijlighar.dlms.gateway import REQUEST, RESPONSE, Gateway, GatewayLink
from bijlighar.dlms.general_block import BlockLink, BlockSettings
from bijlighar.dlms.hdlc import HdlcLink, HdlcSettings, Role
from bijlighar.dlms.link import Link
from bijlighar.dlms.wrapper import WrapperLink


class LinkSettings(Protocol):
    """What settings tell of the link."""

    @property
    def hdlc(self) -> HdlcSettings | None:
        """None = TCP wrapper."""

    @property
    def gateway(self) -> Gateway | None:
        """None = the meter is reached directly."""

    @property
    def general_blocks(self) -> BlockSettings | None:
        """None = no general block transfer."""


def client_link(settings: LinkSettings, client_address: int, server_address: int, max_octets: int) -> Link:
    """A client's end; ``max_octets`` of an APDU that may come."""
    if settings.hdlc is None and settings.gateway is None and settings.general_blocks is None:
        return WrapperLink(client_address, server_address, max_octets)
    if settings.hdlc is not None:
        link: Link = HdlcLink(Role.CLIENT, settings.hdlc, client_address, server_address, max_octets)
    else:
        link = WrapperLink(client_address, server_address, max_octets)
    if settings.gateway is not None:
        link = GatewayLink(link, settings.gateway, REQUEST)
    if settings.general_blocks is not None:
        link = BlockLink(link, settings.general_blocks, client=True)
    return link


def server_link(settings: LinkSettings, server_address: int, max_octets: int) -> Link:
    """A server's end; it learns its client."""
    if settings.hdlc is not None:
        link: Link = HdlcLink(Role.SERVER, settings.hdlc, None, server_address, max_octets)
    else:
        link = WrapperLink(server_address, None, max_octets)
    if settings.gateway is not None:
        link = GatewayLink(link, settings.gateway, RESPONSE)
    if settings.general_blocks is not None:
        link = BlockLink(link, settings.general_blocks, client=False)
    return link
