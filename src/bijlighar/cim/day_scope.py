"""Of what and of how long a day's report tells."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum


class DayScope(StrEnum):
    """What is told of; each but the make lies within the one before it."""

    UTILITY = "utility"
    DIVISION = "division"
    SUBSTATION = "substation"
    FEEDER = "feeder"
    TRANSFORMER = "transformer"
    MAKE = "make"


class ReportPeriod(StrEnum):
    """How many days a report tells of. A week begins on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def span(self, day: date) -> tuple[date, date]:
        """First and last day of the period that holds a day."""
        if self is ReportPeriod.DAY:
            return day, day
        if self is ReportPeriod.WEEK:
            first = day - timedelta(days=day.weekday())
            return first, first + timedelta(days=6)
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
