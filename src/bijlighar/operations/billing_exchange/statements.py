"""Closing a billing period: what each consumer used becomes a statement, to be sent or held back with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from bijlighar.cim.accounts import AccountStatus
from bijlighar.cim.billing import UsageStatement
from bijlighar.cim.network import UsagePointKind
from bijlighar.cim.period import KOLKATA, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import Band, Basis
from bijlighar.mdm.validation import Severity
from bijlighar.operations.billing_period import BilledPeriod, determine_period
from bijlighar.operations.billing_terms import Terms, is_billed, terms_of_period
from bijlighar.records import Records
from bijlighar.records.billing_out import Offered
from bijlighar.records.exceptions import Choice

DISAGREE = "registers-and-blocks-disagree"
GAPS = "blocks-missing"
EXCEPTIONS = "open-exceptions"
SUSPENDED = "account-suspended"
NOTHING = "no-reading"


class PeriodNotOver(ValueError):
    """The period's last day has not ended. ``last_day``."""

    def __init__(self, last_day: date) -> None:
        super().__init__(f"{last_day} is not over")
        self.last_day = last_day


def close_period(
    records: Records,
    first_day: date,
    last_day: date,
    *,
    now_s: int,
    tariffs: Path | None = None,
    zone: ZoneInfo = KOLKATA,
) -> Offered:
    """Make statements of all consumers for the days, both inclusive. Again: only what has changed is offered anew.

    A consumer of whom nothing is known has no statement: reconciliation tells him. Nor has one whose account is
    closed. Raises PeriodNotOver, and as ``determine_period``, UnknownTariff, TariffRefused.
    """
    if civil_day(last_day, zone).end_s > now_s:
        raise PeriodNotOver(last_day)
    consumers = {point.code for point in records.registry.usage_points() if point.kind is UsagePointKind.CONSUMER}
    terms = {
        code: each
        for code, each in terms_of_period(records, first_day, last_day, tariffs=tariffs, zone=zone).items()
        if code in consumers and is_billed(each)
    }
    by_bands: dict[tuple[Band, ...], set[str]] = {}
    for code, each in terms.items():
        by_bands.setdefault(each[0].version.bands, set()).add(code)
    statements: list[tuple[UsageStatement, str]] = []
    for bands, points in by_bands.items():
        billed = determine_period(
            records, first_day, last_day, at_s=now_s, bands=bands, usage_points=points, zone=zone
        )
        statements += _statements(records, billed, terms)
    return records.deliveries.add(statements, now_s)


def _statements(
    records: Records, billed: BilledPeriod, terms: Mapping[str, Sequence[Terms]]
) -> Iterator[tuple[UsageStatement, str]]:
    serials = records.registry.serial_by_meter()
    grave = _meters_with_failures(records, billed)
    for number, code in enumerate(billed.usage_points):
        if billed.determinants.basis[number] == Basis.NOTHING:
            continue
        held = EXCEPTIONS if grave.intersection(billed.meters[number]) else _held_because(billed, number)
        if terms[code][-1].status is AccountStatus.SUSPENDED:
            held = SUSPENDED
        yield _statement(billed, number, serials), held


def _held_because(billed: BilledPeriod, number: int) -> str:
    found = billed.determinants
    if not found.agrees[number]:
        return DISAGREE
    if found.basis[number] == Basis.BLOCKS and found.missing_slots[number]:
        return GAPS
    return ""


def _meters_with_failures(records: Records, billed: BilledPeriod) -> set[int]:
    choice = Choice(least_severity=Severity.FAILURE, first_day=billed.first_day, last_day=billed.last_day)
    return set(records.exceptions.meters(choice))


def _statement(billed: BilledPeriod, number: int, serials: dict[int, str]) -> UsageStatement:
    found = billed.determinants

    def known(column: np.ndarray) -> int | None:
        value = int(column[number])
        return None if value == MISSING else value

    return UsageStatement(
        usage_point=billed.usage_points[number],
        first_day=billed.first_day,
        last_day=billed.last_day,
        meters=tuple(dict.fromkeys(serials[meter_id] for meter_id in billed.meters[number])),
        import_wh=int(found.billed["import_wh"][number]),
        import_vah=known(found.billed["import_vah"]),
        export_wh=known(found.billed["export_wh"]),
        export_vah=known(found.billed["export_vah"]),
        demand_w=known(found.demand_w),
        demand_start_s=known(found.demand_start_s),
        power_factor_milli=known(found.power_factor_milli),
        band_wh=tuple(found.band_wh[number].tolist()),
        basis=Basis(found.basis[number]).name.lower(),
        expected_slots=int(found.expected_slots[number]),
        missing_slots=int(found.missing_slots[number]),
        estimated_slots=int(found.estimated_slots[number]),
        estimated_wh=int(found.estimated_wh[number]),
        determined_s=billed.at_s,
    )
