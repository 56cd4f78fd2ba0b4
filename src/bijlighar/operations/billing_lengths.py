"""A meter whose blocks came in two lengths on one day: each moment is counted once.

The length in which the meter gave most of the day comes first; the other fills in where that lacks a reading. What
was estimated gives way to what was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import IntervalGroup
from bijlighar.mdm.billing.determinants import ENERGY

Marks = NDArray[np.bool_]


def counted_once(groups: Sequence[IntervalGroup]) -> list[IntervalGroup]:
    """The groups of one day, of which those of a segment that is in several expect no moment twice."""
    rows = Counter(segment for group in groups for segment in group.segment.tolist())
    twice = [segment for segment, times in rows.items() if times > 1]
    if not twice:
        return list(groups)
    fresh = [replace(group, expected=group.expected.copy()) for group in groups]
    grain_s = gcd(*(group.period_s for group in groups))
    for segment in twice:
        mine = [group for group in fresh if segment in group.segment]
        _share(mine, [int(np.flatnonzero(group.segment == segment)[0]) for group in mine], grain_s)
    return fresh


def _share(groups: Sequence[IntervalGroup], rows: Sequence[int], grain_s: int) -> None:
    """Of one segment: its row in each group; changes what they expect."""
    reads = [
        group.expected[row] & (group.values[ENERGY][row] != MISSING) & ~group.estimated[row]
        for group, row in zip(groups, rows, strict=True)
    ]
    lengths = [
        (int(read.sum()) * group.period_s, group.period_s) for group, read in zip(groups, reads, strict=True)
    ]
    first, *others = sorted(range(len(groups)), key=lambda place: lengths[place], reverse=True)
    taken = _fine(reads[first], groups[first].period_s // grain_s)
    by_others = np.zeros(len(taken), dtype=bool)
    for place in others:
        times = groups[place].period_s // grain_s
        kept = reads[place] & ~taken.reshape(-1, times).any(axis=1)
        groups[place].expected[rows[place]] = kept
        taken |= _fine(kept, times)
        by_others |= _fine(kept, times)
    filled = by_others.reshape(-1, groups[first].period_s // grain_s).any(axis=1)
    groups[first].expected[rows[first]] &= reads[first] | ~filled


def _fine(marks: Marks, times: int) -> Marks:
    return np.repeat(marks, times)
