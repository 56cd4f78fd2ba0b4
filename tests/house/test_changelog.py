"""The changelog follows Keep a Changelog and knows the version that stands."""

import re

import bijlighar
from house.tree import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_releases_stand_newest_first_with_unreleased_on_top():
    releases = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, re.MULTILINE)
    assert releases[0] == ("Unreleased", "")
    dates = [date for _, date in releases[1:]]
    assert all(dates)
    assert dates == sorted(dates, reverse=True)


def test_every_change_stands_under_its_kind():
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS


def test_what_is_not_yet_released_is_written_down():
    unreleased = CHANGELOG.split("## [Unreleased]")[1].split("\n## [")[0]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", CHANGELOG, re.MULTILINE)
    assert bijlighar.__version__ in released or re.search(r"^- ", unreleased, re.MULTILINE)
