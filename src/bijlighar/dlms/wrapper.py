"""The TCP wrapper: version 1, source and destination wPort, length, APDU (IEC 62056-47).

``WrapperLink`` is one end of such a link. ``receive_data`` only stores; ``next_apdu`` parses. It is the plainest
``bijlighar.dlms.framing.Link``: nothing is set up, acknowledged or timed here, for TCP does all that.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from bijlighar.dlms.errors import LocalProtocolError, Malformed, RemoteProtocolError, TooLarge
from bijlighar.dlms.limits import MAX_BUFFERED_OCTETS, MAX_FRAME_OCTETS

WRAPPER_VERSION = 1
HEADER_OCTETS = 8
_ENDS = Struct(">HHH")
_unpack_ends_and_size = Struct(">6sH").unpack_from


@lru_cache(maxsize=256)
def _ends(own: int, peer: int) -> tuple[bytes, bytes]:
    """What a frame of the peer begins with, and one of ours. All meters of a fleet have the same wPorts."""
    return _ENDS.pack(WRAPPER_VERSION, peer, own), _ENDS.pack(WRAPPER_VERSION, own, peer)


class WrapperLink:
    """One end of a wrapper link.

    ``own_address`` and ``peer_address`` are wPorts; a peer of None is learnt from the first frame.
    ``max_octets`` bounds the APDU of a received frame and may be changed once a PDU size is negotiated.
    """

    __slots__ = (
        "_octets",
        "_offset",
        "_own_address",
        "_own_ends",
        "_usual_ends",
        "max_octets",
        "outgoing",
        "peer_address",
    )
    ended = False
    disconnected = True

    def __init__(self, own_address: int, peer_address: int | None, max_octets: int = MAX_FRAME_OCTETS) -> None:
        self.outgoing: list[bytes] = []
        self._own_address = own_address
        self.peer_address = peer_address
        self.max_octets = max_octets
        self._octets = b""
        self._offset = 0
        self._usual_ends = self._own_ends = b""
        if peer_address is not None:
            self._usual_ends, self._own_ends = _ends(own_address, peer_address)

    def forget_peer(self) -> None:
        """Learn the peer anew from the next frame."""
        self.peer_address = None
        self._usual_ends = self._own_ends = b""

    def frame(self, apdu: bytes) -> bytes:
        """``apdu`` with its header. Raises LocalProtocolError when it does not fit or nobody is addressed."""
        size = len(apdu)
        if size > MAX_FRAME_OCTETS:
            raise LocalProtocolError(f"an APDU of {size} octets does not fit a wrapper frame")
        if self.peer_address is None:
            raise LocalProtocolError("the peer has not spoken yet, its address is unknown")
        return self._own_ends + size.to_bytes(2, "big") + apdu

    def send(self, apdu: bytes) -> None:
        """Put ``apdu`` among what is to be sent. Raises as ``frame``."""
        size = len(apdu)
        if size <= MAX_FRAME_OCTETS and self._own_ends:  # as ``frame``, with a call less for each APDU
            self.outgoing.append(self._own_ends + size.to_bytes(2, "big") + apdu)
        else:
            self.outgoing.append(self.frame(apdu))

    def receive_data(self, octets: bytes) -> None:
        """Store what came. What goes beyond MAX_BUFFERED_OCTETS is refused by ``next_apdu``."""
        if self._octets:
            octets = self._octets[self._offset :] + octets
            self._offset = 0
        self._octets = octets[: MAX_BUFFERED_OCTETS + 1]

    def next_apdu(self) -> bytes | None:
        """The APDU of the next whole frame, or None. Raises RemoteProtocolError."""
        octets, offset = self._octets, self._offset
        held = len(octets) - offset
        if held < HEADER_OCTETS:
            return None
        if held > MAX_BUFFERED_OCTETS:
            raise TooLarge(f"more than {MAX_BUFFERED_OCTETS} octets wait unparsed")
        ends, size = _unpack_ends_and_size(octets, offset)
        if ends != self._usual_ends:
            self._judge(ends)
        if size > self.max_octets or not size:
            raise TooLarge(f"a frame of {size} octets, allowed are 1 to {self.max_octets}")
        size += HEADER_OCTETS
        if held == size:
            self._octets = b""
            self._offset = 0
            return octets[offset + HEADER_OCTETS :]
        if held < size:
            return None
        self._offset = end = offset + size
        return octets[offset + HEADER_OCTETS : end]

    def _judge(self, ends: bytes) -> None:
        version, source, destination = _ENDS.unpack(ends)
        if version != WRAPPER_VERSION:
            raise Malformed(f"wrapper version {version}, not {WRAPPER_VERSION}")
        if destination != self._own_address:
            raise RemoteProtocolError(f"a frame for wPort {destination}, here is {self._own_address}")
        if self.peer_address is not None:
            raise RemoteProtocolError(f"a frame from wPort {source}, the peer is {self.peer_address}")
        self.peer_address = source
        self._usual_ends, self._own_ends = _ends(self._own_address, source)

    @property
    def trailing_octets(self) -> bytes:
        """What was received and is not parsed yet."""
        return self._octets[self._offset :]

    def grant_blocks(self, peer_max_pdu: int) -> None:
        """Nothing: a frame holds what an APDU may be."""

    def settle(self) -> None:
        """Nothing: what comes now belongs to the next association."""

    def invite(self) -> None:
        """Nothing: the peer speaks when it likes."""

    def close(self) -> None:
        """Nothing: the connection is the caller's."""

    def transmitted(self, now: float) -> None:
        """Nothing: nothing is acknowledged."""

    def get_timer(self) -> float | None:
        """None: nothing is awaited here."""
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing."""
