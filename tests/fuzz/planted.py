"""Defects of our own, one of each kind: a driver that does not find them finds nothing."""

from __future__ import annotations


def planted(octets: bytes) -> None:
    """An exception, three right octets deep."""
    if octets[:1] == b"\x13" and octets[1:2] == b"\x02" and octets[2:3] == b"\x42":
        raise IndexError("the planted defect")


def standing(octets: bytes) -> None:
    """A loop that does not consume."""
    while octets[:1] == b"\x13":
        pass


def greedy(octets: bytes) -> None:
    """An allocation by a length that was announced."""
    if octets[:1] == b"\x13":
        assert bytearray(1 << 31)
