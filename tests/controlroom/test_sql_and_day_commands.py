"""The commands `bijlighar day` and `bijlighar sql`: what they tell, what they refuse, in one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bijlighar.controlroom import server
from bijlighar.controlroom.cli import app
from operations.engine_town import DAYS, NOW_S, engine_town

Run = Callable[..., Result]


class Then:
    """The town's clock, after both days."""

    def now(self) -> float:
        return NOW_S


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "town"
    with engine_town(folder):
        pass
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(server, "clock_of", lambda _settings: Then())
    return lambda *words, **more: CliRunner().invoke(app, [*words, "--data", str(folder)], **more)


def test_a_day_is_sealed_estimated_validated_and_asked(run: Run, tmp_path: Path) -> None:
    days = ("--day", str(DAYS[0]), "--to", str(DAYS[1]))
    told = run("day", "seal", *days, "--workers", "1")
    assert told.exit_code == 0, told.output
    assert f"{DAYS[0]}: 12 blocks written, 0 as they were" in told.output
    assert "estimates made, 0 slots" in run("day", "estimate", *days, "--workers", "1").output
    assert "exceptions opened" in run("day", "validate", *days, "--workers", "1").output
    assert "totals kept" in run("day", "report", *days).output
    told = run("sql", "SELECT count(*) AS n FROM meters", "--format", "json")
    assert json.loads(told.stdout) == [{"n": 246}]
    assert "1 rows, generation" in told.stderr
    file = tmp_path / "days.csv"
    question = "SELECT day, count(*) AS n FROM day_blocks GROUP BY day"
    told = run(
        "sql", question, "--format", "csv", "--out", str(file), "--from", str(DAYS[1]), "--to", str(DAYS[1])
    )
    assert told.exit_code == 0, told.output
    assert file.read_text() == f"day,n\n{DAYS[1]},12096\n"


def test_questions_one_after_the_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(
        "sql", "--format", "csv", input="SELECT 1\n AS one;\nFROM nothing;\nSELECT 2 AS two;\nexit\nSELECT 3;\n"
    )
    assert told.exit_code == 0
    assert told.stdout == "one\n1\ntwo\n2\n"
    assert "nothing does not exist" in told.stderr
    monkeypatch.setattr("bijlighar.controlroom.sql_command.RENEW_S", -1)
    assert run("sql", "--format", "csv", input="SELECT 1 AS a;\nSELECT 2 AS b").stdout == "a\n1\nb\n2\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sql", "DROP VIEW meters"), "only questions are answered"),
        (("sql", "SELECT 1", "--format", "parquet"), "needs --out"),
        (("sql", "--out", "x.csv"), "goes with a question"),
        (("sql", "SELECT 1", "--from", "then"), "is no time"),
        (("sql", "SELECT 1", "--from", "2026-06-02", "--to", "2026-06-01"), "lies before"),
        (("sql", "SELECT 1", "--memory", "much"), "bijlighar: "),
        (("sql", "SELECT 1", "--out", "{folder}/x.csv"), "must not lie in the data directory"),
        (("sql", "SELECT 1", "--out", "{folder}/../nowhere/x.csv"), "there is no folder"),
        (("day", "seal", "--day", "then"), "is no time"),
        (("day", "seal", "--day", "2026-06-02", "--to", "2026-06-01"), "does not lie at or after"),
        (("day", "seal", "--engine", "spark", "--spark", "memory=1g"), "is no setting of Spark"),
    ],
)
def test_a_fault_is_one_sentence(run: Run, folder: Path, words: tuple[str, ...], sentence: str) -> None:
    told = run(*(word.format(folder=folder) for word in words))
    assert told.exit_code == 2
    assert sentence in told.stderr
    assert "Traceback" not in told.output


def test_without_records_there_is_nothing_to_ask(tmp_path: Path) -> None:
    for words in (("sql", "SELECT 1"), ("day", "seal")):
        told = CliRunner().invoke(app, [*words, "--data", str(tmp_path)])
        assert told.exit_code == 2
        assert "there are no records" in told.stderr


def test_spark_that_is_not_installed_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    told = run("day", "seal", "--engine", "spark")
    assert told.exit_code == 2
    assert "pip install 'bijlighar[spark]'" in told.stderr


def test_a_day_needs_java_for_spark(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", json)  # any module: Java is looked for first
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    told = run("day", "seal", "--engine", "spark")
    assert told.exit_code == 2
    assert "openjdk-17-jre-headless" in told.stderr
