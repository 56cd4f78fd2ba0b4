"""The bill that a tariff makes of what meters said: by hand, across a change of tariff, never of the unknown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bijlighar.cim.period import civil_day
from bijlighar.mdm.billing import TariffRefused
from bijlighar.operations.bill_preview import bills_of_period
from bijlighar.operations.day_seal import seal_day
from bijlighar.operations.tariffs import DEFAULT_TARIFF, TARIFF_KEY, UnknownTariff, tariff, tariff_in_force
from bijlighar.records import Records
from bijlighar.records.settings import Setting
from operations.day_town import JUNE, NOW_S, block_load, registers, town

START_S = civil_day(JUNE).start_s
LATER_S = int(NOW_S) + 40 * 86_400
OWN = """
code = "own"
name = "Own"
name_hi = "अपना"
[[versions]]
valid_from = 2026-06-01
source = "made for this test"
fixed_paise_per_kw_month = 0
slabs = [{ paise_per_kwh = 100 }]
[[versions]]
valid_from = 2026-06-03
source = "made for this test"
fixed_paise_per_kw_month = 0
slabs = [{ paise_per_kwh = 1000 }]
"""


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Midnight registers of four days: meter 1 uses 5 kWh a day, meter 2 was not read at the end."""
    for opened in town(tmp_path, records_url):
        for ago in range(4):
            at_s = START_S + ago * 86_400
            opened.landing.land([registers({1: 5_000 * ago, **({2: 7} if ago < 3 else {})}, at_s)], [])
        yield opened


def put(records: Records, code: str, valid_from_s: int) -> None:
    records.settings.put(
        Setting(key=TARIFF_KEY, value=code, valid_from_s=valid_from_s, changed_by="officer", changed_s=0)
    )


def own(folder: Path) -> Path:
    (folder / "tariffs").mkdir()
    (folder / "tariffs" / "own.toml").write_text(OWN, encoding="utf-8")
    return folder / "tariffs"


def test_a_bill_by_hand(records: Records) -> None:
    made = bills_of_period(records, JUNE, JUNE + timedelta(days=2), at_s=LATER_S)
    # 15 kWh in 3 of 30 days: the first slab holds 10 kWh, the second 5, both at Rs 5.50; 2 kW at Rs 110, a tenth
    assert [(line.what, line.amount_paise) for line in made["U1"].lines] == [
        ("energy", 5500),
        ("energy", 2750),
        ("fixed", 2200),
    ]
    assert "U2" not in made, "what is not known is not billed"


def test_a_tariff_that_changes_in_the_period_is_billed_by_days(records: Records, tmp_path: Path) -> None:
    put(records, "own", 0)
    made = bills_of_period(records, JUNE, JUNE + timedelta(days=2), at_s=LATER_S, tariffs=own(tmp_path))
    assert [line.amount_paise for line in made["U1"].lines] == [1000, 5000]


def test_another_tariff_of_the_setting_holds_from_the_day_that_begins_after_it(
    records: Records, tmp_path: Path
) -> None:
    put(records, "own", START_S + 3_600)
    folder, last = own(tmp_path), JUNE + timedelta(days=2)
    made = bills_of_period(records, JUNE, last, at_s=LATER_S, tariffs=folder)["U1"]
    first = bills_of_period(records, JUNE, JUNE, at_s=LATER_S)["U1"]
    assert [line.amount_paise for line in made.lines] == [*[line.amount_paise for line in first.lines], 500, 5000]


def test_blocks_stand_in_where_a_register_is_missing(records: Records) -> None:
    records.landing.land([block_load([2], day=JUNE + timedelta(days=ago)) for ago in range(3)], [])
    for ago in range(3):
        seal_day(records, JUNE + timedelta(days=ago))
    made = bills_of_period(records, JUNE, JUNE + timedelta(days=2), at_s=LATER_S, usage_points=["U2"])
    assert set(made) == {"U2"}
    energy = [line.quantity for line in made["U2"].lines if line.what == "energy"]
    assert sum(energy) * 1000 == 3 * sum(2000 + slot for slot in range(48))


def test_which_tariff_holds_is_a_dated_setting(records: Records, tmp_path: Path) -> None:
    folder = own(tmp_path)
    put(records, "own", 1000)
    assert tariff_in_force(records, 999, folder).code == DEFAULT_TARIFF
    assert tariff_in_force(records, 1000, folder).code == "own"


def test_an_unknown_tariff_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownTariff, match=r"'gone'.*up-lmv-1-rural, up-lmv-1-urban"):
        tariff("gone")
    folder = own(tmp_path)
    (folder / "own.toml").rename(folder / "other.toml")
    with pytest.raises(TariffRefused, match=r"other\.toml"):
        tariff("other", folder)
