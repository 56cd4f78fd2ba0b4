"""What is billed: determinants of a usage point and period, tariffs as dated data, and the bill that follows."""

from __future__ import annotations

from bijlighar.mdm.billing.determinants import Basis, Determinants, IntervalGroup, Segments, Tally, determine
from bijlighar.mdm.billing.preview import BillPart, Line, PreviewedBill, preview
from bijlighar.mdm.billing.tariff import Band, Slab, Tariff, TariffRefused, TariffVersion, parse_tariff

__all__ = [
    "Band",
    "Basis",
    "BillPart",
    "Determinants",
    "IntervalGroup",
    "Line",
    "PreviewedBill",
    "Segments",
    "Slab",
    "Tally",
    "Tariff",
    "TariffRefused",
    "TariffVersion",
    "determine",
    "parse_tariff",
    "preview",
]
