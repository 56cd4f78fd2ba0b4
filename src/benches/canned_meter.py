"""A meter that answers every request with the next octets of a transcript: ``python -m benches.canned_meter``.

It computes nothing, so that the client is measured and not the meter. Prints its port; a line on standard input is
answered with the CPU seconds it has used.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import uvloop

from benches.transcript import Transcript, record

_HEADER_OCTETS = 8


class CannedMeter(asyncio.Protocol):
    """One connection."""

    def __init__(self, transcript: Transcript) -> None:
        self._answers = transcript.answers
        self._next = 0
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, which is not one by its class

    def data_received(self, data: bytes) -> None:
        """Answer whole frames, by the wrapper's length."""
        held = self._held + data if self._held else data
        while len(held) >= _HEADER_OCTETS:
            size = _HEADER_OCTETS + int.from_bytes(held[6:8], "big")
            if len(held) < size:
                break
            held = held[size:]
            if self._transport is not None and self._next < len(self._answers):
                self._transport.write(self._answers[self._next])
                self._next += 1
        self._held = held


async def serve() -> None:
    """Until standard input ends."""
    transcript = record()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CannedMeter(transcript), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = loop.create_future()

    def asked() -> None:
        if sys.stdin.readline():
            print(time.process_time(), flush=True)
        elif not ended.done():
            ended.set_result(None)

    loop.add_reader(sys.stdin, asked)
    await ended
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
