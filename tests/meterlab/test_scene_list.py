"""Scenes as they are listed, and the records that scenes change."""

import csv
import json

from typer.testing import CliRunner

from meterlab.cli import app
from meterlab.scenes import SCENES


def invoke(*words):
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def sheet(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_scene_is_listed_in_both_languages():
    text = invoke("scenes")
    listed = json.loads(invoke("scenes", "--json"))
    assert [scene["name"] for scene in listed] == list(SCENES)
    for scene in listed:
        assert scene["tells"] in text
        assert scene["tells_hi"] in text
        assert scene["parameters"] == SCENES[scene["name"]].defaults


def test_defaulters_stand_beside_the_registry(tmp_path):
    words = ("registry", str(tmp_path / "a"), "--town", "mohalla", "--meters", "200")
    invoke(*words, "--scene", "batch-cut:count=40", "--start", "2026-06-15T10:00:00+05:30")
    rows = sheet(tmp_path / "a" / "defaulters.csv")
    points = {row["code"] for row in sheet(tmp_path / "a" / "usage_points.csv") if row["kind"] == "consumer"}
    assert len(rows) == 40
    assert {row["usage_point"] for row in rows} <= points
    assert all(150_000 <= int(row["dues_paise"]) <= 3_000_000 for row in rows)
    assert all("2025-08" < row["due_since"] < "2026-05-02" for row in rows)
    invoke("registry", str(tmp_path / "b"), "--town", "mohalla", "--meters", "200")
    assert not (tmp_path / "b" / "defaulters.csv").exists()


def test_wrong_records_are_written_where_a_scene_says_so(tmp_path):
    told = []
    for scene in ([], ["--scene", "mapping-errors:share=0.5"]):
        directory = tmp_path / str(len(scene))
        invoke("registry", str(directory), "--town", "mohalla", "--meters", "400", *scene)
        told.append([row["transformer"] for row in sheet(directory / "usage_points.csv")])
    differing = sum(one != other for one, other in zip(*told, strict=True))
    assert 150 < differing < 250
