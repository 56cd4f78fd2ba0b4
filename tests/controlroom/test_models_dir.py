"""A new make without touching the package: a folder of models for commands, product and virtual meters."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bijlighar.controlroom.cli import app
from bijlighar.controlroom.settings import Settings, SettingsRefused, for_children, load_settings
from bijlighar.dlms.models import add_models

HILLS = """extends = ["d1-11-columns"]
name = "hills-d1"
deviation_sign = "blue-book"
"""


@pytest.fixture(autouse=True)
def _nothing_added() -> Iterator[None]:
    yield
    add_models({})


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """Place and sheet of keys of a virtual meter whose make is in no package."""
    folder = tmp_path_factory.mktemp("makers")
    (folder / "hills-d1.toml").write_text(HILLS, encoding="utf-8")
    command = [sys.executable, "-m", "meterlab", "serve", "--port", "0", "--model", "hills-d1"]
    with subprocess.Popen(
        [*command, "--models-dir", str(folder), "--keys-out", str(folder / "keys.csv")],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("meterlab: ready")
        serial = (folder / "keys.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[0]
        yield (
            f"127.16.0.1:{ready.split()[-1]}",
            ["--keys", str(folder / "keys.csv"), "--serial", serial],
        )
        process.terminate()


def _meter(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["meter", *arguments])


def test_a_live_meter_is_probed_into_the_folder_and_read_and_tried_with_what_was_found(
    meters: tuple[str, list[str]], tmp_path: Path
) -> None:
    place, keys = meters
    models = tmp_path / "models"
    models.mkdir()
    draft = models / "hills-d1.toml"
    probed = _meter("probe", place, *keys, "--name", "hills-d1", "--out", str(draft))
    assert probed.exit_code == 0, probed.stderr
    assert 'deviation_sign = "blue-book"' in draft.read_text(encoding="utf-8")
    chosen = ["--models-dir", str(models), "--model", "hills-d1"]
    shown = _meter("read", place, *keys, *chosen, "--from", "yesterday", "--to", "yesterday", "--json")
    assert shown.exit_code == 0, shown.stderr
    read = json.loads(shown.stdout)
    assert abs(read["clock_offset_ms"]) < 60_000  # eleven hours off under the other sign
    assert len(read["readings"][0]["rows"]) > 40
    tried = _meter("conform", place, *keys, *chosen, "--json")
    failed = [check for check in json.loads(tried.stdout)["checks"] if check["verdict"] == "fail"]
    assert (tried.exit_code, failed) == (0, [])


def test_with_a_model_of_the_package_the_same_meter_does_not_conform(meters: tuple[str, list[str]]) -> None:
    place, keys = meters
    tried = _meter("conform", place, *keys, "--model", "d1-11-columns", "--json")
    assert tried.exit_code == 1
    assert "counts the other way" in tried.stdout


@pytest.mark.parametrize("command", ["read", "probe", "conform"])
def test_a_wrong_folder_is_one_sentence(tmp_path: Path, command: str) -> None:
    (tmp_path / "is15959-d1.toml").write_text(HILLS, encoding="utf-8")
    shown = _meter(command, "127.0.0.1", "--models-dir", str(tmp_path))
    assert shown.exit_code == 2
    assert shown.stderr == (
        f"bijlighar: {tmp_path}/is15959-d1.toml: a model named 'is15959-d1' comes with the package;"
        " give yours another name\n"
    )


@pytest.mark.parametrize("kind", ["headend", "worker", "controlroom"])
def test_the_products_processes_know_the_folder_of_the_settings(tmp_path: Path, kind: str) -> None:
    settings = load_settings(environment={"BIJLIGHAR_MODELS_DIR": str(tmp_path / "models")})
    assert settings.models_path == tmp_path / "models"
    assert Settings().models_path is None
    file = tmp_path / "settings.json"
    file.write_bytes(for_children(settings))
    ended = subprocess.run(
        [sys.executable, "-m", "bijlighar.controlroom.process", kind, str(file), "1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == (f"the folder of models {tmp_path}/models cannot be read: No such file or directory\n")
    with pytest.raises(SettingsRefused):
        load_settings(environment={}, flags={"models_folder": "x"})


def test_virtual_meters_of_an_unknown_make_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "hills-d1.toml").write_text(HILLS + "colour = 1\n", encoding="utf-8")
    command = [sys.executable, "-m", "meterlab", "registry", str(tmp_path / "out"), "--models-dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (
        2,
        f"meterlab: {tmp_path}/hills-d1.toml:4: colour: is not a known key\n",
    )
