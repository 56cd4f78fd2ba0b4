"""One's own use over real records: replaced meters, a household before, months, bills, Green Button data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from bijlighar.cim.accounts import AccountChange
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.espi import Block, Flow
from bijlighar.mdm.estimation import Quality
from bijlighar.mdm.measurements import Edit
from bijlighar.operations.consumer_view import RegisterNow, bill_of_month, day_use, month_use, stays_at
from bijlighar.operations.day_estimate import edit_reading, estimate_day
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.green_button import SpanRefused, use_blocks
from bijlighar.records import Records
from operations.day_town import JUNE, SHEETS, block_load, registers, town

DAY = civil_day(JUNE)
LATER_S = DAY.end_s + 30 * 86_400
GAP = [slot for slot in range(48) if slot not in (10, 11)]


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def replace_meter(records: Records, folder: Path) -> None:
    """At the clock's six in the morning of the second of June another meter hangs at U1, and the old one at U2."""
    head, *rows = SHEETS["meters.csv"].splitlines()
    new = "BJ0009,424A4C0000000009,D1,is15959-d1,U1,127.16.0.9,4059,tower-1,Bijli"
    records.registry.remove_meter("BJ0001", int(DAY.end_s + 6 * 3600))
    records.registry.remove_meter("BJ0002", int(DAY.end_s + 6 * 3600))
    moved = rows[0].replace(",U1,", ",U2,")
    sheets = folder / "more"
    sheets.mkdir()
    (sheets / "meters.csv").write_text(f"{head}\n{new}\n{moved}\n", encoding="utf-8")
    assert not records.registry.import_folder(sheets).errors


def told(blocks: Iterator[Block]) -> dict[tuple[Flow, int], list[tuple[int, int]]]:
    """Value and quality of what is told, by direction and day."""
    return {
        (block.flow, block.day_start_s): list(zip(block.value_wh.tolist(), block.quality.tolist(), strict=True))
        for block in blocks
    }


def test_a_day_tells_missing_blocks_as_missing(records: Records) -> None:
    records.landing.land([block_load([1], slots=GAP)], [])
    use = day_use(records, stays_at(records, "U1", 0), JUNE, LATER_S)
    assert (len(use.slots), use.missing, use.slots[10].import_wh, use.slots[12].import_wh) == (48, 2, None, 1012)
    assert use.import_wh == sum(1000 + slot for slot in GAP)
    running = day_use(records, stays_at(records, "U1", 0), JUNE, DAY.start_s + 3_599)
    assert (len(running.slots), day_use(records, [], JUNE, LATER_S).slots) == (1, ())


def test_a_replaced_meter_tells_of_each_place_its_own_time(records: Records, tmp_path: Path) -> None:
    replace_meter(records, tmp_path)
    next_day = JUNE + timedelta(days=1)
    records.landing.land([block_load([1, 2, 6], day=day) for day in (JUNE, next_day)], [])
    here = stays_at(records, "U1", 0)
    assert [stay.meter_id for stay in here] == [1, 6]
    assert [slot.import_wh for slot in day_use(records, here, next_day, LATER_S).slots][11:13] == [1011, 6012]
    there = stays_at(records, "U2", 0)
    assert [stay.meter_id for stay in there] == [2, 1]
    assert day_use(records, there, next_day, LATER_S).slots[12].import_wh == 1012
    assert day_use(records, there, JUNE, LATER_S).slots[12].import_wh == 2012
    later = stays_at(records, "U1", DAY.end_s)
    assert day_use(records, later, JUNE, LATER_S).slots == ()
    assert set(told(use_blocks(records, later, JUNE, next_day, now_s=LATER_S))) == {(Flow.IMPORT, DAY.end_s)}


def test_a_month_is_the_advance_of_the_registers(records: Records) -> None:
    for ago, value in ((0, 10_000), (1, 14_000), (3, 25_000)):
        records.landing.land([registers({1: value}, DAY.start_s + ago * 86_400)], [])
    here = stays_at(records, "U1", 0)
    now = RegisterNow(import_wh=31_000, export_wh=None, read_s=DAY.start_s + 4 * 86_400 + 3_600)
    use = month_use(records, here, JUNE, now.read_s, now)
    assert (use.import_wh, use.whole, use.export_wh) == (21_000, True, None)
    assert [day.import_wh for day in use.days] == [4_000, None, None, None, None]
    assert (use.opened_s, use.closed_s) == (DAY.start_s, now.read_s)
    before = month_use(records, here, date(2026, 5, 9), now.read_s)
    assert (before.import_wh, before.whole, len(before.days)) == (None, False, 31)
    tied = month_use(records, stays_at(records, "U1", DAY.end_s + 60), JUNE, now.read_s, now)
    assert (tied.first, tied.import_wh, tied.whole) == (date(2026, 6, 2), 6_000, False)


def test_a_register_that_went_back_is_no_use(records: Records) -> None:
    records.landing.land([registers({1: 10_000}, DAY.start_s), registers({1: 9_000}, DAY.end_s)], [])
    use = month_use(records, stays_at(records, "U1", 0), JUNE, DAY.end_s + 60)
    assert (use.import_wh, use.days[0].import_wh) == (None, None)
    assert bill_of_month(records, [], use, now_s=DAY.end_s, demand_w=None) is None


def test_the_bill_so_far_has_the_slabs_of_the_whole_month_and_the_projection_goes_on(records: Records) -> None:
    records.landing.land([registers({1: 0}, DAY.start_s), registers({1: 120_000}, DAY.start_s + 10 * 86_400)], [])
    now_s = DAY.start_s + 10 * 86_400 + 60
    here = stays_at(records, "U1", 0)
    found = bill_of_month(
        records,
        here,
        month_use(records, here, JUNE, now_s),
        now_s=now_s,
        demand_w=None,
    )
    assert found is not None
    tariff, bill = found
    assert tariff.code == "up-lmv-1-urban"
    assert bill.so_far.amount_paise == 120 * 550 + 2 * 11_000
    assert (bill.next_unit.from_kwh, bill.next_unit.to_kwh, bill.next_unit.left_kwh) == (100, 150, 30)
    assert bill.projected_wh == 360_000
    assert bill.projected is not None
    assert bill.projected.amount_paise == 150 * 550 + 150 * 600 + 60 * 650 + 2 * 11_000


def test_the_bill_so_far_goes_by_what_the_billing_server_told(records: Records) -> None:
    records.landing.land([registers({1: 0}, DAY.start_s), registers({1: 120_000}, DAY.start_s + 10 * 86_400)], [])
    account = AccountChange(
        usage_point="U1", valid_from=JUNE, as_of_s=1, tariff="up-lmv-1-rural", sanctioned_load_w=5_000
    )
    assert records.billing_inbox.take_accounts("A1", [account], [], 10).taken == 1
    now_s = DAY.start_s + 10 * 86_400 + 60
    here = stays_at(records, "U1", 0)
    found = bill_of_month(records, here, month_use(records, here, JUNE, now_s), now_s=now_s, demand_w=None)
    assert found is not None
    tariff, bill = found
    assert (tariff.code, bill.so_far.amount_paise) == ("up-lmv-1-rural", 100 * 335 + 20 * 385)


def test_green_button_data_are_final_measurements_with_their_quality(records: Records) -> None:
    records.landing.land(
        [block_load([1], slots=GAP), registers({1: 0}, DAY.start_s), registers({1: 60_000}, DAY.end_s)], []
    )
    seal_day(records, JUNE)
    estimate_day(records, JUNE, now_s=int(DAY.end_s + 10_000))
    edit_reading(
        records,
        Edit(
            meter_id=1,
            start_s=DAY.start_s + 20 * 1800,
            period_s=1800,
            channel="import_wh",
            value=77,
            reason="read on the site",
            made_by="officer",
            made_s=int(DAY.end_s + 20_000),
        ),
    )
    records.landing.land([block_load([1], day=JUNE + timedelta(days=1), slots=range(3))], [])
    blocks = told(use_blocks(records, stays_at(records, "U1", 0), JUNE, date(2026, 7, 1), now_s=LATER_S))
    first = blocks[Flow.IMPORT, DAY.start_s]
    assert (first[0], first[20]) == ((1000, Quality.RAW), (77, Quality.EDITED))
    assert {first[10][1], first[11][1]} == {Quality.BY_REFERENCE_DAY}
    assert MISSING not in {value for value, _ in first}
    assert blocks[Flow.IMPORT, DAY.end_s] == [(1000, 14), (1001, 14), (1002, 14)]
    assert {flow for flow, _ in blocks} == {Flow.IMPORT}
    assert told(use_blocks(records, stays_at(records, "U4", 0), JUNE, JUNE, now_s=LATER_S)) == {}


@pytest.mark.parametrize(("first", "last"), [(JUNE, JUNE - timedelta(days=1)), (date(2025, 1, 1), JUNE)])
def test_more_than_thirteen_months_are_refused(records: Records, first: date, last: date) -> None:
    with pytest.raises(SpanRefused):
        next(use_blocks(records, [], first, last, now_s=LATER_S))
