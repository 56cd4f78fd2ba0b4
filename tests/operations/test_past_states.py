"""Any past state of a day can be shown again, as it was then: whatever came after, however files were merged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bijlighar.cim.period import civil_day
from bijlighar.mdm.measurements import Bill, Edit, Final
from bijlighar.operations.billing_period import determine_period
from bijlighar.operations.day_estimate import edit_reading, estimate_day, final_day
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.estimation_order import ORDER_KEY
from bijlighar.records import Records
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, block_load, town

DAY = civil_day(JUNE)
HOUR_S = 3_600
GAP = [slot for slot in range(48) if slot not in (10, 11)]


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Four consumers under two transformers and one transformer meter."""
    yield from town(tmp_path, records_url)


def shown(records: Records, at_s: int) -> tuple[Final, int]:
    """The day of meter 1, and what its usage point would be billed, as of an instant."""
    determined = determine_period(records, JUNE, JUNE, at_s=at_s)
    wh = int(determined.determinants.billed["import_wh"][determined.usage_points.index("U1")])
    return final_day(records, 1, JUNE, "import_wh", at_s=at_s), wh


def test_every_state_that_was_ever_shown_is_shown_again(records: Records) -> None:
    def late(hours: int, **more: int) -> None:
        row = block_load([1], slots=[10], late_s=hours * HOUR_S - HOUR_S - 60, **more)
        records.landing.land([row], [])
        seal_day(records, JUNE)

    def edited(hours: int, value: int | None) -> None:
        at_s = DAY.end_s + hours * HOUR_S - 60
        start_s = DAY.start_s + 20 * 1800
        told = {"meter_id": 1, "period_s": 1800, "channel": "import_wh", "reason": "seen", "made_by": "asha"}
        edit_reading(records, Edit(**told, start_s=start_s, value=value, made_s=at_s))  # type: ignore[arg-type]

    def ordered(hours: int, *rules: str) -> None:
        order = Setting(
            key=ORDER_KEY, value=[{"order": rules}], valid_from_s=DAY.start_s, changed_by="asha", changed_s=0
        )
        records.settings.put(order)
        estimate_day(records, JUNE, now_s=DAY.end_s + hours * HOUR_S - 60)

    def billed(hours: int) -> None:
        at_s = DAY.end_s + hours * HOUR_S - 60
        records.edits.add_bills([Bill(meter_id=1, period=DAY, reference="B-1", billed_s=at_s)])

    records.landing.land([block_load([1, 2, 3, 4], slots=GAP)], [])
    seal_day(records, JUNE)
    happenings = [
        lambda hours: ordered(hours, "line"),
        lambda hours: edited(hours, 1_500),
        lambda hours: late(hours, more=77),
        lambda hours: ordered(hours, "like-days"),
        lambda hours: ordered(hours, "line"),
        billed,
        lambda hours: late(hours, more=99),
        lambda hours: edited(hours, None),
        lambda hours: ordered(hours, "like-days"),
    ]
    states = {}
    for hours, happen in enumerate(happenings, 10):
        happen(hours)
        states[DAY.end_s + hours * HOUR_S] = shown(records, DAY.end_s + hours * HOUR_S)
    assert len({wh for _, wh in states.values()}) > 4, "what happened made differences"
    for _ in range(2):
        for at_s, (then, wh) in states.items():
            now, now_wh = shown(records, at_s)
            assert now_wh == wh, at_s
            for name in Final.__dataclass_fields__:
                assert np.array_equal(getattr(now, name), getattr(then, name)), (name, at_s)
        for day in records.manifest.days("block-load"):
            records.compaction.compact_day("block-load", day)
        records.block_compaction.compact_month(JUNE.year, JUNE.month)
