"""Who is begun now of many who are due: the lowest keys, and of each group no more than its permits. Pure.

A tower or a gateway carries only so many connections, so a long queue behind one of them must not hide the meters
of all others; and with everybody due at once (300,000 meters after an outage) the choice must stay quick.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EXACT = 8_192
"""Up to so many keys are sorted as they are; more are first put into 65,536 steps, which a radix sort orders in
3 ms for 300,000 on any processor: a step of a day's arrears is 1.3 s, and what was chosen is sorted exactly."""
_STEPS = 65_535


def choose(
    keys: NDArray[np.float64], groups: NDArray[np.int32], permits: NDArray[np.int32], limit: int
) -> NDArray[np.int64]:
    """Positions of the chosen, lowest key first, then by position.

    keys     float64[candidate]  finite
    groups   int32[candidate]    index into permits
    permits  int32[group]        how many of each group may be chosen, <= 0 for none
    """
    order = _ordered(keys)
    of_group = groups[order]
    by_group = _by_group(of_group, len(permits))
    sorted_groups = of_group[by_group]
    begins = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
    lengths = np.diff(begins, append=len(sorted_groups))
    rank = np.arange(len(sorted_groups)) - np.repeat(begins, lengths)
    allowed = by_group[rank < permits[sorted_groups]]
    allowed.sort()
    chosen = order[allowed[:limit]]
    return chosen[np.lexsort((chosen, keys[chosen]))]


def _ordered(keys: NDArray[np.float64]) -> NDArray[np.int64]:
    if len(keys) <= EXACT:
        return np.argsort(keys, kind="stable")
    least = keys.min()
    span = max(float(keys.max() - least), 1e-9)
    steps = ((keys - least) * (_STEPS / span)).astype(np.uint16)
    return np.argsort(steps, kind="stable")


def _by_group(groups: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Positions by group, in their own order within each; quick for up to 65,535 groups."""
    return np.argsort(groups.astype(np.uint16) if count <= _STEPS else groups, kind="stable")
