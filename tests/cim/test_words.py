"""The utility's words: periods, civil days, reading types, batches."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bijlighar.cim.channels import CHANNELS, ProfileKind, reading_type
from bijlighar.cim.network import MeterCategory
from bijlighar.cim.period import Period, civil_date, civil_day
from bijlighar.cim.readings import ReadingBatch


def test_a_civil_day_of_kolkata_begins_at_half_past_six_utc() -> None:
    day = civil_day(date(2026, 6, 14))
    assert day.seconds == 86_400
    assert day.start_s % 86_400 == 18 * 3600 + 30 * 60
    assert civil_date(day.start_s) == date(2026, 6, 14)
    assert civil_date(day.end_s) == date(2026, 6, 15)
    assert day.start_s in day
    assert day.end_s not in day


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        Period(start_s=2, end_s=1)


@pytest.mark.parametrize(
    ("kind", "channel", "period_s", "code"),
    [
        (ProfileKind.BLOCK_LOAD, "import_wh", 1800, "0.0.5.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        (ProfileKind.BLOCK_LOAD, "import_wh", 900, "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        (ProfileKind.BLOCK_LOAD, "export_wh", 1800, "0.0.5.4.19.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        (ProfileKind.BLOCK_LOAD, "import_vah", 1800, "0.0.5.4.1.1.12.0.0.0.0.0.0.0.0.3.71.0"),
        (ProfileKind.DAILY, "import_wh", 0, "11.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        (ProfileKind.INSTANTANEOUS, "import_wh", 0, "0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        (ProfileKind.BILLING, "import_wh", 0, "8.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0"),
        (ProfileKind.BILLING, "import_wh_tz3", 0, "8.0.0.1.1.1.12.0.0.0.0.3.0.0.0.3.72.0"),
        (ProfileKind.BILLING, "demand_w", 0, "8.8.5.6.1.1.8.0.0.0.0.0.0.0.0.3.38.0"),
        (ProfileKind.BLOCK_LOAD, "voltage_mv", 1800, "0.2.5.6.0.1.54.0.0.0.0.0.0.0.129.0.29.0"),
        (ProfileKind.INSTANTANEOUS, "active_power_w", 0, "0.0.0.12.1.1.37.0.0.0.0.0.0.0.0.3.38.0"),
    ],
)
def test_reading_types_are_the_agreed_codes(kind: ProfileKind, channel: str, period_s: int, code: str) -> None:
    assert reading_type(kind, channel, period_s) == code


def test_every_reading_type_has_eighteen_fields_and_unknown_channels_raise() -> None:
    for kind in ProfileKind:
        for channel in CHANNELS:
            code = reading_type(kind, channel, 1800)
            assert code is None or len(code.split(".")) == 18
    with pytest.raises(KeyError):
        reading_type(ProfileKind.DAILY, "kilowatts")


def test_only_whole_current_meters_have_a_relay() -> None:
    assert [category.has_relay for category in MeterCategory] == [True, True, False, False]


def test_a_batch_with_a_short_column_or_an_unknown_channel_is_refused() -> None:
    one = {"meter_id": np.array([1], np.int32), "start_s": np.array([0]), "received_s": np.array([0])}
    with pytest.raises(ValueError, match="import_wh has 2 rows"):
        ReadingBatch(kind=ProfileKind.DAILY, period_s=0, **one, channels={"import_wh": np.array([1, 2])})
    with pytest.raises(ValueError, match="unknown channels: watts"):
        ReadingBatch(kind=ProfileKind.DAILY, period_s=0, **one, channels={"watts": np.array([1])})
