"""The day's work in rounds: in time, once, again when something came late, and never lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_date, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.estimation import EstimationRule
from bijlighar.mdm.measurements import Bill
from bijlighar.operations.day_estimate import final_day
from bijlighar.operations.day_evidence import LIMITS_KEY
from bijlighar.operations.day_round import ESTIMATE_AFTER_S, VALIDATE_AFTER_S, work_round
from bijlighar.operations.estimation_order import ORDER_KEY
from bijlighar.operations.worker_process import Worker
from bijlighar.records import Records
from bijlighar.records.day_progress import DayStep
from bijlighar.records.exceptions import Choice
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, NOW_S, block_load, registers, town

END_S = civil_day(JUNE).end_s
MISSING_QUANTITY, SUM_CHECK = 13, 14


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


class At:
    """A clock that stands where it was put."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def now(self) -> float:
        return self.now_s

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError(instant_s)


def test_a_day_is_sealed_at_once_validated_at_eight_and_estimated_a_day_later(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3]), block_load([4], slots=[*range(20), *range(22, 48)])], [])
    early = work_round(records, END_S + 60.0)
    assert (early.kept.blocks_written > 0, early.validated, early.estimated) == (True, [], [])
    morning = work_round(records, END_S + VALIDATE_AFTER_S)
    assert (morning.validated, morning.estimated) == ([JUNE], [])
    (gap,) = records.exceptions.queue(Choice(rule=MISSING_QUANTITY, meter_id=4))
    assert (gap.first_slot, gap.end_slot, gap.day) == (20, 22, JUNE)
    later = work_round(records, END_S + ESTIMATE_AFTER_S)
    assert (later.estimated, later.validated) == ([JUNE], [JUNE]), "validation sees the estimates"
    assert work_round(records, END_S + ESTIMATE_AFTER_S + 3600).validated == []


def test_what_came_late_closes_the_exception_by_itself(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3]), block_load([4], slots=range(40))], [])
    work_round(records, END_S + VALIDATE_AFTER_S)
    assert records.exceptions.counts(Choice(rule=MISSING_QUANTITY, meter_id=4)) == {MISSING_QUANTITY: 1}
    records.landing.land([block_load([4], slots=range(40, 48), late_s=40_000)], [])
    assert work_round(records, END_S + VALIDATE_AFTER_S + 3600).validated == [JUNE]
    assert records.exceptions.counts(Choice(rule=MISSING_QUANTITY, meter_id=4)) == {}


def test_a_register_that_came_late_has_its_day_judged_again(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3, 4]), registers({1: 0}, civil_day(JUNE).start_s)], [])
    work_round(records, END_S + VALIDATE_AFTER_S)
    records.landing.land([registers({1: 5}, END_S)], [])
    assert work_round(records, END_S + VALIDATE_AFTER_S + 3600).validated == [JUNE]
    assert records.exceptions.counts(Choice(rule=SUM_CHECK, meter_id=1)) == {SUM_CHECK: 1}


def shown(records: Records, meter: int, day: date, at_s: float) -> tuple[list[int], list[int]]:
    """Values and rules of the two slots of the gap, as they stood at an instant."""
    final = final_day(records, meter, day, "import_wh", at_s=int(at_s))
    return final.value[0, 10:12].tolist(), final.rule[0, 10:12].tolist()


def test_another_order_of_estimation_is_gone_by_from_its_day_on_where_nothing_was_billed(records: Records) -> None:
    gap, before = [slot for slot in range(48) if slot not in (10, 11)], JUNE - timedelta(days=1)
    for day in (before, JUNE):
        records.landing.land([block_load([1, 2], day=day, slots=gap), block_load([3, 4], day=day)], [])
    now_s = END_S + ESTIMATE_AFTER_S
    assert work_round(records, now_s).estimated == [JUNE, before]
    line = [1010, 1010], [EstimationRule.LINE] * 2
    assert shown(records, 1, JUNE, now_s) == line
    bill = Bill(meter_id=2, period=civil_day(JUNE), reference="B-1", billed_s=int(now_s))
    records.edits.add_bills([bill])
    put(records, ORDER_KEY, [{"order": ["like-days"]}], civil_day(JUNE).start_s)
    again = work_round(records, now_s + 3600)
    assert again.estimated == [JUNE], "the day before has the order of its time"
    assert shown(records, 1, JUNE, now_s + 3600) == ([MISSING] * 2, [0] * 2), "no like day is known: withdrawn"
    assert shown(records, 1, JUNE, now_s + 3599) == line, "as it was"
    assert shown(records, 1, before, now_s + 3600)[1] == [EstimationRule.LINE] * 2
    assert shown(records, 2, JUNE, now_s + 3600) == ([2010, 2010], [EstimationRule.LINE] * 2), "billed and locked"
    assert work_round(records, now_s + 7200).estimated == []
    put(records, ORDER_KEY, [{"order": ["line"]}], civil_day(JUNE).start_s)
    assert work_round(records, now_s + 10_800).estimated == [JUNE]
    assert shown(records, 1, JUNE, now_s + 10_800) == line


def test_other_limits_have_their_days_judged_again(records: Records) -> None:
    for ago in (0, 1):
        records.landing.land([block_load([1, 2, 3, 4], day=JUNE - timedelta(days=ago))], [])
    now_s = END_S + VALIDATE_AFTER_S
    work_round(records, now_s)
    put(records, LIMITS_KEY, {"spike_ratio": 1.5}, civil_day(JUNE).start_s)
    assert work_round(records, now_s + 3600).validated == [JUNE]
    assert work_round(records, now_s + 7200).validated == []


def judged_at(records: Records, meter: int) -> set[int]:
    return {each.judged_s for each in records.exceptions.queue(Choice(rule=MISSING_QUANTITY, meter_id=meter))}


def test_only_the_bucket_that_changed_is_done_again(records: Records) -> None:
    records.blocks.manifest.keep_places({"T1": 0, "T2": 1})
    opening = registers({1: 0, 2: 0}, civil_day(JUNE).start_s)
    records.landing.land([block_load([1]), block_load([2, 3, 4], slots=range(40)), opening], [])
    first, late, last = (int(END_S) + VALIDATE_AFTER_S + hours * 3600 for hours in range(3))
    work_round(records, float(first))
    assert [judged_at(records, meter) for meter in (2, 4)] == [{first}, {first}]
    records.landing.land([block_load([3], slots=range(40, 48), late_s=40_000)], [])
    assert work_round(records, float(late)).validated == [JUNE]
    assert [judged_at(records, meter) for meter in (2, 3, 4)] == [{first}, set(), {late}], "T2's meters alone"
    records.landing.land([registers({1: sum(1000 + slot for slot in range(48))}, END_S)], [])
    assert work_round(records, float(last)).validated == [JUNE]
    assert [judged_at(records, meter) for meter in (2, 4)] == [{last}, {late}], "T1's meters alone"


def test_segments_that_were_merged_have_nothing_done_again(records: Records) -> None:
    for slots in (range(24), range(24, 48)):
        records.landing.land([block_load([1, 2, 3, 4], slots=slots), registers({slots[0]: 5}, END_S)], [])
    work_round(records, END_S + ESTIMATE_AFTER_S)
    before = records.day_progress.done(JUNE)
    for kind in (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY):
        assert records.compaction.compact_day(kind.value, civil_date(int(NOW_S)))
    again = work_round(records, END_S + ESTIMATE_AFTER_S + 3600)
    assert (again.validated, again.estimated) == ([], [])
    assert records.day_progress.done(JUNE)[DayStep.VALIDATED].buckets == before[DayStep.VALIDATED].buckets


def put(records: Records, key: str, value: object, valid_from_s: int) -> None:
    records.settings.put(
        Setting(key=key, value=value, valid_from_s=valid_from_s, changed_by="meera", changed_s=valid_from_s)
    )


def test_a_worker_that_is_told_to_stop_leaves_the_rest_for_the_next_round(records: Records) -> None:
    for ago in range(3):
        records.landing.land([block_load([1, 2, 3, 4], day=JUNE - timedelta(days=ago))], [])
    answers = iter([True, False, False] + [False] * 40)
    now_s = END_S + VALIDATE_AFTER_S
    assert work_round(records, now_s, going_on=lambda: next(answers)).validated == [JUNE]
    assert work_round(records, now_s).validated == [JUNE - timedelta(days=1), JUNE - timedelta(days=2)]


def test_a_damaged_block_is_told_and_the_next_round_makes_it_again(records: Records, tmp_path: Path) -> None:
    records.landing.land([block_load([1, 2, 3, 4])], [])
    clock = At(END_S + VALIDATE_AFTER_S)
    work_round(records, END_S + 60.0)
    (block, *_) = records.blocks.day(JUNE)
    file = next((tmp_path / "blocks").rglob(f"*{block.block_id}*"))
    octets = np.frombuffer(file.read_bytes(), np.uint8).copy()
    octets[len(octets) // 2 :] ^= 0x55
    file.write_bytes(octets.tobytes())
    worker = Worker(records, clock)
    assert not worker.round()
    assert worker.round()
    assert records.exceptions.counts(Choice()).keys() <= set(range(1, 23))
    assert all(each.block_id != block.block_id for each in records.blocks.day(JUNE))


def test_the_worker_runs_every_hour_of_its_clock_and_ends_when_told(records: Records) -> None:
    records.landing.land([block_load([1, 2, 3, 4])], [])
    worker = Worker(records, At(END_S + VALIDATE_AFTER_S))
    thread = threading.Thread(target=worker.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not records.day_progress.done(JUNE) and time.monotonic() < deadline:
        time.sleep(0.02)
    worker.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert records.day_progress.done(JUNE)


def test_the_process_ends_at_a_signal_with_status_0(records_url: str, tmp_path: Path) -> None:
    code = (
        "import pathlib\n"
        "from bijlighar.operations import worker_process\n"
        "real = worker_process.Worker.run\n"
        "worker_process.Worker.run = lambda self: (print('ready', flush=True), real(self))\n"
        f"worker_process.run(worker_process.WorkerProcess(records_url='{records_url}', "
        f"data_dir=pathlib.Path('{tmp_path}')))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    assert process.wait(60) == 0
