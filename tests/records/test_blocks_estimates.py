"""Estimates, edits and bills: only added, never taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bijlighar.cim.period import Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.measurements import Bill, Edit, KeptEstimates
from bijlighar.records import Records
from bijlighar.records.blocks_manifest import Superseded
from records.test_blocks import JUNE

DAY = civil_day(JUNE)


def kept(*cells: tuple[int, int, int]) -> KeptEstimates:
    """Estimates of ``(meter, slot, value)``."""
    ones = np.ones(len(cells), dtype=np.int16)
    return KeptEstimates(
        meter_id=np.array([cell[0] for cell in cells], dtype=np.int32),
        start_s=np.array([DAY.start_s + 1800 * cell[1] for cell in cells]),
        value=np.array([cell[2] for cell in cells]),
        quality=9 * ones,
        rule=3 * ones,
        rule_version=ones,
        made_s=np.full(len(cells), DAY.end_s),
    )


def test_estimates_are_added_and_an_older_state_can_be_pinned(records: Records) -> None:
    store = records.estimates
    store.add(JUNE, 0, 1800, store.read(JUNE, 0, 1800), {"import_wh": kept((1, 5, 100), (2, 6, MISSING))})
    pinned = records.blocks.manifest.generation()
    first = store.read(JUNE, 0, 1800)
    store.add(JUNE, 0, 1800, first, {"import_wh": kept((1, 5, 120)), "import_vah": kept((1, 5, 130))})
    now = store.read(JUNE, 0, 1800)
    assert now.by_channel["import_wh"].value.tolist() == [100, MISSING, 120]
    assert now.by_channel["import_vah"].value.tolist() == [130]
    assert now.by_channel["import_wh"].meter_id.tolist() == [1, 2, 1]
    assert store.read(JUNE, 0, 1800, generation=pinned).by_channel["import_wh"].value.tolist() == [100, MISSING]
    with pytest.raises(Superseded):
        store.add(JUNE, 0, 1800, first, {"import_wh": kept((1, 5, 999))})
    assert store.read(JUNE, 1, 1800).by_channel == {}
    assert records.blocks.day(JUNE) == []


def test_edits_keep_every_version_and_need_a_reason(trial: Records) -> None:
    first = Edit(
        meter_id=1,
        start_s=DAY.start_s,
        period_s=1800,
        channel="import_wh",
        value=100,
        reason="read on the site",
        made_by="officer",
        made_s=DAY.end_s,
    )
    withdrawn = replace(first, value=None, reason="another house", made_s=DAY.end_s + 1)
    for edit in (first, withdrawn, replace(first, meter_id=2)):
        trial.edits.add(edit)
    assert trial.edits.edits(DAY, 1) == [first, withdrawn]
    assert len(trial.edits.edits(DAY)) == 3
    assert trial.edits.edits(Period(start_s=DAY.end_s, end_s=DAY.end_s + 9)) == []
    for wrong in (replace(first, reason=" "), replace(first, made_by=""), replace(first, channel="kwh")):
        with pytest.raises(ValueError, match=r"edit|channel"):
            trial.edits.add(wrong)


def test_bills_are_found_by_the_period_they_touch(trial: Records) -> None:
    bill = Bill(meter_id=1, period=DAY, reference="B-1", billed_s=DAY.end_s + 5)
    trial.edits.add_bills([bill, replace(bill, meter_id=2)])
    trial.edits.add_bills([])
    assert trial.edits.bills(DAY, 1) == [bill]
    assert trial.edits.bills(Period(start_s=DAY.end_s, end_s=DAY.end_s + 1)) == []
    with pytest.raises(ValueError, match="reference"):
        trial.edits.add_bills([replace(bill, reference="")])
