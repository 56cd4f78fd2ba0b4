"""What client and meter agreed on, as far as it decides what may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bijlighar.dlms.channel import GENERAL_GLO_OVERHEAD
from bijlighar.dlms.errors import LocalProtocolError, Malformed
from bijlighar.dlms.limits import MAX_FRAME_OCTETS, MAX_VALUE_OCTETS, MIN_PDU_OCTETS
from bijlighar.dlms.xdlms import Conformance
from bijlighar.dlms.xdlms.initiate import decode_initiate_response

_MULTIPLE_REFERENCES = int(Conformance.MULTIPLE_REFERENCES)
_GENERAL_BLOCK_TRANSFER = int(Conformance.GENERAL_BLOCK_TRANSFER)
_KEPT = 256
"""Terms kept, each under at most 15 octets: all meters of a make answer alike."""


@dataclass(frozen=True, slots=True)
class Terms:
    """``octets`` that a request may have before it is ciphered, ``conformance`` bits, ``max_pdu`` of the meter."""

    octets: int
    conformance: int
    max_pdu: int = 0
    general_blocks: bool = False

    def check(self, size: int, blocks: Conformance, *, listed: bool) -> bool:
        """Whether a request of ``size`` octets must go in ``blocks``. Raises LocalProtocolError."""
        if listed and not self.conformance & _MULTIPLE_REFERENCES:
            raise LocalProtocolError("the meter takes no lists of references")
        if size <= self.octets:
            return False
        if not self.conformance & blocks:
            raise LocalProtocolError(f"a request of {size} octets, the meter receives {self.octets}")
        return True


NOTHING_NEGOTIATED = Terms(MAX_FRAME_OCTETS, 0)
"""Before the association stands."""


@lru_cache(maxsize=_KEPT)
def terms_of(response: bytes, ciphered: bool, blocks_wanted: bool) -> Terms:
    """What follows from the octets of the meter's InitiateResponse. Raises Malformed, Truncated."""
    answer = decode_initiate_response(response)
    max_pdu, conformance = answer.max_pdu, answer.conformance
    if 0 < max_pdu < MIN_PDU_OCTETS:
        raise Malformed(f"the meter receives {max_pdu} octets, too few for any request")
    if blocks_wanted and conformance & _GENERAL_BLOCK_TRANSFER:
        return Terms(MAX_VALUE_OCTETS, conformance, max_pdu, general_blocks=True)
    octets = MAX_FRAME_OCTETS
    if max_pdu:
        octets = max_pdu - (GENERAL_GLO_OVERHEAD if ciphered else 0)
    return Terms(octets, conformance, max_pdu)
