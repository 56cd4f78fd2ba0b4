"""One meter's interval data over HTTP: final values with source and quality, all versions, and edits by people."""

from __future__ import annotations

import csv
import io
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import Body, QueryParameter

from bijlighar.cim.channels import CHANNELS
from bijlighar.cim.period import civil_date
from bijlighar.cim.readings import MISSING
from bijlighar.controlroom.api.asking import LONGEST_TEXT, AnyRequest, MeterId, Text, on_record, place_of, room_of
from bijlighar.controlroom.errors import Refusal, not_valid
from bijlighar.controlroom.instants import NotAnInstant, iso, parse_day, parse_instant
from bijlighar.controlroom.roles import Permission
from bijlighar.mdm.estimation import EstimationRule, Quality
from bijlighar.mdm.measurements import Bill, Edit, Source
from bijlighar.operations.day_estimate import BilledEstimateLocked, NotSealed, edit_reading
from bijlighar.operations.day_registers import ENERGY_CHANNELS
from bijlighar.operations.meter_data import MeterDay, Version, show_meter_day

LONGEST_REASON = 500
LARGEST_VALUE = 10_000_000
"""Wh or VAh of one slot: 20 MW for half an hour, more than any meter of a distribution utility."""
_COLUMNS = ("start", "value", "source", "quality", "rule", "rule_version", "since", "billed", "locked", "versions")

Channel = Annotated[str, QueryParameter(max_length=LONGEST_TEXT, description="an energy channel")]


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said about a slot: a reading, an estimate, an edit. ``value`` null: withdrawn."""

    source: str
    value: int | None
    quality: str
    rule: str | None
    rule_version: int | None
    came_at: str | None
    made_by: str
    reason: str


class SlotView(msgspec.Struct, frozen=True, kw_only=True):
    """A slot's final value in the channel's unit, and how it came about; ``versions`` the newest first."""

    start: str | None
    value: int | None
    source: str
    quality: str | None
    rule: str | None
    rule_version: int | None
    since: str | None
    billed: bool
    locked: bool
    versions: list[VersionView]


class BillView(msgspec.Struct, frozen=True, kw_only=True):
    """A bill that touches the day, made from the data as it stood at ``billed_at``. Both days are inclusive."""

    reference: str
    first_day: str
    last_day: str
    billed_at: str | None


class MeterDataView(msgspec.Struct, frozen=True, kw_only=True):
    """A meter's day as it stood ``at`` an instant; no slots while the day is not sealed."""

    meter_id: int
    day: str
    channel: str
    channels: list[str]
    unit: str
    sealed: bool
    period_s: int
    at: str | None
    bills: list[BillView]
    slots: list[SlotView]


class EditValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put ``value`` in place of the final value of the slot at ``start``; null withdraws the edits before it.

    ``instead_of`` is the value that the person saw: when another one stands now, nothing is changed.
    """

    start: str
    channel: str
    value: int | None
    instead_of: int | None
    reason: str


@get("/meters/{meter_id:int}/data", opt={"needs": Permission.READ_METERS})
async def data(
    request: AnyRequest, meter_id: MeterId, day: Text = "yesterday", channel: Channel = "import_wh", at: Text = ""
) -> MeterDataView:
    """A sealed day slot by slot; ``at`` shows it as it stood at an instant, by default now."""
    return await _shown(request, meter_id, day, channel, at)


@get("/meters/{meter_id:int}/data.csv", opt={"needs": Permission.READ_METERS})
async def sheet(
    request: AnyRequest, meter_id: MeterId, day: Text = "yesterday", channel: Channel = "import_wh", at: Text = ""
) -> Response[bytes]:
    """The same as a file."""
    place = place_of(request, meter_id)
    told = await _shown(request, meter_id, day, channel, at)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([f"value_{told.unit.lower()}" if name == "value" else name for name in _COLUMNS])
    for slot in told.slots:
        writer.writerow([len(slot.versions) if name == "versions" else getattr(slot, name) for name in _COLUMNS])
    name = f"{''.join(c for c in place.meter.serial if c.isalnum())}-{told.day}-{told.channel}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue().encode("utf-8-sig"), media_type="text/csv", headers=headers)


@post("/meters/{meter_id:int}/edits", status_code=200, opt={"needs": Permission.EDIT_READINGS})
async def edit(request: AnyRequest, meter_id: MeterId, data: Annotated[EditValue, Body()]) -> MeterDataView:
    """Edit one slot, the reading untouched; who, when and why stands beside the edit and in the audit log."""
    room, who = room_of(request), request.user.person.name
    place_of(request, meter_id)
    now_s = int(room.now())
    start_s = _valid_start(data, now_s)
    day = civil_date(start_s)

    def change() -> None:
        before = show_meter_day(room.records, meter_id, day, data.channel, at_s=now_s)
        slot, between = divmod(start_s - before.day.start_s, before.period_s)
        if between:
            raise not_valid("start", f"no slot of {before.period_s} s starts there")
        stands = int(before.final.value[0, slot])
        if (None if stands == MISSING else stands) != data.instead_of:
            raise Refusal(409, "value-changed", "Another value stands there now; look at it first.")
        made = Edit(
            meter_id=meter_id,
            start_s=start_s,
            period_s=before.period_s,
            channel=data.channel,
            value=data.value,
            reason=data.reason.strip(),
            made_by=who,
            made_s=now_s,
        )
        edit_reading(room.records, made)

    try:
        await room.in_thread(change)
    except NotSealed as problem:
        raise Refusal(409, "not-sealed", f"{problem}.".capitalize()) from problem
    except BilledEstimateLocked as problem:
        raise Refusal(409, "billed-estimate-locked", f"{problem}.".capitalize()) from problem
    except ValueError as problem:
        raise not_valid("channel", str(problem)) from problem
    await room.audit(
        who=who,
        what="edited-reading",
        subject=f"meter:{meter_id}",
        detail={
            "start": iso(start_s),
            "channel": data.channel,
            "value": data.value,
            "instead_of": data.instead_of,
            "reason": data.reason.strip(),
        },
    )
    return await _shown(request, meter_id, day.isoformat(), data.channel, "")


def _valid_start(data: EditValue, now_s: int) -> int:
    """The slot's start. Raises Refusal for anything that is no edit."""
    if not data.reason.strip() or len(data.reason) > LONGEST_REASON:
        raise not_valid("reason", f"an edit has a reason of at most {LONGEST_REASON} characters")
    if data.channel not in ENERGY_CHANNELS:
        raise not_valid("channel", f"one of {', '.join(ENERGY_CHANNELS)}")
    if data.value is not None and not 0 <= data.value <= LARGEST_VALUE:
        raise not_valid("value", f"0 to {LARGEST_VALUE}, or null to withdraw")
    try:
        return parse_instant(data.start, now_s=now_s)
    except NotAnInstant as problem:
        raise not_valid("start", str(problem)) from problem


async def _shown(request: AnyRequest, meter_id: int, day: str, channel: str, at: str) -> MeterDataView:
    room = room_of(request)
    place = place_of(request, meter_id)
    now_s = int(room.now())
    if channel not in ENERGY_CHANNELS:
        raise not_valid("channel", f"one of {', '.join(ENERGY_CHANNELS)}")
    try:
        wanted = parse_day(day, now_s=now_s)
        at_s = parse_instant(at, now_s=now_s) if at else now_s
    except NotAnInstant as problem:
        raise not_valid("day/at", str(problem)) from problem
    await on_record(request, place, "")
    try:
        found = await room.in_thread(lambda: show_meter_day(room.records, meter_id, wanted, channel, at_s=at_s))
    except NotSealed:
        found = None
    return MeterDataView(
        meter_id=meter_id,
        day=wanted.isoformat(),
        channel=channel,
        channels=[] if found is None else list(found.channels),
        unit=CHANNELS[channel].symbol,
        sealed=found is not None,
        period_s=0 if found is None else found.period_s,
        at=iso(at_s),
        bills=[] if found is None else [_bill(each) for each in found.bills],
        slots=[] if found is None else [_slot(found, slot) for slot in range(len(found.versions))],
    )


def _slot(day: MeterDay, slot: int) -> SlotView:
    final = day.final
    value, source = int(final.value[0, slot]), Source(final.source[0, slot])
    rule = int(final.rule[0, slot])
    return SlotView(
        start=iso(day.day.start_s + slot * day.period_s),
        value=None if value == MISSING else value,
        source=source.name.lower(),
        quality=None if source is Source.NOTHING else _word(Quality(final.quality[0, slot]).name),
        rule=_rule(rule),
        rule_version=int(final.rule_version[0, slot]) if rule else None,
        since=iso(int(final.since_s[0, slot])),
        billed=bool(day.billed[slot]),
        locked=bool(final.locked[0, slot]),
        versions=[_version(each) for each in day.versions[slot]],
    )


def _version(each: Version) -> VersionView:
    return VersionView(
        source=each.source.name.lower(),
        value=each.value,
        quality=_word(Quality(each.quality).name),
        rule=_rule(each.rule),
        rule_version=each.rule_version or None,
        came_at=iso(each.came_s),
        made_by=each.made_by,
        reason=each.reason,
    )


def _bill(bill: Bill) -> BillView:
    return BillView(
        reference=bill.reference,
        first_day=civil_date(bill.period.start_s).isoformat(),
        last_day=civil_date(bill.period.end_s - 1).isoformat(),
        billed_at=iso(bill.billed_s),
    )


def _rule(number: int) -> str | None:
    return _word(EstimationRule(number).name) if number else None


def _word(name: str) -> str:
    return name.lower().replace("_", "-")


HANDLERS = (data, sheet, edit)
