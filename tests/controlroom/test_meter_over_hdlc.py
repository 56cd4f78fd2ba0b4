"""``bijlighar meter read`` and ``meter probe`` with ``--framing hdlc``: a meter behind a gateway of octets."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bijlighar.controlroom.cli import app
from bijlighar.dlms.model import parse_model
from bijlighar.dlms.models import load_model, model_text


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["meter", *arguments])


@pytest.fixture(scope="module")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Where a meter stands, and its secrets, as arguments."""
    keys = tmp_path_factory.mktemp("meters") / "keys.csv"
    command = [sys.executable, "-m", "meterlab", "serve", "--port", "0", "--framing", "hdlc"]
    with subprocess.Popen([*command, "--keys-out", str(keys)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().split()[-1]
            with keys.open(encoding="utf-8", newline="") as file:
                serial = next(csv.DictReader(file))["serial"]
            yield [f"127.16.0.1:{port}", "--keys", str(keys), "--serial", serial]
        finally:
            process.terminate()


def test_a_meter_is_read(meter: list[str]) -> None:
    shown = _run("read", *meter, "--framing", "hdlc", "--what", "daily", "--what", "instantaneous", "--json")
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["outcome"] == "ok"
    assert told["nameplate"]["serial"] == meter[-1]
    assert {one["kind"]: len(one["rows"]) for one in told["readings"]} == {"daily": 35, "instantaneous": 1}


def test_a_meter_is_probed(meter: list[str]) -> None:
    shown = _run("probe", *meter, "--framing", "hdlc")
    assert shown.exit_code == 0, shown.stderr
    model = parse_model(shown.stdout, base=model_text)
    assert model.profiles["block-load"].columns == load_model("is15959-d1").profiles["block-load"].columns


@pytest.mark.parametrize("command", ["read", "probe"])
def test_an_address_that_does_not_fit_is_one_sentence(command: str) -> None:
    shown = _run(command, "127.0.0.1", "--framing", "hdlc", "--address-octets", "3")
    assert shown.exit_code == 2
    assert "does not fit an address of 3 octets" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
