"""Random numbers by name: the same (seed, subject, meter, counter) always draws the same number.

A counter-based generator (the finaliser of SplitMix64, Steele, Lea and Flood 2014) instead of a stream: any slot
of any meter can be drawn by itself, or 300,000 meters at once in one pass of numpy. numpy's Philox counts too, but
needs a generator object per key, about 15 microseconds for each meter and day. Not for cryptography.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Whole = int | NDArray[np.int64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_ROUND_1 = np.uint64(0xBF58476D1CE4E5B9)
_ROUND_2 = np.uint64(0x94D049BB133111EB)
_METER = np.uint64(0xD1B54A32D192ED03)
_COUNTER = np.uint64(_GOLDEN)
_TO_UNIT = 2.0**-53
_TO_HALF_UNIT = 2.0**-32


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _ROUND_1
    z = (z ^ (z >> np.uint64(27))) * _ROUND_2
    return z ^ (z >> np.uint64(31))


@lru_cache(maxsize=256)
def _start(seed: int, subject: str) -> np.uint64:
    return np.uint64((seed * _GOLDEN + (zlib.crc32(subject.encode()) << 32)) & _MASK)


def bits(seed: int, subject: str, meter: Whole, counter: Whole = 0) -> NDArray[np.uint64]:
    """64 random bits for each pair of ``meter`` and ``counter``, broadcast together; at least one-dimensional."""
    start = _start(seed, subject)
    by_meter = np.atleast_1d(np.asarray(meter, np.int64)).astype(np.uint64) * _METER
    by_counter = np.atleast_1d(np.asarray(counter, np.int64)).astype(np.uint64) * _COUNTER
    return _mixed(_mixed(by_meter + start) + by_counter)


def uniform(seed: int, subject: str, meter: Whole, counter: Whole = 0) -> NDArray[np.float64]:
    """Numbers in [0, 1)."""
    return np.asarray((bits(seed, subject, meter, counter) >> np.uint64(11)) * _TO_UNIT, np.float64)


def normal(seed: int, subject: str, meter: Whole, counter: Whole = 0) -> NDArray[np.float64]:
    """Standard normal numbers (Box and Muller, both halves of one draw)."""
    drawn = bits(seed, subject, meter, counter)
    radius = ((drawn >> np.uint64(32)) + 1.0) * _TO_HALF_UNIT
    angle = (drawn & np.uint64(0xFFFFFFFF)) * (2 * np.pi * _TO_HALF_UNIT)
    return np.asarray(np.sqrt(-2.0 * np.log(radius)) * np.cos(angle))


def octets(seed: int, subject: str, meters: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """``uint8[meter, count]``, for the test keys of virtual meters."""
    words = bits(seed, subject, meters[:, None], np.arange((count + 7) // 8))
    return words.astype(">u8").view(np.uint8)[:, :count]
