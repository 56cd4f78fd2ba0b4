from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bijlighar.controlroom.settings import (
    SECRET_SETTINGS,
    Settings,
    SettingsRefused,
    effective,
    for_children,
    from_parent,
    load_settings,
)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bijlighar.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_win_over_environment_and_environment_over_the_file(tmp_path: Path) -> None:
    file = _file(tmp_path, 'port = 1111\nheadends = 2\nlog_level = "error"\n')
    settings = load_settings(
        file, environment={"BIJLIGHAR_PORT": "2222", "BIJLIGHAR_HEADENDS": "3"}, flags={"port": 3333, "host": None}
    )
    assert (settings.port, settings.headends, settings.log_level, settings.host) == (3333, 3, "error", "127.0.0.1")


def test_host_names_are_listed_with_commas_in_the_environment() -> None:
    settings = load_settings(environment={"BIJLIGHAR_HOST_NAMES": "meters.kesco.example, localhost"})
    assert settings.host_names == ("meters.kesco.example", "localhost")


def test_visits_a_group_are_set_by_kind(tmp_path: Path) -> None:
    settings = load_settings(_file(tmp_path, 'sessions_a_group = "20, gateway=1, Pool = 4"'), environment={})
    assert settings.group_sessions() == (20, {"gateway": 1, "pool": 4})
    assert Settings().group_sessions() == (50, {"gateway": 1})


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("prot = 1", "prot", "is not known"),
        ("port = 0", "port", "outside"),
        ('port = "many"', "port", "int"),
        ("headends = true", "headends", "int"),
        ('log_level = "loud"', "log_level", "none of"),
        ("session_idle_s = 1000\nsession_absolute_s = 500", "session_absolute_s", "shorter"),
        ('data_dir = ""', "data_dir", "no directory"),
        ("host_names = [1]", "host_names", "str"),
        ("host_names = []", "host_names", "nobody"),
        ('host = "0.0.0.0"', "secure_cookies", "HTTPS"),
        ('host = "meters.example"', "secure_cookies", "HTTPS"),
        ('sessions_a_group = "50, gateway=none"', "sessions_a_group", "KIND=NUMBER"),
        ('sessions_a_group = "0"', "sessions_a_group", "number"),
        ('sessions_a_group = "gateway=1"', "sessions_a_group", "other kinds"),
        (f'data_dir = "/{"x" * 120}"', "feed", "too long"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, key: str, reason: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load_settings(_file(tmp_path, text), environment={})
    assert refused.value.key == key
    assert reason in str(refused.value)


@pytest.mark.parametrize("text", ["port = = 1", "\xff"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsRefused, match="not TOML"):
        load_settings(path, environment={})


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml", environment={})


def test_secrets_are_neither_shown_nor_written_for_children() -> None:
    secret = "5" * 64
    settings = load_settings(
        environment={"BIJLIGHAR_MASTER_KEY": secret},
        flags={"database_url": "postgresql+psycopg://bijlighar:hidden@db/records"},
    )
    shown = str(effective(settings))
    assert secret not in shown
    assert "hidden" not in shown
    assert "postgresql+psycopg://bijlighar@db/records" in shown
    assert secret.encode() not in for_children(settings)
    assert set(Settings.__struct_fields__) >= SECRET_SETTINGS


def test_a_child_has_the_parents_settings_and_the_secrets_of_its_environment() -> None:
    settings = load_settings(environment={"BIJLIGHAR_MASTER_KEY": "ab" * 32, "BIJLIGHAR_PORT": "9000"})
    assert from_parent(for_children(settings), environment={"BIJLIGHAR_MASTER_KEY": "ab" * 32}) == settings


def test_every_effective_setting_is_a_key_of_the_file(tmp_path: Path) -> None:
    assert set(effective(Settings())) == {field.name for field in msgspec.structs.fields(Settings)}


def test_pushes_are_heard_at_an_address_and_port_or_nowhere() -> None:
    assert Settings().push_target() is None
    assert Settings(push_address="0.0.0.0:4059").push_target() == ("0.0.0.0", 4059)
    assert Settings(push_address="[::]:4059").push_target() == ("::", 4059)


def test_each_head_end_has_a_door_of_its_own_for_meters_that_dial_in() -> None:
    assert Settings().dial_in_door(1) is None
    settings = Settings(dial_in_address="0.0.0.0:4060", headends=2, push_address="0.0.0.0:4059")
    assert [settings.dial_in_door(number) for number in (1, 2)] == [("0.0.0.0", 4060), ("0.0.0.0", 4061)]
    for wrong in ("4060", "0.0.0.0:65535", "0.0.0.0:4058"):
        with pytest.raises(SettingsRefused) as refused:
            Settings(dial_in_address=wrong, headends=2, push_address="0.0.0.0:4059")
        assert refused.value.key == "dial_in_address"


@pytest.mark.parametrize(
    "text", ["4059", ":4059", "meters.example:4059", "0.0.0.0:", "0.0.0.0:0", "0.0.0.0:65536"]
)
def test_another_push_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        load_settings(environment={"BIJLIGHAR_PUSH_ADDRESS": text})
    assert refused.value.key == "push_address"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"billing_url": "ftp://billing.example/in", "billing_secret": "s" * 16}, "billing_url"),
        ({"billing_url": "http://billing.example/in", "billing_secret": "s" * 16}, "billing_url"),
        ({"billing_url": "https://billing.example/in"}, "billing_secret"),
        ({"billing_secret": "short"}, "billing_secret"),
    ],
)
def test_the_billing_link_is_signed_and_beyond_this_machine_encrypted(given: dict[str, str], wrong: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        Settings(**given)
    assert refused.value.key == wrong


def test_children_get_the_billing_secret_through_their_environment_alone() -> None:
    settings = Settings(billing_url="https://billing.example/in", billing_secret="both sides know it")
    file = for_children(settings)
    assert b"both sides" not in file
    environment = {"BIJLIGHAR_BILLING_SECRET": "both sides know it"}
    assert from_parent(file, environment=environment) == settings
