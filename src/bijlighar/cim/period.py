"""Half-open periods and the utility's civil day.

Instants are seconds since 1970-01-01T00:00:00Z as integers (``*_s``) in columns and aware UTC datetimes in
objects. A civil day of Asia/Kolkata begins at 18:30 UTC; India has had no daylight saving since 1945.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

KOLKATA = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Period:
    """``[start_s, end_s)`` in epoch seconds. Raises ValueError when the end lies before the start."""

    start_s: int
    end_s: int

    def __post_init__(self) -> None:
        if self.end_s < self.start_s:
            raise ValueError(f"period ends at {self.end_s} before it starts at {self.start_s}")

    def __contains__(self, instant_s: int) -> bool:
        return self.start_s <= instant_s < self.end_s

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return self.end_s - self.start_s


def civil_day(day: date, zone: ZoneInfo = KOLKATA) -> Period:
    """The period of one civil day in ``zone``; slot k of a meter with period p starts at ``start_s + k*p``."""
    start = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    return Period(start_s=int(start.timestamp()), end_s=int(end.timestamp()))


def civil_date(instant_s: int, zone: ZoneInfo = KOLKATA) -> date:
    """The civil date in ``zone`` that holds the instant."""
    return datetime.fromtimestamp(instant_s, zone).date()
