"""General block transfer: one APDU, ciphered or not, in numbered blocks with windows (IEC 62056-5-3).

A block tells whether it is the last, whether more follow at once (streaming), how many blocks its sender can take
at once (window), its number and the number up to which everything arrived. Blocks lost on the way are sent again
from there on. ``BlockLink`` does it below an association, both roles; ``stream`` and ``BlockAssembly`` without
acknowledgement, for what a meter pushes.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import (
    LocalProtocolError,
    Malformed,
    NotSupported,
    RemoteProtocolError,
    TooLarge,
    Truncated,
)
from bijlighar.dlms.limits import (
    FRAME_SLACK_OCTETS,
    MAX_BLOCKS,
    MAX_FRAME_OCTETS,
    MAX_VALUE_OCTETS,
    MIN_PDU_OCTETS,
)
from bijlighar.dlms.link import Link

GENERAL_BLOCK: Final = 0xE0
GENERAL_BLOCK_OVERHEAD: Final = 9
"""Octets of a block's head at most: tag, control, two numbers, length (3)."""
MAX_WINDOW: Final = 63
_HEAD = Struct(">BBHH")
_LAST, _STREAMING, _WINDOW = 0x80, 0x40, 0x3F
_MAX_NUMBER = 0xFFFF
_MAX_APDU_OCTETS = MAX_VALUE_OCTETS + FRAME_SLACK_OCTETS


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSettings:
    """``window`` blocks we take at once; without a block for ``answer_s`` we ask again, ``retries`` times."""

    window: int = 8
    answer_s: float = 5.0
    retries: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.window <= MAX_WINDOW:
            raise LocalProtocolError(f"a window has 1 to {MAX_WINDOW} blocks, not {self.window}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralBlock:
    """One block. ``acknowledged`` all of the peer's blocks up to this number arrived; ``octets`` b"" = no more."""

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    octets: bytes

    def encode(self) -> bytes:
        """The octets."""
        control = (_LAST if self.last else 0) | (_STREAMING if self.streaming else 0) | self.window
        head = _HEAD.pack(GENERAL_BLOCK, control, self.number, self.acknowledged)
        return head + encode_length(len(self.octets)) + self.octets


def decode_general_block(apdu: bytes) -> GeneralBlock:
    """Raises Malformed, Truncated."""
    if len(apdu) <= _HEAD.size:
        raise Truncated("a general block ends within its head")
    tag, control, number, acknowledged = _HEAD.unpack_from(apdu)
    if tag != GENERAL_BLOCK:
        raise Malformed("this is no general block")
    length, offset = read_length(apdu, _HEAD.size)
    if length != len(apdu) - offset:
        raise Truncated(f"a general block announces {length} octets and has {len(apdu) - offset}")
    return GeneralBlock(
        last=bool(control & _LAST),
        streaming=bool(control & _STREAMING),
        window=control & _WINDOW,
        number=number,
        acknowledged=acknowledged,
        octets=apdu[offset:],
    )


def _pieces(apdu: bytes, max_pdu: int) -> list[bytes]:
    size = (max_pdu or MAX_FRAME_OCTETS) - GENERAL_BLOCK_OVERHEAD
    if size < MIN_PDU_OCTETS - GENERAL_BLOCK_OVERHEAD:
        raise LocalProtocolError(f"blocks of {max_pdu} octets")
    pieces = [apdu[offset : offset + size] for offset in range(0, len(apdu), size)]
    if len(apdu) > _MAX_APDU_OCTETS or len(pieces) > _MAX_NUMBER:
        raise LocalProtocolError(f"an APDU of {len(apdu)} octets does not go in general blocks")
    return pieces


def stream(apdu: bytes, max_pdu: int) -> list[bytes]:
    """``apdu`` in blocks that nobody acknowledges, each of at most ``max_pdu`` octets."""
    pieces = _pieces(apdu, max_pdu)
    return [
        GeneralBlock(
            last=number == len(pieces),
            streaming=number < len(pieces),
            window=0,
            number=number,
            acknowledged=0,
            octets=piece,
        ).encode()
        for number, piece in enumerate(pieces, 1)
    ]


class BlockAssembly:
    """Blocks in order, joined to one APDU. ``received`` blocks have arrived without a gap."""

    __slots__ = ("_first", "_pieces", "_size", "received")

    def __init__(self) -> None:
        self.received = 0
        self._first = b""
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def incomplete(self) -> bool:
        """Whether an APDU has begun and not ended."""
        return bool(self._pieces)

    def take(self, block: GeneralBlock) -> bytes | None:
        """The APDU that is whole now, or None. A block behind a gap is passed over. Raises Malformed, TooLarge."""
        if block.number == 1 and (not self.received or block.octets != self._first):  # not one that is repeated
            self.received, self._size = 0, 0
            self._first = block.octets
            self._pieces.clear()
        if block.number != self.received + 1:
            return None
        if not block.octets and not (block.last and self._pieces):
            raise Malformed("a general block without octets")
        self._size += len(block.octets)
        self._pieces.append(block.octets)
        self.received = block.number
        if self._size > _MAX_APDU_OCTETS or self.received > MAX_BLOCKS:
            raise TooLarge(f"an APDU of {self._size} octets in {self.received} blocks and more to come")
        if not block.last:
            return None
        apdu = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return apdu


class BlockLink:
    """A link whose long APDUs go in general blocks once they are granted; others pass as they are."""

    __slots__ = (
        "_acknowledged",
        "_assembly",
        "_awaited",
        "_due",
        "_granted",
        "_is_client",
        "_link",
        "_lost",
        "_peer_max_pdu",
        "_peer_window",
        "_pieces",
        "_settings",
        "_tries",
        "outgoing",
    )

    def __init__(self, link: Link, settings: BlockSettings, *, client: bool) -> None:
        self._link = link
        self._is_client = client
        self._settings = settings
        self.outgoing = link.outgoing
        self._granted = False
        self._peer_max_pdu = 0
        self._due: float | None = None
        self._lost: RemoteProtocolError | None = None
        self._begin()

    def _begin(self) -> None:
        self._assembly = BlockAssembly()
        self._pieces: list[bytes] = []
        self._acknowledged = 0
        self._peer_window = 1
        self._awaited = False
        self._tries = 0

    @property
    def peer_address(self) -> int | None:
        """The peer's address."""
        return self._link.peer_address

    @property
    def ended(self) -> bool:
        """Whether the peer ended the link."""
        return self._link.ended

    @property
    def disconnected(self) -> bool:
        """Whether the link is closed."""
        return self._link.disconnected

    def grant_blocks(self, peer_max_pdu: int) -> None:
        """From now on APDUs longer than ``peer_max_pdu`` octets (0 = those beyond a frame) go in blocks."""
        self._granted = True
        self._peer_max_pdu = peer_max_pdu

    def send(self, apdu: bytes) -> None:
        """``apdu`` as it is or its first block; the rest follows what the peer acknowledges."""
        if not self._granted or len(apdu) <= (self._peer_max_pdu or MAX_FRAME_OCTETS):
            self._link.send(apdu)
            return
        self._pieces = _pieces(apdu, self._peer_max_pdu)
        self._acknowledged = 0
        self._tries = 0
        self._send_window()

    def _send_window(self) -> None:
        begin = self._acknowledged
        end = min(begin + self._peer_window, len(self._pieces))
        for number in range(begin + 1, end + 1):
            last = number == len(self._pieces)
            self._say(number, self._pieces[number - 1], last=last, streaming=number < end)
        self._awaited = self._is_client  # a client asks a server again, not the other way

    def _say(self, number: int, octets: bytes, *, last: bool, streaming: bool) -> None:
        block = GeneralBlock(
            last=last,
            streaming=streaming,
            window=self._settings.window,
            number=number,
            acknowledged=self._assembly.received,
            octets=octets,
        )
        self._link.send(block.encode())

    def _acknowledge(self) -> None:
        self._say(max(self._acknowledged, 1), b"", last=True, streaming=False)

    def receive_data(self, octets: bytes) -> None:
        """Store what came."""
        self._link.receive_data(octets)

    def next_apdu(self) -> bytes | None:
        """The next whole APDU, blocks joined, or None. Raises RemoteProtocolError."""
        if self._lost is not None:
            raise self._lost
        while (apdu := self._link.next_apdu()) is not None:
            if apdu[0] != GENERAL_BLOCK:
                self._pieces = []
                self._awaited = self._assembly.incomplete
                return apdu
            if not self._granted:
                raise NotSupported("general block transfer was not negotiated")
            whole = self._hear(decode_general_block(apdu))
            if whole is not None:
                return whole
        return None

    def _hear(self, block: GeneralBlock) -> bytes | None:
        self._tries = 0
        self._awaited = False
        self._due = None
        self._peer_window = max(block.window, 1)
        if not block.octets and self._pieces:
            self._hear_acknowledgement(block.acknowledged)
            return None
        if not block.octets and not self._assembly.incomplete:
            return None  # a late acknowledgement
        self._pieces = []
        whole = self._assembly.take(block)
        if whole is None and (block.last or not block.streaming):
            self._acknowledge()
        self._awaited = self._assembly.incomplete
        return whole

    def _hear_acknowledgement(self, number: int) -> None:
        if number > len(self._pieces):
            raise RemoteProtocolError(f"block {number} is acknowledged and was not sent")
        self._acknowledged = number
        if number < len(self._pieces):
            self._send_window()

    def forget_peer(self) -> None:
        """Learn the peer anew; blocks must be granted again."""
        self._link.forget_peer()
        self._granted = False
        self._due = None
        self._begin()

    def settle(self) -> None:
        """Hear what concerns the link itself."""
        self._link.settle()

    def close(self) -> None:
        """Take leave."""
        self._due, self._awaited = None, False
        self._link.close()

    def invite(self) -> None:
        """Let the peer go on."""
        self._link.invite()

    def transmitted(self, now: float) -> None:
        """What was outgoing is sent at ``now``."""
        if self._awaited and self._due is None:
            self._due = now + self._settings.answer_s
        self._link.transmitted(now)

    def get_timer(self) -> float | None:
        """The nearer of both timers, ours and that of the link below."""
        below = self._link.get_timer()
        return below if self._due is None else self._due if below is None else min(below, self._due)

    def handle_timer(self, now: float) -> None:
        """Ask again for what did not come; after the last try ``next_apdu`` raises."""
        self._link.handle_timer(now)
        if self._due is None or now < self._due:
            return
        self._due = None
        self._tries += 1
        if self._tries > self._settings.retries:
            self._lost = RemoteProtocolError(f"no general block came after {self._settings.retries} times asking")
        elif self._pieces:
            self._send_window()
        elif self._assembly.incomplete:
            self._acknowledge()
            self._awaited = True
