"""How long an event of a meter takes from its receipt by a head-end to the screens, counted in whole seconds.

Counted where it is seen, in the control room, and kept by civil day as one of the day's service levels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import civil_date
from bijlighar.cim.readings import ReadingBatch
from bijlighar.records import Records
from bijlighar.records.service_levels import KeptLevel, LevelPart

LONGEST_S = 600
"""What took longer is counted as this: the bar is five seconds."""


class AlarmDelays:
    """Counts since they were kept last. ``count`` on the event loop, ``keep`` in a thread, never two at a time."""

    def __init__(self) -> None:
        self._fresh: defaultdict[date, Counter[int]] = defaultdict(Counter)

    def count(self, batch: ReadingBatch, *, now_s: float, speed: float) -> None:
        """Take a batch that has just reached the screens. ``now_s`` and receipts are of the utility's clock.

        ``speed`` seconds of that clock are one of the wall: people wait by the wall.
        """
        if batch.kind is not ProfileKind.EVENT or speed <= 0:
            return
        waited_s = np.clip((now_s - batch.received_s) / speed, 0, LONGEST_S).astype(np.int64)
        seconds, number = np.unique(waited_s, return_counts=True)
        self._fresh[civil_date(int(now_s))].update(dict(zip(seconds.tolist(), number.tolist(), strict=True)))

    def keep(self, records: Records, now_s: float) -> None:
        """Add what was counted to what is kept. Raises Unavailable; what was not kept is kept the next time."""
        while self._fresh:
            day = next(iter(self._fresh))
            kept = records.service_levels.get(day, LevelPart.ALARM_DELAYS)
            counts = Counter({int(seconds): number for seconds, number in (kept.content if kept else {}).items()})
            fresh = self._fresh[day]
            counts.update(fresh)
            content = {str(seconds): counts[seconds] for seconds in sorted(counts)}
            records.service_levels.put(day, LevelPart.ALARM_DELAYS, KeptLevel(made_s=int(now_s), content=content))
            del self._fresh[day]
