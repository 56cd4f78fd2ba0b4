from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bijlighar.controlroom.demo import Demo, _meters, demo_settings
from bijlighar.controlroom.demo_people import DEMO_PEOPLE
from bijlighar.controlroom.opening import open_records
from bijlighar.controlroom.settings import Settings
from bijlighar.controlroom.town import (
    TownRefused,
    TownTime,
    furnish,
    keyring_of,
    start_clock,
    town_start_s,
    write_sheets,
)
from bijlighar.headend.clock import SystemClock

WALL = datetime(2026, 6, 15, 6, 30, tzinfo=UTC).timestamp()
THREE_DAYS_BEFORE = datetime(2026, 6, 11, 18, 30, tzinfo=UTC).timestamp()


def test_a_first_start_begins_three_days_before_todays_midnight() -> None:
    assert town_start_s(None, wall_s=WALL) == THREE_DAYS_BEFORE


def test_a_later_start_goes_on_where_the_town_stood() -> None:
    assert town_start_s(WALL + 5_000_000, wall_s=WALL) == WALL + 5_000_000
    assert town_start_s(THREE_DAYS_BEFORE - 1, wall_s=WALL) == THREE_DAYS_BEFORE


def test_the_clock_stands_until_somebody_lets_it_run(tmp_path: Path) -> None:
    TownTime(tmp_path).store(WALL + 10)
    clock = start_clock(tmp_path, tmp_path / "town.clock", wall_s=WALL)
    assert (clock.now(), clock.speed) == (WALL + 10, 0)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"now_s": "x"}', '{"now_s": null}'])
def test_a_stored_time_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "town.json").write_text(content, encoding="utf-8")
    assert TownTime(tmp_path).stored_s() is None


def test_a_master_key_is_drawn_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    keyring_of(path)
    first = path.read_text()
    keyring_of(path)
    assert path.read_text() == first
    assert path.stat().st_mode & 0o077 == 0


def test_a_town_is_furnished_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "town"))
    sheets = tmp_path / "sheets"
    write_sheets(sheets, town="trial", seed=1, port=4059)
    with open_records(settings, SystemClock()) as records:
        keyring = keyring_of(settings.master_key_path)
        first = furnish(records, sheets, keyring, now_s=WALL)
        again = furnish(records, sheets, keyring, now_s=WALL)
        assert first.added > 12
        assert (again.added, again.changed) == (0, 0)
        assert len(records.registry.meters()) == 12
        assert {person.name for person in records.people.all()} == set(DEMO_PEOPLE)
        [trial] = records.trials.all()
        assert len(trial.meters) == 11


def test_the_trial_of_a_larger_town_is_one_house(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "town"))
    write_sheets(tmp_path / "sheets", town="mohalla", seed=1, port=4059, meters=40)
    with open_records(settings, SystemClock()) as records:
        furnish(records, tmp_path / "sheets", keyring_of(settings.master_key_path), now_s=WALL)
        assert len(records.registry.meters()) > 40
        [trial] = records.trials.all()
        assert len(trial.meters) == 11


def test_physics_and_the_number_of_meters_reach_the_virtual_meters(tmp_path: Path) -> None:
    settings = demo_settings(tmp_path, 8460, "mohalla")
    asked = _meters(Demo(settings=settings, town="mohalla", meters=40, physics=True)).arguments
    assert "--physics" in asked
    assert asked[asked.index("--meters") + 1] == "40"
    assert "--physics" not in _meters(Demo(settings=settings, town="mohalla")).arguments


def test_a_town_that_does_not_exist_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TownRefused, match="atlantis"):
        write_sheets(tmp_path / "sheets", town="atlantis", seed=1, port=4059)
