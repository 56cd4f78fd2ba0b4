"""Limits are dated rows; what a row does not name stays, and nonsense is refused by name."""

from __future__ import annotations

import pytest

from bijlighar.mdm.service_levels.limits import DEFAULTS, LimitsRow, UnknownServiceLimit, limits_on


def row(valid_from_s: int, **changes: object) -> LimitsRow:
    return LimitsRow(valid_from_s=valid_from_s, changes=changes)


def test_the_bars_of_the_product_itself() -> None:
    assert (DEFAULTS.morning_hours, DEFAULTS.morning_share) == (8, 0.95)
    assert (DEFAULTS.day_hours, DEFAULTS.day_share) == (24, 0.99)
    assert (DEFAULTS.backfill_hours, DEFAULTS.backfill_share) == (72, 0.995)
    assert DEFAULTS.second_bar_share == 0.98
    assert (DEFAULTS.on_demand_p90_s, DEFAULTS.on_demand_p99_s) == (60, 300)


def test_a_row_holds_from_its_day_on_and_changes_only_what_it_names() -> None:
    rows = [row(200, morning_share=0.97), row(100, morning_share=0.9, morning_hours=10)]
    assert limits_on(99, rows) == DEFAULTS
    assert (limits_on(100, rows).morning_share, limits_on(100, rows).morning_hours) == (0.9, 10)
    assert (limits_on(200, rows).morning_share, limits_on(200, rows).morning_hours) == (0.97, 10)


@pytest.mark.parametrize(
    ("name", "value"),
    [("morning_sher", 0.9), ("morning_share", 95), ("morning_hours", 6), ("clock_s", "120"), ("clock_s", True)],
)
def test_what_is_no_limit_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(UnknownServiceLimit) as refused:
        limits_on(0, [row(0, **{name: value})])
    assert refused.value.name == name
