"""How clients open: AARQs of one form taken apart at fixed places, and the AAREs that answer them.

All visits of a head-end begin with the same octets but for password or challenge and the ciphered part. The first
AARQ of a form goes through the general decoder and tells where those stand; what the general encoder would not
give back octet for octet is no form. ``Form`` does the same for what is sent: constant octets between what varies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bijlighar.dlms.acse import Aarq, decode_aarq
from bijlighar.dlms.errors import RemoteProtocolError

_MOST_OPENINGS = 256
"""Forms kept: one for each head-end, association and make's mechanism."""


class Form:
    """Octets with fields of fixed size: ``sizes`` of them, in the order in which they stand.

    ``encode`` is asked twice, with fields of zeros and of ones; where the two differ a field stands.
    """

    def __init__(self, encode: Callable[[Sequence[bytes]], bytes], sizes: Sequence[int]) -> None:
        zeros = encode([bytes(size) for size in sizes])
        ones = encode([b"\xff" * size for size in sizes])
        self._between: list[bytes] = []
        at = 0
        for size in sizes:
            begin = at
            while size and zeros[at] == ones[at]:
                at += 1
            self._between.append(zeros[begin:at])
            at += size
        self._rest = zeros[at:]

    def filled(self, *fields: bytes) -> bytes:
        """The octets with these fields."""
        parts: list[bytes] = []
        for before, field in zip(self._between, fields, strict=True):
            parts += (before, field)
        parts.append(self._rest)
        return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One form of AARQ: octets up to the authentication value, between it and the user information."""

    title: bytes | None
    context: int
    mechanism: int
    head: bytes
    middle: bytes
    value_ends: int
    information_begins: int
    size: int

    def holds(self, apdu: bytes) -> bool:
        """Whether ``apdu`` has this form."""
        return (
            len(apdu) == self.size
            and apdu.startswith(self.head)
            and apdu[self.value_ends : self.information_begins] == self.middle
        )

    def value(self, apdu: bytes) -> bytes:
        """Password or challenge."""
        return apdu[len(self.head) : self.value_ends]

    def information(self, apdu: bytes) -> bytes:
        """The InitiateRequest, ciphered or not."""
        return apdu[self.information_begins :]


def _opening(apdu: bytes) -> Opening | None:
    """The form of an AARQ, None for one that has no usual form."""
    try:
        aarq = decode_aarq(apdu)
    except RemoteProtocolError:
        return None
    value, information = aarq.authentication_value or b"", aarq.user_information
    if not information or aarq.encode() != apdu:
        return None
    begins = len(apdu) - len(information)
    ends = begins if not value else _first_difference(aarq, len(value)) + len(value)
    return Opening(
        title=aarq.calling_title,
        context=aarq.context,
        mechanism=aarq.mechanism,
        head=apdu[: ends - len(value)],
        middle=apdu[ends:begins],
        value_ends=ends,
        information_begins=begins,
        size=len(apdu),
    )


def _first_difference(aarq: Aarq, size: int) -> int:
    """Where the authentication value stands."""
    encoded = []
    for octet in (b"\x00", b"\xff"):
        other = Aarq(
            context=aarq.context,
            mechanism=aarq.mechanism,
            calling_title=aarq.calling_title,
            authentication_value=octet * size,
            user_information=aarq.user_information,
        )
        encoded.append(other.encode())
    return next(at for at, (a, b) in enumerate(zip(*encoded, strict=True)) if a != b)


class Openings:
    """The forms seen so far, by client address and size."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Opening] = {}

    def of(self, client_address: int, apdu: bytes) -> Opening | None:
        """The form of an AARQ, None for one that must be judged the general way."""
        key = client_address, len(apdu)
        found = self._known.get(key)
        if found is not None and found.holds(apdu):
            return found
        learnt = _opening(apdu)
        if learnt is not None:
            if len(self._known) >= _MOST_OPENINGS:
                self._known.clear()
            self._known[key] = learnt
        return learnt
