"""The totals of a day: from sealed blocks, by place, and again when something came late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.day_scope import DayScope
from bijlighar.cim.period import civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm.measurements import Edit
from bijlighar.operations.billing_exchange.statements import close_period
from bijlighar.operations.day_report.told import Question, tell
from bijlighar.operations.day_report.totals import keep_totals
from bijlighar.operations.day_round import ESTIMATE_AFTER_S, VALIDATE_AFTER_S, work_round
from bijlighar.operations.day_seal import seal_day
from bijlighar.records import Records, tables
from bijlighar.records.day_totals import DayTotal
from operations.day_town import JUNE, NOW_S, block_load, events, town

PERIOD = civil_day(JUNE)
END_S = PERIOD.end_s
HALF = sum(1000 + slot for slot in range(48)), sum(2000 + slot for slot in range(48))
T1_WH = sum(HALF)


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Consumers 1 and 2 under T1, 3 and 4 under T2; meter 5 measures T1."""
    yield from town(tmp_path, records_url)


def supply(more_wh: int = 0) -> ReadingBatch:
    """What the meter of T1 saw: all that its consumers took, and ``more_wh`` in each quarter of an hour."""
    taken = np.array([1000 + 2000 + 2 * (quarter // 2) for quarter in range(96)])
    batch = block_load([5], period_s=900)
    return ReadingBatch(
        kind=batch.kind,
        period_s=900,
        meter_id=batch.meter_id,
        start_s=batch.start_s,
        received_s=batch.received_s,
        channels={"import_wh": taken // 2 + more_wh},
    )


def totals(records: Records, scope: DayScope) -> dict[str, DayTotal]:
    seal_day(records, JUNE)
    keep_totals(records, JUNE, now_s=int(NOW_S))
    return {each.code: each for each in records.day_totals.of_days(JUNE, JUNE, scope)}


def test_every_scope_adds_up(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3, 4]), supply()], [])
    by_transformer = totals(records, DayScope.TRANSFORMER)
    assert by_transformer["T1"].numbers["import_wh"] == T1_WH
    assert (by_transformer["T1"].parent, by_transformer["T1"].numbers["meters"]) == ("F1", 3)
    assert by_transformer["T1"].numbers["consumers"] == 2
    whole = sum(each.numbers["import_wh"] for each in by_transformer.values())
    for scope, code, parent in (
        (DayScope.FEEDER, "F1", "SS1"),
        (DayScope.SUBSTATION, "SS1", "D1"),
        (DayScope.DIVISION, "D1", ""),
        (DayScope.UTILITY, "", ""),
        (DayScope.MAKE, "Bijli", ""),
    ):
        (found,) = records.day_totals.of_days(JUNE, JUNE, scope)
        assert (found.code, found.parent, found.numbers["import_wh"]) == (code, parent, whole)
        assert (found.numbers["meters"], found.numbers["meters_whole"]) == (5, 5)
        assert found.numbers["slots_held"] == found.numbers["slots_expected"] == 4 * 48 + 96
        assert found.extremes["peak_w"] == 2 * (10_000 + 4 * 47)
        assert found.extremes["peak_s"] == END_S - 1800
        assert found.curve["wh"][0] == 10_000
        assert found.curve["known"] == [4] * 48


def test_losses_are_told_where_both_ends_are_whole_and_nowhere_else(records: Records) -> None:
    records.landing.land([block_load([1]), block_load([2], slots=range(40)), supply(more_wh=50)], [])
    found = totals(records, DayScope.TRANSFORMER)["T1"].numbers
    assert (found["transformers"], found["transformers_told"], found["lines_slots"]) == (1, 1, 40)
    assert found["lines_lost_wh"] == 40 * 100
    assert found["lines_supplied_wh"] == sum(3000 + 2 * slot + 100 for slot in range(40))
    feeder = records.day_totals.of_days(JUNE, JUNE, DayScope.FEEDER, code="F1")[0].numbers
    assert (feeder["transformers"], feeder["transformers_told"], feeder["feeders_told"]) == (2, 1, 0)


def test_an_edit_counts_and_late_rows_change_the_day(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3]), block_load([4], slots=range(24))], [])
    edit = Edit(
        meter_id=1,
        start_s=PERIOD.start_s,
        period_s=1800,
        channel="import_wh",
        value=7,
        reason="seen on the spot",
        made_by="meera",
        made_s=int(END_S) + 5000,
    )
    records.edits.add(edit)
    found = totals(records, DayScope.TRANSFORMER)
    assert found["T1"].numbers["import_wh"] == T1_WH - 1000 + 7
    assert (found["T2"].numbers["slots_known"], found["T2"].numbers["slots_held"]) == (72, 72)
    records.landing.land([block_load([4], slots=range(24, 48), late_s=3600)], [])
    assert totals(records, DayScope.TRANSFORMER)["T2"].numbers["slots_known"] == 96


def test_what_happened_is_counted_once(records: Records) -> None:
    failed, back = PERIOD.start_s + 3600, PERIOD.start_s + 3 * 3600
    told = [(1, 101, failed), (1, 102, back), (5, 101, failed), (5, 102, back), (2, 101, PERIOD.start_s - 60)]
    told += [(2, 102, PERIOD.start_s + 60), (3, 101, END_S - 120)]
    records.landing.land([block_load([1], slots=[*range(2), *range(6, 48)]), events(told)], [])
    contacts = [
        Contact(meter_id=1, started_ms=failed * 1000, purpose="block-load", outcome=Outcome.OK),
        Contact(meter_id=3, started_ms=failed * 1000, purpose="block-load", outcome=Outcome.NO_ANSWER),
        Contact(meter_id=3, started_ms=back * 1000, purpose="block-load", outcome=Outcome.STOPPED),
        Contact(meter_id=3, started_ms=END_S * 1000, purpose="block-load", outcome=Outcome.OK),
    ]
    records.landing.land([events(told[:2])], contacts)
    found = totals(records, DayScope.UTILITY)[""]
    assert (found.numbers["interruptions"], found.numbers["interrupted"]) == (2, 3)
    assert found.numbers["interrupted_s"] == 7200 + 60 + 120
    assert (found.numbers["contacts"], found.numbers["contacts_succeeded"]) == (2, 1)
    assert sum(found.events.values()) == 6, "the event of the day before is not this day's"
    t1 = records.day_totals.of_days(JUNE, JUNE, DayScope.TRANSFORMER, code="T1")[0].numbers
    assert t1["slots_expected"] == 44 + 48 + 88, "nothing is owed while there was no supply"


def test_voltage_is_held_against_the_dated_limits(records: Records) -> None:
    batch = block_load([1, 2])
    volts = np.where(batch.meter_id == 1, 215_000, 250_000).astype(np.int64)
    volts[:4] = [MISSING, 0, 230_000, 230_000]
    told = ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=1800,
        meter_id=batch.meter_id,
        start_s=batch.start_s,
        received_s=batch.received_s,
        channels={**batch.channels, "voltage_mv": volts},
    )
    records.landing.land([told], [])
    found = totals(records, DayScope.TRANSFORMER)["T1"]
    assert [found.numbers[name] for name in ("voltage_slots", "voltage_low", "voltage_high")] == [94, 44, 48]
    assert (found.extremes["least_mv"], found.extremes["most_mv"]) == (215_000, 250_000)
    assert records.day_totals.of_days(JUNE, JUNE, DayScope.TRANSFORMER, code="T2")[0].extremes["least_mv"] is None


def test_the_round_totals_a_day_when_it_is_over_and_again_when_it_changed(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3]), block_load([4], slots=[*range(20), *range(22, 48)])], [])
    assert work_round(records, END_S + 60.0).totalled == [JUNE]
    assert work_round(records, END_S + 3600.0).totalled == []
    late = work_round(records, END_S + ESTIMATE_AFTER_S)
    assert late.totalled == [JUNE], "the estimates are in it"
    assert work_round(records, END_S + VALIDATE_AFTER_S).totalled == []
    (found,) = records.day_totals.of_days(JUNE, JUNE, DayScope.UTILITY)
    assert (found.numbers["slots_estimated"], found.numbers["slots_known"]) == (2, 4 * 48)
    records.landing.land([events([(1, 101, PERIOD.start_s + 60)])], [])
    assert work_round(records, END_S + ESTIMATE_AFTER_S + 3600).totalled == [JUNE], "an event came late"
    assert records.day_totals.newest() == JUNE
    assert records.day_totals.days(JUNE - timedelta(days=3), JUNE) == [JUNE]


def test_transformers_in_front_of_a_meter_are_counted_in(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3, 4])], [])
    with records._database.write() as connection:
        mine = tables.installations.c.meter_id == 4
        connection.execute(
            update(tables.installations).where(mine).values(ct_primary=200, ct_secondary=5, pt_primary=None)
        )
    found = totals(records, DayScope.TRANSFORMER)["T2"].numbers
    assert found["import_wh"] == sum(3000 + slot + 40 * (4000 + slot) for slot in range(48))


def test_exceptions_and_statements_stand_as_they_stand_now(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3]), block_load([4], slots=range(40))], [])
    work_round(records, END_S + VALIDATE_AFTER_S)
    found = records.day_totals.exceptions(JUNE, JUNE)
    assert found["T2"]["open"] >= 1
    told = tell(records, Question(day=JUNE, scope=DayScope.TRANSFORMER, code="T2"), day_start_s=PERIOD.start_s)
    assert told.exceptions == found["T2"]
    assert told.statements is None
    close_period(records, JUNE, JUNE, now_s=int(END_S) + VALIDATE_AFTER_S)
    of_utility = tell(records, Question(day=JUNE), day_start_s=PERIOD.start_s)
    assert of_utility.statements is not None
    assert sum(of_utility.statements.values()) == 4
    assert records.day_totals.statements(JUNE - timedelta(days=9), JUNE - timedelta(days=1)) == {}
