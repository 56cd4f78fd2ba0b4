"""The flow's own process, and the flow on the command line."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from meterlab import physics_options
from meterlab.calendar import midnight_s
from meterlab.cli import app
from meterlab.interruptions import Interruptions
from meterlab.power.process import FlowProcess
from meterlab.power.service import Physics
from meterlab.power.store import FlowStore
from meterlab.trial import trial

JUNE_DAY = 20_619  # 2026-06-15
NOON_S = midnight_s(JUNE_DAY) + 12 * 3600


def test_a_process_of_its_own_makes_all_days_before_the_first_question(tmp_path):
    told, town = [], trial(1)
    physics = Physics(directory=tmp_path, now_s=NOON_S, days=2, own_process=True, tell=told.append)
    supply = physics.flow_of(town, Interruptions())
    physics.close()
    store = FlowStore(tmp_path, town)
    assert [store.load(0, day, "usual") is not None for day in range(JUNE_DAY - 2, JUNE_DAY + 3)] == [True] * 4 + [
        False
    ]
    assert told[-1] == "power flow: 4 of 4 feeder-days made"
    assert supply.since_s == midnight_s(JUNE_DAY - 2)


def test_what_the_process_makes_is_what_is_made_without_it(tmp_path):
    town, at = trial(1), np.asarray([NOON_S])
    physics = Physics(directory=tmp_path / "a", now_s=NOON_S, days=0, own_process=True)
    with_process = physics.flow_of(town, Interruptions()).voltage_mv(3, 0, at)
    physics.close()
    without = Physics(directory=tmp_path / "b", now_s=NOON_S, days=0).flow_of(town, Interruptions())
    assert with_process == without.voltage_mv(3, 0, at)


def test_a_closed_process_takes_nothing(tmp_path):
    process = FlowProcess(trial(1), tmp_path)
    process.close()
    assert not process.ask(0, JUNE_DAY, "{}")
    process.make_all([(0, JUNE_DAY, "{}")], lambda _: None)
    assert not list(tmp_path.iterdir())


def invoke(*words):
    return CliRunner().invoke(app, list(words))


def test_the_flow_of_a_day_is_printed_by_transformer_and_feeder(tmp_path):
    words = ("flow", "--town", "trial", "--day", "2026-06-15", "--flow-cache", str(tmp_path))
    first, second = invoke(*words), invoke(*words)
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    transformer, feeder = map(json.loads, first.output.splitlines())
    assert transformer["homes"] == 11
    assert transformer["meter_kwh"] > transformer["drawn_kwh"] > 0
    assert feeder["meter_kwh"] > transformer["meter_kwh"]
    assert 0 < feeder["loss_percent"] < 20


def test_a_feeder_that_is_none_is_refused(tmp_path):
    refused = invoke("flow", "--town", "trial", "--feeder", "3", "--flow-cache", str(tmp_path))
    assert refused.exit_code == 2
    assert "no feeder 3" in refused.output


def test_truth_knows_the_flow(tmp_path):
    words = ["truth", "--town", "trial", "--meter", "2", "--start", "2026-06-15T22:00:00+05:30"]
    words += ["--from", "2026-06-15T20:00:00+05:30"]
    cheap = invoke(*words)
    flowed = invoke(*words, "--physics", "--physics-days", "1", "--flow-cache", str(tmp_path))
    volts = [
        [json.loads(line)["values"]["voltage_mv"] for line in told.output.splitlines()] for told in (cheap, flowed)
    ]
    energy = [
        [json.loads(line)["values"]["import_wh"] for line in told.output.splitlines()] for told in (cheap, flowed)
    ]
    assert energy[0] == energy[1]
    assert len(volts[0]) == 5
    assert volts[0] != volts[1]


def test_days_are_kept_where_the_user_keeps_such_things(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert physics_options.default_cache() == tmp_path / "meterlab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert physics_options.default_cache().parts[-2:] == (".cache", "meterlab")


def test_without_the_solver_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "meterlab.power.service", None)
    with pytest.raises(physics_options.NoPhysics, match=r"pip install 'bijlighar\[physics\]'"):
        physics_options.physics_of(None, now_s=NOON_S, days=1)
