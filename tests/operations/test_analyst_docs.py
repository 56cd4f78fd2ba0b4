"""docs/analysts.md tells every view and column, its examples run, and the notebook does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bijlighar.operations.analyst import Analyst, Bounds
from bijlighar.operations.analyst_views import views
from bijlighar.operations.engine_day import estimate_days, seal_days
from bijlighar.operations.engine_local import LocalEngine
from bijlighar.records import Records
from operations.engine_town import DAYS, NOW_S, TRANSFORMERS, engine_town

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "analysts.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analyst-docs") / "town"


@pytest.fixture(scope="module")
def analyst(folder: Path) -> Iterator[Analyst]:
    alone = LocalEngine(workers=1)
    with engine_town(folder) as records:
        list(seal_days(records, alone, DAYS))
        list(estimate_days(records, alone, DAYS, int(NOW_S)))
        with Analyst(records, folder, Bounds(), now_s=int(NOW_S)) as session:
            yield session


def _channels(title: str) -> list[str]:
    text = PAGE.split(f"*{title}:*")[1].split("\n\n")[0]
    names: list[str] = []
    for name in re.findall(r"`([^`]+)`", text):
        span = re.search(r"\{(\d)\.\.(\d)\}", name)
        numbers = range(int(span[1]), int(span[2]) + 1) if span else [0]
        names += [name.replace(span[0], str(number)) if span else name for number in numbers]
    return names


def _told(view: str) -> set[tuple[str, str]]:
    section = PAGE.split(f"\n### `{view}`\n")[1].split("\n##")[0]
    columns = set(re.findall(r"^\| `(\w+)` \| ([A-Z]+) \|", section, re.MULTILINE))
    if "the block channels" in section or "the profile channels" in section:
        columns |= {(name, "BIGINT") for name in _channels("Block channels")}
    if "the profile channels" in section:
        columns |= {(name, "BIGINT") for name in _channels("Profile channels")}
    return columns


def test_every_view_is_told() -> None:
    assert set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == set(views("", "", 0, 1))


@pytest.mark.parametrize("view", views("", "", 0, 1))
def test_every_column_is_told_with_its_type(view: str, analyst: Analyst) -> None:
    rows = analyst.ask(f"DESCRIBE {view}").read_all().to_pylist()
    assert {(row["column_name"], row["column_type"]) for row in rows} == _told(view)


EXAMPLES = re.findall(r"```sql\n(.+?)```", PAGE.split("\n## Views\n")[0], re.DOTALL)


def test_the_examples_are_right(analyst: Analyst) -> None:
    peaks, lost, profile, completeness = (analyst.ask(text).read_all().to_pylist() for text in EXAMPLES)
    assert len(peaks) == TRANSFORMERS
    assert [row["peak_kw"] for row in peaks] == sorted((row["peak_kw"] for row in peaks), reverse=True)
    assert 0 < peaks[0]["peak_kw"] < 40 * 1.2
    assert {row["transformer"] for row in lost} <= {f"T{number}" for number in range(1, 7)}
    assert [row["hour"] for row in profile] == list(range(24))
    assert [row["day"] for row in completeness] == DAYS
    assert all(90 < row["percent"] < 100 for row in completeness)


def test_the_list_of_files_for_other_tools_is_right(analyst: Analyst, folder: Path) -> None:
    text = PAGE.split("\n## The files, for other tools\n")[1]
    segments, blocks = re.findall(r"^SELECT .+;$", text, re.MULTILINE)
    with Records(None, folder, now=lambda: NOW_S) as records, records._database.read() as connection:
        landed = [row[0] for row in connection.exec_driver_sql(segments)]
        sealed = [row[0] for row in connection.exec_driver_sql(blocks)]
    assert len(landed) > 5
    assert len(sealed) == 24
    assert all((folder / file).is_file() for file in landed + sealed)


def test_the_notebook_runs(
    analyst: Analyst, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIJLIGHAR_DATA", str(folder))
    monkeypatch.delenv("BIJLIGHAR_DATABASE", raising=False)
    book = json.loads((DOCS / "notebooks" / "load-profile.ipynb").read_text(encoding="utf-8"))
    there: dict[str, object] = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec("".join(cell["source"]), there)
    told = capsys.readouterr().out
    assert str(DAYS[0]) in told
    assert len(re.findall(r"^\d\d +\d+ W #*$", told, re.MULTILINE)) == 24
