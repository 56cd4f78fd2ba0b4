"""What a meter says unasked: data-notification and event-notification (IEC 62056-5-3).

A push stands outside any association, so its keys are found by the system title in front of it. Whether its
counter is new is for a durable window to say (pushes come late, doubled, out of order), not for this module.
"""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.dlms.axdr import encode_length
from bijlighar.dlms.channel import GENERAL_GLO, HEADER_OCTETS, split_ciphered
from bijlighar.dlms.clock import INSTANT_OCTETS
from bijlighar.dlms.errors import Malformed, NotAuthentic, Truncated
from bijlighar.dlms.security import SYSTEM_TITLE_OCTETS, SecurityControl, SecurityMaterial, judge_control
from bijlighar.dlms.xdlms.references import DESCRIPTOR_OCTETS, AttributeRef, decode_descriptor

DATA_NOTIFICATION, EVENT_NOTIFICATION = 0x0F, 0xC2
_BODY_AT = 2 + SYSTEM_TITLE_OCTETS


@dataclass(frozen=True, slots=True, kw_only=True)
class DataNotification:
    """One notification.

    ``invoke_id`` long invoke-id-and-priority, 32 bits; ``instant`` a date-time of 12 octets or None; ``octets``
    the body, raw A-XDR.
    """

    invoke_id: int
    instant: bytes | None
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A verified notification: who sent it, under which counter, how protected.

    ``body`` is the ciphered part, by which a doubled push is told from a forged one with the same counter.
    """

    system_title: bytes
    counter: int
    control: int
    body: bytes
    notification: DataNotification


def encode_notification(notification: DataNotification) -> bytes:
    """The plain APDU."""
    instant = notification.instant
    when = b"\x00" if instant is None else encode_length(len(instant)) + instant
    head = bytes([DATA_NOTIFICATION]) + notification.invoke_id.to_bytes(4, "big")
    return head + when + notification.octets


def decode_notification(apdu: bytes) -> DataNotification:
    """From the plain APDU. Raises Malformed, Truncated. The body is not decoded here."""
    if len(apdu) < 7:
        raise Truncated("a data-notification ends within its head")
    if apdu[0] != DATA_NOTIFICATION:
        raise Malformed("this is no data-notification")
    size = apdu[5]
    if size not in (0, INSTANT_OCTETS):
        raise Malformed(f"the date-time of a data-notification has 0 or 12 octets, not {size}")
    if len(apdu) <= 6 + size:
        raise Truncated("a data-notification ends before its body")
    return DataNotification(
        invoke_id=int.from_bytes(apdu[1:5], "big"),
        instant=apdu[6 : 6 + size] if size else None,
        octets=apdu[6 + size :],
    )


def seal_push(
    notification: DataNotification,
    material: SecurityMaterial,
    counter: int,
    protection: SecurityControl = SecurityControl.AUTHENTICATED_ENCRYPTED,
) -> bytes:
    """The general-glo-ciphered APDU under the sender's ``material``; ``counter`` must be fresh."""
    plain = encode_notification(notification)
    count = counter.to_bytes(4, "big")
    body = material.suite.seal(int(protection), material.system_title + count, plain)
    header = bytes([protection]) + count
    title = bytes([GENERAL_GLO, SYSTEM_TITLE_OCTETS]) + material.system_title
    return title + encode_length(HEADER_OCTETS + len(body)) + header + body


def sender_title(apdu: bytes) -> bytes:
    """The system title that a general-glo-ciphered APDU claims: whose keys to open it with. Raises Malformed."""
    if len(apdu) <= _BODY_AT or apdu[0] != GENERAL_GLO or apdu[1] != SYSTEM_TITLE_OCTETS:
        raise Malformed("this is no general-glo-ciphered APDU with a system title of 8 octets")
    return apdu[2:_BODY_AT]


def open_push(
    apdu: bytes,
    material: SecurityMaterial,
    protection: SecurityControl = SecurityControl.AUTHENTICATED_ENCRYPTED,
) -> Push:
    """The verified push of the meter whose title and keys ``material`` holds.

    ``protection`` is the least that is accepted. Raises NotAuthentic, Malformed, Truncated, SuiteNotSupported.
    """
    title = sender_title(apdu)
    if title != material.system_title:
        raise NotAuthentic("a push under another system title")
    control, counter, body = split_ciphered(apdu, _BODY_AT)
    if control & protection != protection:
        judge_control(control)
        raise NotAuthentic(f"security control {control:#04x} protects less than {int(protection):#04x}")
    plain = material.suite.open(control, title + counter.to_bytes(4, "big"), body)
    return Push(
        system_title=title, counter=counter, control=control, body=body, notification=decode_notification(plain)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNotification:
    """The value of one attribute, unasked. ``instant`` date-time of 12 octets or None; ``octets`` raw A-XDR."""

    ref: AttributeRef
    instant: bytes | None
    octets: bytes


def encode_event(event: EventNotification) -> bytes:
    """The plain APDU."""
    instant = event.instant
    when = b"\x00" if instant is None else b"\x01" + encode_length(len(instant)) + instant
    return bytes([EVENT_NOTIFICATION]) + when + event.ref.encode() + event.octets


def decode_event(apdu: bytes) -> EventNotification:
    """From the plain APDU. Raises Malformed, Truncated. The value is not decoded here."""
    if len(apdu) < 2:
        raise Truncated("an event-notification ends within its head")
    if apdu[0] != EVENT_NOTIFICATION:
        raise Malformed("this is no event-notification")
    instant, offset = None, 2
    if apdu[1]:
        if apdu[1] != 1 or apdu[2:3] != bytes([INSTANT_OCTETS]):
            raise Malformed("the date-time of an event-notification has 12 octets or is not there")
        offset = 3 + INSTANT_OCTETS
        instant = apdu[3:offset]
    class_id, obis, attribute = decode_descriptor(apdu, offset)
    offset += DESCRIPTOR_OCTETS
    if len(apdu) <= offset:
        raise Truncated("an event-notification ends before its value")
    return EventNotification(ref=AttributeRef(class_id, obis, attribute), instant=instant, octets=apdu[offset:])
