"""Bills as the tariffs make them: for the preview and to check the billing server."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from bijlighar.cim.period import KOLKATA
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import Band, BillPart, PreviewedBill, preview
from bijlighar.operations.billing_period import BilledPeriod, determine_period
from bijlighar.operations.billing_terms import Terms, terms_of_period
from bijlighar.records import Records

TermsByPoint = Mapping[str, Sequence[Terms]]


def bills_of_period(
    records: Records,
    first: date,
    last: date,
    *,
    at_s: int,
    tariffs: Path | None = None,
    usage_points: Collection[str] | None = None,
    zone: ZoneInfo = KOLKATA,
) -> dict[str, PreviewedBill]:
    """The bill of every usage point (of some) whose energy is known on all days, by its code.

    Where the tariff, its version or the sanctioned load changes, each part is billed by its own days. Raises as
    ``determine_period`` and ``terms_of_period``.
    """
    terms = terms_of_period(records, first, last, tariffs=tariffs, usage_points=usage_points, zone=zone)
    pieces: dict[str, list[BillPart]] = {}
    unknown: set[str] = set()
    for billed in determined_by_terms(records, terms, at_s=at_s, whole=usage_points is None, zone=zone):
        for number, code in enumerate(billed.usage_points):
            piece = _piece(billed, number, terms[code])
            if piece is None:
                unknown.add(code)
            else:
                pieces.setdefault(code, []).append(piece)
    return {code: preview(found) for code, found in pieces.items() if code not in unknown}


def determined_by_terms(
    records: Records, terms: TermsByPoint, *, at_s: int, whole: bool, zone: ZoneInfo = KOLKATA
) -> list[BilledPeriod]:
    """Determinants of every part of every usage point, the earliest days first; ``whole``: ``terms`` are of all.

    Usage points whose parts have the same days and bands are determined together. Raises as ``determine_period``.
    """
    groups: dict[tuple[date, date, tuple[Band, ...]], set[str]] = {}
    for code, parts in terms.items():
        for part in parts:
            groups.setdefault((part.first, part.last, part.version.bands), set()).add(code)
    return [
        determine_period(
            records,
            first,
            last,
            at_s=at_s,
            bands=bands,
            usage_points=None if whole and len(points) == len(terms) else points,
            zone=zone,
        )
        for (first, last, bands), points in sorted(groups.items(), key=lambda group: group[0][:2])
    ]


def _piece(billed: BilledPeriod, number: int, parts: Sequence[Terms]) -> BillPart | None:
    found = billed.determinants
    energy_wh = int(found.billed["import_wh"][number])
    if energy_wh == MISSING:
        return None
    (terms,) = [each for each in parts if each.first == billed.first_day]
    demand_w = int(found.demand_w[number])
    return BillPart(
        version=terms.version,
        energy_wh=energy_wh,
        band_wh=tuple(found.band_wh[number].tolist()) if terms.version.bands else (),
        demand_w=None if demand_w == MISSING else demand_w,
        sanctioned_load_w=terms.sanctioned_load_w,
        days=(billed.last_day - billed.first_day).days + 1,
        days_in_month=monthrange(billed.last_day.year, billed.last_day.month)[1],
    )
