"""What SNRM and UA agree on: lengths of the information field and windows, for each direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bijlighar.dlms.errors import LocalProtocolError, Malformed
from bijlighar.dlms.hdlc.frames import MAX_INFORMATION_OCTETS

DEFAULT_INFORMATION_OCTETS: Final = 128
DEFAULT_WINDOW: Final = 1
"""What holds when nothing is said (IEC 62056-46)."""
MAX_WINDOW: Final = 7
"""Sequence numbers have three bits."""
_MIN_INFORMATION_OCTETS = 32
"""Below this no proof of HLS fits a few segments; the standard's own least."""
_FORMAT, _GROUP = 0x81, 0x80
_SEND_OCTETS, _RECEIVE_OCTETS, _SEND_WINDOW, _RECEIVE_WINDOW = 5, 6, 7, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HdlcSettings:
    """One end of a link.

    ``address_octets`` 1, 2 or 4 of the server's address; ``physical_address`` its lower half.
    ``send_octets``, ``receive_octets`` longest information field; ``send_window``, ``receive_window`` I frames
    before an answer.
    ``answer_s`` a client waits this long, then says it again, ``retries`` times; a server that is not ready is
    asked again after ``poll_s``, ``max_polls`` times. ``inactivity_s`` after this a server forgets its client.
    """

    address_octets: int = 1
    physical_address: int | None = None
    send_octets: int = DEFAULT_INFORMATION_OCTETS
    receive_octets: int = DEFAULT_INFORMATION_OCTETS
    send_window: int = DEFAULT_WINDOW
    receive_window: int = DEFAULT_WINDOW
    answer_s: float = 3.0
    retries: int = 3
    poll_s: float = 0.2
    max_polls: int = 100
    inactivity_s: float = 120.0

    def __post_init__(self) -> None:
        for octets in (self.send_octets, self.receive_octets):
            if not _MIN_INFORMATION_OCTETS <= octets <= MAX_INFORMATION_OCTETS:
                raise LocalProtocolError(f"an information field has 32 to 2030 octets, not {octets}")
        for window in (self.send_window, self.receive_window):
            if not 1 <= window <= MAX_WINDOW:
                raise LocalProtocolError(f"a window has 1 to {MAX_WINDOW} frames, not {window}")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Lengths and windows as one end sees them."""

    send_octets: int = DEFAULT_INFORMATION_OCTETS
    receive_octets: int = DEFAULT_INFORMATION_OCTETS
    send_window: int = DEFAULT_WINDOW
    receive_window: int = DEFAULT_WINDOW

    def encode(self) -> bytes:
        """The information field of SNRM or UA."""
        group = b"".join(
            (
                _parameter(_SEND_OCTETS, self.send_octets, 1 if self.send_octets < 0x100 else 2),
                _parameter(_RECEIVE_OCTETS, self.receive_octets, 1 if self.receive_octets < 0x100 else 2),
                _parameter(_SEND_WINDOW, self.send_window, 4),
                _parameter(_RECEIVE_WINDOW, self.receive_window, 4),
            )
        )
        return bytes((_FORMAT, _GROUP, len(group))) + group


def wish(settings: HdlcSettings) -> Agreement:
    """What one end would like."""
    return Agreement(settings.send_octets, settings.receive_octets, settings.send_window, settings.receive_window)


def agreed(own: Agreement, peer: Agreement) -> Agreement:
    """What both ends can do, as the owner of ``own`` sees it."""
    return Agreement(
        min(own.send_octets, peer.receive_octets),
        min(own.receive_octets, peer.send_octets),
        min(own.send_window, peer.receive_window),
        min(own.receive_window, peer.send_window),
    )


def decode_agreement(information: bytes) -> Agreement:
    """What the peer's SNRM or UA says; what it does not say is at its default. Raises Malformed."""
    if not information:
        return Agreement()
    if len(information) < 3 or information[:2] != bytes((_FORMAT, _GROUP)):
        raise Malformed("the parameters of SNRM or UA do not begin with 81 80")
    if information[2] != len(information) - 3:
        raise Malformed(f"the parameters of SNRM or UA announce {information[2]} octets")
    values: dict[int, int] = {}
    offset = 3
    while offset < len(information):
        if offset + 2 > len(information):
            raise Malformed("the parameters of SNRM or UA end within one")
        number, size = information[offset], information[offset + 1]
        offset += 2
        if not 1 <= size <= 4 or offset + size > len(information):
            raise Malformed(f"parameter {number} of SNRM or UA has {size} octets")
        values[number] = int.from_bytes(information[offset : offset + size], "big")
        offset += size
    return Agreement(
        _octets(values.get(_SEND_OCTETS, DEFAULT_INFORMATION_OCTETS)),
        _octets(values.get(_RECEIVE_OCTETS, DEFAULT_INFORMATION_OCTETS)),
        _window(values.get(_SEND_WINDOW, DEFAULT_WINDOW)),
        _window(values.get(_RECEIVE_WINDOW, DEFAULT_WINDOW)),
    )


def _parameter(number: int, value: int, size: int) -> bytes:
    return bytes((number, size)) + value.to_bytes(size, "big")


def _octets(value: int) -> int:
    if value < _MIN_INFORMATION_OCTETS:
        raise Malformed(f"an information field of {value} octets")
    return min(value, MAX_INFORMATION_OCTETS)


def _window(value: int) -> int:
    if not value:
        raise Malformed("a window of no frame")
    return min(value, MAX_WINDOW)
