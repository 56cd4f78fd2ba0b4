"""What a meter sends, and when it leaves: radio delay, lateness, dripping, an old answer once more."""

from __future__ import annotations

import asyncio

from meterlab.conduct import Conduct
from meterlab.radio import Radio

_REPLAYED_ANSWER = 3
"""The first is the AARE, the second answers a question: that one is sent once more."""


class Outbox:
    """Answers of one connection, in order."""

    __slots__ = (
        "_ciphered",
        "_conduct",
        "_free_at",
        "_last",
        "_meter",
        "_radio",
        "_transport",
        "_way_s",
        "_woken",
    )

    def __init__(self, transport: asyncio.Transport, meter: int, radio: Radio, conduct: Conduct) -> None:
        self._transport = transport
        self._meter = meter
        self._radio = radio
        self._conduct = conduct
        self._woken = False
        self._free_at = 0.0
        self._ciphered = 0
        self._last = b""
        self._way_s = 0.0

    def way_there_s(self) -> float:
        """Seconds that what comes now was on its way: half a round trip, as long as the way back will be."""
        self._way_s = self._radio.delay_s(self._meter, woken=not self._woken) / 2
        self._woken = True
        return self._way_s

    def send(self, octets: bytes, *, ciphered: bool, last: bool) -> None:
        """Send an answer when the radio lets it through; close behind it when it is the ``last``."""
        if self._conduct.replays and ciphered:
            octets = self._replayed(octets)
        delay_s = self._way_s + self._conduct.late_s
        if self._conduct.drip_s > 0:
            self._drip(octets, last=last)
        elif delay_s > 0 or self._free_at > 0:
            loop = asyncio.get_running_loop()
            self._free_at = max(loop.time() + delay_s, self._free_at)
            loop.call_at(self._free_at, self._write, octets, last)
        else:
            self._write(octets, last)

    def _replayed(self, octets: bytes) -> bytes:
        self._ciphered += 1
        if self._ciphered == _REPLAYED_ANSWER:
            return self._last
        self._last = octets
        return octets

    def _write(self, octets: bytes, last: bool) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(octets)
        if last:
            self._transport.close()

    def _drip(self, octets: bytes, *, last: bool) -> None:
        """One octet now, the next after a while; a client that hangs up ends it."""
        if self._transport.is_closing():
            return
        self._write(octets[:1], last and len(octets) <= 1)
        if len(octets) > 1:
            loop = asyncio.get_running_loop()
            loop.call_later(self._conduct.drip_s, lambda: self._drip(octets[1:], last=last))
