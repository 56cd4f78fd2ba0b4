"""Random numbers by name: what is drawn for one thing does not depend on what was drawn for others before.

So a fault that is left out shifts no other fault, and a failing seed can be made smaller piece by piece.
"""

from __future__ import annotations

import random
import zlib

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mixed(number: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    number = (number + _GOLDEN) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


class Chance:
    """All draws of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, subject: str, *names: int) -> int:
        """64 bits that belong to these names."""
        number = mixed(self.seed ^ zlib.crc32(subject.encode()) << 20)
        for name in names:
            number = mixed(number ^ name)
        return number

    def unit(self, subject: str, *names: int) -> float:
        """A number in [0, 1)."""
        return (self.bits(subject, *names) >> 11) * 2.0**-53

    def stream(self, subject: str, *names: int) -> random.Random:
        """A generator for one thing with many draws of its own."""
        return random.Random(self.bits(subject, *names))
