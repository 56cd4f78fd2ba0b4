"""Signed messages between metering and billing: HMAC-SHA-256 over a time and the body.

The header is ``t=<epoch seconds>,v1=<hexadecimal>``; the signed octets are the time, a full stop and the body. A
time that lies more than TOLERANCE_S off is refused: an old message cannot be sent again by somebody who heard it,
and one that comes twice within that span has a number that is known.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "x-bijlighar-signature"
TOLERANCE_S = 300
LEAST_SECRET_OCTETS = 16
LONGEST_HEADER = 200


class SignatureRefused(Exception):
    """A message is not from whom it should be. ``reason`` names the cause, never the right value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def signature(secret: str, body: bytes, now_s: int) -> str:
    """The header's value."""
    return f"t={now_s},v1={_digest(secret, body, now_s)}"


def verify(secret: str, body: bytes, told: str, now_s: int) -> None:
    """Raises SignatureRefused unless ``told`` is a fresh signature of ``body``."""
    if len(secret.encode()) < LEAST_SECRET_OCTETS:
        raise SignatureRefused("no secret is set for the billing server")
    parts = dict(part.partition("=")[::2] for part in told[:LONGEST_HEADER].split(","))
    at, digest = parts.get("t", ""), parts.get("v1", "")
    if not at.isdecimal():
        raise SignatureRefused("the message is not signed")
    if not hmac.compare_digest(digest.encode(), _digest(secret, body, int(at)).encode()):
        raise SignatureRefused("the signature is wrong")
    if abs(now_s - int(at)) > TOLERANCE_S:
        raise SignatureRefused("the signature is too old or lies in the future")


def _digest(secret: str, body: bytes, at_s: int) -> str:
    return hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
