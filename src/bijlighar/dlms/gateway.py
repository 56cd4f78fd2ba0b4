"""The gateway's prefix: how a meter behind a data concentrator is addressed (IEC 62056-5-3, gateway protocol).

E6h before a request, E7h before its response; then network id, length and octets of the physical address, then the
APDU as the meter sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, Truncated
from bijlighar.dlms.link import Link

REQUEST, RESPONSE = 0xE6, 0xE7
MAX_ADDRESS_OCTETS = 32
"""Physical addresses are serial numbers or link addresses; the longest seen have 16 octets."""
_HEAD_OCTETS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A meter behind a gateway: ``network_id`` 0 to 255, ``physical_address`` its address on that network."""

    network_id: int
    physical_address: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.network_id <= 0xFF:
            raise LocalProtocolError(f"network id {self.network_id} does not fit one octet")
        if not 1 <= len(self.physical_address) <= MAX_ADDRESS_OCTETS:
            raise LocalProtocolError(f"a physical address has 1 to {MAX_ADDRESS_OCTETS} octets")

    def prefix(self, tag: int) -> bytes:
        """What stands before the APDU; ``tag`` REQUEST or RESPONSE."""
        return bytes((tag, self.network_id, len(self.physical_address))) + self.physical_address


def split_prefix(octets: bytes, tag: int) -> tuple[Gateway, bytes]:
    """The prefix ``tag`` and the APDU behind it. Raises Malformed, Truncated."""
    if len(octets) < _HEAD_OCTETS:
        raise Truncated("a gateway's prefix ends within its head")
    if octets[0] != tag:
        raise Malformed(f"an APDU begins with {octets[0]:#04x}, not with a gateway's prefix {tag:#04x}")
    size, end = octets[2], _HEAD_OCTETS + octets[2]
    if not 1 <= size <= MAX_ADDRESS_OCTETS:
        raise Malformed(f"a physical address of {size} octets")
    if len(octets) <= end:
        raise Truncated("a gateway's prefix ends before its APDU")
    return Gateway(network_id=octets[1], physical_address=octets[_HEAD_OCTETS:end]), octets[end:]


class GatewayLink:
    """A link whose every APDU carries the prefix of one meter. ``says`` what we send: REQUEST or RESPONSE."""

    __slots__ = ("_expected", "_gateway", "_link", "_prefix", "outgoing")

    def __init__(self, link: Link, gateway: Gateway, says: int) -> None:
        self._link = link
        self._gateway = gateway
        self._prefix = gateway.prefix(says)
        self._expected = RESPONSE if says == REQUEST else REQUEST
        self.outgoing = link.outgoing

    @property
    def peer_address(self) -> int | None:
        """The peer's address on the link to the gateway."""
        return self._link.peer_address

    @property
    def ended(self) -> bool:
        """Whether the gateway ended the link."""
        return self._link.ended

    @property
    def disconnected(self) -> bool:
        """Whether the link is closed."""
        return self._link.disconnected

    def send(self, apdu: bytes) -> None:
        """``apdu`` behind the prefix."""
        self._link.send(self._prefix + apdu)

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self._link.receive_data(octets)

    def next_apdu(self) -> bytes | None:
        """The next APDU without its prefix. Raises RemoteProtocolError, also for another meter's."""
        octets = self._link.next_apdu()
        if octets is None:
            return None
        gateway, apdu = split_prefix(octets, self._expected)
        if gateway != self._gateway:
            raise RemoteProtocolError("the gateway hands over an APDU of another meter")
        return apdu

    def forget_peer(self) -> None:
        """Learn the peer anew."""
        self._link.forget_peer()

    def grant_blocks(self, peer_max_pdu: int) -> None:
        """Nothing: blocks are made above."""

    def settle(self) -> None:
        """Hear what concerns the link itself."""
        self._link.settle()

    def invite(self) -> None:
        """Let the peer go on."""
        self._link.invite()

    def close(self) -> None:
        """Take leave."""
        self._link.close()

    def transmitted(self, now: float) -> None:
        """Start the timers below."""
        self._link.transmitted(now)

    def get_timer(self) -> float | None:
        """The timer below."""
        return self._link.get_timer()

    def handle_timer(self, now: float) -> None:
        """Let the link below say it again."""
        self._link.handle_timer(now)
