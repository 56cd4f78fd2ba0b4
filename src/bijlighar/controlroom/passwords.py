"""Passwords, hashed with Argon2id (RFC 9106) by argon2-cffi. A password is never logged and never kept."""

from __future__ import annotations

import argon2

FEWEST_CHARACTERS = 10
MOST_CHARACTERS = 200
"""Hashing reads every octet, so an endless password would be a way to keep the processor busy."""

_HASHER = argon2.PasswordHasher()
"""argon2-cffi's defaults are RFC 9106's second recommended set: 64 MiB, 3 passes, 4 lanes."""

_NOBODY = _HASHER.hash("nobody's password")


class PasswordRefused(ValueError):
    """The new password is too short or too long."""


def hashed(password: str) -> str:
    """The encoded hash to keep. Raises PasswordRefused."""
    if not FEWEST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise PasswordRefused(f"a password needs {FEWEST_CHARACTERS} to {MOST_CHARACTERS} characters")
    return _HASHER.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """True when the password is the one of ``kept``.

    Without a kept hash the same work is done and refused, so that the time of the answer does not tell whether a
    name exists.
    """
    if len(password) > MOST_CHARACTERS:
        return False
    try:
        _HASHER.verify(kept or _NOBODY, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return kept is not None
