"""What should not come, and comes: it harms no other reading, no bill, and is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bijlighar.cim.billing import DeliveryState
from bijlighar.cim.period import civil_day
from bijlighar.dlms.profile import Scaler
from bijlighar.mdm.validation import RULES
from bijlighar.operations.billing_exchange.delivering import deliver_due
from bijlighar.operations.billing_exchange.reconciling import reconcile
from bijlighar.operations.billing_exchange.rounds import billing_round
from bijlighar.operations.billing_exchange.statements import EXCEPTIONS
from bijlighar.operations.billing_period import determine_period
from bijlighar.operations.day_round import ESTIMATE_AFTER_S, VALIDATE_AFTER_S, work_round
from bijlighar.records import Records
from bijlighar.records.exceptions import Choice
from operations.billing_town import USED, BillingServer, after, billing_town
from operations.day_town import JUNE, block_load, events, registers, town
from operations.test_every_rule import layout, plate

DAY = civil_day(JUNE)
NUMBER = {rule.id: rule.number for rule in RULES}
NOBODY = 77


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def billed(records: Records, at_s: int = DAY.end_s + 10**6) -> dict[str, tuple[int, int, int]]:
    """Wh, expected and missing slots of the day by usage point, from the blocks."""
    found = determine_period(records, JUNE, JUNE, at_s=at_s)
    told = found.determinants
    rows = zip(
        told.blocks["import_wh"].tolist(), told.expected_slots.tolist(), told.missing_slots.tolist(), strict=True
    )
    return dict(zip(found.usage_points, rows, strict=True))


def queue(records: Records, meter_id: int) -> set[int]:
    return {each.rule for each in records.exceptions.queue(Choice(meter_id=meter_id))}


def test_readings_of_meters_that_nobody_knows_are_kept_and_touch_nothing(records: Records) -> None:
    landed = [
        block_load([1, 2, 3, 4, NOBODY]),
        registers({1: 0, NOBODY: 0}, DAY.start_s),
        registers({1: USED[1], NOBODY: 5}, DAY.end_s),
        events([(NOBODY, 101, DAY.start_s), (NOBODY, 301, DAY.start_s)]),
    ]
    records.landing.land(landed, [])
    done = work_round(records, float(DAY.end_s + ESTIMATE_AFTER_S))
    assert (done.validated, done.estimated) == ([JUNE], [JUNE])
    assert {point: wh for point, (wh, _, missing) in billed(records).items() if not missing} == {
        f"U{meter}": used for meter, used in USED.items()
    }
    assert queue(records, NOBODY) == set()
    assert len(records.readings.rows(landed[0].kind, NOBODY, DAY)) == 48, "whoever it is may be registered later"


def test_readings_from_the_future_wait_for_their_day(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3, 4]), block_load([1], day=JUNE + timedelta(days=5), more=9)], [])
    records.landing.land([registers({1: 10**9}, DAY.end_s + 5 * 86_400)], [])
    done = work_round(records, float(DAY.end_s + VALIDATE_AFTER_S))
    assert done.validated == [JUNE]
    assert billed(records)["U1"] == (USED[1], 48, 0)
    assert records.blocks.day(JUNE + timedelta(days=5)) == []


def test_of_two_values_for_one_slot_the_newer_counts_and_a_person_is_asked(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3, 4])], [])
    records.landing.land([block_load([1], slots=[7], more=500, late_s=60)], [])
    records.landing.land([block_load([2], slots=[7], more=500)], [])  # in the same second
    work_round(records, float(DAY.end_s + VALIDATE_AFTER_S))
    assert billed(records)["U1"] == (USED[1] + 500, 48, 0)
    assert NUMBER["duplicate"] in queue(records, 1)
    assert NUMBER["duplicate"] in queue(records, 2), "both are kept, whichever is taken"
    assert billed(records)["U2"][0] in (USED[2], USED[2] + 500)


def test_blocks_of_another_length_are_told_and_never_counted_beside_the_agreed(records: Records) -> None:
    quarters = block_load([1], period_s=900, value=600)
    records.landing.land([block_load([1, 2, 3, 4]), quarters], [])
    work_round(records, float(DAY.end_s + VALIDATE_AFTER_S))
    assert NUMBER["interval-size"] in queue(records, 1)
    assert billed(records)["U1"] == (USED[1], 48, 0)


def test_a_meter_that_changed_its_block_length_at_noon_is_counted_whole(records: Records) -> None:
    morning, evening = (
        block_load([1], slots=range(24)),
        block_load([1], period_s=900, slots=range(48, 96), value=600),
    )
    records.landing.land([block_load([2, 3, 4]), morning, evening], [])
    work_round(records, float(DAY.end_s + VALIDATE_AFTER_S))
    wh, _, missing = billed(records)["U1"]
    assert (wh, missing) == (sum(1000 + slot for slot in range(24)) + 48 * 600, 0)


def test_readings_in_another_unit_are_told_and_never_billed(records_url: str, tmp_path: Path) -> None:
    for records in billing_town(tmp_path, records_url):
        plate(records)
        layout(records, scaler=Scaler(exponent=1, unit=31))  # volt-amperes for watt-hours
        work_round(records, float(after(0)))
        assert NUMBER["unit"] in queue(records, 1)
        server = BillingServer()
        billing_round(records, server, now_s=after(0))
        told = {
            each.statement.usage_point: (each.state, each.reason)
            for each in records.deliveries.of_period(JUNE, JUNE)
        }
        assert told.pop("U1") == (DeliveryState.HELD, EXCEPTIONS)
        assert {state for state, _ in told.values()} == {DeliveryState.ACKNOWLEDGED}
        assert not any(key.startswith("U1/") for key in server.received)


@pytest.mark.parametrize("when", ["taken", "answered"])
def test_a_sender_that_is_killed_sends_again_and_each_is_billed_and_locked_once(
    records_url: str, tmp_path: Path, when: str
) -> None:
    book, day = tmp_path / "book", (JUNE, JUNE)
    for records in billing_town(tmp_path, records_url):
        work_round(records, float(after(0)))
        billing_round(records, None, now_s=after(0))
        child = [sys.executable, str(Path(__file__).with_name("killed_delivery.py")), records_url, str(tmp_path)]
        killed = subprocess.run([*child, str(book), str(after(0)), when], check=False, timeout=120)
        assert killed.returncode == -signal.SIGKILL
        taken = book.read_text().split()
        waiting = records.deliveries.of_period(*day)
        assert sorted(taken) == sorted(each.key for each in waiting)
        assert {each.state for each in waiting} == {DeliveryState.WAITING}, "nothing was answered"
        assert records.edits.bills(DAY) == [], "nor locked"
        server = BillingServer()
        assert deliver_due(records, server, now_s=after(0) + 3_600).answered == len(taken)
        assert sorted(server.bills) == sorted(taken), "the same keys: the server knows what it has billed"
        assert reconcile(records, *day, now_s=after(0, 30)).billed == len(taken)
        assert sorted(bill.meter_id for bill in records.edits.bills(DAY)) == [1, 2, 3, 4]
