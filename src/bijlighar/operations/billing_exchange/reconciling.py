"""Holding both sides together: every consumer billed with the same kWh, or the difference by its cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from bijlighar.cim.billing import Delivery, DeliveryState
from bijlighar.cim.network import UsagePointKind
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.mdm.billing import TariffRefused
from bijlighar.operations.bill_preview import bills_of_period
from bijlighar.operations.billing_terms import is_billed, terms_of_period
from bijlighar.operations.day_service import stays
from bijlighar.operations.tariffs import UnknownTariff
from bijlighar.records import Records
from bijlighar.records.billing_checks import Reconciliation

SAME = "same"
EXPLAINED = ("no-reading", "held", "refused", "not-sent", "not-answered")
"""Causes that name what is to be done; the other ones need somebody who looks."""
UNEXPLAINED = ("billed-otherwise", "amount-differs", "corrected-after-billing")
AMOUNT_TOLERANCE_PAISE = 100
"""A rupee: billing servers round bills to whole rupees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Why a usage point is not billed as metered. Energies and amounts: None where there is none."""

    usage_point: str
    cause: str
    detail: str = ""
    sent_wh: int | None = None
    billed_wh: int | None = None
    amount_paise: int | None = None
    expected_paise: int | None = None


def reconcile(
    records: Records,
    first_day: date,
    last_day: date,
    *,
    now_s: int,
    tariffs: Path | None = None,
    zone: ZoneInfo = KOLKATA,
) -> Reconciliation:
    """Hold both sides together and keep what was found. Raises as ``determine_period``."""
    period = Period(start_s=civil_day(first_day, zone).start_s, end_s=civil_day(last_day, zone).end_s)
    expected = _expected_paise(records, first_day, last_day, now_s, tariffs, zone)
    by_point: dict[str, list[Delivery]] = {}
    for each in records.deliveries.of_period(first_day, last_day):
        by_point.setdefault(each.statement.usage_point, []).append(each)
    closed = _closed(records, first_day, last_day, tariffs, zone) - by_point.keys()
    found = [
        _difference(point, by_point.get(point, []), expected.get(point))
        for point in _consumers(records, period)
        if point not in closed
    ]
    causes = Counter(each.cause for each in found)
    made = Reconciliation(
        first_day=first_day,
        last_day=last_day,
        made_s=now_s,
        usage_points=len(found),
        billed=causes[SAME],
        explained=sum(causes[cause] for cause in EXPLAINED),
        unexplained=sum(causes[cause] for cause in UNEXPLAINED),
        content={
            "causes": dict(sorted(causes.items())),
            "differences": [
                {name: getattr(each, name) for name in Difference.__dataclass_fields__}
                for each in found
                if each.cause != SAME
            ],
        },
    )
    before = records.billing_checks.of_period(first_day, last_day)
    if before is None or before.content != made.content:
        records.billing_checks.add(made)
    return made


def _consumers(records: Records, period: Period) -> list[str]:
    consumers = {point.code for point in records.registry.usage_points() if point.kind is UsagePointKind.CONSUMER}
    served = {stay.usage_point for stay in stays(records.registry.installations()) if stay.touches(period)}
    return sorted(consumers & served)


def _closed(records: Records, first_day: date, last_day: date, tariffs: Path | None, zone: ZoneInfo) -> set[str]:
    """Usage points whose account is closed on all days: nobody is to be billed there."""
    try:
        terms = terms_of_period(
            records,
            first_day,
            last_day,
            tariffs=tariffs,
            usage_points=records.accounts.changes(last_day),
            zone=zone,
        )
    except (UnknownTariff, TariffRefused):
        return set()
    return {code for code, each in terms.items() if not is_billed(each)}


def _difference(point: str, revisions: list[Delivery], expected_paise: int | None) -> Difference:
    if not revisions:
        return Difference(usage_point=point, cause="no-reading")
    newest = revisions[-1]
    answered = [each for each in revisions if each.state is DeliveryState.ACKNOWLEDGED]
    if newest.state is DeliveryState.HELD:
        cause, detail = ("corrected-after-billing" if answered else "held"), newest.reason
    elif newest.state is DeliveryState.REFUSED:
        cause, detail = "refused", newest.reason
    elif newest.state is DeliveryState.WAITING and answered:
        cause, detail = "not-answered", "a correction waits"
    elif newest.state is DeliveryState.WAITING:
        cause, detail = ("not-answered" if newest.attempts else "not-sent"), newest.reason
    elif newest.billed_wh != newest.statement.import_wh:
        cause, detail = "billed-otherwise", newest.bill_reference or ""
    elif _amount_differs(newest, expected_paise):
        cause, detail = "amount-differs", newest.bill_reference or ""
    else:
        cause, detail = SAME, ""
    return Difference(
        usage_point=point,
        cause=cause,
        detail=detail,
        sent_wh=newest.statement.import_wh,
        billed_wh=newest.billed_wh if newest.billed_wh is not None or not answered else answered[-1].billed_wh,
        amount_paise=newest.amount_paise,
        expected_paise=expected_paise,
    )


def _amount_differs(delivery: Delivery, expected_paise: int | None) -> bool:
    if expected_paise is None or delivery.amount_paise is None:
        return False
    return abs(delivery.amount_paise - expected_paise) > AMOUNT_TOLERANCE_PAISE


def _expected_paise(
    records: Records, first_day: date, last_day: date, now_s: int, tariffs: Path | None, zone: ZoneInfo
) -> dict[str, int]:
    """Our own bills of the period; none when no tariff holds."""
    try:
        bills = bills_of_period(records, first_day, last_day, at_s=now_s, tariffs=tariffs, zone=zone)
    except (UnknownTariff, TariffRefused):
        return {}
    return {code: bill.amount_paise for code, bill in bills.items()}
