"""The proofs of HLS as they travel: octet-strings within ACTION, method reply_to_HLS_authentication."""

from __future__ import annotations

from bijlighar.dlms.axdr import encode_length, read_length
from bijlighar.dlms.errors import Malformed

_OCTET_STRING = 0x09


def proof_value(proof: bytes) -> bytes:
    """``proof`` as A-XDR octets."""
    return b"\x09" + encode_length(len(proof)) + proof


def octet_string(value: bytes) -> bytes:
    """The content of an octet-string that fills ``value``. Raises Malformed, Truncated."""
    size = len(value) - 2
    if 0 <= size < 0x80 and value[0] == _OCTET_STRING and value[1] == size:  # as every proof comes
        return value[2:]
    if not value or value[0] != _OCTET_STRING:
        raise Malformed("a proof is an octet-string")
    length, offset = read_length(value, 1)
    if len(value) != offset + length:
        raise Malformed("a proof is one octet-string and nothing else")
    return value[offset:]
