"""Checks of the meter's clock and of who the meter says it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import CosemInstant, DeviationSign, decode_instant
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef
from bijlighar.dlms.xdlms.references import CLOCK_TIME
from bijlighar.headend.conformance.bench import Bench, Wish
from bijlighar.headend.conformance.verdicts import Chapter, Failed, NotApplicable

CLOCK: Final = Chapter("IEC 62056-6-2")
MOST_OFFSET_S: Final = 300
"""A clock farther off than five minutes puts rows into wrong blocks; a smaller offset is the head-end's to set."""
_SERIAL: Final = AttributeRef(1, Obis.parse("0.0.96.1.0.255"), 2)
_INVALID_STATUS: Final = 0x01


async def _shown(bench: Bench) -> bytes:
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        value = axdr.decode(await talk.value(CLOCK_TIME)).value
    if not isinstance(value, bytes):
        raise Failed("the time is no date-time of 12 octets")
    return value


@CLOCK.check("class 8, time")
async def _the_clock_is_set_and_within_five_minutes_of_ours(bench: Bench) -> str:
    octets = await _shown(bench)
    sign, default = bench.model.deviation_sign, bench.model.default_offset_min
    shown_s = decode_instant(octets, sign, default)
    if shown_s is None:
        raise Failed(f"the clock is not set: {octets.hex().upper()}")
    offset_s = shown_s - bench.now()
    if abs(offset_s) <= MOST_OFFSET_S:
        return f"{offset_s:+.0f} s from ours"
    other = DeviationSign.BLUE_BOOK if sign is DeviationSign.INDIAN else DeviationSign.INDIAN
    other_s = decode_instant(octets, other, default)
    if other_s is not None and abs(other_s - bench.now()) <= MOST_OFFSET_S:
        raise Failed(
            f"the deviation counts the other way: right by {other.name.lower()}, {sign.name.lower()} in the model"
        )
    raise Failed(f"the clock shows {datetime.fromtimestamp(shown_s, UTC):%Y-%m-%d %H:%M:%S} UTC")


@CLOCK.check("class 8, time")
async def _the_fields_of_the_clock_agree_with_each_other(bench: Bench) -> str:
    octets = await _shown(bench)
    fields = CosemInstant.from_octets(octets)
    sign, default = bench.model.deviation_sign, bench.model.default_offset_min
    if decode_instant(octets, sign, default) is None:
        raise Failed(f"the clock is not set: {octets.hex().upper()}")
    weekday = datetime(fields.year, fields.month, fields.day, tzinfo=UTC).isoweekday()
    if fields.weekday not in (weekday, 0xFF):
        raise Failed(f"weekday {fields.weekday} on a day that is number {weekday} of its week")
    if fields.status & _INVALID_STATUS and fields.status != 0xFF:
        raise Failed(f"the clock calls itself invalid: status {fields.status:02X}h")
    return f"deviation {fields.deviation_min:+d} min, status {fields.status:02X}h"


@CLOCK.check("class 1, serial number")
async def _the_meter_shows_the_serial_that_the_register_of_meters_holds(bench: Bench) -> str:
    if bench.serial is None:
        raise NotApplicable("no serial was given to compare with")
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        value = axdr.decode(await talk.value(_SERIAL)).value
    shown = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if shown.strip(" \0") != bench.serial:
        raise Failed(f"it shows {shown!r}, {bench.serial!r} was given")
    return shown
