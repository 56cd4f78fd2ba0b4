"""Every case of tests/cases/billing and tests/cases/bill: determinants and bills are those written there."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import Band, Basis, BillPart, IntervalGroup, Segments, determine, parse_tariff, preview
from bijlighar.mdm.billing.determinants import CHANNELS
from bijlighar.mdm.billing.tariff import band_of
from mdm.cases import cases, read, spread
from mdm.days import DAY

IST_S = 19_800
TARIFFS = Path(__file__).parents[2] / "src" / "bijlighar" / "mdm" / "billing" / "tariffs"
KNOWN = {"from", "until", "ratio", "wraps_at", "registers", "estimated", *CHANNELS}


def _known(value: int | None) -> int:
    return MISSING if value is None else value


def segments_of(case: dict[str, Any]) -> tuple[list[dict[str, Any]], Segments]:
    every = [(n, each) for n, point in enumerate(case["points"]) for each in point["segments"]]
    for _, each in every:
        assert not each.keys() - KNOWN, f"unknown: {sorted(each.keys() - KNOWN)}"
    ratios = [each.get("ratio", [1, 1]) for _, each in every]

    def registers(end: int) -> dict[str, np.ndarray]:
        return {
            channel: np.array([_known(each["registers"].get(channel, [None, None])[end]) for _, each in every])
            for channel in CHANNELS
        }

    return [each for _, each in every], Segments(
        points=len(case["points"]),
        point=np.array([n for n, _ in every]),
        numerator=np.array([ratio[0] for ratio in ratios]),
        denominator=np.array([ratio[1] for ratio in ratios]),
        wraps_at=np.array([each.get("wraps_at", 0) for _, each in every]),
        opening=registers(0),
        closing=registers(1),
    )


def group_of(case: dict[str, Any], every: list[dict[str, Any]], bands: list[Band]) -> IntervalGroup:
    period_s = case.get("period_s", 1800)
    slots = DAY.seconds // period_s
    start_s = DAY.start_s + np.arange(slots) * period_s
    expected = np.zeros((len(every), slots), dtype=bool)
    values = {
        channel: np.full((len(every), slots), MISSING)
        for channel in CHANNELS
        if any(channel in each for each in every)
    }
    estimated = np.zeros(expected.shape, dtype=bool)
    for row, each in enumerate(every):
        span = slice(each.get("from", 0), each.get("until", slots))
        expected[row, span] = True
        for channel in values.keys() & each.keys():
            values[channel][row, span] = spread(each[channel], span.stop - span.start)
        if "estimated" in each:
            estimated[row, span] = spread(each["estimated"], span.stop - span.start)
    return IntervalGroup(
        segment=np.arange(len(every)),
        period_s=period_s,
        start_s=start_s,
        band=band_of(bands, start_s, IST_S),
        values=values,
        expected=expected,
        estimated=estimated,
    )


def bands_of(told: list[dict[str, Any]]) -> list[Band]:
    def minute(text: str) -> int:
        hours, minutes = text.split(":")
        return int(hours) * 60 + int(minutes)

    return [
        Band(name=b["name"], from_min=minute(b["from"]), to_min=minute(b["to"]), percent=Decimal(b["percent"]))
        for b in told
    ]


@pytest.mark.parametrize("path", cases("billing"), ids=lambda path: path.stem)
def test_the_determinants_are_those_of_the_case(path: Path) -> None:
    case = read(path)
    every, segments = segments_of(case)
    bands = bands_of(case.get("bands", []))
    group = group_of(case, every, bands)
    found = determine(segments, [group], max(1, len(bands)))
    named = {
        "basis": [Basis(basis).name.lower() for basis in found.basis],
        **{channel: found.billed[channel].tolist() for channel in CHANNELS},
        "register_wh": found.register["import_wh"].tolist(),
        "blocks_wh": found.blocks["import_wh"].tolist(),
        "band_wh": found.band_wh.tolist(),
        "demand_slot": ((found.demand_start_s - DAY.start_s) // group.period_s).tolist(),
        **{
            name: getattr(found, name).tolist()
            for name in ("estimated_wh", "missing_slots", "estimated_slots", "demand_w", "power_factor_milli")
        },
        "agrees": found.agrees.tolist(),
    }
    for point, expected in enumerate(case["expect"]):
        for name, value in expected.items():
            got = named[name][point]
            assert (None if isinstance(got, int) and got == MISSING else got) == value, (point, name)
    assert len(case["expect"]) == len(case["points"])


@pytest.mark.parametrize("path", cases("bill"), ids=lambda path: path.stem)
def test_the_bill_is_that_of_the_case(path: Path) -> None:
    case = read(path)
    text = case.get("tariff_text") or (TARIFFS / f"{case['tariff']}.toml").read_text(encoding="utf-8")
    version = parse_tariff(text).on(date.fromisoformat(case["day"]))
    parts = [BillPart(**{"version": version, "band_wh": (), **part}) for part in case["parts"]]
    bill = preview(parts)
    assert [[line.what, line.amount_paise] for line in bill.lines] == case["lines"]
    assert bill.amount_paise == case["amount_paise"]
