"""Who a virtual meter says it is: serial, system title and TEST KEYS, all from the seed.

Whoever knows the seed knows the keys, and the draws are not cryptographic: these keys protect nothing and must
never be put into a real meter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from meterlab import draws

FLAG = b"MLB"
"""Manufacturer letters of the virtual meters; not a registered FLAG id."""

MAKER = "Meterlab"
FIRMWARE = "MLB-1.04"
MADE_IN = 2023

_LETTERS = np.frombuffer(b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", np.uint8)
_LLS_LENGTH = 8
_OCTETS_OF_KEYS = 4 * 16 + _LLS_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterKeys:
    """Test keys of one meter. Keys are 16 octets; ``reader_secret`` is eight characters of ASCII."""

    encryption: bytes
    authentication: bytes
    master: bytes
    reader_secret: bytes
    setting_secret: bytes


@lru_cache(maxsize=64)
def batch_of(seed: int) -> int:
    """Two decimal digits that tell towns of different seeds apart by their serial numbers."""
    return int(draws.bits(seed, "batch", 0)[0] % 90) + 10


def serial(seed: int, meter: int) -> str:
    """The serial number on the nameplate."""
    return f"ML{batch_of(seed)}{meter + 1:06}"


def system_title(seed: int, meter: int) -> bytes:
    """Eight octets: manufacturer letters, the batch, four octets of number."""
    return FLAG + bytes([batch_of(seed)]) + (meter + 1).to_bytes(4, "big")


def key_columns(seed: int, meters: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The test keys of many meters, ``uint8[meter, octet]``; ``keys_in`` reads a row."""
    drawn = draws.octets(seed, "keys", meters, _OCTETS_OF_KEYS)
    drawn[:, -_LLS_LENGTH:] = _LETTERS[drawn[:, -_LLS_LENGTH:] % len(_LETTERS)]
    return drawn


def keys_in(row: NDArray[np.uint8]) -> MeterKeys:
    """The keys of one meter from its row of ``key_columns``."""
    drawn = row.tobytes()
    return MeterKeys(
        encryption=drawn[:16],
        authentication=drawn[16:32],
        master=drawn[32:48],
        setting_secret=drawn[48:64],
        reader_secret=drawn[64:],
    )


def keys(seed: int, meter: int) -> MeterKeys:
    """The test keys of one meter."""
    return keys_in(key_columns(seed, np.asarray([meter]))[0])
