"""What becomes of a push on its way: doubled, late, out of order; and what others send in the meter's name.

Delays are town time. Everything follows from the seed, the meter and the number of its push.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from bijlighar.dlms.security import KEY_OCTETS, SecurityMaterial
from meterlab import draws
from meterlab.push import PushMaker
from meterlab.push_shares import PushShares

LATE_MEAN_S: Final = 2_400.0
DOUBLE_WITHIN_S: Final = 30.0
REUSED_AFTER_S: Final = 5.0
"""Behind the push that used the counter rightly; the first to come is believed."""
MOST_RECORDED: Final = 200
"""Frames of one meter that a listener on the line keeps."""
_FIRST_TAMPERED_OCTET: Final = 30
_UNKNOWN_TITLE: Final = b"XXX\x00NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A frame that leaves after ``delay_s``; ``kind``: honest, duplicate, replay, reuse or forged."""

    delay_s: float
    frame: bytes
    kind: str


@dataclass(slots=True)
class Way:
    """The way of all meters' pushes."""

    maker: PushMaker
    faults: PushShares
    _recorded: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _held: dict[int, bytes] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def frames(self, meter: int, body: bytes, *, final: bool = False) -> list[Sent]:
        """What leaves in a meter's name when it pushes ``body``, in order.

        ``final`` pushes (a last gasp) are sent once, as they are: there is nobody to hold them back.
        """
        number = self._numbers[meter]
        self._numbers[meter] += 1
        drawn = draws.uniform(self.maker.lab.town.seed, "push", meter, 8 * number + np.arange(8)).tolist()
        frame = self.maker.sealed(meter, body)
        recorded = self._recorded[meter]
        recorded.append(frame)
        del recorded[:-MOST_RECORDED]
        sent = [] if final else self._honest(meter, frame, drawn)
        if final:
            sent = [Sent(delay_s=0.0, frame=frame, kind="honest")]
        if drawn[4] < self.faults.replayed:
            sent.append(Sent(delay_s=0.0, frame=recorded[0], kind="replay"))
        if drawn[5] < self.faults.reused and any(one.frame == frame and not one.delay_s for one in sent):
            sent.append(Sent(delay_s=REUSED_AFTER_S, frame=self._reused(meter, body), kind="reuse"))
        if drawn[6] < self.faults.forged:
            sent.append(Sent(delay_s=0.0, frame=self.forged(meter, frame, body, number), kind="forged"))
        return self._in_blocks(meter, number, sent)

    def _in_blocks(self, meter: int, number: int, sent: list[Sent]) -> list[Sent]:
        """The same in general blocks, for the share of pushes that come so."""
        share, octets = self.faults.in_blocks, self.faults.block_octets
        if not share or draws.uniform(self.maker.lab.town.seed, "push-blocks", meter, number) >= share:
            return sent
        return [replace(one, frame=self.maker.in_blocks(one.frame, octets)) for one in sent]

    def rest(self) -> list[Sent]:
        """Frames still held back to be overtaken."""
        held = [Sent(delay_s=0.0, frame=frame, kind="honest") for frame in self._held.values()]
        self._held.clear()
        return held

    def _honest(self, meter: int, frame: bytes, drawn: list[float]) -> list[Sent]:
        overtaken = self._held.pop(meter, None)
        if drawn[0] < self.faults.reordered and overtaken is None:
            self._held[meter] = frame
            return []
        delay_s = 0.0
        if drawn[1] < self.faults.late:
            delay_s = -LATE_MEAN_S * float(np.log(max(drawn[2], 1e-9)))
        sent = [Sent(delay_s=delay_s, frame=frame, kind="honest")]
        if overtaken is not None:
            sent.append(Sent(delay_s=0.0, frame=overtaken, kind="honest"))
        if drawn[3] < self.faults.duplicates:
            sent.append(Sent(delay_s=delay_s + DOUBLE_WITHIN_S * drawn[7], frame=frame, kind="duplicate"))
        return sent

    def _reused(self, meter: int, body: bytes) -> bytes:
        """The counter just used, with the last octet of the body another one."""
        counter = int(self.maker.counters[meter]) - 1
        other = body[:-1] + bytes([body[-1] ^ 1])
        return self.maker.sealed_as(other, self.maker.material(meter), counter)

    def forged(self, meter: int, frame: bytes, body: bytes, number: int) -> bytes:
        """One of four forgeries, in turn."""
        counter = int(self.maker.counters[meter]) + 1_000
        strange = SecurityMaterial(
            system_title=self.maker.material(meter).system_title,
            encryption_key=bytes(KEY_OCTETS),
            authentication_key=bytes(KEY_OCTETS),
        )
        turn = number % 4
        if turn == 0:
            return self.maker.sealed_as(body, strange, counter)
        if turn == 1:
            at = _FIRST_TAMPERED_OCTET + number % (len(frame) - _FIRST_TAMPERED_OCTET)
            return frame[:at] + bytes([frame[at] ^ 1 << number % 8]) + frame[at + 1 :]
        if turn == 2:
            nobody = SecurityMaterial(
                system_title=_UNKNOWN_TITLE, encryption_key=bytes(KEY_OCTETS), authentication_key=bytes(KEY_OCTETS)
            )
            return self.maker.sealed_as(body, nobody, counter)
        return self.maker.unciphered(body)
