"""The event status word of an alert push as event rows (IS 15959: 0.0.94.91.18.255).

Each set bit that the meter model names is one row: under the event code of the meter's own logs where exactly
one occurrence means the same, else under the bit's number (84 load switch operated, 85 last gasp, 86 first
breath, 87 billing count). ``event_log`` is STATUS_LOG, so that neither is taken for a line of a log, which will
be read with its own stamp. Bits without a name make no row of their own; the whole word stands raw in
``status_word_0`` to ``status_word_3`` (32 bits each, bit 0 of the word the most significant of the first) on
every row. A word with no named bit is one row with code 0.

An alert is sent when something happens, so where its clock cannot be true the time of receipt stands in: the
signal of a dying meter shall not be lost for its clock.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeGuard

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import ReadingBatch
from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Tag
from bijlighar.dlms.clock import INSTANT_OCTETS, decode_instant
from bijlighar.dlms.errors import Malformed, RemoteProtocolError
from bijlighar.dlms.model import EventKind, MeterModel
from bijlighar.dlms.model_parts import ESW_BITS
from bijlighar.headend.translate import FUTURE_TOLERANCE_S, LONG_PAST_S

STATUS_LOG: Final = 7
"""``event_log`` of rows from a status word; the meter's own logs are 0 to 6."""

LOAD_SWITCH_OPERATED, LAST_GASP, FIRST_BREATH = 84, 85, 86
NOTHING_NAMED = 0
WORDS: Final = tuple(f"status_word_{n}" for n in range(4))

_SAME: Final = {"meter-cover-open": "meter-cover-opened"}
"""Bits whose event has another key in the models."""
_SHORT_BITS: Final = bytes([Tag.BIT_STRING, 0x81, ESW_BITS])
_STAMP: Final = bytes([Tag.OCTET_STRING, INSTANT_OCTETS])
_STAMP_END: Final = 2 + INSTANT_OCTETS
_WHOLE_OCTETS: Final = _STAMP_END + 3 + ESW_BITS // 8


def codes_of(model: MeterModel) -> dict[int, int]:
    """Event code by bit of the status word, for every bit that the model names."""
    return dict(_codes(tuple((bit, word.key) for bit, word in model.esw_bits.items()), _occurrences(model)))


def _occurrences(model: MeterModel) -> tuple[tuple[str, int], ...]:
    codes = sorted(model.event_codes.values(), key=lambda event: event.code)
    return tuple((event.key, event.code) for event in codes if event.kind is EventKind.OCCURRENCE)


@lru_cache(maxsize=256)
def _codes(
    bits: tuple[tuple[int, str], ...], occurrences: tuple[tuple[str, int], ...]
) -> tuple[tuple[int, int], ...]:
    native: dict[str, list[int]] = {}
    for key, code in occurrences:
        native.setdefault(key, []).append(code)
    named = []
    for bit, key in bits:
        found = native.get(_SAME.get(key, key), [])
        named.append((bit, found[0] if len(found) == 1 else bit))
    return tuple(named)


def read_status(octets: bytes, model: MeterModel) -> tuple[int | None, int]:
    """Stamp in epoch seconds (None: not set) and the word of 128 bits, bit 0 the most significant.

    ``octets`` clock and status word, A-XDR. Raises RemoteProtocolError for anything else.
    """
    if len(octets) != _WHOLE_OCTETS or not octets.startswith(_STAMP) or octets[14:17] != _SHORT_BITS:
        return _read_general(octets, model)
    stamp_s = decode_instant(octets[2:_STAMP_END], model.deviation_sign, model.default_offset_min)
    return stamp_s, int.from_bytes(octets[17:], "big")


def _read_general(octets: bytes, model: MeterModel) -> tuple[int | None, int]:
    """A clock as date-time, a word of another length: filled up with zeros, as its later bits are not there."""
    stamp, offset = axdr.decode_from(octets, 0)
    word, end = axdr.decode_from(octets, offset)
    if end != len(octets) or word.tag is not Tag.BIT_STRING or not isinstance(word.value, str):
        raise Malformed("an alert is a clock and a bit-string")
    if len(word.value) > ESW_BITS:
        raise Malformed(f"an event status word of {len(word.value)} bits, more than {ESW_BITS}")
    value = int(word.value.ljust(ESW_BITS, "0"), 2)
    if stamp.tag is Tag.NULL_DATA:
        return None, value
    if not isinstance(stamp.value, bytes):
        raise Malformed("an alert begins with a clock")
    return decode_instant(stamp.value, model.deviation_sign, model.default_offset_min), value


def is_stamped(octets: bytes, model: MeterModel, now_s: float) -> bool:
    """Whether an alert's own clock tells when it was; one that cannot be read is told apart later."""
    try:
        stamp_s, _ = read_status(octets, model)
    except RemoteProtocolError:
        return True
    return _is_true(stamp_s, int(now_s))


def _is_true(stamp_s: int | None, received_s: int) -> TypeGuard[int]:
    return stamp_s is not None and LONG_PAST_S <= stamp_s <= received_s + FUTURE_TOLERANCE_S


def status_rows(
    model: MeterModel, meter_ids: list[int], buffers: list[bytes], received_s: int
) -> tuple[ReadingBatch, dict[int, str]]:
    """Event rows of many alerts, and why alerts could not be read, by their position."""
    codes = codes_of(model)
    rows: list[tuple[int, int, int, int]] = []
    faults: dict[int, str] = {}
    for position, octets in enumerate(buffers):
        try:
            stamp_s, word = read_status(octets, model)
        except RemoteProtocolError as error:
            faults[position] = error.reason
            continue
        if not _is_true(stamp_s, received_s):
            stamp_s = received_s
        named = [code for bit, code in codes.items() if word >> (ESW_BITS - 1 - bit) & 1]
        rows += [(meter_ids[position], stamp_s, code, word) for code in named or [NOTHING_NAMED]]
    return _batch(rows, received_s), faults


def _batch(rows: list[tuple[int, int, int, int]], received_s: int) -> ReadingBatch:
    count = len(rows)
    mask = (1 << 32) - 1
    words = {
        name: np.array([row[3] >> (96 - 32 * n) & mask for row in rows], np.int64) for n, name in enumerate(WORDS)
    }
    return ReadingBatch(
        kind=ProfileKind.EVENT,
        period_s=0,
        meter_id=np.array([row[0] for row in rows], np.int32),
        start_s=np.array([row[1] for row in rows], np.int64),
        received_s=np.full(count, received_s, np.int64),
        channels={
            "event_code": np.array([row[2] for row in rows], np.int64),
            "event_log": np.full(count, STATUS_LOG, np.int64),
            **words,
        },
    )
