"""Octets that fuzzing found, each with what it must come to."""

from __future__ import annotations

import tracemalloc

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association.terms import terms_of
from bijlighar.dlms.errors import Malformed, RemoteProtocolError
from bijlighar.dlms.profile import scaler_from_octets
from bijlighar.dlms.xdlms.references import decode_selection

A_MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    "octets",
    [
        "1301ffff01ffff000100",
        "01130113130113200113130100000001011301130113021302020113011301130113",
        "130200021206",
    ],
)
def test_compact_arrays_of_nothing_are_refused_before_they_cost_anything(octets: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            axdr.decode(bytes.fromhex(octets))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < A_MEGABYTE


def test_an_entry_wider_than_the_standard_is_refused() -> None:
    octets = bytes.fromhex("0202041500000001000000000600000002120001120000")
    with pytest.raises(Malformed, match="from 0 to 4294967295"):
        decode_selection(octets, 0)


def test_a_meter_that_can_receive_next_to_nothing_is_at_fault_and_not_its_caller() -> None:
    with pytest.raises(Malformed, match="receives 4 octets"):
        terms_of(bytes.fromhex("0800065f1f0400005e9f00040007"), ciphered=False, blocks_wanted=False)


@pytest.mark.parametrize("octets", ["02020f01121e09", "0202104000161b"])
def test_a_unit_or_exponent_wider_than_the_standard_is_refused(octets: str) -> None:
    with pytest.raises(Malformed, match="was expected"):
        scaler_from_octets(bytes.fromhex(octets))
