"""Somebody on the line who records a visit that moved a relay, and sends the same octets to the meter again.

He has no keys: all he can do is repeat. A meter that counts invocations and challenges afresh refuses him.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

MOST_OCTETS = 65_536
"""A visit that moves a relay is far shorter; of a longer one the tape keeps the begin."""

_PATIENCE_S = 2.0
"""How long he waits for an answer before he sends what came next."""

_LINE_OCTETS = 4096


@dataclass(slots=True, kw_only=True)
class Tape:
    """What a client sent, piece by piece, and how the meter's relay stood before."""

    relay_before: int
    pieces: list[bytes] = field(default_factory=list)

    def record(self, octets: bytes) -> None:
        """Take down a piece."""
        if sum(map(len, self.pieces)) + len(octets) <= MOST_OCTETS:
            self.pieces.append(octets)


async def play(tape: Tape, host: str, port: int) -> None:
    """Send a tape to a meter, waiting for an answer to each piece, until it hangs up or the tape ends."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            for piece in tape.pieces:
                writer.write(piece)
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    if not await asyncio.wait_for(reader.read(_LINE_OCTETS), _PATIENCE_S):
                        return
        finally:
            writer.close()
