"""The bill that a tariff makes of determinants: for the consumer's preview and the check of the billing server.

Slabs and fixed charge hold for a whole month; a shorter or longer period gets its share by days of the month it
ends in. Each line is rounded to a paisa, halves up, and the bill is the sum of its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from bijlighar.mdm.billing.tariff import TariffVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class BillPart:
    """What was used while one version held.

    ``band_wh`` energy by band; its sum may differ from ``energy_wh`` where blocks are missing: charges by band
    follow their shares. ``demand_w`` None: not known. ``days`` of ``days_in_month``.
    """

    version: TariffVersion
    energy_wh: int
    band_wh: Sequence[int]
    demand_w: int | None
    sanctioned_load_w: int
    days: int
    days_in_month: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """``what``: "energy", "band" or "fixed"; ``quantity`` kWh, of "fixed" kW; ``rate`` in paise or percent."""

    what: str
    name: str
    quantity: Decimal
    rate: Decimal
    amount_paise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedBill:
    """Lines in order, and their sum."""

    lines: tuple[Line, ...]

    @property
    def amount_paise(self) -> int:
        """What is to be paid, without taxes, arrears and rebates: these are the billing server's."""
        return sum(line.amount_paise for line in self.lines)


def preview(parts: Sequence[BillPart]) -> PreviewedBill:
    """The bill over all parts. Raises ValueError for negative energy or no days."""
    lines: list[Line] = []
    for part in parts:
        if part.energy_wh < 0 or part.days <= 0 or part.days_in_month <= 0:
            raise ValueError(f"{part.energy_wh} Wh in {part.days} of {part.days_in_month} days")
        energy = _energy_lines(part)
        lines += [*energy, *_band_lines(part, sum(line.amount_paise for line in energy)), *_fixed_lines(part)]
    return PreviewedBill(lines=tuple(lines))


def _energy_lines(part: BillPart) -> list[Line]:
    share = Decimal(part.days) / part.days_in_month
    left, below = Decimal(part.energy_wh) / 1000, Decimal(0)
    lines = []
    for slab in part.version.slabs:
        room = left if slab.to_kwh is None else (Decimal(slab.to_kwh) - below) * share
        taken = min(left, room)
        if taken <= 0:
            break
        name = f"above {below} kWh" if slab.to_kwh is None else f"{below} to {slab.to_kwh} kWh"
        lines.append(
            Line(
                what="energy",
                name=name,
                quantity=taken,
                rate=slab.paise_per_kwh,
                amount_paise=_paise(taken * slab.paise_per_kwh),
            )
        )
        left -= taken
        below = Decimal(slab.to_kwh or 0)
    return lines


def _band_lines(part: BillPart, energy_paise: int) -> list[Line]:
    total = sum(part.band_wh)
    if not part.version.bands or not total:
        return []
    return [
        Line(
            what="band",
            name=band.name,
            quantity=Decimal(used) / 1000,
            rate=band.percent,
            amount_paise=_paise(Decimal(energy_paise) * used / total * band.percent / 100),
        )
        for band, used in zip(part.version.bands, part.band_wh, strict=True)
        if band.percent and used
    ]


def _fixed_lines(part: BillPart) -> list[Line]:
    rate = part.version.fixed_paise_per_kw_month
    if not rate:
        return []
    load_kw = Decimal(max(part.sanctioned_load_w, part.demand_w or 0)) / 1000
    amount = _paise(load_kw * rate * part.days / part.days_in_month)
    return [Line(what="fixed", name="fixed charge", quantity=load_kw, rate=rate, amount_paise=amount)]


def _paise(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
