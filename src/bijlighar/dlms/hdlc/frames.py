"""HDLC frames of format type 3: flags, length, addresses, control, header and frame check sequences.

A frame whose check sequence is wrong is not there: the reader passes over it and looks for the next flag, and the
timers of the link make the sender say it again.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from bijlighar.dlms.errors import LocalProtocolError, TooLarge
from bijlighar.dlms.limits import MAX_BUFFERED_OCTETS

FLAG: Final = 0x7E
_FLAG = b"\x7e"
_FORMAT, _SEGMENTED, _LENGTH = 0xA000, 0x0800, 0x07FF
_CHECK_OCTETS = 2
FRAME_OVERHEAD_OCTETS: Final = 2 + 4 + 1 + 1 + _CHECK_OCTETS + _CHECK_OCTETS
"""Format, the longest pair of addresses, control and both check sequences."""
MAX_INFORMATION_OCTETS: Final = 2030
"""What the standard lets SNRM negotiate; a frame's length has 11 bits."""
_SHORTEST = 2 + 1 + 1 + 1 + _CHECK_OCTETS
_LONGEST_ADDRESS = 4
POLL: Final = 0x10
"""The poll or final bit of a control octet."""

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_REVERSED_INVERTED = bytes(octet ^ 0xFF for octet in _REVERSED)


def check_sequence(octets: bytes) -> bytes:
    """CRC-16/X.25 as it is sent, low octet first.

    The library's CRC has the same polynomial and takes bits in the other order, so octets and result are turned.
    """
    crc = crc_hqx(octets.translate(_REVERSED), 0xFFFF)
    return crc.to_bytes(2, "big").translate(_REVERSED_INVERTED)


class Kind(IntEnum):
    """What a frame is; the number is its control octet without poll bit and sequence numbers."""

    I = 0x00  # noqa: E741 (the standard's own name)
    RR = 0x01
    RNR = 0x05
    REJ = 0x09
    UI = 0x03
    DM = 0x0F
    SNRM = 0x83
    DISC = 0x43
    UA = 0x63
    FRMR = 0x87


_UNNUMBERED = {int(kind): kind for kind in (Kind.UI, Kind.DM, Kind.SNRM, Kind.DISC, Kind.UA, Kind.FRMR)}
_SUPERVISORY = {int(kind): kind for kind in (Kind.RR, Kind.RNR, Kind.REJ)}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. Addresses are octets as they stand; ``segmented`` = more of the same message follows."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def kind(self) -> Kind | None:
        """What it is; None for a control octet that the standard does not use."""
        control = self.control
        if not control & 1:
            return Kind.I
        if control & 3 == 1:
            return _SUPERVISORY.get(control & 0x0F)
        return _UNNUMBERED.get(control & ~POLL)

    @property
    def poll(self) -> bool:
        """The poll or final bit."""
        return bool(self.control & POLL)

    @property
    def sent(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 7

    @property
    def received(self) -> int:
        """N(R) of an I frame or of RR, RNR and REJ."""
        return self.control >> 5

    def encode(self) -> bytes:
        """The octets with both flags. Raises LocalProtocolError when it is too long."""
        information = self.information
        if len(information) > MAX_INFORMATION_OCTETS:
            raise LocalProtocolError(f"an information field of {len(information)} octets")
        ends = self.destination + self.source
        size = 2 + len(ends) + 1 + _CHECK_OCTETS + (len(information) + _CHECK_OCTETS if information else 0)
        form = _FORMAT | (_SEGMENTED if self.segmented else 0) | size
        body = form.to_bytes(2, "big") + ends + bytes((self.control,))
        if information:
            body += check_sequence(body) + information
        return _FLAG + body + check_sequence(body) + _FLAG


def client_octets(client_address: int) -> bytes:
    """A client's address, one octet. Raises LocalProtocolError."""
    if not 0 <= client_address < 0x80:
        raise LocalProtocolError(f"client {client_address} does not fit an HDLC address of one octet")
    return bytes((client_address << 1 | 1,))


def server_octets(logical: int, physical: int | None, octets: int) -> bytes:
    """A server's address of 1, 2 or 4 octets: the logical device, and below it the physical one.

    Raises LocalProtocolError when they do not fit.
    """
    if octets == 1 and physical is None and 0 <= logical < 0x80:
        return bytes((logical << 1 | 1,))
    lower = 0 if physical is None else physical
    if octets == 2 and 0 <= logical < 0x80 and 0 <= lower < 0x80:
        return bytes((logical << 1, lower << 1 | 1))
    if octets == 4 and 0 <= logical < 0x4000 and 0 <= lower < 0x4000:
        parts = (logical >> 7, logical & 0x7F, lower >> 7, lower & 0x7F)
        head = bytes(part << 1 for part in parts)
        return head[:3] + bytes((head[3] | 1,))
    raise LocalProtocolError(f"server {logical}, physical {physical} does not fit an address of {octets} octets")


def _address_end(body: bytes, offset: int) -> int:
    """Behind the address at ``offset``; 0 when there is none of 1, 2 or 4 octets."""
    for end in range(offset + 1, min(offset + _LONGEST_ADDRESS, len(body)) + 1):
        if body[end - 1] & 1:
            return end if end - offset != 3 else 0
    return 0


def decode_frame(body: bytes) -> Frame | None:
    """The frame between two flags; None when its form or a check sequence is wrong."""
    if len(body) < _SHORTEST or check_sequence(body[:-_CHECK_OCTETS]) != body[-_CHECK_OCTETS:]:
        return None
    form = body[0] << 8 | body[1]
    if form & 0xF000 != _FORMAT or form & _LENGTH != len(body):
        return None
    middle = _address_end(body, 2)
    end = _address_end(body, middle) if middle else 0
    if not end or end + 1 + _CHECK_OCTETS > len(body):
        return None
    head = end + 1
    destination, source, control = body[2:middle], body[middle:end], body[end]
    segmented = bool(form & _SEGMENTED)
    if head + _CHECK_OCTETS == len(body):
        return Frame(destination, source, control, b"", segmented)
    information = body[head + _CHECK_OCTETS : -_CHECK_OCTETS]
    if not information or check_sequence(body[:head]) != body[head : head + _CHECK_OCTETS]:
        return None
    return Frame(destination, source, control, information, segmented)


class FrameReader:
    """Finds frames in a stream. ``max_frame_octets`` between the flags; ``damaged`` frames were passed over."""

    __slots__ = ("_octets", "_offset", "damaged", "max_frame_octets")

    def __init__(self, max_frame_octets: int) -> None:
        self.max_frame_octets = max_frame_octets
        self.damaged = 0
        self._octets = b""
        self._offset = 0

    def receive_data(self, octets: bytes) -> None:
        """Store what came. What goes beyond MAX_BUFFERED_OCTETS is refused by ``next_frame``."""
        if self._offset or self._octets:
            octets = self._octets[self._offset :] + octets
            self._offset = 0
        self._octets = octets[: MAX_BUFFERED_OCTETS + 1]

    def give_up(self) -> None:
        """What has begun will not end: look for a frame behind its flag."""
        if self._offset < len(self._octets):
            self._offset += 1

    def next_frame(self) -> Frame | None:
        """The next good frame, or None. Each step passes over an octet at least. Raises TooLarge."""
        octets = self._octets
        if len(octets) - self._offset > MAX_BUFFERED_OCTETS:
            raise TooLarge(f"more than {MAX_BUFFERED_OCTETS} octets wait unparsed")
        while True:
            start = octets.find(_FLAG, self._offset)
            if start < 0:
                self._octets, self._offset = b"", 0
                return None
            self._offset, begin = start, start + 1
            if begin + 2 > len(octets):
                return None
            form = octets[begin] << 8 | octets[begin + 1]
            size = form & _LENGTH
            if form & 0xF000 == _FORMAT and _SHORTEST <= size <= self.max_frame_octets:
                end = begin + size
                if end >= len(octets):
                    return None
                frame = decode_frame(octets[begin:end]) if octets[end] == FLAG else None
                if frame is not None:
                    self._offset = end  # the closing flag may open the next frame
                    return frame
                self.damaged += 1
            self._offset = begin
