"""COSEM date-time: 12 octets, and the two signs of the deviation (IEC 62056-6-2).

By the standard, deviation is UTC minus local time, so India has -330. Fielded Indian meters send +330. Which of
the two a meter uses is a property of its model, so the sign is an argument here, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from struct import Struct

from bijlighar.dlms.errors import LocalProtocolError, Malformed

INSTANT_OCTETS = 12
INDIA_OFFSET_MIN = 330
"""Local time minus UTC in India, in minutes; no daylight saving."""

_LAYOUT = Struct(">HBBBBBBBhB")
_UNSPECIFIED = 0xFF
_YEAR_UNSPECIFIED = 0xFFFF
_DEVIATION_UNSPECIFIED = -0x8000
_MAX_DEVIATION_MIN = 840
"""UTC+14 is the farthest civil time; the standard allows 720."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_SET = bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF")
"""A date-time in which nothing is specified."""


class DeviationSign(Enum):
    """What a positive deviation means. The value is the factor that makes it local time minus UTC."""

    BLUE_BOOK = -1
    INDIAN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CosemInstant:
    """The fields of a date-time as the meter sent them; 0xFF (year 0xFFFF, deviation -0x8000) = not specified.

    ``weekday`` 1 = Monday; ``hundredths`` of a second; ``deviation_min`` in the meter's own sign; ``status`` the
    clock status octet (bit 0 invalid, bit 1 doubtful, bit 7 daylight saving active).
    """

    year: int
    month: int
    day: int
    weekday: int
    hour: int
    minute: int
    second: int
    hundredths: int
    deviation_min: int
    status: int

    @classmethod
    def from_octets(cls, octets: bytes) -> CosemInstant:
        """From 12 octets. Raises Malformed for another length; the fields are not judged."""
        if len(octets) != INSTANT_OCTETS:
            raise Malformed(f"a date-time has {INSTANT_OCTETS} octets, not {len(octets)}")
        year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _LAYOUT.unpack(octets)
        return cls(
            year=year,
            month=month,
            day=day,
            weekday=weekday,
            hour=hour,
            minute=minute,
            second=second,
            hundredths=hundredths,
            deviation_min=deviation,
            status=status,
        )

    def to_octets(self) -> bytes:
        """The 12 octets."""
        return _LAYOUT.pack(
            self.year,
            self.month,
            self.day,
            self.weekday,
            self.hour,
            self.minute,
            self.second,
            self.hundredths,
            self.deviation_min,
            self.status,
        )


def decode_instant(
    octets: bytes, deviation_sign: DeviationSign, default_offset_min: int = INDIA_OFFSET_MIN
) -> int | None:
    """Epoch seconds UTC; None when date, hour or minute is not specified (all FF = not set).

    ``default_offset_min`` (local minus UTC) stands in for an unspecified deviation. An unspecified second is 0;
    hundredths are dropped. Raises Malformed for fields that name no instant.
    """
    if len(octets) != INSTANT_OCTETS:
        raise Malformed(f"a date-time has {INSTANT_OCTETS} octets, not {len(octets)}")
    fields: tuple[int, ...] = _LAYOUT.unpack(octets)
    year, month, day, _, hour, minute, second, _, deviation, _ = fields
    if year == _YEAR_UNSPECIFIED or month >= 0xFD or day >= 0xFD or hour == _UNSPECIFIED or minute == _UNSPECIFIED:
        return None  # FD and FE: "daylight saving begins/ends", "last day": rules, not instants
    if second == _UNSPECIFIED:
        second = 0
    unspecified = deviation == _DEVIATION_UNSPECIFIED
    offset_min = default_offset_min if unspecified else deviation * deviation_sign.value
    if hour > 23 or minute > 59 or second > 59 or abs(offset_min) > _MAX_DEVIATION_MIN:
        raise Malformed(f"a date-time names no instant: {octets.hex()}")
    try:
        day_number = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise Malformed(f"a date-time names no day: {octets.hex()}") from None
    return ((day_number * 24 + hour) * 60 + minute - offset_min) * 60 + second


def encode_instant(epoch_s: int, deviation_sign: DeviationSign, offset_min: int = INDIA_OFFSET_MIN) -> bytes:
    """12 octets of local time at ``offset_min`` from UTC, weekday filled in, status 0, hundredths 0.

    Raises LocalProtocolError for an instant outside the years 1 to 9999.
    """
    try:
        local = _EPOCH + timedelta(seconds=epoch_s, minutes=offset_min)
    except OverflowError:
        raise LocalProtocolError(f"{epoch_s} s lies outside the calendar") from None
    return _LAYOUT.pack(
        local.year,
        local.month,
        local.day,
        local.isoweekday(),
        local.hour,
        local.minute,
        local.second,
        0,
        offset_min * deviation_sign.value,
        0,
    )
