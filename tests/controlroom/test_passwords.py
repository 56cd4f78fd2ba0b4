from __future__ import annotations

import pytest

from bijlighar.controlroom.passwords import (
    FEWEST_CHARACTERS,
    MOST_CHARACTERS,
    PasswordRefused,
    hashed,
    matches,
)


def test_a_password_matches_its_own_hash_and_no_other() -> None:
    kept = hashed("बिजलीघर का पासवर्ड")
    assert kept.startswith("$argon2id$")
    assert matches("बिजलीघर का पासवर्ड", kept)
    assert not matches("बिजलीघर का पासवर्ड ", kept)


def test_without_a_kept_hash_nothing_matches() -> None:
    assert not matches("nobody's password", None)


@pytest.mark.parametrize("kept", ["", "plain", "$argon2id$v=19$broken", "$2b$12$" + "x" * 53])
def test_a_hash_of_another_kind_matches_nothing(kept: str) -> None:
    assert not matches("a long password", kept)


@pytest.mark.parametrize("length", [0, FEWEST_CHARACTERS - 1, MOST_CHARACTERS + 1])
def test_a_password_has_its_bounds(length: int) -> None:
    with pytest.raises(PasswordRefused):
        hashed("x" * length)


def test_an_endless_password_is_not_even_hashed() -> None:
    assert not matches("x" * (MOST_CHARACTERS + 1), hashed("a long password"))
