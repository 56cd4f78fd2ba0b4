"""A sealed day is validated with what the records know: registers, events, history, limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import civil_day
from bijlighar.dlms.models import add_models
from bijlighar.headend.model_files import add_models_of
from bijlighar.mdm.measurements import Bill
from bijlighar.mdm.validation import RULES, UnknownLimit
from bijlighar.operations.day_evidence import LIMITS_KEY, gather
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.day_validate import DayFindings, validate_day
from bijlighar.records import Records
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, SHEETS, block_load, events, registers, town

DAY = civil_day(JUNE)
RULE = {rule.number: rule.id for rule in RULES}
DAILY_WH = sum(1000 + slot for slot in range(48))
"""What meter 1 says in ``block_load``; meter n says 48,000 x (n - 1) Wh more."""


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def told(found: DayFindings) -> list[tuple[int, str, int, int]]:
    return sorted(
        (int(each.meter_id[i]), RULE[int(each.rule[i])], int(each.first_slot[i]), int(each.end_slot[i]))
        for block in found.blocks
        for each in [block.findings]
        for i in range(len(each))
    )


def limits(**changes: object) -> Setting:
    return Setting(
        key=LIMITS_KEY, value=changes, valid_from_s=DAY.start_s, changed_by="officer", changed_s=DAY.start_s
    )


def test_registers_events_and_clocks_are_held_against_the_blocks(records: Records) -> None:
    quiet = range(48)
    gap = [slot for slot in quiet if slot not in (10, 11, 12)]
    records.landing.land(
        [
            block_load([1]),
            block_load([2], slots=gap),
            block_load([3]),
            block_load([5], period_s=900),
            registers({1: 5_000_000, 2: 10, 3: 900}, DAY.start_s),
            registers({1: 5_000_000 + DAILY_WH + 500, 3: 400}, DAY.end_s),
            events([(2, 101, DAY.start_s + 10 * 1800), (2, 102, DAY.start_s + 12 * 1800)]),
            events([(3, 301, DAY.start_s - 9 * 86_400)]),
        ],
        [Contact(meter_id=1, started_ms=1000 * DAY.start_s + n, purpose="daily", outcome=Outcome.OK,
                 clock_offset_ms=ms) for n, ms in enumerate((0, 90_000))],
    )  # fmt: skip
    seal_day(records, JUNE)
    found = told(validate_day(records, JUNE))
    assert [each for each in found if each[1] != "high-limit"] == [
        (1, "meter-clock", 0, 48),
        (1, "sum-check", 0, 48),
        (2, "missing-quantity", 12, 13),
        (3, "inactive", 0, 48),
        (3, "roll-back", 0, 48),
        (4, "missing-quantity", 0, 48),
    ]


def test_the_sanctioned_load_and_the_usual_use_are_known(records: Records) -> None:
    month_ago = civil_day(JUNE - timedelta(days=28)).start_s
    records.landing.land(
        [
            block_load([1, 4]),
            registers({1: 0}, month_ago),
            registers({1: 28 * 8_000}, DAY.start_s),
        ],
        [],
    )
    seal_day(records, JUNE)
    found = told(validate_day(records, JUNE))
    assert (1, "high-low", 0, 48) in found
    assert (4, "high-limit", 0, 48) in found, "4 kWh in half an hour at 5 kW sanctioned"
    assert not any(each[:2] == (1, "high-limit") for each in found)


def test_a_correction_of_a_billed_reading_is_found(records: Records) -> None:
    records.landing.land([block_load([1])], [])
    seal_day(records, JUNE)
    records.edits.add_bills([Bill(meter_id=1, period=DAY, reference="B-7", billed_s=DAY.end_s + 4000)])
    records.landing.land([block_load([1], slots=range(5, 7), more=80, late_s=7200)], [])
    seal_day(records, JUNE)
    found = validate_day(records, JUNE)
    assert (1, "duplicate", 5, 7) in told(found)
    assert (1, "final-replacement", 5, 7) in told(found)


def test_zeros_are_counted_over_midnight(records: Records) -> None:
    for ago in range(3):
        records.landing.land([block_load([1], day=JUNE - timedelta(days=ago), value=0)], [])
        seal_day(records, JUNE - timedelta(days=ago))
    found = validate_day(records, JUNE)
    (zero,) = [i for i, rule in enumerate(found.blocks[-1].findings.rule) if RULE[int(rule)] == "zero"]
    assert found.blocks[-1].findings.measured[zero] == 72


def test_limits_hold_from_their_date_and_a_wrong_one_is_refused(records: Records) -> None:
    records.landing.land([block_load([1])], [])
    seal_day(records, JUNE)
    records.settings.put(limits(high_limit_factor=0.5))
    assert any(each[:2] == (1, "high-limit") for each in told(validate_day(records, JUNE)))
    assert validate_day(records, JUNE - timedelta(days=1)).limits.high_limit_factor == 1.2
    records.settings.put(limits(hihg_limit_factor=0.5))
    with pytest.raises(UnknownLimit, match="hihg"):
        validate_day(records, JUNE)


def test_what_was_agreed_with_a_make_of_the_utilitys_own_folder_is_known(records_url: str, tmp_path: Path) -> None:
    (tmp_path / "makers").mkdir()
    text = 'extends = ["d1-11-columns"]\nname = "plains-d1"\n'
    (tmp_path / "makers" / "plains-d1.toml").write_text(text, encoding="utf-8")
    sheet = SHEETS["meters.csv"].replace("0001,D1,is15959-d1,", "0001,D1,plains-d1,")
    try:
        add_models_of(tmp_path / "makers")
        for opened in town(tmp_path, records_url, {**SHEETS, "meters.csv": sheet}):
            known = gather(opened, JUNE).meters.of(np.array([1, 2], dtype=np.int32))
            assert known["expected_unit"].tolist() == [30, 30], "watt-hours"
    finally:
        add_models({})
