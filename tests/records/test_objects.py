"""Every table, column and file column stands in docs/objects.md, and nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bijlighar.records.segment import CONTACT_SCHEMA, KEY_COLUMNS
from bijlighar.records.tables import metadata

OBJECTS = Path(__file__).parents[2] / "docs" / "objects.md"


def _sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    title = ""
    for line in OBJECTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            title = line
            sections[title] = []
        elif found := re.match(r"\| `(\w+)` \|", line):
            sections[title].append(found[1])
    return sections


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_every_column_of_a_table_is_told(table: str) -> None:
    assert _sections()[f"### `{table}`"] == [column.name for column in metadata.tables[table].columns]


def test_no_table_is_told_that_is_not_there() -> None:
    told = {found[1] for title in _sections() if (found := re.fullmatch(r"### `(\w+)`", title))}
    assert told == set(metadata.tables)


def test_every_column_of_a_file_is_told() -> None:
    sections = _sections()
    (contacts,) = (columns for title, columns in sections.items() if title.startswith("### Files of contacts"))
    (readings,) = (columns for title, columns in sections.items() if title.startswith("### Files of readings"))
    assert contacts == CONTACT_SCHEMA.names
    assert readings == [*KEY_COLUMNS, "reason"]
