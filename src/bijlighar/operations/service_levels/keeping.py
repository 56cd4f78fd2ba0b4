"""Answers what a day's service levels are, without judging anew what has been judged.

A day whose last cut-off has passed is judged once more and then kept for good, so that it can be told when its
readings have long been let go. Other days are judged when asked, at most so often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta

from bijlighar.cim.period import civil_date
from bijlighar.operations.service_levels.documents import Document, document
from bijlighar.operations.service_levels.judged import is_final, judge
from bijlighar.operations.service_levels.places import MeterPlaces, read_places
from bijlighar.records import Records
from bijlighar.records.service_levels import KeptLevel, LevelPart

FRESH_S = 60.0
"""Wall seconds for which one judgement serves all who ask: the screens ask once a minute."""

FRESH_TIMES_COST = 20.0
"""A judgement that took long serves this many times as long: judging takes no more than 5 % of a core."""

MOST_DAYS_HELD = 8
DAYS_TO_KEEP = 4
"""Days that may just have become final: the last cut-off is three days after a day's end."""


class ServiceLevelBoard:
    """Documents by day, judged one at a time. For use from threads.

    ``places`` gives the registry in columns: whoever holds it already need not have it read again.
    """

    def __init__(self, places: Callable[[Records], MeterPlaces] = read_places) -> None:
        self._read_places = places
        self._lock = threading.Lock()
        self._places: MeterPlaces | None = None
        self._held: dict[date, tuple[float, Document]] = {}

    def document(self, records: Records, day: date, now_s: float) -> Document:
        """The document of a day as it stands. Raises UnknownServiceLimit, SegmentDamaged, Unavailable."""
        kept = records.service_levels.get(day, LevelPart.REPORT)
        if kept is not None:
            found: Document = kept.content
            return found
        with self._lock:
            fresh_until_s, held = self._held.get(day, (float("-inf"), None))
            if held is not None and time.monotonic() < fresh_until_s and held["final"] == is_final(day, now_s):
                return held
            began_s = time.monotonic()
            told = self._judge(records, day, int(now_s))
            ended_s = time.monotonic()
            self._held[day] = (ended_s + max(FRESH_S, FRESH_TIMES_COST * (ended_s - began_s)), told)
            while len(self._held) > MOST_DAYS_HELD:
                del self._held[min(self._held, key=lambda each: self._held[each][0])]
            return told

    def _judge(self, records: Records, day: date, now_s: int) -> Document:
        if self._places is None or self._places.version != records.registry.version():
            self._places = self._read_places(records)
        told = document(judge(records, self._places, day, now_s))
        if told["final"] and told["meters"]:
            records.service_levels.put(day, LevelPart.REPORT, KeptLevel(made_s=now_s, content=told))
        return told

    def keep_final(self, records: Records, now_s: float) -> date | None:
        """Judge and keep one day that has become final; None when there is none. Raises as ``document``."""
        today = civil_date(int(now_s))
        for ago in range(DAYS_TO_KEEP, DAYS_TO_KEEP + DAYS_TO_KEEP):
            day = today - timedelta(days=ago)
            if not is_final(day, now_s) or records.service_levels.get(day, LevelPart.REPORT) is not None:
                continue
            if self.document(records, day, now_s)["meters"]:
                return day
        return None
