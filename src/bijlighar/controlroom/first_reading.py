"""How much of the meters' history is read, and a demo's patience for it.

In a demo all meters are new at once and bring 35 days. Whoever estimates before they are read guesses what comes a
minute later, and bills the guess.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.controlroom.meter_reading import DEFAULT_PERIOD_S
from bijlighar.records import Records

DAY_S = 86_400
MOST_COUNTED_METERS = 500
"""Slot by slot means reading every block of the history: 20,000 rows for a trial, too many for a town. A town's
rows are taken from the manifest, where what came twice counts twice."""
NEARLY_WHOLE = 0.98
"""Power cuts leave blocks that no meter holds."""
WHOLE = 0.999
"""For who would estimate the rest; where cuts left more, it is seen by nothing more coming."""
STANDS_STILL_S = 60.0
"""Twice the slowest meter's longest answer over a poor radio."""
LONGEST_S = 600.0
LOOK_S = 2.0


def history_share(records: Records, meters: int, now_s: int, days: int) -> float:
    """Share of the blocks that are kept of the last ``days``, which the head-end reads back; 0 to 1.

    The oldest day is left out: it may be half gone in the meter. Blocking; raises Unavailable, SegmentDamaged.
    """
    period = Period(start_s=now_s - max(days - 1, 1) * DAY_S, end_s=now_s)
    if meters <= MOST_COUNTED_METERS:
        held = len(records.readings.held(ProfileKind.BLOCK_LOAD, period)[0])
    else:
        held = sum(segment.rows for segment in records.readings.pin(ProfileKind.BLOCK_LOAD, period).segments)
    return min(1.0, held * DEFAULT_PERIOD_S / (max(meters, 1) * period.seconds))


def wait_until_read(
    share: Callable[[], float],
    *,
    wait: Callable[[float], None] = time.sleep,
    wall_s: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the history is whole, has stopped growing, or took too long."""
    began_s = grew_s = wall_s()
    most = 0.0
    while (known := share()) < WHOLE and wall_s() - began_s < LONGEST_S:
        if known > most:
            most, grew_s = known, wall_s()
        elif wall_s() - grew_s > STANDS_STILL_S:
            return
        wait(LOOK_S)
