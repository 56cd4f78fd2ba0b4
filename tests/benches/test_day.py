"""The benchmarks of the day measure what is right, on a few meters."""

from __future__ import annotations

import numpy as np
import pytest

from benches import day, meter_month, storage
from benches.day_town import SLOTS, arrivals, city, loads
from bijlighar.mdm import DayBlocks
from bijlighar.mdm.validation import RULES
from mdm.days import day_of


def test_a_town_is_the_same_every_time_and_looks_like_homes() -> None:
    town = city(600)
    assert np.array_equal(town.transformer, city(600).transformer)
    assert town.is_transformer_meter.sum() <= town.transformers
    one, again = (loads(town, 1, len(town.transformer)) for _ in range(2))
    assert np.array_equal(one.wh, again.wh)
    assert len(one.meter_id) == 600
    mean_kwh = one.wh.sum() / 600 / 1000
    assert 8 < mean_kwh < 16, "7.75 kWh a day in the year, 1.55 times that in June"
    peak_over_mean = np.median(one.wh.max(axis=1) / one.wh.mean(axis=1))
    assert 3 < peak_over_mean < 8
    assert (one.vah >= one.wh).all()


def test_every_reading_arrives_and_some_are_corrected() -> None:
    town = city(600)
    rows = [batch for batches in arrivals(town, segment_rows=9600) for batch in batches]
    held = ~loads(town, 1, len(town.transformer)).gaps
    first = sum(len(batch) for batch in rows if batch.period_s == 1800) - len(rows[-1])
    assert first == held.sum()
    assert len(rows[-1]) == pytest.approx(0.02 * 600 * SLOTS, rel=0.2)


def test_day_tells_its_figures() -> None:
    told = day.run(consumers=400).as_dict()
    assert told["readings_per_s_per_core"] > 0
    assert 0 < told["peak_rss_gb"] < 8
    assert set(told["rule_cost"]) == set(told["findings"]) == {rule.id for rule in RULES}
    assert set(told["cpu_s"]) == {"seal", "read", "validate", "estimate", "sums", "balance", "summaries"}
    assert told["findings"]["duplicate"] > 0
    assert told["findings"]["missing-quantity"] > 0
    assert told["estimates"] > 0
    assert told["left_missing"] == 0
    assert told["transformers_balanced"] > 0
    assert told["readings"] == pytest.approx(400 * 48, rel=0.2)


def test_storage_tells_its_figures() -> None:
    told = storage.run(consumers=400).as_dict()
    assert told["entropy_ratio"] == pytest.approx(
        told["bytes_per_reading"] / told["entropy_bytes_per_reading"], rel=0.01
    )
    assert told["entropy_ratio"] > 1
    assert told["bytes_per_reading"] < told["landed_bytes_per_row"]


def test_entropy_is_that_of_the_values() -> None:
    blocks: DayBlocks = day_of([[0, 1, 2, 3] * 12, [None] * 48])
    assert storage.entropy_octets(blocks) == pytest.approx(48 * 2 / 8)


def test_meter_month_tells_its_figures() -> None:
    told = meter_month.run(consumers=60, reads=4).as_dict()
    assert 0 < told["ms"] <= told["worst_ms"]
    assert told["days_ms"] > 0
