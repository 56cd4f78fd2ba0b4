"""``bijlighar move``, ``backup`` and ``restore``, as an administrator types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bijlighar.controlroom.cli import app
from bijlighar.controlroom.supervisor import DataDirLock
from bijlighar.headend.keys import Keyring, create_master_key
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records
from controlroom.utility import fill, write_registry

KEYS = "serial,encryption_key,authentication_key,reader_secret,setting_secret,master_key\n" + "".join(
    f"BJ{n:04d},{n:032x},{n:032x},reader,,\n" for n in (1, 2, 3)
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a registry, sealed keys and a day of readings."""
    folder = tmp_path / "data"
    folder.mkdir()
    create_master_key(folder / "master.key")
    sheets = write_registry(tmp_path / "sheets")
    (sheets / "keys.csv").write_text(KEYS)
    with Records(None, folder) as records:
        assert import_registry(records, sheets, Keyring.load(folder / "master.key", {})).error_count == 0
        fill(records)
    return folder


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join((done.stdout + done.stderr).split())


def test_the_records_are_backed_up_looked_over_and_restored(data: Path, tmp_path: Path) -> None:
    code, said = run("backup", tmp_path / "b", "--data", data, "--keep", 2)
    assert code == 0, said
    assert "The master key is in no backup" in said
    code, said = run("backup", tmp_path / "b", "--verify")
    assert code == 0, said
    assert "is whole" in said
    again = tmp_path / "again"
    code, said = run("restore", tmp_path / "b", "--data", again)
    assert code == 0, said
    assert "keys of 3 meters" in said
    assert "Put the master key back before serving" in said
    with Records(None, again) as records:
        assert len(records.registry.meters()) == 3


def test_the_master_key_is_tried_on_what_was_restored(data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b", "--data", data)
    for name, said_of_it in (("same", "opens the meters' keys"), ("other", "does not open the meters' keys")):
        (tmp_path / name).mkdir()
        create_master_key(tmp_path / name / "master.key")
        if name == "same":
            (tmp_path / name / "master.key").write_text((data / "master.key").read_text())
        code, said = run("restore", tmp_path / "b", "--data", tmp_path / name)
        assert code == 0, said
        assert said_of_it in said


def test_a_damaged_backup_is_told_by_the_file(data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b", "--data", data)
    file = next((tmp_path / "b" / "files").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    code, said = run("backup", tmp_path / "b", "--verify")
    assert code == 1, said
    assert file.name in said.replace(" ", "")
    code, said = run("restore", tmp_path / "b", "--data", tmp_path / "again")
    assert code == 2, said
    assert "nothing was restored" in said
    assert file.name in said.replace(" ", "")


def test_damage_where_the_readings_stand_is_told_and_the_rest_is_backed_up(data: Path, tmp_path: Path) -> None:
    file = next((data / "segments").rglob("*.parquet"))
    file.unlink()
    code, said = run("backup", tmp_path / "b", "--data", data)
    assert code == 1, said
    assert file.name in said.replace(" ", "")
    assert run("backup", tmp_path / "b", "--verify")[0] == 0


def test_records_move_and_the_old_ones_say_where(data: Path, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'moved.db'}"
    code, said = run("move", "--data", data, "--to", target, "--dry-run")
    assert code == 0, said
    assert "would be moved" in said
    code, said = run("move", "--data", data, "--to", target)
    assert code == 0, said
    assert "Set database_url to it" in said
    code, said = run("people", "disable", "nobody", "--data", data)
    assert code == 2, said
    assert "were moved to sqlite" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["move", "--to", "sqlite:///x.db"], "there are no records in"),
        (["backup", "{b}"], "there are no records in"),
        (["restore", "{b}"], "holds no backup"),
        (["backup", "{b}", "--verify"], "holds no backup"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    given = [argument.format(b=tmp_path / "b") for argument in arguments]
    data = [] if "--verify" in given else ["--data", tmp_path / "nothing"]
    code, told = run(*given, *data)
    assert code == 2, told
    assert said in told


def test_nothing_is_moved_or_restored_under_a_running_supervisor(data: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b", "--data", data)
    lock = DataDirLock(data)
    try:
        for command in (("move", "--to", "sqlite:///x.db"), ("restore", tmp_path / "b")):
            code, told = run(*command, "--data", data)
            assert code == 2, told
            assert "already running" in told
    finally:
        lock.close()
