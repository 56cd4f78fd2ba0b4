"""What is missing is estimated once, a late reading takes its place, a billed one stays, edits are versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.estimation import EstimationRule, Quality
from bijlighar.mdm.measurements import Bill, Edit, Final, Source
from bijlighar.operations.day_estimate import (
    BilledEstimateLocked,
    NotSealed,
    edit_reading,
    estimate_day,
    final_day,
)
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.day_validate import validate_day
from bijlighar.operations.estimation_order import ORDER_KEY
from bijlighar.records import Records
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, block_load, events, registers, town

DAY = civil_day(JUNE)
T = DAY.end_s + 10_000
GAP = [slot for slot in range(48) if slot not in (10, 11)]


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def shown(records: Records, meter: int, at_s: int = T + 99_999) -> Final:
    return final_day(records, meter, JUNE, "import_wh", at_s=at_s)


def edit(value: int | None, made_s: int, slot: int = 10, meter: int = 1, **more: object) -> Edit:
    return Edit(
        **{
            "meter_id": meter,
            "start_s": DAY.start_s + slot * 1800,
            "period_s": 1800,
            "channel": "import_wh",
            "value": value,
            "reason": "read on the site",
            "made_by": "officer",
            "made_s": made_s,
            **more,
        }  # type: ignore[arg-type]
    )


def test_rules_take_what_the_records_know(records: Records) -> None:
    weeks = [block_load([4], day=JUNE - timedelta(days=ago), more=ago) for ago in (7, 14)]
    records.landing.land(
        [
            *weeks,
            block_load([1], slots=GAP),
            block_load([2], slots=GAP),
            block_load([3], slots=GAP),
            events([(1, 101, DAY.start_s + 18_000), (1, 102, DAY.start_s + 21_600)]),
            registers({2: 0}, DAY.start_s),
            registers({2: sum(2000 + slot for slot in GAP) + 3_000}, DAY.end_s),
        ],
        [],
    )
    for day in (JUNE, JUNE - timedelta(days=7), JUNE - timedelta(days=14)):
        seal_day(records, day)
    told = estimate_day(records, JUNE, now_s=T)
    assert told.made["import_wh"] == 2 + 2 + 2 + 48
    assert told.left["import_wh"] == 96, "of the transformer's meter nothing at all is known"
    outage, by_registers, line, like = (shown(records, meter) for meter in (1, 2, 3, 4))
    assert outage.value[0, 10:12].tolist() == [0, 0]
    assert outage.quality[0, 10] == Quality.VALIDATED
    assert by_registers.value[0, 10:12].sum() == 3_000
    assert line.value[0, 9:13].tolist() == [3009, 3010, 3010, 3012]
    assert line.rule[0, 10] == EstimationRule.LINE
    assert like.rule[0, 0] == EstimationRule.LIKE_DAYS
    assert like.value[0, 5] == pytest.approx(4005 + 10.5, abs=10)


def test_estimating_again_keeps_nothing_again_and_a_late_reading_takes_its_place(records: Records) -> None:
    records.landing.land([block_load([1], slots=GAP)], [])
    seal_day(records, JUNE)
    assert estimate_day(records, JUNE, now_s=T).made["import_wh"] == 2
    assert estimate_day(records, JUNE, now_s=T + 50).made["import_wh"] == 0
    records.landing.land([block_load([1], slots=range(10, 11), more=77, late_s=20_000)], [])
    seal_day(records, JUNE)
    assert estimate_day(records, JUNE, now_s=T + 20_000).made["import_wh"] == 1, "the line's end has moved"
    now, before = shown(records, 1), shown(records, 1, T + 60)
    assert now.source[0, 10] == Source.READING
    assert now.value[0, 10] == 1087
    assert (before.source[0, 10], before.value[0, 10]) == (Source.ESTIMATE, 1010)
    assert shown(records, 1, T - 1).value[0, 10] == MISSING


def test_a_reading_received_before_the_estimate_and_landed_after_it_stands(records: Records) -> None:
    records.landing.land([block_load([1], slots=GAP)], [])
    seal_day(records, JUNE)
    estimate_day(records, JUNE, now_s=T)
    records.landing.land([block_load([1], slots=range(10, 12), more=77, late_s=1_000)], [])
    seal_day(records, JUNE)
    told = estimate_day(records, JUNE, now_s=T + 3_600)
    assert (told.made["import_wh"], told.withdrawn["import_wh"]) == (0, 2)
    now = shown(records, 1)
    assert now.source[0, 10:12].tolist() == [Source.READING, Source.READING]
    assert now.value[0, 10:12].tolist() == [1087, 1088]
    assert estimate_day(records, JUNE, now_s=T + 7_200).withdrawn["import_wh"] == 0


def test_a_billed_estimate_is_locked_against_readings_estimates_and_edits(records: Records) -> None:
    records.landing.land([block_load([1], slots=GAP)], [])
    seal_day(records, JUNE)
    estimate_day(records, JUNE, now_s=T)
    records.edits.add_bills([Bill(meter_id=1, period=DAY, reference="B-1", billed_s=T + 10)])
    as_billed = shown(records, 1, T + 10)
    records.landing.land([block_load([1], slots=range(10, 11), more=77, late_s=20_000)], [])
    seal_day(records, JUNE)
    assert estimate_day(records, JUNE, now_s=T + 20_000).made["import_wh"] == 0
    with pytest.raises(BilledEstimateLocked) as refused:
        edit_reading(records, edit(5, T + 20_001))
    assert refused.value.start_s == DAY.start_s + 18_000
    now = shown(records, 1)
    assert np.array_equal(now.value, as_billed.value)
    assert now.locked[0].nonzero()[0].tolist() == [10, 11]
    found = validate_day(records, JUNE)
    assert any(5 in block.findings.rule for block in found.blocks), "the difference is told"


def test_an_edit_is_a_version_with_a_reason(records: Records) -> None:
    records.landing.land([block_load([1])], [])
    seal_day(records, JUNE)
    edit_reading(records, edit(1_500, T))
    edit_reading(records, edit(1_600, T + 10))
    edit_reading(records, edit(None, T + 20))
    states = [int(shown(records, 1, at_s).value[0, 10]) for at_s in (T - 1, T, T + 10, T + 20)]
    assert states == [1010, 1500, 1600, 1010]
    assert shown(records, 1, T).quality[0, 10] == Quality.EDITED
    assert [each.reason for each in records.edits.edits(DAY, 1)] == ["read on the site"] * 3


def test_an_edit_without_a_place_or_a_reason_is_refused(records: Records) -> None:
    records.landing.land([block_load([1])], [])
    seal_day(records, JUNE)
    with pytest.raises(NotSealed):
        edit_reading(records, edit(5, T, meter=77))
    with pytest.raises(NotSealed):
        edit_reading(records, edit(5, T, period_s=900))
    for wrong in (edit(5, T, reason=""), edit(5, T, start_s=DAY.start_s + 60), edit(5, T, channel="export_wh")):
        with pytest.raises(ValueError, match=r"reason|starts at|gives no"):
            edit_reading(records, wrong)
    assert records.edits.edits(DAY) == []


def put_order(records: Records, *groups: dict[str, object]) -> None:
    records.settings.put(
        Setting(key=ORDER_KEY, value=list(groups), valid_from_s=DAY.start_s, changed_by="meera", changed_s=0)
    )


def test_each_group_is_estimated_in_its_own_order_from_its_day_on(records: Records) -> None:
    days = (JUNE - timedelta(days=7), JUNE - timedelta(days=14), JUNE - timedelta(days=1), JUNE)
    for day in days:
        slots = range(48) if day in days[:2] else GAP
        records.landing.land([block_load([1, 2], day=day, slots=slots, more=(JUNE - day).days * 10)], [])
        seal_day(records, day)
    put_order(
        records,
        {"division": "D9", "order": ["line"]},
        {"division": "D1", "category": "D1", "make": "Bijli", "tariff": "up-lmv-1-urban", "order": ["proxy-day"]},
        {"order": ["line"]},
    )
    estimate_day(records, JUNE, now_s=T)
    assert shown(records, 1).rule[0, 10:12].tolist() == [EstimationRule.PROXY_DAY] * 2
    assert shown(records, 1).value[0, 10:12].tolist() == [1080, 1081], "as it really was"
    estimate_day(records, JUNE - timedelta(days=1), now_s=T)
    before = final_day(records, 1, JUNE - timedelta(days=1), "import_wh", at_s=T)
    assert before.rule[0, 10] == EstimationRule.LINE, "the day before has the order of its time"


def test_a_day_of_the_silent_is_prorated_from_registers_days_apart(records: Records) -> None:
    put_order(records, {"order": ["scalar-proration"]})
    week = [civil_day(JUNE + timedelta(days=ago)).start_s for ago in (-2, 3)]
    records.landing.land([block_load([2]), registers({1: 1_000}, week[0]), registers({1: 25_000}, week[1])], [])
    seal_day(records, JUNE)
    estimate_day(records, JUNE, now_s=T)
    final = shown(records, 1)
    assert (final.rule == EstimationRule.SCALAR_PRORATION).all()
    assert final.value.sum() == 24_000 // 5


def test_the_one_silent_meter_of_a_transformer_used_what_nobody_else_did(records: Records) -> None:
    put_order(records, {"order": ["subtractive-adjust"]})
    slots = list(range(40))
    supplied = block_load([5], period_s=900, value=2_500)
    records.landing.land(
        [block_load([1]), block_load([2], slots=slots), block_load([3], slots=slots), supplied], []
    )
    seal_day(records, JUNE)
    estimate_day(records, JUNE, now_s=T)
    two, three = shown(records, 2), shown(records, 3)
    assert two.value[0, 40:].tolist() == [5_000 - 1000 - slot for slot in range(40, 48)]
    assert (two.rule[0, 40:] == EstimationRule.SUBTRACTIVE_ADJUST).all()
    assert (two.quality[0, 40:] == Quality.DERIVED).all()
    assert (three.value[0, 40:] == MISSING).all(), "its transformer has no meter"


def test_public_holidays_are_no_like_days_unless_others_are_told(records: Records) -> None:
    day = date(2026, 8, 29)  # two weeks after Independence Day
    for ago in (7, 14):
        records.landing.land([block_load([4], day=day - timedelta(days=ago))], [])
        seal_day(records, day - timedelta(days=ago))
    seal_day(records, day)
    assert estimate_day(records, day, now_s=T + 200 * 86_400).made["import_wh"] == 0
    assert estimate_day(records, day, now_s=T + 200 * 86_400, holidays=()).made["import_wh"] == 48


def test_a_holiday_is_still_the_neighbour_of_the_next_morning(records: Records) -> None:
    day = date(2026, 8, 16)
    records.landing.land([block_load([1], day=day - timedelta(days=1))], [])
    records.landing.land([block_load([1], day=day, slots=range(2, 48))], [])
    for each in (day - timedelta(days=1), day):
        seal_day(records, each)
    estimate_day(records, day, now_s=T + 200 * 86_400)
    assert (
        final_day(records, 1, day, "import_wh", at_s=T + 200 * 86_400).rule[0, :2] == EstimationRule.LINE
    ).all()


def test_holidays_are_no_like_days(records: Records) -> None:
    for ago in (7, 14):
        records.landing.land([block_load([4], day=JUNE - timedelta(days=ago))], [])
        seal_day(records, JUNE - timedelta(days=ago))
    seal_day(records, JUNE)
    told = estimate_day(records, JUNE, now_s=T, holidays=[JUNE - timedelta(days=7)])
    assert told.made["import_wh"] == 0
    assert estimate_day(records, JUNE, now_s=T).made["import_wh"] == 48
    assert (shown(records, 4).rule == EstimationRule.LIKE_DAYS).all()
