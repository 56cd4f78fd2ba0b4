"""When homes draw other than usual, and when a meter sees less than its home draws.

A deviation is a factor in thousandths over a half-open interval of town time ``[begin_s, end_s)``: a surge of
all or some transformers (a hot night), the pick-up after an interruption (everything that had to wait starts at
once), a theft (only the meter's side of it: the energy is drawn, and the transformer's meter sees it). Factors
that meet are multiplied. Interruptions, factor 0, are told by ``interruptions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

USUAL = 1000

PICKUP_PERMILLE = (1525, 1375, 1225, 1075)
"""Means of five minutes each of 1.6 times the usual load that decays over 20 minutes (assumed)."""

PICKUP_STEP_S = 300
PICKUP_AFTER_S = 600
"""A shorter interruption leaves no load waiting."""


class TheftKind(StrEnum):
    """How energy is taken past a meter."""

    HOOK = "hook"
    BYPASS = "bypass"
    NEUTRAL = "neutral"
    MAGNET = "magnet"
    SHUNT = "shunt"
    COVER = "cover"


SEEN_PERMILLE = {
    TheftKind.HOOK: 450,
    TheftKind.BYPASS: 250,
    TheftKind.NEUTRAL: 500,
    TheftKind.MAGNET: 50,
    TheftKind.SHUNT: 600,
    TheftKind.COVER: 700,
}
"""What the meter still sees of a home's energy (assumed; field reports give ranges only)."""

Step = tuple[int, int, int]
"""Begin, end, factor in thousandths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """Homes of ``transformers`` (None: all) draw ``permille`` thousandths of the usual.

    ``gives_way``: load that sinks with its voltage, as heat and light do; what it so does not draw is unserved.
    """

    begin_s: int
    end_s: int
    permille: int
    transformers: frozenset[int] | None = None
    gives_way: bool = False

    def reaches(self, transformer: int) -> bool:
        """Whether the homes of a transformer take part."""
        return self.transformers is None or transformer in self.transformers


@dataclass(frozen=True, slots=True, kw_only=True)
class Theft:
    """A meter sees ``seen_permille`` thousandths of what its home draws."""

    begin_s: int
    end_s: int
    kind: TheftKind
    seen_permille: int


@dataclass
class Deviations:
    """All deviations of a town. ``picks_up``: load waits during interruptions and comes back at once."""

    surges: list[Surge] = field(default_factory=list)
    thefts: dict[int, list[Theft]] = field(default_factory=dict)
    picks_up: bool = False

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.surges or self.thefts or self.picks_up)

    def stolen_by(self, home: int, kind: TheftKind, begin_s: int, end_s: int) -> None:
        """A home takes energy past its meter."""
        theft = Theft(begin_s=begin_s, end_s=end_s, kind=kind, seen_permille=SEEN_PERMILLE[kind])
        self.thefts.setdefault(home, []).append(theft)

    def bypassed(self, home: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Thousandths of a home's phase current that its meter sees at instants; None where there is no bypass."""
        found = [theft for theft in self.thefts.get(home, ()) if theft.kind is TheftKind.BYPASS]
        if not found:
            return None
        seen = np.full(len(instants_s), USUAL)
        for theft in found:
            seen[(theft.begin_s <= instants_s) & (instants_s < theft.end_s)] = theft.seen_permille
        return seen

    def factors(
        self, home: int, transformer: int, unmeasured: Sequence[tuple[int, int]], *, really: bool
    ) -> list[Step]:
        """Factors of one home, which may overlap; ``really``: of what it draws, not of what its meter sees.

        ``unmeasured``: the home's interruptions, disjoint and in order.
        """
        found = [(s.begin_s, s.end_s, s.permille) for s in self.surges if s.reaches(transformer)]
        if not really:
            found += [(t.begin_s, t.end_s, t.seen_permille) for t in self.thefts.get(home, ())]
        if self.picks_up:
            for begin_s, end_s in unmeasured:
                if end_s - begin_s >= PICKUP_AFTER_S:
                    found += _pickup(end_s)
        return found


def _pickup(end_s: int) -> list[Step]:
    return [
        (end_s + n * PICKUP_STEP_S, end_s + (n + 1) * PICKUP_STEP_S, permille)
        for n, permille in enumerate(PICKUP_PERMILLE)
    ]


def disjoint(factors: Sequence[Step]) -> tuple[Step, ...]:
    """The same factors as disjoint steps in order, those that meet multiplied; usual ones are left out."""
    edges = sorted({edge for begin_s, end_s, _ in factors for edge in (begin_s, end_s)})
    steps: list[Step] = []
    for begin_s, end_s in pairwise(edges):
        permille = USUAL
        for first_s, last_s, factor in factors:
            if first_s <= begin_s and end_s <= last_s:
                permille = permille * factor // USUAL
        if permille != USUAL:
            steps.append((begin_s, end_s, permille))
    return tuple(steps)
