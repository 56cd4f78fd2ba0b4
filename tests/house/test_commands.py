"""README, CONTRIBUTING and the Makefile speak of the same commands, and no figure stands without its command."""

import re
import subprocess

import pytest

from benches.registry import MODULES
from house.tree import ROOT, project

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
DOCUMENTED = dict(re.findall(r"^([a-z][a-z-]*):.*## (.+)$", MAKEFILE, re.MULTILINE))
FIXED = {"demo", "test", "test-all", "setup", "check", "bench"}
"""Names that scripts and people rely on."""

README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows_of_figures():
    section = README.split("\n## Measured\n")[1].split("\n## ")[0]
    rows = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_target_is_told_by_make_help():
    assert set(DOCUMENTED) == TARGETS
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in told.splitlines()} == TARGETS


def test_the_fixed_names_are_targets():
    assert FIXED <= TARGETS


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md"])
def test_a_paper_names_only_targets_that_exist(paper):
    text = (ROOT / paper).read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)[^`]*`", text)) | set(
        re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)
    )
    assert named
    assert named <= TARGETS


def test_every_figure_has_the_command_that_gives_it():
    rows = rows_of_figures()
    assert rows
    for figure, *_, command in rows:
        found = re.fullmatch(r"`(?:(make) ([a-z-]+)|bijlighar bench ([a-z-]+)).*`", command)
        assert found, f"{figure}: {command}"
        assert found[2] in TARGETS if found[1] else found[3] in MODULES, f"{figure}: {command}"


def test_ci_runs_checks_tests_and_the_tests_left_out():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "for target in check test test-all; do" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_every_test_that_make_test_leaves_out_is_run_by_make_test_all():
    left_out = re.search(r"^LEFT_OUT := (.+)$", MAKEFILE, re.MULTILINE)
    assert left_out
    markers = {marker.split(":")[0] for marker in project()["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(left_out[1].split(" or ")) == markers
    recipe = MAKEFILE.split("\ntest-all:")[1].split("\n\n")[0]
    selected = re.findall(r'-m (?:"([a-z ]+)"|([a-z]+) \$)', recipe)
    assert {marker for quoted, bare in selected for marker in (quoted or bare).split(" or ")} == markers
    # without a server the records' tests would not even be collected
    assert re.search(r"scripts\.with_postgresql .*postgresql\"", recipe)
