from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import bijlighar
from bijlighar.controlroom import passwords
from bijlighar.controlroom.cli import _demo_folder, app
from bijlighar.controlroom.meter_options import CannotRead, parse_place, secrets_of_sheet
from bijlighar.controlroom.ports import free_port
from bijlighar.records import Records
from controlroom.utility import write_registry

RUNNER = CliRunner()


def _run(*arguments: str, code: int = 0, environment: dict[str, str] | None = None) -> Any:
    result = RUNNER.invoke(app, list(arguments), env=environment)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("a long password\n", encoding="utf-8")
    return path


def test_the_version_is_told() -> None:
    assert _run("--version").stdout == f"bijlighar {bijlighar.__version__}\n"


def test_settings_are_printed_as_a_file_that_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "bijlighar.toml"
    file.write_text('port = 9000\nhost_names = ["meters.example"]\n', encoding="utf-8")
    shown = _run("settings", "--config", str(file), environment={"BIJLIGHAR_MASTER_KEY": "12" * 32}).stdout
    assert "port = 9000\n" in shown
    assert 'master_key = "set"\n' in shown
    assert "12" * 32 not in shown
    again = tmp_path / "again.toml"
    again.write_text(shown, encoding="utf-8")
    assert _run("settings", "--config", str(again)).stdout == shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["settings", "--config", "absent.toml"], "absent.toml"),
        (["serve", "--config", "absent.toml"], "absent.toml"),
        (["registry", "import", "absent"], "absent"),
        (["people", "disable", "sunita", "--data", "absent"], "no records"),
        (["people", "add", "sunita", "--role", "overlord"], "overlord"),
        (["people", "add", "sunita", "--role", "viewer", "--language", "fr"], "en or hi"),
        (["people", "add", "sunita", "--role", "viewer", "--password-file", "absent"], "password file"),
        (["meter", "read", "127.0.0.1:x"], "HOST[:PORT]"),
        (["meter", "read", "127.0.0.1", "--what", "everything"], "--what is one of"),
        (["meter", "read", "127.0.0.1", "--from", "never"], "never"),
        (["meter", "read", "127.0.0.1", "--to", "today"], "--from"),
        (["meter", "read", "127.0.0.1", "--keys", "absent.csv"], "absent.csv"),
        (["meter", "read", "127.0.0.1", "--encryption-key", "xyz"], "not hexadecimal"),
        (["meter", "read", "127.0.0.1", "--encryption-key", "1234"], "16 octets"),
        (["meter", "read", "127.0.0.1", "--model", "atlantis"], "atlantis"),
    ],
)
def test_a_users_fault_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run(*arguments, code=2)
    assert told in result.stderr
    assert result.stderr.startswith("bijlighar: ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_demos_records_stand_here_or_in_the_users_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _demo_folder(Path("elsewhere")) == tmp_path / "elsewhere"
    assert _demo_folder(None) == tmp_path / "var" / "demo"
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert _demo_folder(None) == tmp_path / "state" / "bijlighar" / "demo"


def test_people_are_added_given_passwords_and_closed(tmp_path: Path, password_file: Path) -> None:
    data = ["--data", str(tmp_path / "records")]
    secret = ["--password-file", str(password_file)]
    _run("people", "add", "sunita", "--role", "operator", "--role", "viewer", *secret, *data)
    assert "already known" in _run("people", "add", "sunita", "--role", "viewer", *secret, *data, code=2).stderr
    password_file.write_text("another password", encoding="utf-8")
    _run("people", "password", "sunita", *secret, *data)
    _run("people", "disable", "sunita", *data)
    assert "nobody" in _run("people", "disable", "ravi", *data, code=2).stderr
    with Records(None, tmp_path / "records") as records:
        person = records.people.find("sunita")
        assert person is not None
        assert (person.roles, person.disabled) == (("operator", "viewer"), True)
        assert passwords.matches("another password", person.password_hash)
        assert [entry.what for entry in records.audit.entries()] == [
            "disabled-person",
            "set-password",
            "added-person",
        ]


def test_a_consumer_is_tied_to_usage_points_or_not_added_at_all(tmp_path: Path, password_file: Path) -> None:
    rest = ["--password-file", str(password_file), "--data", str(tmp_path / "records")]
    _run("registry", "import", str(write_registry(tmp_path / "sheets")), *rest[2:])
    consumer = ["people", "add", "asha", "--role", "consumer"]
    assert "no usage point UP9" in _run(*consumer, "--usage-point", "UP9", *rest, code=2).stderr
    assert "no consumer's" in _run(*consumer, "--usage-point", "UP3", *rest, code=2).stderr
    staff = _run("people", "add", "asha", "--role", "viewer", "--usage-point", "UP1", *rest, code=2)
    assert "role consumer" in staff.stderr
    assert "is no time" in _run(*consumer, "--usage-point", "UP1", "--since", "once", *rest, code=2).stderr
    _run(*consumer, "--usage-point", "UP1", "--usage-point", "UP2", "--since", "2026-06-01", *rest)
    with Records(None, tmp_path / "records") as records:
        assert [(each.usage_point, each.since_s) for each in records.consumers.points("asha")] == [
            ("UP1", 1_780_252_200),
            ("UP2", 1_780_252_200),
        ]
        assert records.audit.entries()[0].what == "tied-usage-points"


def test_a_short_password_is_refused(tmp_path: Path, password_file: Path) -> None:
    password_file.write_text("short", encoding="utf-8")
    arguments = ["--password-file", str(password_file), "--data", str(tmp_path / "records")]
    assert "characters" in _run("people", "add", "x", "--role", "viewer", *arguments, code=2).stderr


def test_a_registry_is_imported_or_told_by_row(tmp_path: Path) -> None:
    sheets, data = write_registry(tmp_path / "sheets"), ["--data", str(tmp_path / "records")]
    assert "meters" in _run("registry", "import", str(sheets), *data).stdout
    (sheets / "feeders.csv").write_text("code,name,substation,limit_a\nF1,Mall Road,S1,many\n", encoding="utf-8")
    refused = _run("registry", "import", str(sheets), *data, code=2).stderr
    assert "feeders.csv: row 2, limit_a" in refused
    assert "nothing was imported" in refused
    (sheets / "keys.csv").write_text("serial,encryption_key,authentication_key\n", encoding="utf-8")
    assert "sealed" in _run("registry", "import", str(sheets), *data, code=2).stderr


def test_a_benchmark_runs_in_its_own_process_and_its_status_is_ours() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from bijlighar.controlroom.cli import main; main()", "bench", "no-such-benchmark"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    assert "no-such-benchmark" in result.stdout + result.stderr or "benches" in result.stderr


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.16.0.1", ("127.16.0.1", 4059)),
        ("127.16.0.1:4060", ("127.16.0.1", 4060)),
        ("meter.example:1", ("meter.example", 1)),
        ("[::1]:4060", ("::1", 4060)),
        ("[fe80::1]", ("fe80::1", 4059)),
        ("fe80::1", ("fe80::1", 4059)),
    ],
)
def test_a_meters_place_is_a_host_and_perhaps_a_port(text: str, place: tuple[str, int]) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["", ":4059", "host:", "host:0", "host:65536", "host:-1", "host:٤٠٥٩", "[]:4059"])
def test_anything_else_is_no_place(text: str) -> None:
    if text == "host:":
        assert parse_place(text) == ("host", 4059)
        return
    with pytest.raises(CannotRead):
        parse_place(text)


def test_a_sheet_of_keys_gives_the_row_of_the_serial(tmp_path: Path) -> None:
    sheet = tmp_path / "keys.csv"
    sheet.write_text("serial,reader_secret\nA,one\nB,two\n", encoding="utf-8")
    assert secrets_of_sheet(sheet, "B") == {"serial": "B", "reader_secret": "two"}
    for serial in (None, "C"):
        with pytest.raises(CannotRead, match="--serial"):
            secrets_of_sheet(sheet, serial)


@pytest.fixture(scope="module")
def virtual_meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Port and sheet of keys of a running trial town."""
    folder, port = tmp_path_factory.mktemp("meters"), free_port()
    command = [
        sys.executable,
        "-m",
        "meterlab",
        "serve",
        "--port",
        str(port),
        "--keys-out",
        str(folder / "keys.csv"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("meterlab: ready")
        yield port, folder / "keys.csv"
        process.terminate()


def _first_serial(keys: Path) -> str:
    return keys.read_text(encoding="utf-8").splitlines()[1].split(",")[0]


def test_one_virtual_meter_is_read_as_json(virtual_meters: tuple[int, Path]) -> None:
    port, keys = virtual_meters
    result = _run(
        *["meter", "read", f"127.16.0.1:{port}", "--model", "is15959-d1", "--what", "block-load"],
        *[
            "--from",
            "yesterday",
            "--to",
            "yesterday",
            "--keys",
            str(keys),
            "--serial",
            _first_serial(keys),
            "--json",
        ],
    )
    read = json.loads(result.stdout)
    assert (read["outcome"], read["nameplate"]["serial"]) == ("ok", _first_serial(keys))
    [blocks] = read["readings"]
    assert (blocks["kind"], blocks["period_s"]) == ("block-load", 1800)
    assert 40 <= len(blocks["rows"]) <= 48
    assert {"start", "import_wh", "voltage_mv"} <= set(blocks["rows"][0])


def test_one_virtual_meter_is_read_as_tables_with_secrets_of_the_environment(
    virtual_meters: tuple[int, Path],
) -> None:
    port, keys = virtual_meters
    header, row = (line.split(",") for line in keys.read_text(encoding="utf-8").splitlines()[:2])
    secrets = {
        f"BIJLIGHAR_METER_{name.upper()}": value
        for name, value in zip(header, row, strict=True)
        if name not in ("serial", "master_key")
    }
    shown = _run(
        "meter", "read", f"127.16.0.1:{port}", "--what", "instantaneous", environment={**os.environ, **secrets}
    ).stdout
    assert "instantaneous: 1 rows" in shown
    assert not any(value in shown for value in secrets.values())


def test_a_meter_that_refuses_or_is_not_there_ends_with_one(virtual_meters: tuple[int, Path]) -> None:
    port, _ = virtual_meters
    place = f"127.16.0.1:{port}"
    keyless = _run("meter", "read", place, "--reader-secret", "wrong", code=2)
    assert "key" in keyless.stderr
    keys = [*["--encryption-key", "00" * 16], *["--authentication-key", "00" * 16]]
    wrong = _run("meter", "read", place, "--reader-secret", "wrong", *keys, "--json", code=1)
    assert json.loads(wrong.stdout)["outcome"] != "ok"
    absent = _run("meter", "read", f"127.0.0.1:{free_port()}", *keys, "--json", code=1)
    told = json.loads(absent.stdout)
    assert told["outcome"] == "no-answer"
    assert "no connection: " in told["detail"]  # refused at once: no time was waited
