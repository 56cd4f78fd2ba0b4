"""What happened, step by step: a digest that two runs of one seed share, and the newest events in words."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TextIO

KEPT = 4_000
"""Events kept in memory, to be told around a failure."""


class Trace:
    """Events with their number and virtual time. ``into`` takes all of them as lines."""

    def __init__(self, into: TextIO | None = None) -> None:
        self.count = 0
        self.newest: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._digest = hashlib.blake2b(digest_size=16)
        self._into = into

    def __call__(self, now_s: float, what: str) -> None:
        """Note an event; its words must not hold anything that differs between two runs."""
        self.count += 1
        line = f"{now_s:.6f} {what}"
        self._digest.update(line.encode())
        self.newest.append((self.count, line))
        if self._into is not None:
            self._into.write(f"{self.count} {line}\n")

    def digest(self) -> str:
        """32 hexadecimal digits over all events so far."""
        return self._digest.hexdigest()

    def around(self, number: int, *, about: str = "", before: int = 30, after: int = 5) -> list[str]:
        """Lines around an event, those that tell ``about`` something; only as many as are still known."""
        told = [f"{n} {line}" for n, line in self.newest if about in line and n <= number]
        later = [f"{n} {line}" for n, line in self.newest if about in line and n > number]
        return told[-before:] + later[:after]
