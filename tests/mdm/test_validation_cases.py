"""Every case of tests/cases/validation: the findings are exactly those that are written there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bijlighar.cim.channels import CHANNELS
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.validation import RULES, Evidence, LimitsRow, Severity, limits_on, validate
from mdm.cases import blocks, by_meter, by_slot, cases, read, registers
from mdm.days import DAY_S

BY_METER: dict[str, tuple[float, Any]] = {
    "sanctioned_load_w": (0, np.int64),
    "greatest_current_ma": (0, np.int64),
    "phases": (1, np.int64),
    "is_shop": (False, np.bool_),
    "register_wraps_at": (0, np.int64),
    "replaced": (False, np.bool_),
    "usual_daily_wh": (np.nan, np.float64),
    "usual_days": (0, np.int64),
    "zero_slots_before": (0, np.int64),
    "estimated_days": (0, np.int64),
    "expected_period_s": (0, np.int64),
    "told_period_s": (0, np.int64),
    "expected_unit": (0, np.int64),
    "told_unit": (0, np.int64),
    "expected_scaler": (MISSING, np.int64),
    "told_scaler": (MISSING, np.int64),
    "expected_ratio": (np.nan, np.float64),
    "told_ratio": (np.nan, np.float64),
    "multiplier": (np.nan, np.float64),
    "another_meter": (False, np.bool_),
    "clock_offset_s": (np.nan, np.float64),
}
BY_SLOT: dict[str, tuple[float, Any]] = {
    "absent": (False, np.bool_),
    "outage_s": (0, np.int64),
    "relay_open": (False, np.bool_),
    "final_before": (MISSING, np.int64),
    "billed": (False, np.bool_),
}
KNOWN = {"meter", "registers", "resolution_wh", "flags", "note", *BY_METER, *BY_SLOT, *CHANNELS}
RULE_OF = {rule.number: rule for rule in RULES}


def evidence(case: dict[str, Any]) -> Evidence:
    for meter in case["meters"]:
        assert not meter.keys() - KNOWN, f"unknown: {sorted(meter.keys() - KNOWN)}"
    resolution = by_meter(case, "resolution_wh", 10, np.int64)
    return Evidence(
        blocks=blocks(case, tuple(CHANNELS)),
        resolution_wh=np.full(len(case["meters"]), 10) if resolution is None else resolution,
        registers_before=registers(case, 0),
        registers_after=registers(case, 1),
        **{name: by_meter(case, name, nothing, kind) for name, (nothing, kind) in BY_METER.items()},
        **{name: by_slot(case, name, nothing, kind) for name, (nothing, kind) in BY_SLOT.items()},
    )


@pytest.mark.parametrize("path", cases("validation"), ids=lambda path: path.stem)
def test_the_findings_are_those_of_the_case(path: Path) -> None:
    case = read(path)
    limits = limits_on(DAY_S, [LimitsRow(valid_from_s=0, changes=case.get("limits", {}))])
    found = validate(evidence(case), limits)
    told = [
        {
            "meter": int(found.meter_id[i]),
            "rule": RULE_OF[int(found.rule[i])].id,
            "slots": [int(found.first_slot[i]), int(found.end_slot[i])],
            "severity": Severity(found.severity[i]).name.lower(),
            "measured": float(found.measured[i]),
            "limit": float(found.limit[i]),
        }
        for i in range(len(found))
    ]
    words = ("meter", "rule", "slots", "severity")
    expected = sorted(case["findings"], key=lambda f: (f["rule"], f["meter"], f["slots"]))
    told.sort(key=lambda f: (str(f["rule"]), f["meter"], f["slots"]))
    assert [[f[word] for word in words] for f in told] == [[f[word] for word in words] for f in expected]
    for mine, its in zip(told, expected, strict=True):
        for figure in ("measured", "limit"):
            if figure in its:
                assert mine[figure] == pytest.approx(its[figure], abs=case["tolerance"])


def test_every_rule_has_a_case_that_finds_and_one_that_does_not() -> None:
    found = {finding["rule"] for path in cases("validation") for finding in read(path)["findings"]}
    assert found == {rule.id for rule in RULES}
    assert any(read(path)["findings"] == [] for path in cases("validation"))
