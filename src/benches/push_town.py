"""The meters whose pushes are measured: registry and keys in a folder, frames sealed before anything is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bijlighar.dlms.clock import DeviationSign, encode_instant
from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from meterlab import registry
from meterlab.lab import build
from meterlab.push import INSTANTANEOUS, PushMaker
from meterlab.town import mohalla

NOW_S: Final = 1_763_900_000
"""2025-11-23 17:43:20 in Kanpur."""
SEED: Final = 1
RING: Final = Keyring(bytes(range(32)))
"""Seals the test keys of virtual meters, which anybody can derive."""

_STAMP: Final = b"\x09\x0c"
_PAST_S: Final = 20 * 86_400


class PushTown:
    """Consumer meters with their instantaneous values as bodies, each with another stamp when it is sealed."""

    def __init__(self, meters: int) -> None:
        self.meters = meters
        self._maker = PushMaker(build(mohalla(SEED, meters), now_s=NOW_S))
        self._bodies: list[tuple[bytes, bytes]] = []
        for meter in range(meters):
            body = self._maker.row(meter, INSTANTANEOUS, NOW_S)
            assert body is not None, "every meter has a snapshot"
            at = body.index(_STAMP) + len(_STAMP)
            self._bodies.append((body[:at], body[at + 12 :]))
        self._sent = 0

    def enrol(self, folder: Path) -> None:
        """Records with these meters in ``folder``."""
        registry.write(self._maker.lab.town, folder / "sheets", 4059)
        with Records(None, folder, now=lambda: float(NOW_S)) as records:
            import_registry(records, folder / "sheets", RING)

    def frames(self, count: int) -> list[bytes]:
        """Fresh frames, from one meter after the other."""
        frames = []
        for number in range(count):
            meter = number % self.meters
            stamp = encode_instant(NOW_S - _PAST_S + self._sent, DeviationSign.INDIAN)
            self._sent += meter == self.meters - 1
            before, after = self._bodies[meter]
            frames.append(self._maker.sealed(meter, before + stamp + after))
        return frames
