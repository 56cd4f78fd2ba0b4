"""How a meter behind a gateway is named in the registry: ``NETWORK/ADDRESS``.

``NETWORK`` is the gateway's network id, 0 to 255. ``ADDRESS`` is the meter's physical address on that network:
ASCII, as serial numbers are, or octets as hexadecimal digits behind ``0x`` (IEC 62056-5-3, gateway protocol).
"""

from __future__ import annotations

MOST_NETWORK_ID = 255
MOST_ADDRESS_OCTETS = 32
"""Physical addresses are serial numbers or link addresses; the longest seen have 16 octets."""
_HEX = "0x"


class GatewayAddressRefused(ValueError):
    """A text that names no meter behind a gateway. The message says why."""


def parse_gateway_address(text: str) -> tuple[int, bytes]:
    """Network id and physical address. Raises GatewayAddressRefused."""
    network, slash, address = text.partition("/")
    if not slash or not (network.isascii() and network.isdecimal()) or int(network) > MOST_NETWORK_ID:
        raise GatewayAddressRefused(f"is no network id of 0 to {MOST_NETWORK_ID}, a slash and a physical address")
    if address.startswith(_HEX):
        try:
            octets = bytes.fromhex(address.removeprefix(_HEX))
        except ValueError:
            raise GatewayAddressRefused("has a physical address that is not hexadecimal behind 0x") from None
    elif address.isascii() and address.isprintable():
        octets = address.encode()
    else:
        raise GatewayAddressRefused("has a physical address that is neither ASCII nor hexadecimal behind 0x")
    if not 1 <= len(octets) <= MOST_ADDRESS_OCTETS:
        raise GatewayAddressRefused(f"has a physical address of {len(octets)} octets, not of 1 to 32")
    return int(network), octets
