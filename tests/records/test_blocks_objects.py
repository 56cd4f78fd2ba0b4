"""Every column of a block file stands in docs/objects.md."""

from __future__ import annotations

import re
from pathlib import Path

from bijlighar.records.blocks_file import BLOCK_KEYS, SLOT_KEYS

OBJECTS = Path(__file__).parents[2] / "docs" / "objects.md"


def test_every_column_of_a_block_file_is_told() -> None:
    section = OBJECTS.read_text(encoding="utf-8").split("### Files of blocks")[1].split("\n### ")[0]
    assert re.findall(r"\| `(\w+)` \|", section) == [*BLOCK_KEYS, *SLOT_KEYS]
