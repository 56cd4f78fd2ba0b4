"""Half hours in which a group of meters was silent as one: a tower, a feeder, a transformer, or everything."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import Period
from bijlighar.mdm.service_levels.cells import SILENT

LEAST_METERS = 3
"""Fewer meters silent together may be chance: two marginal links fail at once every few days."""

SILENT_SHARE = 0.8
"""Share of the tried meters that had no answer at all, for a group to count as silent."""

LEAST_TOWERS = 3
"""With fewer towers, everything silent at once is as likely the tower as the head-end's own line."""

Buckets = NDArray[np.bool_]


def silent_together(
    flags: NDArray[np.uint8], still_open: Buckets, group: NDArray[np.int32], groups: int
) -> Buckets:
    """bool[group, bucket]: the group was silent as one.

    ``flags`` uint8[meter, bucket] as in ContactCells; ``still_open`` cells that nothing has explained yet;
    ``group`` int32[meter], -1 for none. Between two silent half hours, those in which too few meters were tried to
    tell and none answered count as silent too: a head-end tries a silent meter less and less often.
    """
    tried = _by_group(flags != 0, group, groups)
    silent = _by_group(still_open & (flags == SILENT), group, groups)
    result = np.asarray((tried >= LEAST_METERS) & (silent >= SILENT_SHARE * tried))
    struck = np.flatnonzero(result.any(axis=1))
    if len(struck):
        answered = _by_group(flags > SILENT, group, groups)
        for each in struck.tolist():
            _bridge(result[each], answered[each] == 0)
    return result


def all_silent(flags: NDArray[np.uint8], tower: NDArray[np.int32]) -> Buckets:
    """bool[bucket]: meters of several towers were tried and next to none of any tower answered."""
    towers = int(tower.max(initial=-1)) + 1
    tried = _by_group(flags != 0, tower, towers)
    silent = _by_group(flags == SILENT, tower, towers)
    many = (tried > 0).sum(axis=0) >= LEAST_TOWERS
    return np.asarray(many & (silent >= SILENT_SHARE * tried).all(axis=0))


def joined(buckets: Buckets, start_s: int, bucket_s: int) -> tuple[Period, ...]:
    """Adjacent buckets as periods; the first bucket begins at ``start_s``."""
    edges = np.flatnonzero(np.diff(buckets.astype(np.int8), prepend=0, append=0))
    return tuple(
        Period(start_s=start_s + int(begin) * bucket_s, end_s=start_s + int(end) * bucket_s)
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    )


def _bridge(silent: Buckets, quiet: Buckets) -> None:
    """Fill, in place, what lies between two silent buckets when nobody answered in it."""
    places = np.flatnonzero(silent).tolist()
    for left, right in pairwise(places):
        if quiet[left + 1 : right].all():
            silent[left:right] = True


def _by_group(cells: Buckets, group: NDArray[np.int32], groups: int) -> NDArray[np.int32]:
    """int32[group, bucket]: how many meters of each group."""
    result = np.zeros((groups, cells.shape[1]), dtype=np.int32)
    rows = np.flatnonzero(group >= 0)
    if not len(rows):
        return result
    rows = rows[np.argsort(group[rows], kind="stable")]
    code = group[rows]
    begins = np.flatnonzero(np.diff(code, prepend=-1))
    result[code[begins]] = np.add.reduceat(cells[rows], begins, axis=0, dtype=np.int32)
    return result
