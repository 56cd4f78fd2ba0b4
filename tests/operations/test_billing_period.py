"""Billing periods over real records: registers, blocks, estimates, replaced meters, as of any instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import Band, Basis
from bijlighar.mdm.measurements import Edit
from bijlighar.operations.billing_period import BilledPeriod, PeriodRefused, determine_period
from bijlighar.operations.day_estimate import edit_reading, estimate_day
from bijlighar.operations.day_seal import seal_day
from bijlighar.records import Records
from operations.day_town import JUNE, NOW_S, block_load, registers, town

START_S, END_S = civil_day(JUNE).start_s, civil_day(JUNE).end_s
LATER_S = int(NOW_S) + 10 * 86_400
DAYS = 3
USED = {meter: sum(range(48)) + 48 * 1000 * meter for meter in range(1, 6)}


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter; three days are read and sealed."""
    for opened in town(tmp_path, records_url):
        for ago in range(DAYS):
            day = JUNE + timedelta(days=ago)
            opened.landing.land([block_load([1, 2, 3], day=day), block_load([4], day=day, slots=range(40))], [])
            seal_day(opened, day)
        yield opened


def of(billed: BilledPeriod, point: str) -> int:
    return billed.usage_points.index(point)


def test_three_days_are_the_sum_of_their_blocks_when_no_register_is_known(records: Records) -> None:
    billed = determine_period(records, JUNE, JUNE + timedelta(days=2), at_s=LATER_S)
    found = billed.determinants
    row = of(billed, "U1")
    assert billed.meters[row] == (1,)
    assert found.billed["import_wh"][row] == DAYS * USED[1]
    assert found.basis[row] == Basis.BLOCKS
    assert found.demand_w[row] == 2 * 1047
    assert found.missing_slots[of(billed, "U4")] == DAYS * 8
    assert found.expected_slots[of(billed, "U4")] == DAYS * 48


def test_the_registers_are_billed_when_both_midnights_are_known(records: Records) -> None:
    end_s = START_S + DAYS * 86_400
    records.landing.land(
        [registers({1: 5000, 2: 0}, START_S), registers({1: 5000 + DAYS * USED[1], 2: 10}, end_s)], []
    )
    billed = determine_period(records, JUNE, JUNE + timedelta(days=2), at_s=LATER_S)
    found = billed.determinants
    one, two = of(billed, "U1"), of(billed, "U2")
    assert (found.basis[one], found.billed["import_wh"][one], found.agrees[one]) == (
        Basis.REGISTERS,
        DAYS * USED[1],
        True,
    )
    assert (found.billed["import_wh"][two], found.agrees[two]) == (10, False), (
        "registers and blocks are held together"
    )
    assert found.register["import_wh"][of(billed, "U3")] == MISSING


def test_an_estimate_counts_and_is_told_apart_and_as_billed_on_stays_as_it_was(records: Records) -> None:
    records.landing.land([registers({4: 0}, START_S), registers({4: 190_000}, END_S)], [])
    before = determine_period(records, JUNE, JUNE, at_s=LATER_S)
    edit = Edit(
        meter_id=4,
        start_s=START_S + 47 * 1800,
        period_s=1800,
        channel="import_wh",
        value=700,
        reason="read on the spot",
        made_by="asha",
        made_s=LATER_S + 10,
    )
    edit_reading(records, edit)
    estimate_day(records, JUNE, now_s=LATER_S + 20)
    after = determine_period(records, JUNE, JUNE, at_s=LATER_S + 30)
    row = of(after, "U4")
    assert after.determinants.missing_slots[row] < before.determinants.missing_slots[row]
    assert after.determinants.blocks["import_wh"][row] > before.determinants.blocks["import_wh"][row] + 700
    assert after.determinants.estimated_slots[row] == 7
    again = determine_period(records, JUNE, JUNE, at_s=LATER_S)
    np.testing.assert_array_equal(again.determinants.blocks["import_wh"], before.determinants.blocks["import_wh"])


def test_a_meter_that_was_removed_at_noon_counts_until_noon(records: Records) -> None:
    noon_s = START_S + 43_200
    records.registry.remove_meter("BJ0002", noon_s)
    billed = determine_period(records, JUNE, JUNE, at_s=LATER_S)
    row = of(billed, "U2")
    assert billed.determinants.expected_slots[row] == 24
    assert billed.determinants.blocks["import_wh"][row] == 24 * 2000 + sum(range(24))


def test_bands_follow_the_utilitys_clock(records: Records) -> None:
    bands = (
        Band(name="night", from_min=22 * 60, to_min=6 * 60, percent=Decimal(-10)),
        Band(name="rest", from_min=6 * 60, to_min=22 * 60, percent=Decimal(0)),
    )
    billed = determine_period(records, JUNE, JUNE, at_s=LATER_S, bands=bands)
    night = [slot for slot in range(48) if slot < 12 or slot >= 44]
    assert billed.determinants.band_wh[of(billed, "U1"), 0] == sum(1000 + slot for slot in night)
    assert billed.determinants.band_wh[of(billed, "U1")].sum() == USED[1]


@pytest.mark.parametrize("days", [(JUNE, JUNE - timedelta(days=1)), (date(2020, 1, 1), JUNE)])
def test_days_that_are_no_period_are_refused(records: Records, days: tuple[date, date]) -> None:
    with pytest.raises(PeriodRefused):
        determine_period(records, *days, at_s=LATER_S)
