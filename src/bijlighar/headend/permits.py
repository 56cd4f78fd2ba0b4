"""How many visits at once a communication group bears, and whose turn it is. Pure.

The kind of a group is the first word of its name: ``tower-12`` is a tower, ``gateway:7`` a gateway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

JOBS_IN_A_ROW = 3
"""On-demand reads that may begin one after another while a scheduled visit waits: people go first, but every
fourth visit is of the schedule, so that no number of people can stop it."""
_WORD_ENDS = re.compile(r"[^0-9A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """``visits`` a group bears at once, ``by_kind`` of some kinds. Meters without a group share nothing."""

    visits: int = 50
    by_kind: Mapping[str, int] = field(default_factory=dict)

    def of(self, group: str) -> int | None:
        """Visits at once; None for any number."""
        if group.startswith("#"):
            return None
        return self.by_kind.get(_WORD_ENDS.split(group, maxsplit=1)[0].lower(), self.visits)


class Turns:
    """Counts what began since the last scheduled visit, on the whole and in each group."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._in_group: dict[str, int] = {}

    def is_jobs(self, group: str, *, due: bool, due_in_group: bool) -> bool:
        """Whether an on-demand read may begin before the scheduled visits that are due."""
        if due and self._in_a_row >= JOBS_IN_A_ROW:
            return False
        return not (due_in_group and self._in_group.get(group, 0) >= JOBS_IN_A_ROW)

    def job_began(self, group: str) -> None:
        """An on-demand read began."""
        self._in_a_row += 1
        self._in_group[group] = self._in_group.get(group, 0) + 1

    def visit_began(self, group: str) -> None:
        """A scheduled visit began."""
        self._in_a_row = 0
        self._in_group.pop(group, None)
