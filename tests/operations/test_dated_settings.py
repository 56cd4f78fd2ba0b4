"""Dated settings: known by name, checked before they are kept, on record with who set them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY, cycle_of
from bijlighar.operations.dated_settings import SETTINGS, SettingRefused, set_dated
from bijlighar.operations.day_evidence import LIMITS_KEY
from bijlighar.operations.tariffs import TARIFF_KEY, tariff_in_force
from bijlighar.records import Records
from operations.day_town import town

GOOD: dict[str, Any] = {
    "billing.cycle": "daily",
    "billing.tariff": "up-lmv-1-rural",
    "validation.limits": {"spike_ratio": 2.5},
    "estimation.order": [{"category": "D3", "order": ["outage", "proxy-day"]}, {"order": ["outage", "line"]}],
    "service-levels.limits": {"morning_share": 0.9},
    "day.voltage": {"nominal_v": 240},
    "keep.block-load": 400,
    "keep.daily": 4_000,
}
BAD: dict[str, Any] = {
    "billing.cycle": "weekly",
    "billing.tariff": "gone",
    "validation.limits": {"no_such_limit": 1},
    "estimation.order": [{"category": "D3", "order": ["outage", "guess"]}],
    "service-levels.limits": [1],
    "day.voltage": {"low_share": 6},
    "keep.block-load": 30,
    "keep.daily": True,
}


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Any records will do."""
    yield from town(tmp_path, records_url)


def put(records: Records, key: str, value: object, since_s: int = 1_000) -> None:
    set_dated(records, key, value, valid_from_s=since_s, by="meera", now_s=2_000)


def test_every_known_setting_is_tried_here() -> None:
    assert GOOD.keys() == BAD.keys() == SETTINGS.keys()


@pytest.mark.parametrize("key", SETTINGS)
def test_a_good_value_is_kept_and_a_wrong_one_is_refused_before_it_is(records: Records, key: str) -> None:
    with pytest.raises(SettingRefused):
        put(records, key, BAD[key])
    assert records.settings.history(key) == []
    put(records, key, GOOD[key])
    (kept,) = records.settings.history(key)
    assert (kept.value, kept.changed_by) == (GOOD[key], "meera")
    (entry,) = records.audit.entries(subject=f"setting:{key}")
    assert (entry.who, entry.what) == ("meera", "changed-setting")


def test_an_unknown_name_is_refused_with_those_there_are(records: Records) -> None:
    with pytest.raises(SettingRefused, match=r"billing\.cycle"):
        put(records, "billing.cycel", "daily")


def test_what_is_set_holds_from_its_day_on(records: Records) -> None:
    put(records, CYCLE_KEY, "daily", since_s=5_000)
    put(records, TARIFF_KEY, "up-lmv-1-rural", since_s=5_000)
    assert (cycle_of(records, 4_999), cycle_of(records, 5_000)) == ("monthly", "daily")
    assert tariff_in_force(records, 4_999).code == "up-lmv-1-urban"
    assert tariff_in_force(records, 5_000).code == "up-lmv-1-rural"
    put(records, LIMITS_KEY, {"spike_ratio": 3})
