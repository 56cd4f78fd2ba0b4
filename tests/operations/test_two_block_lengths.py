"""Meters of 30 and of 15 minutes side by side: landed, sealed, estimated, judged, totalled, billed and asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from bijlighar.cim.day_scope import DayScope
from bijlighar.cim.period import civil_day
from bijlighar.mdm.estimation import EstimationRule
from bijlighar.mdm.validation import Severity
from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY, billing_round
from bijlighar.operations.day_estimate import final_day
from bijlighar.operations.day_round import work_round
from bijlighar.records import Records
from bijlighar.records.exceptions import Choice
from bijlighar.records.settings import Setting
from operations.billing_town import BillingServer, after
from operations.day_town import JUNE, SHEETS, block_load, registers, town

QUARTER_WH = 600
USED = {meter: sum(1000 * meter + slot for slot in range(48)) for meter in (1, 2, 3)} | {4: 96 * QUARTER_WH}
GAP = [slot for slot in range(96) if slot not in (20, 21)]
DAYS = [JUNE + timedelta(days=number) for number in range(3)]


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Meter 4 is a D3 meter of 15 minutes like that of the transformer; its second day has a gap."""
    meters = SHEETS["meters.csv"].replace("0004,D1,is15959-d1,", "0004,D3,is15959-d3,")
    for opened in town(tmp_path, records_url, {**SHEETS, "meters.csv": meters}):
        opened.settings.put(
            Setting(key=CYCLE_KEY, value="daily", valid_from_s=0, changed_by="officer", changed_s=0)
        )
        for number in range(len(DAYS) + 1):
            at_s = civil_day(JUNE + timedelta(days=number)).start_s
            opened.landing.land([registers({m: 7_000 + number * wh for m, wh in USED.items()}, at_s)], [])
        for day in DAYS:
            quarters = GAP if day == DAYS[1] else range(96)
            supply = block_load([5], period_s=900, value=3_000, day=day)
            theirs = block_load([4], period_s=900, value=QUARTER_WH, slots=quarters, day=day)
            opened.landing.land([block_load([1, 2, 3], day=day), theirs, supply], [])
        yield opened


def statement(records: Records, point: str, day: date) -> tuple[int, int, int, int | None]:
    (told,) = (
        each.statement for each in records.deliveries.of_period(day, day) if each.statement.usage_point == point
    )
    return told.import_wh, told.expected_slots, told.estimated_slots, told.demand_w


def test_each_is_counted_in_its_own_slots_from_the_block_to_the_bill(records: Records) -> None:
    server = BillingServer()
    for number in range(len(DAYS)):
        work_round(records, float(after(number)))
        billing_round(records, server, now_s=after(number))
    for day in DAYS:
        lengths = {(b.period_s, m) for b in records.blocks.day(day) for m in records.blocks.meters_of(b).tolist()}
        assert lengths == {(1800, 1), (1800, 2), (1800, 3), (900, 4), (900, 5)}
    grave = Choice(least_severity=Severity.FAILURE, first_day=DAYS[0], last_day=DAYS[-1])
    assert records.exceptions.meters(grave) == [], "a quarter of an hour is nobody's fault"

    gap = final_day(records, 4, DAYS[1], "import_wh", at_s=after(2))
    assert gap.value[0, 18:24].tolist() == [QUARTER_WH] * 6
    assert gap.rule[0, 18:24].tolist() == [0, 0, EstimationRule.REGISTERS, EstimationRule.REGISTERS, 0, 0]

    assert statement(records, "U1", DAYS[0]) == (USED[1], 48, 0, 2 * 1047)
    assert statement(records, "U4", DAYS[0]) == (USED[4], 96, 0, 4 * QUARTER_WH)
    assert statement(records, "U4", DAYS[1]) == (USED[4], 96, 2, 4 * QUARTER_WH), "half hours of two quarters"
    for day in DAYS:
        made = records.billing_checks.of_period(day, day)
        assert made is not None
        assert made.content["causes"] == {"same": 4}, made.content

    (whole,) = records.day_totals.of_days(DAYS[0], DAYS[0], DayScope.UTILITY)
    assert whole.numbers["import_wh"] == sum(USED.values())
    assert whole.numbers["slots_expected"] == whole.numbers["slots_held"] == 3 * 48 + 2 * 96
    assert whole.curve["wh"][0] == 1000 + 2000 + 3000 + 2 * QUARTER_WH, "in half hours of the clock"
    (one,) = records.day_totals.of_days(DAYS[0], DAYS[0], DayScope.TRANSFORMER, code="T1")
    assert one.numbers["transformers_told"] == 1


def test_a_closed_month_keeps_both_lengths_apart(records: Records) -> None:
    work_round(records, float(after(2)))
    records.block_compaction.compact_month(JUNE.year, JUNE.month)
    halves, quarters = (records.blocks.meter_days(meter, DAYS[0], DAYS[-1], ["import_wh"]) for meter in (1, 4))
    assert [(each.period_s, each.channels["import_wh"].shape) for each in halves] == [(1800, (3, 48))]
    assert [(each.period_s, each.channels["import_wh"].shape) for each in quarters] == [(900, (3, 96))]
