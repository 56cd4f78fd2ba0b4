"""The queue of validation exceptions: what is to be looked at, and decisions about it, one by one or in bulk."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import Body, QueryParameter

from bijlighar.controlroom.api.asking import LARGEST_METER_ID, AnyRequest, Limit, Offset, Text, room_of
from bijlighar.controlroom.errors import Refusal, not_valid
from bijlighar.controlroom.instants import NotAnInstant, iso, parse_day
from bijlighar.controlroom.roles import Permission
from bijlighar.mdm.validation import RULES
from bijlighar.records.exceptions import Choice, ExceptionState, Resolution, TooMany, ValidationException

MOST_IDS = 1_000
LONGEST_REASON = 500
_RULE_IDS = {rule.number: rule.id for rule in RULES}
_RULE_NUMBERS = {rule.id: rule.number for rule in RULES}
_SEVERITIES = ("hint", "warning", "failure")

LeastSeverity = Annotated[int, QueryParameter(name="severity", ge=0, le=2)]
Meter = Annotated[int, QueryParameter(ge=0, le=LARGEST_METER_ID)]


class Seen(StrEnum):
    """Which of them are shown."""

    OPEN = "open"
    RESOLVED = "resolved"
    GONE = "gone"
    ALL = "all"


class ExceptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One exception. ``measured`` and ``held_against`` in the rule's own unit; slots of ``period_s`` seconds."""

    exception_id: int
    day: str
    meter_id: int
    serial: str
    usage_point: str
    name: str
    rule: str
    rule_version: int
    severity: str
    period_s: int
    first_slot: int
    end_slot: int
    measured: float
    held_against: float
    found_at: str | None
    state: str
    resolution: str | None
    reason: str | None
    resolved_by: str | None
    resolved_at: str | None


class ExceptionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the queue; ``total`` counts all that are chosen, ``by_rule`` those of every rule."""

    total: int
    by_rule: dict[str, int]
    rows: list[ExceptionRow]


class Resolve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision about those with these ``ids``, or about all open ones that the other fields choose.

    ``expected`` is how many the person was told: when others are chosen now, nothing is decided.
    """

    resolution: str
    reason: str
    ids: list[int] | None = None
    rule: str = ""
    meter_id: int = 0
    severity: int = 0
    first_day: str = ""
    last_day: str = ""
    expected: int | None = None


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """How many were decided."""

    resolved: int


@get("/exceptions", opt={"needs": Permission.READ_METERS})
async def exceptions(
    request: AnyRequest,
    seen: Annotated[Seen, QueryParameter(name="state")] = Seen.OPEN,
    rule: Text = "",
    severity: LeastSeverity = 0,
    meter: Meter = 0,
    first_day: Text = "",
    last_day: Text = "",
    offset: Offset = 0,
    limit: Limit = 100,
) -> ExceptionPage:
    """The queue: the gravest first, then the newest day."""
    room = room_of(request)
    choice = Choice(
        state=None if seen is Seen.ALL else ExceptionState(seen.value),
        rule=_rule(rule),
        least_severity=severity,
        meter_id=meter or None,
        first_day=_day(first_day, "first_day", room.now()),
        last_day=_day(last_day, "last_day", room.now()),
    )

    def read() -> ExceptionPage:
        counts = room.records.exceptions.counts(replace(choice, rule=None))
        found = room.records.exceptions.queue(choice, offset=offset, limit=limit)
        return ExceptionPage(
            total=sum(counts.values()) if choice.rule is None else counts.get(choice.rule, 0),
            by_rule={_RULE_IDS.get(number, str(number)): count for number, count in sorted(counts.items())},
            rows=[_row(request, each) for each in found],
        )

    return await room.in_thread(read)


@post("/exceptions/resolutions", status_code=200, opt={"needs": Permission.WORK_EXCEPTIONS})
async def resolve(request: AnyRequest, data: Annotated[Resolve, Body()]) -> Resolved:
    """Decide about the chosen ones that are open. Who decided, what and why stands in the audit log too."""
    room, who = room_of(request), request.user.person.name
    if not data.reason.strip() or len(data.reason) > LONGEST_REASON:
        raise not_valid("reason", f"a decision has a reason of at most {LONGEST_REASON} characters")
    try:
        resolution = Resolution(data.resolution)
    except ValueError:
        raise not_valid("resolution", f"one of {', '.join(Resolution)}") from None
    if data.ids is not None and not 1 <= len(data.ids) <= MOST_IDS:
        raise not_valid("ids", f"1 to {MOST_IDS} numbers, or none to choose by the other fields")
    choice = Choice(
        ids=data.ids,
        rule=_rule(data.rule),
        meter_id=data.meter_id or None,
        least_severity=data.severity,
        first_day=_day(data.first_day, "first_day", room.now()),
        last_day=_day(data.last_day, "last_day", room.now()),
    )
    if choice == Choice():
        raise not_valid("ids", "choose something: the whole queue is not decided at once")
    if data.expected is not None:
        counts = await room.in_thread(room.records.exceptions.counts, choice)
        if sum(counts.values()) != data.expected:
            raise Refusal(409, "count-changed", f"{sum(counts.values())} are chosen now, not {data.expected}.")
    try:
        done = await room.in_thread(
            room.records.exceptions.resolve,
            choice,
            resolution=resolution,
            reason=data.reason,
            by=who,
            now_s=int(room.now()),
        )
    except TooMany as many:
        raise Refusal(409, "too-many", f"{many}.".capitalize()) from many
    await room.audit(
        who=who,
        what="resolved-exceptions",
        subject="exceptions",
        detail={"count": len(done), "resolution": resolution.value, "reason": data.reason, "ids": done[:MOST_IDS]},
    )
    return Resolved(resolved=len(done))


def _row(request: AnyRequest, each: ValidationException) -> ExceptionRow:
    place = room_of(request).index.place(each.meter_id)
    return ExceptionRow(
        exception_id=each.exception_id,
        day=each.day.isoformat(),
        meter_id=each.meter_id,
        serial="" if place is None else place.text("serial"),
        usage_point="" if place is None else place.text("usage_point"),
        name="" if place is None else place.text("name"),
        rule=_RULE_IDS.get(each.rule, str(each.rule)),
        rule_version=each.rule_version,
        severity=_SEVERITIES[each.severity],
        period_s=each.period_s,
        first_slot=each.first_slot,
        end_slot=each.end_slot,
        measured=each.measured,
        held_against=each.held_against,
        found_at=iso(each.found_s),
        state=each.state.value,
        resolution=None if each.resolution is None else each.resolution.value,
        reason=each.reason,
        resolved_by=each.resolved_by,
        resolved_at=None if each.resolved_s is None else iso(each.resolved_s),
    )


def _rule(name: str) -> int | None:
    if not name:
        return None
    if name not in _RULE_NUMBERS:
        raise not_valid("rule", f"one of {', '.join(_RULE_NUMBERS)}")
    return _RULE_NUMBERS[name]


def _day(text: str, field: str, now_s: float) -> date | None:
    if not text:
        return None
    try:
        return parse_day(text, now_s=now_s)
    except NotAnInstant as problem:
        raise not_valid(field, str(problem)) from problem


HANDLERS = (exceptions, resolve)
