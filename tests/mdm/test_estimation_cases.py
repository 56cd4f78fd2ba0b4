"""Every case of tests/cases/estimation: the estimates are exactly those that are written there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.estimation import Background, EstimationRule, Quality, UnknownRule, estimate, rule_named
from mdm.cases import blocks, by_meter, by_slot, cases, read, registers, spread
from mdm.days import DAY

KNOWN = {
    "meter", "note", "import_wh", "registers", "resolution_wh", "dark", "absent", "before", "after", "history",
    "class_profile", "class_total", "daily_average", "prorated", "remainder",
}  # fmt: skip


def _history(case: dict[str, Any], wanted: tuple[int, ...], slots: int) -> np.ndarray:
    """int64[day, meter, slot] of the days so long ago."""
    days = np.full((len(wanted), len(case["meters"]), slots), MISSING, dtype=np.int64)
    for row, meter in enumerate(case["meters"]):
        for ago, told in meter.get("history", []):
            assert ago in (1, 2, 3, 7, 14, 21), f"no rule looks {ago} days back"
            if ago in wanted:
                days[wanted.index(ago), row] = spread(told, slots)
    return days


def background(case: dict[str, Any], slots: int) -> Background:
    for meter in case["meters"]:
        assert not meter.keys() - KNOWN, f"unknown: {sorted(meter.keys() - KNOWN)}"
    resolution = by_meter(case, "resolution_wh", 10, np.int64)
    before, after = registers(case, 0).get("import_wh"), registers(case, 1).get("import_wh")
    moved = None
    if before is not None and after is not None:
        moved = np.where((before == MISSING) | (after == MISSING), MISSING, after - before)
    return Background(
        resolution=np.full(len(case["meters"]), 10) if resolution is None else resolution,
        absent=by_slot(case, "absent", False, np.bool_),
        dark=by_slot(case, "dark", False, np.bool_),
        register_moved=moved,
        before=by_meter(case, "before", MISSING, np.int64),
        after=by_meter(case, "after", MISSING, np.int64),
        like_days=_history(case, (7, 14, 21), slots),
        last_days=_history(case, (1, 2, 3), slots),
        class_profile=by_slot(case, "class_profile", np.nan, np.float64),
        class_total=by_meter(case, "class_total", np.nan, np.float64),
        daily_average=by_meter(case, "daily_average", np.nan, np.float64),
        prorated=by_meter(case, "prorated", MISSING, np.int64),
        remainder=by_slot(case, "remainder", MISSING, np.int64),
    )


@pytest.mark.parametrize("path", cases("estimation"), ids=lambda path: path.stem)
def test_the_estimates_are_those_of_the_case(path: Path) -> None:
    case = read(path)
    block = blocks(case, ("import_wh",))
    values = block.channel("import_wh")
    given = values.copy()
    order = [rule_named(name) for name in case.get("order", [])]
    told = estimate(values, block.period_s, background(case, block.slots), *([order] if order else []))
    assert np.array_equal(values, given), "a reading was touched"
    result = {(int(r), int(s)): (int(v), int(rule), int(q)) for r, s, v, rule, q in zip(
        told.row, told.slot, told.value, told.rule, told.quality, strict=True
    )}  # fmt: skip
    expected: dict[tuple[int, int], tuple[int, int, int]] = {}
    row_of = {meter["meter"]: row for row, meter in enumerate(case["meters"])}
    for run in case["estimates"]:
        first, end = run["slots"]
        rule = rule_named(run["rule"])
        for slot, value in zip(range(first, end), spread(run["values"], end - first), strict=True):
            expected[row_of[run["meter"]], slot] = (value, rule, run["quality"])
    assert {key: found[1:] for key, found in result.items()} == {key: found[1:] for key, found in expected.items()}
    for key, found in expected.items():
        assert result[key][0] == pytest.approx(found[0], abs=case["tolerance"]), key
    left = {(row_of[run["meter"]], slot) for run in case.get("left", []) for slot in range(*run["slots"])}
    assert set(zip(told.left_row.tolist(), told.left_slot.tolist(), strict=True)) == left


def test_every_rule_has_a_case() -> None:
    used = {run["rule"] for path in cases("estimation") for run in read(path)["estimates"]}
    assert used == {rule.id for rule in EstimationRule}
    assert isinstance(DAY, Period)
    assert Quality.BY_REFERENCE_DAY == 8


@pytest.mark.parametrize("name", ["Line", "like_days", "", 3, None])
def test_a_rule_that_is_not_known_is_refused_with_those_there_are(name: object) -> None:
    with pytest.raises(UnknownRule, match="scalar-proration"):
        rule_named(name)
