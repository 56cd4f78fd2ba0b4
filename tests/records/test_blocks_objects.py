"""Every column of a block file stands in docs/objects.md."""

from __future__ import annotations

import re
from pathlib import Path

from bijlighar.records.blocks_estimates import ESTIMATE_KEYS
from bijlighar.records.blocks_file import BLOCK_KEYS, SLOT_KEYS

OBJECTS = Path(__file__).parents[2] / "docs" / "objects.md"


def test_every_column_of_a_block_file_is_told() -> None:
    assert _told("blocks") == [*BLOCK_KEYS, *SLOT_KEYS]


def test_every_column_of_a_file_of_estimates_is_told() -> None:
    assert _told("estimates") == list(ESTIMATE_KEYS)


def _told(what: str) -> list[str]:
    section = OBJECTS.read_text(encoding="utf-8").split(f"### Files of {what}")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section.split("\n### ")[0], re.MULTILINE)
