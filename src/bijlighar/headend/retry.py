"""When to try a meter again: exponential back-off with seeded jitter, and an end.

Pure: the same meter, attempt and seed always give the same delay, so a simulated month replays exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LONGEST_EXPONENT = 30
"""2**30 base delays is beyond any cap; larger exponents would only overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """``attempts`` tries within a period; before try n+1 wait ``base_s * factor**(n-1)``, at most ``cap_s``.

    The wait is drawn from [1/2, 3/2) of that, so that meters behind one tower do not come back together.
    """

    base_s: float = 30.0
    factor: float = 2.0
    cap_s: float = 900.0
    attempts: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.base_s <= 0 or self.factor < 1 or self.cap_s < self.base_s or self.attempts < 1:
            raise ValueError(f"a back-off that cannot be: {self}")

    def delay_s(self, meter_id: int, failures: int) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (from 1)."""
        whole_s = min(self.cap_s, self.base_s * self.factor ** min(failures - 1, _LONGEST_EXPONENT))
        return whole_s * (0.5 + fraction(meter_id, self.seed + failures))


def fraction(meter_id: int, seed: int) -> float:
    """A number in [0, 1) that looks drawn at random but belongs to this meter and seed."""
    return float(fractions(np.array([meter_id], dtype=np.int64), seed)[0])


def fractions(meter_ids: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """``fraction`` for float64[meter]: the finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    golden = 0x9E3779B97F4A7C15
    mixed = meter_ids.astype(np.uint64) + np.uint64((golden * (seed + 1)) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
