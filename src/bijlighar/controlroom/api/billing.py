"""The billing link over HTTP: the billing server's signed messages in, and what people see of the link."""

from __future__ import annotations

import time
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import Body, FromPath

from bijlighar.cim.billing import Delivery, DeliveryState
from bijlighar.controlroom.api.asking import MOST_ROWS, AnyRequest, Limit, Offset, Text, room_of
from bijlighar.controlroom.api.billing_described import GivesStatements, TakesMessages
from bijlighar.controlroom.errors import Refusal, not_found, not_valid
from bijlighar.controlroom.instants import NotAnInstant, iso, parse_day
from bijlighar.controlroom.registry_index import MeterPlace
from bijlighar.controlroom.roles import Permission
from bijlighar.operations.billing_exchange.gate import DAYS_IN_A_ROW, Lack, decide_link, judge_link
from bijlighar.operations.billing_exchange.intake import KINDS, take_message
from bijlighar.operations.billing_exchange.json_form import (
    MessageRefused,
    read_message,
    receipt_of,
    statement_of,
)
from bijlighar.operations.billing_exchange.reconciling import UNEXPLAINED
from bijlighar.operations.billing_exchange.signing import HEADER, SignatureRefused, verify
from bijlighar.records.billing_checks import LinkDecision, Reconciliation
from bijlighar.records.billing_in import MessageContradicts

LARGEST_MESSAGE_OCTETS = 100_000_000
"""Dues of every consumer of a city are some 40 MB."""
LONGEST_REASON = 500
MOST_FETCHED = 500
FETCH_AGAIN_S = 3_600
"""What a billing server fetched and has not answered within an hour it is given again."""

MACHINE = {"needs": Permission.ANYBODY, "exclude_from_csrf": True}
"""Open to anybody who can sign: the billing server has no session."""


class ReconciliationRow(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides held together for a period."""

    first_day: str
    last_day: str
    made_at: str | None
    usage_points: int
    billed: int
    explained: int
    unexplained: int


class ReconciliationView(ReconciliationRow, frozen=True, kw_only=True):
    """The same with a page of its differences; ``total`` of them have the chosen cause.

    Those without a cause come first. Each has the usage point's ``name``, and ``meter_id`` and ``serial`` of the
    meter in service there, null and empty where there is none.
    """

    causes: dict[str, int]
    total: int
    differences: list[dict[str, Any]]


class LackView(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate misses on a day, by its code in ``operations.billing_exchange.gate.Missing``."""

    what: str
    day: str | None
    count: int
    usage_points: int


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about the link."""

    verdict: str
    decided_by: str
    decided_at: str | None
    reason: str


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """How the link stands: statements by state, what the gate lacks, the last decision, the newest periods.

    ``accounts`` usage points of which the billing server told master data.
    """

    deliveries: dict[str, int]
    refused_rows: int
    accounts: int
    passes: bool
    lacking: list[str]
    lacks: list[LackView]
    days_wanted: int
    decision: DecisionView | None
    reconciliations: list[ReconciliationRow]


class RefusedRowView(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the billing server that was kept apart."""

    message_id: str
    kind: str
    received_at: str | None
    row: int
    reason: str
    content: str


class Fetch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many statements the billing server wants."""

    limit: int = MOST_FETCHED


class Decide(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the verdict is recorded now."""

    reason: str


@post(
    "/billing/messages/{kind:str}",
    opt=MACHINE,
    status_code=200,
    request_max_body_size=LARGEST_MESSAGE_OCTETS,
    operation_class=TakesMessages,
)
async def take(request: Request[Any, Any, Any], kind: FromPath[str]) -> dict[str, Any]:
    """A signed message of the billing server: rows under its kind, a ``message_id``; docs/billing.md has them."""
    if kind not in KINDS:
        raise not_found("kind of message")
    body = await signed(request)
    room = room_of(request)
    try:
        message_id, rows = read_message(body, kind)
        receipt = await room.in_thread(
            take_message,
            room.records,
            kind,
            message_id,
            rows,
            now_s=int(room.now()),
            tariffs=room.settings.tariffs_path,
        )
    except MessageRefused as refused:
        raise not_valid("body", str(refused)) from refused
    except MessageContradicts as refused:
        raise Refusal(409, "message-contradicts", str(refused)) from refused
    return receipt_of(receipt)


@post("/billing/statements", opt=MACHINE, status_code=200, operation_class=GivesStatements)
async def fetch(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Statements for a billing server that fetches: those that are due, to be answered under ``answers``."""
    body = await signed(request)
    try:
        asked = msgspec.json.decode(body or b"{}", type=Fetch)
    except msgspec.ValidationError as problem:
        raise not_valid("body", str(problem)) from problem
    except msgspec.DecodeError as problem:
        raise not_valid("body", "the message is no JSON") from problem
    room, now_s = room_of(request), int(room_of(request).now())

    def due() -> list[Delivery]:
        found = room.records.deliveries.due(now_s, max(1, min(asked.limit, MOST_FETCHED)))
        keys = [each.key for each in found]
        room.records.deliveries.tried(keys, now_s=now_s, next_try_s=now_s + FETCH_AGAIN_S)
        return found

    return {"statements": [statement_of(each) for each in await room.in_thread(due)]}


@get("/billing", opt={"needs": Permission.READ_BILLING})
async def link(request: AnyRequest) -> LinkView:
    """How the link stands."""
    room = room_of(request)

    def read() -> LinkView:
        verdict = judge_link(room.records, int(room.now()))
        counts = room.records.deliveries.counts()
        return LinkView(
            deliveries={state.value: counts.get(state, 0) for state in DeliveryState},
            refused_rows=room.records.billing_inbox.refused_count(),
            accounts=room.records.accounts.count(),
            passes=verdict.passed,
            lacking=list(verdict.lacking),
            lacks=[_lack(each) for each in verdict.lacks],
            days_wanted=DAYS_IN_A_ROW,
            decision=_decision(room.records.billing_checks.decision()),
            reconciliations=[_row(each) for each in room.records.billing_checks.newest(62)],
        )

    return await room.in_thread(read)


@get("/billing/reconciliations/{first:str}/{last:str}", opt={"needs": Permission.READ_BILLING})
async def reconciliation(
    request: AnyRequest,
    first: FromPath[str],
    last: FromPath[str],
    cause: Text = "",
    offset: Offset = 0,
    limit: Limit = MOST_ROWS,
) -> ReconciliationView:
    """The newest reconciliation of a period, difference by difference, of one ``cause`` or of all."""
    room = room_of(request)
    days = _day(first, room.now()), _day(last, room.now())

    def read() -> ReconciliationView | None:
        found = room.records.billing_checks.of_period(*days)
        if found is None:
            return None
        chosen = [each for each in found.content["differences"] if cause in ("", each["cause"])]
        chosen.sort(key=lambda each: each["cause"] not in UNEXPLAINED)  # stable: within each, by usage point
        page = chosen[offset : offset + limit]
        places = room.index.at_usage_points({each["usage_point"] for each in page})
        return ReconciliationView(
            **msgspec.structs.asdict(_row(found)),
            causes=dict(found.content["causes"]),
            total=len(chosen),
            differences=[_difference(each, places.get(each["usage_point"])) for each in page],
        )

    view = await room.in_thread(read)
    if view is None:
        raise not_found("reconciliation")
    return view


@get("/billing/refused-rows", opt={"needs": Permission.READ_BILLING})
async def refused_rows(request: AnyRequest, offset: Offset = 0, limit: Limit = 100) -> list[RefusedRowView]:
    """Rows of the billing server that were kept apart, the newest first."""
    room = room_of(request)
    found = await room.in_thread(room.records.billing_inbox.refused_rows, limit=limit, offset=offset)
    return [
        RefusedRowView(
            message_id=each.message_id,
            kind=each.kind,
            received_at=iso(each.received_s),
            row=each.row,
            reason=each.reason,
            content=each.content,
        )
        for each in found
    ]


@post("/billing/decisions", opt={"needs": Permission.DECIDE_LINK})
async def decide(request: AnyRequest, data: Annotated[Decide, Body()]) -> DecisionView:
    """Record the gate's verdict as it stands; rollout asks for it."""
    if not data.reason.strip() or len(data.reason) > LONGEST_REASON:
        raise not_valid("reason", f"a decision has a reason of at most {LONGEST_REASON} characters")
    room, who = room_of(request), request.user.person.name
    made = await room.in_thread(decide_link, room.records, by=who, reason=data.reason, now_s=int(room.now()))
    await room.audit(
        who=who, what="decided-billing-link", subject="billing-link", detail={"verdict": made.verdict}
    )
    view = _decision(made)
    assert view is not None
    return view


async def signed(request: Request[Any, Any, Any]) -> bytes:
    """The body, once the signature holds. Signatures age by the wall's clock, whatever the town's says."""
    body = await request.body()
    secret = room_of(request).settings.billing_secret
    try:
        verify(secret, body, request.headers.get(HEADER, ""), int(time.time()))
    except SignatureRefused as refused:
        raise Refusal(401, "signature-refused", refused.reason.capitalize() + ".") from refused
    return body


def _day(text: str, now_s: float) -> date:
    try:
        return parse_day(text, now_s=now_s)
    except NotAnInstant as problem:
        raise not_valid("first/last", str(problem)) from problem


def _difference(told: dict[str, Any], place: MeterPlace | None) -> dict[str, Any]:
    return {
        **told,
        "name": "" if place is None else place.text("name"),
        "meter_id": None if place is None else place.meter.meter_id,
        "serial": "" if place is None else place.meter.serial,
    }


def _lack(each: Lack) -> LackView:
    day = None if each.day is None else each.day.isoformat()
    return LackView(what=each.what.value, day=day, count=each.count, usage_points=each.usage_points)


def _decision(made: LinkDecision | None) -> DecisionView | None:
    if made is None:
        return None
    return DecisionView(
        verdict=made.verdict, decided_by=made.decided_by, decided_at=iso(made.decided_s), reason=made.reason
    )


def _row(made: Reconciliation) -> ReconciliationRow:
    return ReconciliationRow(
        first_day=made.first_day.isoformat(),
        last_day=made.last_day.isoformat(),
        made_at=iso(made.made_s),
        usage_points=made.usage_points,
        billed=made.billed,
        explained=made.explained,
        unexplained=made.unexplained,
    )


HANDLERS = (take, fetch, link, reconciliation, refused_rows, decide)
