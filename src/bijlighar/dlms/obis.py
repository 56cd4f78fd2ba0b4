"""OBIS codes: six numbers that name a quantity or an object (IEC 62056-61, written A-B:C.D.E*F)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bijlighar.dlms.errors import LocalProtocolError, Malformed

OBIS_OCTETS = 6

_WRITTEN = re.compile(r"(\d{1,3})[.-](\d{1,3})[.:](\d{1,3})\.(\d{1,3})\.(\d{1,3})[.*](\d{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """One code; ordered as its six octets are."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != OBIS_OCTETS:
            raise LocalProtocolError(f"an OBIS code has {OBIS_OCTETS} octets, not {len(self.octets)}")

    @classmethod
    def parse(cls, text: str) -> Obis:
        """From ``1.0.99.1.0.255`` or ``1-0:99.1.0*255``. Raises LocalProtocolError for anything else."""
        match = _WRITTEN.fullmatch(text)
        groups = [int(group) for group in match.groups()] if match else []
        if not groups or max(groups) > 255:
            raise LocalProtocolError(f"{text!r} is not an OBIS code such as 1.0.99.1.0.255")
        return cls(bytes(groups))

    @classmethod
    def from_octets(cls, octets: bytes) -> Obis:
        """From the six octets of a logical name. Raises Malformed for another length."""
        if len(octets) != OBIS_OCTETS:
            raise Malformed(f"a logical name has {OBIS_OCTETS} octets, not {len(octets)}")
        return cls(bytes(octets))

    def __str__(self) -> str:
        return ".".join(map(str, self.octets))

    def __repr__(self) -> str:
        return f"Obis({self})"
