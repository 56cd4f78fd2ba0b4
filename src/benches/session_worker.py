"""Sessions on uvloop, in a process of its own: ``python -m benches.session_worker floor|ours|headend PORT``.

``floor``   moves the same octets with no protocol work
``ours``    the association machine under a minimal asyncio protocol, buffers decoded by template in batches
``headend`` the head-end's own session with its time-outs, script and guard, buffers decoded in the same way

Reads a number of sessions from each line of standard input and answers with one JSON object: CPU seconds and a sum
over all cells of integers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import cast

import uvloop

from benches.blockload import ROWS, RULES
from benches.transcript import BLOCK_LOAD, METER_TITLE, Transcript, begin, client_settings, record
from bijlighar.cim.contacts import Outcome
from bijlighar.dlms.association import (
    NEED_DATA,
    AssociationOpened,
    ClientAssociation,
    GetSucceeded,
    Released,
)
from bijlighar.dlms.template import RowTable, Template
from bijlighar.headend.script import Get, Script
from bijlighar.headend.session import TimeLimits, converse

AT_ONCE = 32
"""Sessions in flight: a head-end has hundreds, and the floor has as many."""

ANSWER_S = 60.0
"""A round takes a tenth of a second; this only ends one that hangs."""

BATCH = 64
"""Buffers decoded together: the smallest batch that a head-end of any size gathers."""


class Decoder:
    """Gathers buffers and decodes them in batches."""

    def __init__(self, transcript: Transcript) -> None:
        self._template = Template.learn(transcript.buffer, RULES)
        self._held: list[bytes] = []
        self.last: RowTable | None = None

    def add(self, octets: bytes) -> None:
        """One meter's buffer."""
        self._held.append(octets)
        if len(self._held) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Decode what is held."""
        if self._held:
            self.last = self._template.decode_rows(self._held)
            assert not self.last.faults, self.last.faults[0]
            self._held.clear()

    def checksum(self) -> int:
        """The sum over all integers of the last buffer."""
        if self.last is None:
            return 0
        return sum(int(column[-ROWS:].sum()) for column in self.last.columns[1:])


class FloorClient(asyncio.Protocol):
    """Sends the transcript's requests, counts the answers' octets."""

    def __init__(self, transcript: Transcript, ended: asyncio.Future[None]) -> None:
        self._requests = transcript.requests
        self._sizes = [len(answer) for answer in transcript.answers]
        self._step = 0
        self._due = self._sizes[0]
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, which is not one by its class
        self._transport.write(self._requests[0])

    def data_received(self, data: bytes) -> None:
        """Send the next when the answer is whole."""
        self._due -= len(data)
        if self._due > 0:
            return
        self._step += 1
        if self._step < len(self._requests):
            self._due = self._sizes[self._step]
            self._transport.write(self._requests[self._step])
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the loop's signature)
        """The session is over."""
        if not self._ended.done():
            self._ended.set_result(None)


class OurClient(asyncio.Protocol):
    """The association machine, driven."""

    def __init__(self, association: ClientAssociation, decoder: Decoder, ended: asyncio.Future[None]) -> None:
        self._association = association
        self._decoder = decoder
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the association."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, which is not one by its class
        self._association.open()
        self._transport.write(self._association.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Act on what happened."""
        association = self._association
        association.receive_data(data)
        while (event := association.next_event()) is not NEED_DATA:
            if isinstance(event, AssociationOpened):
                association.get(BLOCK_LOAD)
            elif isinstance(event, GetSucceeded):
                self._decoder.add(event.octets)
                association.release()
            elif isinstance(event, Released):
                self._transport.close()
                return
        octets = association.data_to_send()
        if octets:
            self._transport.write(octets)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the loop's signature)
        """The session is over."""
        if not self._ended.done():
            self._ended.set_result(None)


def reading(decoder: Decoder) -> Script[None]:
    """What the head-end's session is to do."""
    decoder.add((yield Get(BLOCK_LOAD)))


class Work:
    """One session of the chosen kind against the canned meter."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transcript = record()
        self.decoder = Decoder(self._transcript)
        self._settings = client_settings()
        self._limits = TimeLimits()

    async def floor(self) -> None:
        """The same octets."""
        await self._connected(lambda ended: FloorClient(self._transcript, ended))

    async def ours(self) -> None:
        """Our association."""
        await self._connected(lambda ended: OurClient(begin(self._settings), self.decoder, ended))

    async def headend(self) -> None:
        """The head-end's session."""
        end = await converse(
            "127.0.0.1",
            self._port,
            begin(self._settings),
            reading(self.decoder),
            limits=self._limits,
            expected_title=METER_TITLE,
            warrant_key=None,
            now=time.time,
        )
        assert end.outcome is Outcome.OK, end

    async def _connected(self, make: Callable[[asyncio.Future[None]], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda: make(ended), "127.0.0.1", self._port)
        await ended


async def sessions(one: Callable[[], Awaitable[None]], count: int) -> None:
    """``count`` sessions, AT_ONCE at a time."""
    left = count

    async def lane() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await one()

    async with asyncio.timeout(ANSWER_S):
        await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


def main(kind: str, port: int) -> None:
    """Answer every line of standard input."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        work = Work(port)
        one: Callable[[], Awaitable[None]] = {"floor": work.floor, "ours": work.ours, "headend": work.headend}[
            kind
        ]
        for line in sys.stdin:
            begun = time.process_time()
            runner.run(sessions(one, int(line)))
            work.decoder.flush()
            cpu_s = time.process_time() - begun
            rows = 0 if work.decoder.last is None else ROWS
            print(json.dumps({"cpu_s": cpu_s, "rows": rows, "checksum": work.decoder.checksum()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
