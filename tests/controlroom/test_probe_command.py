"""``bijlighar meter probe`` against a virtual meter of another make."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bijlighar.controlroom.cli import app
from bijlighar.dlms.model import parse_model
from bijlighar.dlms.models import load_model, model_text


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["meter", "probe", *arguments])


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("meters")
    command = [sys.executable, "-m", "meterlab", "serve", "--port", "0", "--model", "d1-12-columns"]
    with subprocess.Popen(
        [*command, "--keys-out", str(folder / "keys.csv")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("meterlab: ready")
        port = ready.split()[-1]
        yield f"127.16.0.1:{port}", folder / "keys.csv"
        process.terminate()


def test_a_probe_writes_a_draft_and_says_on_the_other_stream_what_it_does(
    meters: tuple[str, Path], tmp_path: Path
) -> None:
    place, keys = meters
    rows = [line.split(",") for line in keys.read_text(encoding="utf-8").splitlines()]
    sheet = ["--keys", str(keys), "--serial", rows[1][0]]
    shown = _run(place, *sheet)
    assert shown.exit_code == 0, shown.stderr
    model = parse_model(shown.stdout, base=model_text)
    assert model.profiles["block-load"].columns == load_model("d1-12-columns").profiles["block-load"].columns
    assert "# Nearest shipped model: d1-12-columns (0 differences)." in shown.stdout
    assert "calling as reader (lls, glo)" in shown.stderr
    assert not any(secret in shown.stdout + shown.stderr for secret in rows[1][1:])
    draft = tmp_path / "draft.toml"
    assert _run(place, *sheet, "--out", str(draft), "--name", "new-make").exit_code == 0
    assert parse_model(draft.read_text(encoding="utf-8"), base=model_text).name == "new-make"
    again = _run(place, *sheet, "--out", str(draft))
    assert (again.exit_code, again.stderr) == (2, f"bijlighar: {draft} is there already\n")


def test_without_secrets_it_says_what_was_not_tried(meters: tuple[str, Path]) -> None:
    shown = _run(meters[0])
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert "reader was not tried: its secret or the keys were not given" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere:port"], "is no HOST[:PORT]"),
        (["127.0.0.1", "--name", 'x"y'], "--name has lower-case letters"),
        (["127.0.0.1", "--encryption-key", "zz"], "encryption_key is not hexadecimal"),
        (["127.0.0.1", "--keys", "/nonexistent"], "cannot be read"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(arguments: list[str], words: str) -> None:
    shown = _run(*arguments)
    assert shown.exit_code == 2
    assert words in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
