"""Public holidays of the utility's state: days on which people use power otherwise than on the same weekday."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache

from holidays import country_holidays

COUNTRY, STATE = "IN", "UP"
"""India, Uttar Pradesh: by the calendar of the package ``holidays``, its moving feasts included."""


def public_holidays(days: Iterable[date]) -> frozenset[date]:
    """Those of the days that are public holidays."""
    return frozenset(day for day in days if day in _of_year(day.year))


@cache
def _of_year(year: int) -> frozenset[date]:
    return frozenset(country_holidays(COUNTRY, subdiv=STATE, years=year))
