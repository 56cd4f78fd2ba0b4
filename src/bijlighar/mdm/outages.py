"""From a meter's events to slots: when it had no supply, when its relay was open.

A meter notes the beginning and the end of a condition as two events (IS 15959: 101 power failure and 102 restored,
301 disconnected and 302 connected).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import Period
from bijlighar.mdm.blocks import Integers, slots_of

POWER_FAILED, POWER_RESTORED = 101, 102
DISCONNECTED, CONNECTED = 301, 302


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Periods ``[start_s, end_s)`` in columns: meter number int32[span], instants int64[span]."""

    meter_id: NDArray[np.int32]
    start_s: Integers
    end_s: Integers


def spans(
    meter_id: NDArray[np.int32], at_s: Integers, code: Integers, *, begins: int, ends: int, until_s: int
) -> Spans:
    """Periods between a beginning and the next end of the same meter, from events in any order.

    A condition that has not ended lasts ``until_s``; of two beginnings in a row the first counts; an end without a
    beginning says nothing.
    """
    chosen = np.flatnonzero((code == begins) | (code == ends))
    # of both at one second the beginning is first: a condition of no length, not one that never ended
    order = chosen[np.lexsort((code[chosen] == ends, at_s[chosen], meter_id[chosen]))]
    meter, at, begun = meter_id[order], at_s[order], code[order] == begins
    first = np.ones(len(order), dtype=bool)
    first[1:] = (meter[1:] != meter[:-1]) | ~begun[:-1]
    keep = ~begun | first  # two ends in a row do no harm: only what follows a beginning is read
    meter, at, begun = meter[keep], at[keep], begun[keep]
    place = np.flatnonzero(begun)
    after = np.minimum(place + 1, max(len(meter) - 1, 0))
    ended = (place + 1 < len(meter)) & (meter[after] == meter[place])
    return Spans(meter_id=meter[place], start_s=at[place], end_s=np.where(ended, at[after], np.int64(until_s)))


def seconds_in_slots(told: Spans, meter_id: NDArray[np.int32], day: Period, period_s: int) -> Integers:
    """int64[meter, slot]: how many seconds of each slot the spans of its meter cover. ``meter_id`` ascending."""
    slots = slots_of(day, period_s)
    result = np.zeros((len(meter_id), slots), dtype=np.int64)
    place = np.minimum(np.searchsorted(meter_id, told.meter_id), max(len(meter_id) - 1, 0))
    mine = (told.end_s > day.start_s) & (told.start_s < day.end_s)
    mine &= (meter_id[place] == told.meter_id) if len(meter_id) else False
    begins = day.start_s + np.arange(slots) * period_s
    until = np.clip(told.end_s[mine, None] - begins, 0, period_s)
    since = np.clip(told.start_s[mine, None] - begins, 0, period_s)
    np.add.at(result, place[mine], until - since)
    return np.minimum(result, period_s)
