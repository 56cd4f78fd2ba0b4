"""What an operator must see of the head-end itself: one alarm for each cause, with the moment it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bijlighar.headend.metrics import Metrics

_log = structlog.get_logger("headend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """``code`` a fixed word, ``since_s`` epoch seconds of the utility's clock, ``detail`` one English sentence."""

    code: str
    since_s: int
    detail: str


class Alarms:
    """Alarms that stand now."""

    def __init__(self, metrics: Metrics, now: Callable[[], float]) -> None:
        self._metrics = metrics
        self._now = now
        self._standing: dict[str, Alarm] = {}

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """All that stand, oldest first."""
        return tuple(sorted(self._standing.values(), key=lambda alarm: alarm.since_s))

    def set(self, code: str, detail: str | None) -> None:
        """The alarm stands with this detail; None ends it. Logged when it begins and ends, not in between."""
        standing = self._standing.get(code)
        if detail is None:
            if standing is not None:
                del self._standing[code]
                self._metrics.alarm(code, stands=False)
                _log.warning("alarm ended", code=code)
            return
        since_s = standing.since_s if standing else int(self._now())
        self._standing[code] = Alarm(code=code, since_s=since_s, detail=detail)
        if standing is None:
            self._metrics.alarm(code, stands=True)
            _log.warning("alarm", code=code, detail=detail)
