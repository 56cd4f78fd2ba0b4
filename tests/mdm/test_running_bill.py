"""The slab of the next unit and the bill of a running month."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from bijlighar.mdm.billing import TariffRefused, parse_tariff
from bijlighar.mdm.billing.running import MonthSoFar, next_unit, running_bill

TARIFF = parse_tariff(
    """
code = "home"
name = "Home"
name_hi = "घर"
[[versions]]
valid_from = 2026-01-01
source = "order 1"
fixed_paise_per_kw_month = 10000
slabs = [{ to_kwh = 100, paise_per_kwh = 500 }, { paise_per_kwh = 600 }]
[[versions]]
valid_from = 2026-06-16
source = "order 2"
fixed_paise_per_kw_month = 10000
slabs = [{ to_kwh = 100, paise_per_kwh = 1000 }, { paise_per_kwh = 1200 }]
"""
)


def month(**more: Any) -> MonthSoFar:
    facts: dict[str, Any] = {
        "first": date(2026, 4, 1),
        "last": date(2026, 4, 30),
        "today": date(2026, 4, 10),
        "days_in_month": 30,
        "energy_wh": 90_000,
        "elapsed_s": 10 * 86_400,
        "whole_s": 30 * 86_400,
        "band_wh": (),
        "demand_w": None,
        "sanctioned_load_w": 1_000,
    }
    return MonthSoFar(**{**facts, **more})


@pytest.mark.parametrize(
    ("energy_wh", "share", "told"),
    [
        (0, 1, (0, 100, 100)),
        (99_999, 1, (0, 100, Decimal("0.001"))),
        (100_000, 1, (100, None, None)),
        (40_000, Decimal("0.5"), (0, 50, 10)),
        (50_000, Decimal("0.5"), (50, None, None)),
    ],
)
def test_the_next_unit_falls_into_the_slab_that_has_room(energy_wh: int, share: Any, told: Any) -> None:
    found = next_unit(TARIFF.versions[0], energy_wh, Decimal(share))
    assert (found.from_kwh, found.to_kwh, found.left_kwh) == told


def test_the_amount_only_grows_and_the_projection_is_of_the_whole_month() -> None:
    bill = running_bill(TARIFF, month())
    assert bill.so_far.amount_paise == 90 * 500 + 10_000
    assert bill.projected_wh == 270_000
    assert bill.projected is not None
    assert bill.projected.amount_paise == 100 * 500 + 170 * 600 + 10_000
    assert running_bill(TARIFF, month(energy_wh=91_000)).so_far.amount_paise > bill.so_far.amount_paise


@pytest.mark.parametrize("elapsed_s", [0, 3 * 86_400 - 1, 30 * 86_400])
def test_too_little_and_all_of_a_month_are_not_projected(elapsed_s: int) -> None:
    bill = running_bill(TARIFF, month(elapsed_s=elapsed_s))
    assert (bill.projected, bill.projected_wh) == (None, None)


def test_a_tariff_that_changes_in_the_month_shares_it() -> None:
    june = {"first": date(2026, 6, 1), "last": date(2026, 6, 30), "today": date(2026, 6, 20)}
    bill = running_bill(TARIFF, month(**june, energy_wh=80_000, elapsed_s=20 * 86_400))
    assert bill.version.source == "order 2"
    # 60 units in the first fifteen days, 20 in the five after; each half month has half the slabs
    assert bill.so_far.amount_paise == 50 * 500 + 10 * 600 + 20 * 1000 + 10_000
    assert sum(line.quantity for line in bill.so_far.lines if line.what == "energy") == 80
    before = running_bill(TARIFF, month(**{**june, "today": date(2026, 6, 10)}, energy_wh=80_000))
    assert before.so_far.amount_paise == 50 * 500 + 30 * 600 + 10_000


def test_before_the_first_tariff_there_is_no_bill() -> None:
    with pytest.raises(TariffRefused):
        running_bill(TARIFF, month(first=date(2025, 6, 1), last=date(2025, 6, 30), today=date(2025, 6, 10)))
