"""A warrant covers one action on one meter until one moment, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.gate.warrant import SupplyAction, Warrant, WarrantRefused, check, sign

KEY = bytes(range(32))
TITLE = b"BJG00001"
CUT = SupplyAction(service="action", class_id=70, obis=bytes([0, 0, 96, 3, 10, 255]), index=1, payload=b"\x0f\x00")


def warrant(**changes: object) -> Warrant:
    facts = {"key": KEY, "order_id": "O-1", "system_title": TITLE, "action": CUT, "not_after_s": 1000}
    return sign(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_valid_warrant_lets_exactly_its_action_pass() -> None:
    assert check(warrant(), key=KEY, system_title=TITLE, action=CUT, now_s=1000) is None


@pytest.mark.parametrize(
    ("given_warrant", "title", "action", "now_s", "reason"),
    [
        (None, TITLE, CUT, 1000, "no warrant"),
        (warrant(key=bytes(32)), TITLE, CUT, 1000, "signature"),
        (warrant(), b"BJG00002", CUT, 1000, "another meter"),
        (warrant(), TITLE, replace(CUT, index=2), 1000, "another action"),
        (warrant(), TITLE, replace(CUT, payload=b"\x0f\x01"), 1000, "another action"),
        (warrant(), TITLE, CUT, 1000.5, "expired"),
    ],
)
def test_whatever_differs_is_refused_by_name(
    given_warrant: Warrant | None, title: bytes, action: SupplyAction, now_s: float, reason: str
) -> None:
    with pytest.raises(WarrantRefused, match=reason):
        check(given_warrant, key=KEY, system_title=title, action=action, now_s=now_s)


def test_a_short_key_is_refused_when_signing_and_when_checking() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        warrant(key=b"short")
    with pytest.raises(ValueError, match="at least 32"):
        check(warrant(), key=b"short", system_title=TITLE, action=CUT, now_s=0)


@given(
    order_id=st.text(max_size=12),
    title=st.binary(min_size=8, max_size=8),
    payload=st.binary(max_size=8),
    not_after_s=st.integers(0, 2**40),
)
def test_no_altered_warrant_passes(order_id: str, title: bytes, payload: bytes, not_after_s: int) -> None:
    """Changing any field after signing breaks the signature, whatever the field becomes."""
    signed = warrant()
    altered = replace(
        signed,
        order_id=order_id,
        system_title=title,
        action=replace(CUT, payload=payload),
        not_after_s=not_after_s,
    )
    if altered == signed:
        return
    with pytest.raises(WarrantRefused, match="signature"):
        check(altered, key=KEY, system_title=title, action=altered.action, now_s=0)
