from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bijlighar.cim.readings import MISSING
from bijlighar.controlroom.instants import NotAnInstant, iso, iso_ms, parse_day, parse_instant, parse_period

NOW = datetime(2026, 6, 15, 6, 30, tzinfo=UTC).timestamp()  # noon in Kanpur
MIDNIGHT = datetime(2026, 6, 14, 18, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "instant_s"),
    [
        ("now", NOW),
        ("today", MIDNIGHT),
        ("Yesterday", MIDNIGHT - 86_400),
        ("2026-06-15", MIDNIGHT),
        ("2026-06-15T00:00:00+05:30", MIDNIGHT),
        ("2026-06-14T18:30:00Z", MIDNIGHT),
        ("2026-06-15T00:00", MIDNIGHT),
        (" 2026-06-15 00:30 ", MIDNIGHT + 1800),
    ],
)
def test_an_instant_is_iso_or_a_word_in_the_utilitys_time(text: str, instant_s: float) -> None:
    assert parse_instant(text, now_s=NOW) == instant_s


@pytest.mark.parametrize(
    "text",
    ["", "noon", "2026-13-01", "2026-06-31", "15/06/2026", "1969-12-31", "2100-01-02", "9999-12-31T23:59", "0"],
)
def test_anything_else_is_no_instant(text: str) -> None:
    with pytest.raises(NotAnInstant):
        parse_instant(text, now_s=NOW)


def test_a_day_as_the_end_means_through_its_end() -> None:
    period = parse_period("yesterday", "yesterday", now_s=NOW)
    assert (period.start_s, period.end_s) == (MIDNIGHT - 86_400, MIDNIGHT)
    assert parse_period("today", "now", now_s=NOW).end_s == NOW


@pytest.mark.parametrize(("start", "end"), [("today", "yesterday"), ("now", "now"), ("2026-06-15", "2026-06-14")])
def test_a_period_has_its_end_after_its_start(start: str, end: str) -> None:
    with pytest.raises(ValueError, match="does not lie after"):
        parse_period(start, end, now_s=NOW)


def test_a_day_is_the_utilitys_civil_day() -> None:
    late = datetime(2026, 6, 14, 18, 29, tzinfo=UTC).timestamp()
    assert parse_day("today", now_s=late).isoformat() == "2026-06-14"
    assert parse_day("today", now_s=late + 60).isoformat() == "2026-06-15"


def test_instants_are_shown_in_utc_and_missing_ones_not_at_all() -> None:
    assert iso(MIDNIGHT) == "2026-06-14T18:30:00Z"
    assert iso_ms(int(MIDNIGHT) * 1000 + 999) == "2026-06-14T18:30:00Z"
    assert iso(None) is iso(MISSING) is iso_ms(MISSING) is None
