"""Statements of one usage point as billing got them, and the bill that our tariff makes of each."""

from __future__ import annotations

from calendar import monthrange
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from bijlighar.cim.accounts import Account, AccountChange
from bijlighar.cim.billing import Delivery, UsageStatement
from bijlighar.cim.network import UsagePoint
from bijlighar.cim.period import civil_date
from bijlighar.controlroom.api.asking import LONGEST_TEXT, AnyRequest, room_of
from bijlighar.controlroom.errors import Refusal, not_found
from bijlighar.controlroom.instants import iso
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import ControlRoom
from bijlighar.mdm.billing import BillPart, TariffRefused, preview
from bijlighar.operations.bill_preview import bills_of_period
from bijlighar.operations.billing_terms import Terms, terms_of_period
from bijlighar.operations.tariffs import UnknownTariff

MOST_STATEMENTS = 100

Key = Annotated[str, QueryParameter(max_length=LONGEST_TEXT, description="the statement's key")]


class MeterView(msgspec.Struct, frozen=True, kw_only=True):
    """A meter that hangs or hung at the usage point. ``removed_at`` null: in service."""

    meter_id: int
    serial: str
    installed_at: str | None
    removed_at: str | None


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """A statement and how far it has come; energies in Wh and VAh, null where not known."""

    key: str
    revision: int
    first_day: str
    last_day: str
    state: str
    reason: str
    meters: list[str]
    import_wh: int
    import_vah: int | None
    export_wh: int | None
    export_vah: int | None
    demand_w: int | None
    demand_at: str | None
    power_factor: float | None
    band_wh: list[int]
    basis: str
    expected_slots: int
    missing_slots: int
    estimated_slots: int
    estimated_wh: int
    determined_at: str | None
    created_at: str | None
    tried_at: str | None
    attempts: int
    answered_at: str | None
    bill_reference: str | None
    billed_wh: int | None
    amount_paise: int | None


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """What the billing server told of a usage point from a day on; null: not told, what held before goes on."""

    valid_from: str
    as_of: str | None
    account: str | None
    name: str | None
    tariff: str | None
    sanctioned_load_w: int | None
    status: str | None


class PointView(msgspec.Struct, frozen=True, kw_only=True):
    """A usage point, the meters that were there, and its statements, the newest first.

    ``account`` what holds today of all that was told, null when nothing was; ``account_changes`` each, the newest
    first. ``sanctioned_load_w`` that of the registry.
    """

    usage_point: str
    name: str
    address: str
    sanctioned_load_w: int
    account: AccountView | None
    account_changes: list[AccountView]
    meters: list[MeterView]
    statements: list[StatementView]


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """``what``: energy, band or fixed. ``quantity`` in kWh or kW; ``rate`` in paise, of a band in per cent."""

    what: str
    name: str
    quantity: float
    rate: float
    amount_paise: int


class PreviewView(msgspec.Struct, frozen=True, kw_only=True):
    """The bill of a statement by our tariff, without taxes, arrears and rebates; ``source``: the order."""

    tariff: str
    name: str
    name_hi: str
    valid_from: str
    source: str
    lines: list[LineView]
    amount_paise: int
    billed_paise: int | None


@get("/billing/usage-points/{code:str}", opt={"needs": Permission.READ_BILLING})
async def usage_point(request: AnyRequest, code: FromPath[str]) -> PointView:
    """A usage point's statements."""
    room = room_of(request)

    today = civil_date(int(room.now()))

    def read() -> PointView | None:
        point = _point(room, code)
        found = room.records.deliveries.of_usage_point(code, MOST_STATEMENTS)
        if point is None and not found:
            return None
        stays = room.records.registry.installations(usage_point=code)
        serials = room.records.registry.serial_by_meter() if stays else {}
        return PointView(
            usage_point=code,
            name="" if point is None else point.name,
            address="" if point is None else point.address,
            sanctioned_load_w=0 if point is None else point.sanctioned_load_w,
            account=_account(room.records.accounts.on(today, [code]).get(code)),
            account_changes=[_change(each) for each in room.records.accounts.history(code)],
            meters=[
                MeterView(
                    meter_id=stay.meter_id,
                    serial=serials.get(stay.meter_id, ""),
                    installed_at=iso(stay.installed_s),
                    removed_at=iso(stay.removed_s),
                )
                for stay in stays
            ],
            statements=[_statement(each) for each in found],
        )

    view = await room.in_thread(read)
    if view is None:
        raise not_found("usage point")
    return view


@get("/billing/usage-points/{code:str}/preview", opt={"needs": Permission.READ_BILLING})
async def preview_bill(request: AnyRequest, code: FromPath[str], key: Key) -> PreviewView:
    """The bill of one statement by our terms. 409 where it cannot be told, as where no tariff holds."""
    room = room_of(request)

    def read() -> PreviewView | None:
        found = room.records.deliveries.of_usage_point(code, MOST_STATEMENTS)
        chosen = next((each for each in found if each.key == key), None)
        return None if chosen is None else _preview(room, chosen)

    try:
        view = await room.in_thread(read)
    except (UnknownTariff, TariffRefused) as problem:
        raise Refusal(409, "no-tariff", f"{problem}.".capitalize()) from problem
    if view is None:
        raise not_found("statement")
    return view


def _preview(room: ControlRoom, delivery: Delivery) -> PreviewView:
    said = delivery.statement
    tariffs, point = room.settings.tariffs_path, said.usage_point
    terms = terms_of_period(room.records, said.first_day, said.last_day, tariffs=tariffs, usage_points=[point])[
        point
    ]
    held, version = terms[-1].tariff, terms[-1].version
    if len(terms) == 1:
        bill = preview([_whole(said, terms[0])])
    else:
        parts = bills_of_period(
            room.records,
            said.first_day,
            said.last_day,
            at_s=said.determined_s,
            tariffs=tariffs,
            usage_points=[point],
        )
        if point not in parts:
            raise Refusal(
                409,
                "tariff-changed",
                "What is billed by changed within these days, and what was used by then is not known.",
            )
        bill = parts[point]
    return PreviewView(
        tariff=held.code,
        name=held.name,
        name_hi=held.name_hi,
        valid_from=version.valid_from.isoformat(),
        source=version.source,
        lines=[
            LineView(
                what=line.what,
                name=line.name,
                quantity=float(line.quantity),
                rate=float(line.rate),
                amount_paise=line.amount_paise,
            )
            for line in bill.lines
        ],
        amount_paise=bill.amount_paise,
        billed_paise=delivery.amount_paise,
    )


def _whole(said: UsageStatement, terms: Terms) -> BillPart:
    """All days of a statement under the same terms."""
    return BillPart(
        version=terms.version,
        energy_wh=said.import_wh,
        band_wh=said.band_wh if len(said.band_wh) == len(terms.version.bands) else (),
        demand_w=said.demand_w,
        sanctioned_load_w=terms.sanctioned_load_w,
        days=(said.last_day - said.first_day).days + 1,
        days_in_month=monthrange(said.last_day.year, said.last_day.month)[1],
    )


def _account(held: Account | None) -> AccountView | None:
    if held is None:
        return None
    return AccountView(
        valid_from=held.since.isoformat(),
        as_of=None,
        account=held.account,
        name=held.name,
        tariff=held.tariff,
        sanctioned_load_w=held.sanctioned_load_w,
        status=held.status.value,
    )


def _change(told: AccountChange) -> AccountView:
    return AccountView(
        valid_from=told.valid_from.isoformat(),
        as_of=iso(told.as_of_s),
        account=told.account,
        name=told.name,
        tariff=told.tariff,
        sanctioned_load_w=told.sanctioned_load_w,
        status=None if told.status is None else told.status.value,
    )


def _point(room: ControlRoom, code: str) -> UsagePoint | None:
    place = room.index.at_usage_points({code}).get(code)
    if place is not None:
        return place.point
    return next((each for each in room.records.registry.usage_points() if each.code == code), None)


def _statement(each: Delivery) -> StatementView:
    said = each.statement
    return StatementView(
        key=each.key,
        revision=each.revision,
        first_day=said.first_day.isoformat(),
        last_day=said.last_day.isoformat(),
        state=each.state.value,
        reason=each.reason,
        meters=list(said.meters),
        import_wh=said.import_wh,
        import_vah=said.import_vah,
        export_wh=said.export_wh,
        export_vah=said.export_vah,
        demand_w=said.demand_w,
        demand_at=iso(said.demand_start_s),
        power_factor=None if said.power_factor_milli is None else said.power_factor_milli / 1000,
        band_wh=list(said.band_wh),
        basis=said.basis,
        expected_slots=said.expected_slots,
        missing_slots=said.missing_slots,
        estimated_slots=said.estimated_slots,
        estimated_wh=said.estimated_wh,
        determined_at=iso(said.determined_s),
        created_at=iso(each.created_s),
        tried_at=iso(each.tried_s),
        attempts=each.attempts,
        answered_at=iso(each.answered_s),
        bill_reference=each.bill_reference,
        billed_wh=each.billed_wh,
        amount_paise=each.amount_paise,
    )


HANDLERS = (usage_point, preview_bill)
