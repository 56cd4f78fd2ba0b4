"""Billing periods over real records: registers, blocks, estimates, replaced meters, as of any instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.exchange import Nameplate
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
NEXT = JUNE + timedelta(days=1)
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


HEADER = "serial,system_title,category,model,usage_point,host,ct_primary,ct_secondary,opening_wh,closing_wh\n"
FOUR = "BJ0004,424A4C0000000004,D1,is15959-d1,U4,127.16.0.4"
NEW = "NEW1,424A4C00000000FF,D1,is15959-d1,U2,127.16.0.9"


def tell(records: Records, folder: Path, row: str, at_s: int | None = None) -> None:
    """Import one row of the sheet of meters, at an instant of the town's clock."""
    (folder / "meters.csv").write_text(f"{HEADER}{row}\n")
    records.registry._now = lambda: NOW_S if at_s is None else at_s
    assert records.registry.import_folder(folder / "meters.csv").errors == ()


def plate(meter_id: int, ct_ratio: int) -> Nameplate:
    return Nameplate(
        meter_id=meter_id,
        serial=f"BJ{meter_id:04}",
        device_id="",
        manufacturer="",
        firmware="1",
        meter_type=None,
        category="D3",
        current_rating="-/5A",
        year=None,
        read_s=START_S,
        ct_ratio=ct_ratio,
    )


@pytest.mark.parametrize(("states", "times"), [(None, 40), (1, 40), (40, 1), (20, 2)])
def test_bills_are_over_the_ratio_that_the_meter_does_not_count_itself(
    records: Records, tmp_path: Path, states: int | None, times: int
) -> None:
    tell(records, tmp_path, f"{FOUR},200,5,,")
    if states is not None:
        records.nameplates.put_nameplate(plate(4, states))
    found = determine_period(records, JUNE, JUNE, at_s=LATER_S)
    row = of(found, "U4")
    assert found.determinants.billed["import_wh"][row] == times * (40 * 4000 + sum(range(40)))
    assert found.determinants.demand_w[row] == times * 2 * 4039


def test_other_transformers_count_from_when_they_came(records: Records, tmp_path: Path) -> None:
    tell(records, tmp_path, f"{FOUR},200,5,,")
    tell(records, tmp_path, f"{FOUR},400,5,,", at_s=END_S + 20 * 1800)
    found = determine_period(records, NEXT, NEXT, at_s=LATER_S)
    early, late = (sum(4000 + slot for slot in slots) for slots in (range(20), range(20, 40)))
    assert found.determinants.billed["import_wh"][of(found, "U4")] == 40 * early + 80 * late


def test_a_replacement_is_billed_by_the_registers_that_were_read_on_the_spot(
    records: Records, tmp_path: Path
) -> None:
    noon_s, midnight_s = END_S + 43_200, END_S + 86_400
    records.landing.land([registers({2: 50_000}, END_S)], [])
    tell(records, tmp_path, f"{NEW},,,70,90_000".replace("_", ""), at_s=noon_s)
    records.landing.land([registers({6: 30_070}, midnight_s), registers({2: 89_000}, noon_s - 60)], [])
    found = determine_period(records, NEXT, NEXT, at_s=LATER_S)
    row = of(found, "U2")
    assert found.meters[row] == (2, 6)
    assert found.determinants.basis[row] == Basis.REGISTERS
    assert found.determinants.billed["import_wh"][row] == (90_000 - 50_000) + (30_070 - 70)


def test_a_register_that_began_anew_has_moved_on(records: Records, tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text(
        "serial,system_title,category,model,usage_point,host,register_digits\n"
        "BJ0001,424A4C0000000001,D1,is15959-d1,U1,127.16.0.1,5\n"
    )
    records.registry.import_folder(tmp_path / "meters.csv")
    records.landing.land([registers({1: 99_999_000}, START_S), registers({1: USED[1] - 1000}, END_S)], [])
    found = determine_period(records, JUNE, JUNE, at_s=LATER_S)
    row = of(found, "U1")
    assert (found.determinants.billed["import_wh"][row], found.determinants.agrees[row]) == (USED[1], True)


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
