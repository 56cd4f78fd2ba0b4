"""Pushes that come in general blocks (IEC 62056-5-3, general block transfer): joined, within limits, or refused.

A meter awaits no answer to what it pushes, so nothing is acknowledged and no block is asked for again: blocks come
from 1 on, each once, in order, or the whole push is refused and the meter's repetition is awaited. The standard
protects an APDU first and cuts it then; so what is joined here is judged as any other push, and a foreign block
shows by the tag. A connection, or a sender of datagrams, has one push under way and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.general_block import GENERAL_BLOCK, GeneralBlock, decode_general_block
from bijlighar.headend.push_intake import Origin

_log = structlog.get_logger("headend")

MOST_JOINED_OCTETS: Final = 65_536
"""Of one push: seven times a day of quarter hours in 18 columns."""
MOST_BLOCKS: Final = 2_048
"""Of one push; blocks of 32 octets, the smallest that a meter may choose, then make the longest push."""
MOST_UNDER_WAY: Final = 2_000
"""Pushes under way at once: each holds memory beside its octets. What a whole feeder says at once is short."""
MOST_HELD_OCTETS: Final = 8 << 20
"""Of all pushes under way together; connections and datagrams have so many each, as senders of datagrams can be
made up."""


class Takes(Protocol):
    """What judges whole pushes."""

    def take(self, apdu: bytes, origin: Origin) -> bool:
        """Take one APDU; False when it was refused."""

    def refuse_blocks(self, octets: bytes, origin: Origin) -> bool:
        """Tell that a push in blocks was refused; False."""


@dataclass(slots=True, kw_only=True)
class _UnderWay:
    """``ports`` the wPorts of its frames: blocks of others are not its own. ``skipping`` what is left of it."""

    ports: tuple[int, int]
    origin: Origin
    begun_s: float
    pieces: list[bytes] = field(default_factory=list)
    octets: int = 0
    skipping: bool = False


class PushBlocks:
    """Pushes under way, by connection or sender. On the event loop."""

    def __init__(self, intake: Takes, *, within_s: float, now: Callable[[], float]) -> None:
        self._intake = intake
        self._within_s = within_s
        self._now = now
        self._under_way: dict[Hashable, _UnderWay] = {}
        self.octets = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def take(self, whose: Hashable, ports: tuple[int, int], apdu: bytes, origin: Origin) -> bool | None:
        """One block: whether the push that it ends was accepted; None while more is to come.

        False also where it cuts another one short.
        """
        try:
            block = decode_general_block(apdu)
        except RemoteProtocolError as fault:
            return self._broken(whose, apdu, origin, fault.reason)
        push = self._under_way.get(whose)
        if push is not None and push.skipping and block.number != 1:
            if block.last:
                self._end(whose)
            return None
        if block.number == 1:
            cut_short = push is not None and not push.skipping
            if cut_short:
                self._broken(whose, apdu, origin, "another began before it ended")
            taken = self._begin(whose, ports, block, origin)
            return False if cut_short and taken is None else taken
        why = _wrong(push, ports, block)
        if push is None or why:
            return self._broken(whose, apdu, origin, why, skip=not block.last, ports=ports)
        return self._add(whose, push, block, origin)

    def _begin(self, whose: Hashable, ports: tuple[int, int], block: GeneralBlock, origin: Origin) -> bool | None:
        self._end(whose)
        if len(self._under_way) >= MOST_UNDER_WAY:
            return self._broken(whose, block.octets, origin, "too many are under way")
        push = self._under_way[whose] = _UnderWay(ports=ports, origin=origin, begun_s=self._now())
        return self._add(whose, push, block, origin)

    def _add(self, whose: Hashable, push: _UnderWay, block: GeneralBlock, origin: Origin) -> bool | None:
        size = len(block.octets)
        if not size or push.octets + size > MOST_JOINED_OCTETS or self.octets + size > MOST_HELD_OCTETS:
            why = "too much is under way" if size else "a block without octets"
            return self._broken(whose, block.octets, origin, why, skip=not block.last, ports=push.ports)
        push.pieces.append(block.octets)
        push.octets += size
        self.octets += size
        if not block.last:
            return None
        apdu = b"".join(push.pieces)
        self._end(whose)
        if apdu[0] == GENERAL_BLOCK:
            return self._broken(whose, apdu, origin, "blocks within blocks")
        return self._intake.take(apdu, origin)

    def _broken(
        self,
        whose: Hashable,
        octets: bytes,
        origin: Origin,
        why: str,
        *,
        skip: bool = False,
        ports: tuple[int, int] = (0, 0),
    ) -> bool:
        """Refuse what is under way, or what cannot begin, once; ``skip`` what still comes of it."""
        push = self._under_way.get(whose)
        began = b"" if push is None else b"".join(push.pieces)
        self._end(whose)
        if skip and len(self._under_way) < MOST_UNDER_WAY:
            self._under_way[whose] = _UnderWay(ports=ports, origin=origin, begun_s=self._now(), skipping=True)
        _log.info("a push in blocks was refused", peer=origin.peer, cause=why)
        return self._intake.refuse_blocks(began or octets, origin)

    def _end(self, whose: Hashable) -> None:
        push = self._under_way.pop(whose, None)
        if push is not None:
            self.octets -= push.octets

    def hung_up(self, whose: Hashable) -> None:
        """The connection is over; what it had under way is refused."""
        push = self._under_way.get(whose)
        if push is not None and not push.skipping:
            self._broken(whose, b"", push.origin, "the connection ended before it")
        self._end(whose)

    def forget(self) -> None:
        """Hear nothing more of any: we end, and not the meters."""
        self._under_way.clear()
        self.octets = 0

    def not_heard(self) -> None:
        """Nothing was read for a while: who is not listened to is not slow."""
        now_s = self._now()
        for push in self._under_way.values():
            push.begun_s = now_s

    def sweep(self) -> None:
        """Refuse what has been under way for too long."""
        limit_s = self._now() - self._within_s
        for whose, push in [one for one in self._under_way.items() if one[1].begun_s < limit_s]:
            if not push.skipping:
                self._broken(whose, b"", push.origin, f"it was not whole within {self._within_s:g} s")
            self._end(whose)


def _wrong(push: _UnderWay | None, ports: tuple[int, int], block: GeneralBlock) -> str:
    """Why a block after the first does not go on with its push; "" when it does."""
    if push is None:
        return f"block {block.number} goes on with nothing"
    if ports != push.ports:
        return "a block of another device came within it"
    if block.number != len(push.pieces) + 1:
        return f"block {block.number} came where {len(push.pieces) + 1} was due"
    if block.number > MOST_BLOCKS:
        return f"more than {MOST_BLOCKS} blocks"
    return ""
