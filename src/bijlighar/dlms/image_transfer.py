"""Image transfer: a firmware image block by block, taken up where it was left (class 18, IEC 62056-6-2).

``transfer`` brings all blocks to the meter and has them verified; ``activate`` is another procedure, for another
moment and another permission. Neither may be run without the head-end's guard.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Tag
from bijlighar.dlms.errors import LocalProtocolError, Malformed, TooLarge
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.procedure import Invoke, Procedure, Read, Wait
from bijlighar.dlms.xdlms import ActionResult, AttributeRef, DataAccessResult, MethodRef

IMAGE_TRANSFER_OBIS: Final = Obis.parse("0.0.44.0.0.255")
MAX_IMAGE_OCTETS: Final = 1 << 24
"""16 MiB: thirty times the flash of the meters known."""
MAX_BLOCK_OCTETS: Final = 1 << 15
"""Far above any PDU; a meter that asks for more is mistaken."""
MAX_IDENTIFIER_OCTETS: Final = 64
_CLASS = 18
_ROUNDS = 3
"""Times that blocks which did not stay with the meter are brought again."""
_WAIT_S = 10.0
_WAITS = 60
"""A meter verifies or activates for ten minutes at most: an image is a few hundred kB of flash."""


class ImageStatus(IntEnum):
    """Attribute 6."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFYING = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATING = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


class ImageRefused(Exception):
    """The meter did not go on. ``step`` what was asked, ``result`` what it said."""

    def __init__(self, step: str, result: str) -> None:
        super().__init__(f"{step}: {result}")
        self.step = step
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is to be transferred. ``identifier`` as the maker gives it, 1 to 64 octets."""

    identifier: bytes
    octets: bytes

    def __post_init__(self) -> None:
        named = 1 <= len(self.identifier) <= MAX_IDENTIFIER_OCTETS
        if not named or not 1 <= len(self.octets) <= MAX_IMAGE_OCTETS:
            raise LocalProtocolError(f"an image of {len(self.octets)} octets, or its identifier, is out of bounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """The meter holds the image and verified it. ``blocks`` in all, ``blocks_sent`` this time."""

    blocks: int
    blocks_sent: int


def transfer(image: Image, *, resume: bool) -> Procedure[Transferred]:
    """Bring ``image`` to the meter and have it verified.

    ``resume``: an earlier transfer of this very image was begun, so blocks that the meter holds are not sent
    again; the meter itself cannot tell whose they are. Raises ImageRefused, RemoteProtocolError.
    """
    enabled = yield from _read(5, Tag.BOOLEAN)
    if not enabled.value:
        raise ImageRefused("image transfer", "is not enabled in the meter")
    size = _bounded((yield from _read(2, Tag.DOUBLE_LONG_UNSIGNED)), 1, MAX_BLOCK_OCTETS)
    blocks = -(-len(image.octets) // size)
    status = yield from _status()
    if resume and status in _VERIFIED and (yield from _holds(image)):
        return Transferred(blocks=blocks, blocks_sent=0)
    if not resume or status is not ImageStatus.INITIATED:
        parameter = axdr.structure([axdr.octets(image.identifier), axdr.u32(len(image.octets))])
        yield from _invoke(1, parameter, "initiate")
    sent = yield from _bring(image.octets, size, blocks)
    yield from _verify()
    if not (yield from _holds(image)):
        raise ImageRefused("verify", "the meter holds another image than was sent")
    return Transferred(blocks=blocks, blocks_sent=sent)


def activate() -> Procedure[None]:
    """Have the verified image activated. The meter may restart: then read ``status`` in a later association.

    Raises ImageRefused, RemoteProtocolError.
    """
    if (yield from _status()) is not ImageStatus.VERIFIED:
        raise ImageRefused("activate", "the meter holds no verified image")
    result = yield Invoke(_method(4), axdr.i8(0))
    if result not in (ActionResult.SUCCESS, ActionResult.TEMPORARY_FAILURE):
        raise ImageRefused("activate", _name(result))
    yield from _settled(ImageStatus.ACTIVATING, ImageStatus.ACTIVATED, "activate")


def status() -> Procedure[ImageStatus]:
    """How far the meter is. Raises ImageRefused, RemoteProtocolError."""
    return (yield from _status())


_VERIFIED = frozenset((ImageStatus.VERIFIED, ImageStatus.ACTIVATED))


def _bring(octets: bytes, size: int, blocks: int) -> Procedure[int]:
    """Send what the meter does not hold, until it holds all; how many blocks were sent."""
    sent = 0
    for _ in range(_ROUNDS):
        first = _bounded((yield from _read(4, Tag.DOUBLE_LONG_UNSIGNED)), 0, 0xFFFFFFFF)
        if first >= blocks:
            return sent
        held = yield from _bitmap(blocks)
        for number in range(first, blocks):
            if held[number] == "1":
                continue
            piece = octets[number * size : (number + 1) * size]
            parameter = axdr.structure([axdr.u32(number), axdr.octets(piece)])
            yield from _invoke(2, parameter, f"block {number}")
            sent += 1
    first = _bounded((yield from _read(4, Tag.DOUBLE_LONG_UNSIGNED)), 0, 0xFFFFFFFF)
    if first < blocks:
        raise ImageRefused("blocks", f"block {first} did not stay with the meter in {_ROUNDS} rounds")
    return sent


def _bitmap(blocks: int) -> Procedure[str]:
    """One character for each block, "1" = the meter holds it; what it does not tell, it does not hold."""
    outcome = yield Read(_attribute(3))
    if not isinstance(outcome, bytes):
        return "0" * blocks  # not every make has it; blocks sent twice do no harm
    data = axdr.decode(outcome)
    if data.tag is not Tag.BIT_STRING or not isinstance(data.value, str):
        raise Malformed("the status of the transferred blocks is no bit-string")
    return data.value[:blocks].ljust(blocks, "0")


def _verify() -> Procedure[None]:
    result = yield Invoke(_method(3), axdr.i8(0))
    if result not in (ActionResult.SUCCESS, ActionResult.TEMPORARY_FAILURE):
        raise ImageRefused("verify", _name(result))
    yield from _settled(ImageStatus.VERIFYING, ImageStatus.VERIFIED, "verify")


def _settled(while_status: ImageStatus, wanted: ImageStatus, step: str) -> Procedure[None]:
    for _ in range(_WAITS):
        found = yield from _status()
        if found is wanted:
            return
        if found is not while_status:
            raise ImageRefused(step, found.name)
        yield Wait(_WAIT_S)
    raise ImageRefused(step, f"still {while_status.name} after {_WAITS * _WAIT_S:.0f} s")


def _holds(image: Image) -> Procedure[bool]:
    """Whether the image to activate is this one, by size and identification as far as the meter tells them."""
    outcome = yield Read(_attribute(7))
    if not isinstance(outcome, bytes):
        return True  # verified by the meter, which tells no more
    listed = axdr.decode(outcome).value
    if not isinstance(listed, tuple):
        raise Malformed("the images to activate are no array")
    for entry in listed:
        parts = entry.value
        if not isinstance(parts, tuple) or len(parts) != 3:
            raise Malformed("an image to activate is no structure of three")
        if parts[0].value == len(image.octets) and parts[1].value in (image.identifier, b""):
            return True
    return not listed


def _status() -> Procedure[ImageStatus]:
    data = yield from _read(6, Tag.ENUM)
    return ImageStatus(_bounded(data, 0, max(ImageStatus)))


def _read(attribute: int, tag: Tag) -> Procedure[axdr.Data]:
    outcome = yield Read(_attribute(attribute))
    if not isinstance(outcome, bytes):
        raise ImageRefused(f"attribute {attribute}", _name(outcome))
    data = axdr.decode(outcome)
    if data.tag is not tag:
        raise Malformed(f"attribute {attribute} of the image transfer is a {data.tag.name}")
    return data


def _invoke(method: int, parameter: axdr.Data, step: str) -> Procedure[None]:
    result = yield Invoke(_method(method), parameter)
    if result is not ActionResult.SUCCESS:
        raise ImageRefused(step, _name(result))


def _bounded(data: axdr.Data, least: int, most: int) -> int:
    if not isinstance(data.value, int) or not least <= data.value <= most:
        raise TooLarge(f"{data.value!r} is not from {least} to {most}")
    return data.value


def _name(outcome: object) -> str:
    return outcome.name if isinstance(outcome, (ActionResult, DataAccessResult)) else type(outcome).__name__


def _attribute(attribute: int) -> AttributeRef:
    return AttributeRef(_CLASS, IMAGE_TRANSFER_OBIS, attribute)


def _method(method: int) -> MethodRef:
    return MethodRef(_CLASS, IMAGE_TRANSFER_OBIS, method)
