"""Instants as people write them and as the API shows them: ISO 8601, civil days of the utility, "yesterday"."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from bijlighar.cim.period import KOLKATA, Period, civil_date, civil_day
from bijlighar.cim.readings import MISSING

EARLIEST_S = 0
LATEST_S = 4_102_444_800
"""2100-01-01: an instant outside [1970, 2100) is a mistake, and keeps arithmetic on int64 milliseconds exact."""

_WORDS = {"today": 0, "yesterday": -1, "tomorrow": 1}


class NotAnInstant(ValueError):
    """The text names no instant. ``text`` is what was given."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is no time: write 2026-06-15, 2026-06-15T18:30:00Z, now, today or yesterday"
        )
        self.text = text


def parse_day(text: str, *, now_s: float) -> date:
    """The civil day: ``YYYY-MM-DD``, today, yesterday or tomorrow. Raises NotAnInstant."""
    word = text.strip().lower()
    if word in _WORDS:
        return civil_date(int(now_s)) + timedelta(days=_WORDS[word])
    try:
        day = date.fromisoformat(word)
        in_range = EARLIEST_S <= civil_day(day).start_s < LATEST_S
    except (ValueError, OverflowError) as problem:
        raise NotAnInstant(text) from problem
    if not in_range:
        raise NotAnInstant(text)
    return day


def parse_instant(text: str, *, now_s: float) -> int:
    """Epoch seconds UTC. A bare day means its first instant at the utility; no offset means the utility's time.

    Raises NotAnInstant.
    """
    word = text.strip()
    if word.lower() == "now":
        return int(now_s)
    if word.lower() in _WORDS or (len(word) == len("2026-06-15") and "T" not in word):
        return civil_day(parse_day(word, now_s=now_s)).start_s
    try:
        moment = datetime.fromisoformat(word)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=KOLKATA)
        instant_s = int(moment.timestamp())
    except (ValueError, OverflowError) as problem:
        raise NotAnInstant(text) from problem
    if not EARLIEST_S <= instant_s < LATEST_S:
        raise NotAnInstant(text)
    return instant_s


def parse_period(start: str, end: str, *, now_s: float) -> Period:
    """``[start, end)``; a bare day as the end means through the end of that day.

    Raises NotAnInstant, or ValueError when the end does not lie after the start.
    """
    start_s = parse_instant(start, now_s=now_s)
    try:
        end_s = civil_day(parse_day(end, now_s=now_s)).end_s
    except NotAnInstant:
        end_s = parse_instant(end, now_s=now_s)
    if end_s <= start_s:
        raise ValueError(f"the end {end} does not lie after the start {start}")
    return Period(start_s=start_s, end_s=end_s)


def iso(instant_s: float | None) -> str | None:
    """ISO 8601 in UTC with "Z", whole seconds; None for None and for MISSING."""
    if instant_s is None or instant_s == MISSING:
        return None
    return datetime.fromtimestamp(int(instant_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_ms(instant_ms: int | None) -> str | None:
    """ISO 8601 in UTC from epoch milliseconds; None for None and for MISSING."""
    return None if instant_ms is None or instant_ms == MISSING else iso(instant_ms // 1000)
