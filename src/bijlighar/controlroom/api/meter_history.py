"""One meter's past: midnight registers, events, contacts."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from litestar import get

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.period import Period
from bijlighar.controlroom.api.asking import (
    AnyRequest,
    End,
    Limit,
    MeterId,
    Offset,
    Start,
    Why,
    asked_period,
    on_record,
    place_of,
    room_of,
)
from bijlighar.controlroom.event_names import LOGS, event_name
from bijlighar.controlroom.instants import iso, iso_ms
from bijlighar.controlroom.meter_reading import RegisterRow, register_rows, value
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.headend.event_texts import EventText

REGISTERS_BACK_S = 35 * 86_400
EVENTS_BACK_S = 400 * 86_400
CONTACTS_BACK_S = 40 * 86_400
"""A meter is contacted some 60 times a day: 40 days are 2,400 rows of a page that shows 50."""
AHEAD_S = 86_400
"""A meter whose clock runs ahead stamps events in the future; a day of it is shown."""


class RegisterList(msgspec.Struct, frozen=True, kw_only=True):
    """Midnight registers, oldest first."""

    rows: list[RegisterRow]


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the meter's own logs. ``log`` is a word of ``event_names.LOGS``."""

    at: str | None
    code: int
    log: str
    name_en: str
    name_hi: str
    severity: str
    received_at: str | None


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """Events, newest first."""

    total: int
    rows: list[EventRow]


class ContactRow(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a head-end to talk with the meter."""

    at: str | None
    purpose: str
    outcome: str
    attempt: int
    latency_ms: int | None
    clock_offset_s: float | None
    signal_dbm: int | None
    octets_sent: int
    octets_received: int
    rows: int
    detail: str


class ContactList(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts, newest first."""

    total: int
    rows: list[ContactRow]


@get("/meters/{meter_id:int}/registers", opt={"needs": Permission.READ_METERS})
async def registers(
    request: AnyRequest, meter_id: MeterId, start: Start = "", end: End = "", why: Why = ""
) -> RegisterList:
    """Registers at 00:00 of each day; ``from`` and ``to`` bound it, by default the last 35 days.

    Of a household, opened on record.
    """
    room, place = room_of(request), place_of(request, meter_id)
    now_s = room.now()
    if start or end:
        period = asked_period(start or "today", end or "now", now_s=now_s)
    else:
        period = Period(start_s=int(now_s) - REGISTERS_BACK_S, end_s=int(now_s) + 1)
    await on_record(request, place, why)
    return await room.in_thread(_registers, room, meter_id, period)


def _registers(room: ControlRoom, meter_id: int, period: Period) -> RegisterList:
    return RegisterList(rows=register_rows(room.records.readings.rows(ProfileKind.DAILY, meter_id, period)))


@get("/meters/{meter_id:int}/events", opt={"needs": Permission.READ_METERS})
async def events(request: AnyRequest, meter_id: MeterId, offset: Offset = 0, limit: Limit = 50) -> EventList:
    """Events out of the meter's logs, newest first, with names in both languages."""
    room, place = room_of(request), place_of(request, meter_id)
    model = place.meter.model
    return await room.in_thread(
        _events, room, meter_id, lambda code, log: event_name(model, code, log), offset, limit
    )


def _events(
    room: ControlRoom, meter_id: int, named: Callable[[int, int], EventText], offset: int, limit: int
) -> EventList:
    now_s = int(room.now())
    period = Period(start_s=now_s - EVENTS_BACK_S, end_s=now_s + AHEAD_S)
    batch = room.records.readings.rows(ProfileKind.EVENT, meter_id, period)
    page = range(len(batch) - 1 - offset, max(-1, len(batch) - 1 - offset - limit), -1)
    rows: list[EventRow] = []
    for row in page:
        code = value(batch, row, "event_code") or 0
        log = value(batch, row, "event_log") or 0
        name = named(code, log)
        rows.append(
            EventRow(
                at=iso(int(batch.start_s[row])),
                code=code,
                log=LOGS.get(log, "other"),
                name_en=name.name_en,
                name_hi=name.name_hi,
                severity=name.severity,
                received_at=iso(int(batch.received_s[row])),
            )
        )
    return EventList(total=len(batch), rows=rows)


@get("/meters/{meter_id:int}/contacts", opt={"needs": Permission.READ_METERS})
async def contacts(request: AnyRequest, meter_id: MeterId, offset: Offset = 0, limit: Limit = 50) -> ContactList:
    """Contacts of the last 40 days, newest first."""
    room = room_of(request)
    place_of(request, meter_id)
    return await room.in_thread(_contacts, room, meter_id, offset, limit)


def _contacts(room: ControlRoom, meter_id: int, offset: int, limit: int) -> ContactList:
    now_s = int(room.now())
    period = Period(start_s=now_s - CONTACTS_BACK_S, end_s=now_s + 1)
    found = room.records.readings.contacts(period, meter_id)[::-1]
    return ContactList(total=len(found), rows=[_contact(each) for each in found[offset : offset + limit]])


def _contact(contact: Contact) -> ContactRow:
    offset_ms = contact.clock_offset_ms
    return ContactRow(
        at=iso_ms(contact.started_ms),
        purpose=contact.purpose,
        outcome=contact.outcome.value,
        attempt=contact.attempt,
        latency_ms=contact.latency_ms,
        clock_offset_s=None if offset_ms is None else offset_ms / 1_000,
        signal_dbm=contact.signal_dbm,
        octets_sent=contact.octets_sent,
        octets_received=contact.octets_received,
        rows=contact.rows,
        detail=contact.detail,
    )


HANDLERS = (registers, events, contacts)
