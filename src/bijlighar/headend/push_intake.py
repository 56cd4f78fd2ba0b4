"""One push after the other: verified, judged by its counter, dispatched, gathered with those of the same layout.

This is the busy path, so the usual form stands in one function: general-glo with authentication and encryption, a
sender known from before, a body that begins as its last one did. Everything else takes the general way, with the
same outcome. Nothing of a push is looked at before its tag was compared, except the title that names its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hmac import compare_digest
from typing import Protocol

from bijlighar.cim.exchange import RefusedPush
from bijlighar.dlms.axdr import Tag, encode_length, read_length
from bijlighar.dlms.channel import GENERAL_GLO, split_ciphered
from bijlighar.dlms.clock import INSTANT_OCTETS
from bijlighar.dlms.errors import Malformed, NotAuthentic, ProtocolError, Truncated
from bijlighar.dlms.model import ModelPush
from bijlighar.dlms.notification import DATA_NOTIFICATION
from bijlighar.dlms.security import (
    AUTHENTICATED,
    BEFORE_FULL_TAG,
    BOTH,
    LAST_TAG,
    SYSTEM_TITLE_OCTETS,
    TAG_OCTETS,
    TAG_OF_FULL_TAG,
)
from bijlighar.dlms.window import FINGERPRINT_OCTETS, Judgement
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.push_refusals import Reason, Refusals
from bijlighar.headend.push_repeats import Heard, Repeats
from bijlighar.headend.push_senders import NO_COUNTER, Entry, Gathering, Sender, Senders
from bijlighar.headend.push_status import is_stamped

_GENERAL = bytes([GENERAL_GLO, SYSTEM_TITLE_OCTETS])
_LENGTH_AT = 2 + SYSTEM_TITLE_OCTETS
_SHORT_HEADER_AT = _LENGTH_AT + 1
_LONG_FORM = 0x80
_LEAST_OCTETS = _SHORT_HEADER_AT + 5 + TAG_OCTETS
_INVOKE_ID_END = 5
_OBIS_OCTETS = 6
_ROW_HEAD = bytes([Tag.ARRAY, 1, Tag.STRUCTURE])
_WHOLE_BUFFER = 3
"""Elements of a push whose third is the buffer of a profile rather than the first cell of a row."""
_ALERT = 4
"""Elements of an alert: device id, logical name, clock, status word."""
_FINGERPRINT = slice(-FINGERPRINT_OCTETS, None)
_REFUSAL = {Judgement.REUSED: Reason.COUNTER_REUSED, Judgement.BELOW: Reason.REPLAYED}

ACCEPTED, DUPLICATE = "accepted", "duplicate"


class Origin(Protocol):
    """Where a push came from."""

    @property
    def peer(self) -> str:
        """Address for people."""


class PushIntake:
    """On the event loop. ``flush(gathering)`` is called for ``most_gathered`` pushes, or by ``flush_all``."""

    def __init__(
        self,
        senders: Senders,
        refusals: Refusals,
        metrics: Metrics,
        *,
        now: Callable[[], float],
        flush: Callable[[Gathering], None],
        most_gathered: int,
    ) -> None:
        self._senders = senders
        self._refusals = refusals
        self._metrics = metrics
        self._now = now
        self._flush = flush
        self._most_gathered = most_gathered
        self._repeats = Repeats(now)
        self._gatherings: dict[tuple[str, str], Gathering] = {}
        self.accepted = 0
        self.duplicates = 0

    def take(self, apdu: bytes, origin: Origin) -> bool:
        """Take one APDU; False when it was refused, which is told to ``Refusals`` here."""
        if len(apdu) < _LEAST_OCTETS or apdu[:2] != _GENERAL:
            return self._take_unciphered(apdu, origin)
        title = apdu[2:_LENGTH_AT]
        sender = self._senders.known.get(title) or self._senders.find(title)
        if sender is None:
            return self._refuse(apdu, origin, Reason.UNKNOWN_SENDER, title=title)
        length = apdu[_LENGTH_AT]
        if length >= _LONG_FORM:
            at = _SHORT_HEADER_AT + (length & 0x7F)
            length = int.from_bytes(apdu[_SHORT_HEADER_AT:at], "big")
        else:
            at = _SHORT_HEADER_AT
        if length != len(apdu) - at or length < 5 + TAG_OCTETS or apdu[at] != BOTH:
            return self._take_unusual(apdu, sender, origin)
        count = apdu[at + 1 : at + 5]
        encrypt, nonce = sender.encrypt, title + count
        plain = encrypt(nonce, apdu[at + 5 : -TAG_OCTETS], None)[BEFORE_FULL_TAG]
        if not compare_digest(encrypt(nonce, plain, sender.aad_both)[TAG_OF_FULL_TAG], apdu[LAST_TAG]):
            return self._refuse(apdu, origin, Reason.NOT_AUTHENTIC, sender, title=title)
        return self._take_verified(apdu, sender, int.from_bytes(count, "big"), plain, origin)

    def flush_all(self) -> None:
        """Hand over everything that was gathered."""
        for gathering in self._gatherings.values():
            if gathering.entries:
                self._flush(gathering)
                gathering.entries, gathering.octets = [], 0

    def refuse(self, entry: Entry, reason: Reason, peer: str) -> None:
        """An accepted push that turned out not to be readable."""
        sender, counter, apdu, _ = entry
        self._tell(apdu, peer, reason, sender, sender.key[0], None if counter == NO_COUNTER else counter)

    def refuse_blocks(self, octets: bytes, origin: Origin) -> bool:
        """Tell that a push in blocks did not come whole; ``octets`` are how it began. False."""
        return self._refuse(octets, origin, Reason.BROKEN_BLOCKS, title=_claimed(octets))

    def _take_verified(self, apdu: bytes, sender: Sender, counter: int, plain: bytes, origin: Origin) -> bool:
        judgement = sender.window.judge(counter, apdu[_FINGERPRINT])
        if judgement:
            if judgement is Judgement.DUPLICATE:
                self.duplicates += 1
                return True
            return self._refuse(apdu, origin, _REFUSAL[judgement], sender, title=sender.key[0], counter=counter)
        head = sender.head
        at = 6 + plain[5] if len(plain) > _INVOKE_ID_END else 0
        if not (head and plain.startswith(head, at) and plain[0] == DATA_NOTIFICATION):
            try:
                at = self._dispatch(sender, plain)
            except ProtocolError:
                # its counter stays used until a restart, after which it would be refused for the same reason
                return self._refuse(
                    apdu, origin, Reason.NOT_UNDERSTOOD, sender, title=sender.key[0], counter=counter
                )
            head = sender.head
        self._gather(sender, counter, apdu, sender.prefix + plain[at + len(head) :])
        return True

    def _gather(self, sender: Sender, counter: int, apdu: bytes, buffer: bytes) -> None:
        gathering = sender.gathering
        assert gathering is not None, "a dispatched sender has its gathering"
        entries = gathering.entries
        entries.append((sender, counter, apdu, buffer))
        gathering.octets += len(apdu)
        self.accepted += 1
        if len(entries) >= self._most_gathered:
            self._flush(gathering)
            gathering.entries, gathering.octets = [], 0

    def _dispatch(self, sender: Sender, plain: bytes) -> int:
        """Find out what a push is, and remember it with its sender. Where its structure begins.

        Raises Malformed, Truncated.
        """
        begin, count, obis, end = read_head(plain)
        push = sender.pushes.get(obis)
        if push is None:
            raise Malformed("the model knows no push setup of this logical name")
        if push.profile is None:
            if count != _ALERT:
                raise Malformed(f"an alert has {_ALERT} elements, not {count}")
            prefix = b""
        else:
            prefix = b"" if count == _WHOLE_BUFFER else _ROW_HEAD + encode_length(count - 2)
        key = (sender.model.name, push.name)
        gathering = self._gatherings.get(key)
        if gathering is None or gathering.model is not sender.model:
            if gathering is not None and gathering.entries:
                self._flush(gathering)
            gathering = self._gatherings[key] = Gathering(sender.model, push)
        sender.head, sender.prefix, sender.gathering = plain[begin:end], prefix, gathering
        return begin

    def _take_unusual(self, apdu: bytes, sender: Sender, origin: Origin) -> bool:
        """Another protection than both, or lengths that do not fit."""
        title = sender.key[0]
        try:
            control, counter, body = split_ciphered(apdu, _LENGTH_AT)
            if control & sender.protection != sender.protection:
                return self._refuse(apdu, origin, Reason.UNPROTECTED, sender, title=title, counter=counter)
            if not control & AUTHENTICATED and sender.protection & AUTHENTICATED:
                raise NotAuthentic("no tag")
            plain = sender.suite.open(control, title + counter.to_bytes(4, "big"), body)
        except ProtocolError:
            return self._refuse(apdu, origin, Reason.NOT_AUTHENTIC, sender, title=title)
        return self._take_verified(apdu, sender, counter, plain, origin)

    def _take_unciphered(self, apdu: bytes, origin: Origin) -> bool:
        """Refused, unless the model of the meter that it names lets it push so: then nothing is proven."""
        try:
            begin, _, _, _ = read_head(apdu)
            device_id = _octets_at(apdu, begin + 1 + _length_size(apdu, begin + 1))[0]
        except ProtocolError:
            return self._refuse(apdu, origin, Reason.UNPROTECTED, title=_claimed(apdu))
        sender = self._senders.unciphered(device_id)
        if sender is None:
            return self._refuse(apdu, origin, Reason.UNPROTECTED, title=b"")
        try:
            at = self._dispatch(sender, apdu)
        except ProtocolError:
            return self._refuse(apdu, origin, Reason.NOT_UNDERSTOOD, sender, title=b"")
        buffer = sender.prefix + apdu[at + len(sender.head) :]
        heard = self._judge_unproven(sender, buffer)
        if heard is Heard.TOO_MANY:
            return self._refuse(apdu, origin, Reason.TOO_MANY, sender, title=b"")
        if heard is Heard.DOUBLE:
            self.duplicates += 1
            return True
        self._gather(sender, NO_COUNTER, apdu, buffer)
        return True

    def _judge_unproven(self, sender: Sender, buffer: bytes) -> Heard:
        gathering = sender.gathering
        assert gathering is not None, "a dispatched sender has its gathering"
        push = gathering.push
        stamped = push.profile is not None or is_stamped(buffer, sender.model, self._now())
        return self._repeats.judge(sender.meter_id, push.obis.octets + buffer, stamped=stamped)

    def forget(self, push: ModelPush, entries: Iterable[Entry]) -> None:
        """Pushes of a setup were never durable: what has no counter is heard again too."""
        for sender, counter, _, buffer in entries:
            if counter == NO_COUNTER:
                self._repeats.forget(sender.meter_id, push.obis.octets + buffer)

    def _refuse(
        self,
        apdu: bytes,
        origin: Origin,
        reason: Reason,
        sender: Sender | None = None,
        *,
        title: bytes,
        counter: int | None = None,
    ) -> bool:
        self._tell(apdu, origin.peer, reason, sender, title, counter)
        return False

    def _tell(
        self, apdu: bytes, peer: str, reason: Reason, sender: Sender | None, title: bytes, counter: int | None
    ) -> None:
        now_s = self._now()
        refused = RefusedPush(
            received_s=int(now_s),
            reason=reason.value,
            system_title=title,
            meter_id=None if sender is None else sender.meter_id,
            counter=counter,
            peer=peer,
            octets=apdu,
        )
        self._refusals.add(refused, now_s)


def read_head(plain: bytes) -> tuple[int, int, bytes, int]:
    """Where the structure of a data-notification begins, its elements, its logical name, where the rest begins.

    The first element is the device id, the second the logical name of the push setup. Raises Malformed, Truncated.
    """
    if len(plain) < 8 or plain[0] != DATA_NOTIFICATION or plain[5] not in (0, INSTANT_OCTETS):
        raise Malformed("this is no data-notification")
    begin = 6 + plain[5]
    if plain[begin : begin + 1] != bytes([Tag.STRUCTURE]):
        raise Malformed("a push is a structure")
    count, offset = read_length(plain, begin + 1)
    if count < _WHOLE_BUFFER:
        raise Malformed(f"a push of {count} elements")
    _, offset = _octets_at(plain, offset)
    obis, offset = _octets_at(plain, offset)
    if len(obis) != _OBIS_OCTETS:
        raise Malformed("the second element of a push is a logical name")
    return begin, count, obis, offset


def _octets_at(plain: bytes, offset: int) -> tuple[bytes, int]:
    """The octet-string at ``offset``, and where it ends."""
    if plain[offset : offset + 1] not in (bytes([Tag.OCTET_STRING]), bytes([Tag.VISIBLE_STRING])):
        raise Malformed("device id and logical name of a push are octet-strings")
    size, offset = read_length(plain, offset + 1)
    if len(plain) <= offset + size:
        raise Truncated("a push ends within its head")
    return plain[offset : offset + size], offset + size


def _length_size(plain: bytes, offset: int) -> int:
    return read_length(plain, offset)[1] - offset


def _claimed(apdu: bytes) -> bytes:
    return apdu[2:_LENGTH_AT] if apdu[:2] == _GENERAL and len(apdu) >= _LENGTH_AT else b""
