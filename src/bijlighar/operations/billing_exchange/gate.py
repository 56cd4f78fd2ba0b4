"""The link's gate: no area is rolled out before the trial's meters were billed right on three days in a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bijlighar.cim.period import KOLKATA, civil_day
from bijlighar.records import Records
from bijlighar.records.billing_checks import LinkDecision, Reconciliation

DAYS_IN_A_ROW = 3
DUE_AFTER_S = 48 * 3_600
"""A day is estimated 24 h after its end, and the billing server has as long to answer."""


class Missing(StrEnum):
    """What a day of the link can lack."""

    NO_DAY = "no-day"
    NOT_RECONCILED = "not-reconciled"
    NO_CONSUMER = "no-consumer"
    UNEXPLAINED = "unexplained"
    NOT_BILLED = "not-billed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What is missing on ``day`` (None: on any); ``count`` of ``usage_points`` where it is about some of them."""

    what: Missing
    day: date | None = None
    count: int = 0
    usage_points: int = 0

    def __str__(self) -> str:
        told = {
            Missing.NO_DAY: "no day has been reconciled",
            Missing.NOT_RECONCILED: "not reconciled",
            Missing.NO_CONSUMER: "no consumer",
            Missing.UNEXPLAINED: f"{self.count} differences without a cause",
            Missing.NOT_BILLED: f"{self.count} of {self.usage_points} not billed",
        }[self.what]
        return told if self.day is None else f"{self.day}: {told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkVerdict:
    """``passed`` when the last DAYS_IN_A_ROW of ``days`` follow each other, each whole and without a difference.

    The newest days are passed over while their statements are still on their way, DUE_AFTER_S at the longest.
    ``lacks`` tells what is missing.
    """

    passed: bool
    days: tuple[Reconciliation, ...]
    lacks: tuple[Lack, ...]

    @property
    def lacking(self) -> tuple[str, ...]:
        """The same in words."""
        return tuple(str(each) for each in self.lacks)


def judge_link(records: Records, now_s: int, zone: ZoneInfo = KOLKATA) -> LinkVerdict:
    """Judge by the newest reconciliation of each day. Raises Unavailable."""
    daily = {each.last_day: each for each in records.billing_checks.newest() if each.first_day == each.last_day}
    if not daily:
        return LinkVerdict(passed=False, days=(), lacks=(Lack(what=Missing.NO_DAY),))
    settled = [day for day, made in daily.items() if not _on_its_way(day, made, now_s, zone)]
    newest = max(settled or daily)
    wanted = [newest - timedelta(days=ago) for ago in range(DAYS_IN_A_ROW)]
    lacks = [lack for day in reversed(wanted) if (lack := _lack(day, daily.get(day))) is not None]
    days = tuple(daily[day] for day in reversed(wanted) if day in daily)
    return LinkVerdict(passed=not lacks, days=days, lacks=tuple(lacks))


def decide_link(records: Records, *, by: str, reason: str, now_s: int) -> LinkDecision:
    """Record the verdict as a decision that rollout will ask for. Raises ValueError without a name or reason."""
    verdict = judge_link(records, now_s)
    decision = LinkDecision(
        decided_s=now_s,
        verdict="pass" if verdict.passed else "fail",
        decided_by=by,
        reason=reason,
        content={
            "days": [
                {
                    "day": each.last_day.isoformat(),
                    "usage_points": each.usage_points,
                    "billed": each.billed,
                    "unexplained": each.unexplained,
                }
                for each in verdict.days
            ],
            "lacking": list(verdict.lacking),
        },
    )
    records.billing_checks.decide(decision)
    return decision


def _on_its_way(day: date, made: Reconciliation, now_s: int, zone: ZoneInfo) -> bool:
    lack = _lack(day, made)
    return (
        lack is not None and lack.what is Missing.NOT_BILLED and now_s < civil_day(day, zone).end_s + DUE_AFTER_S
    )


def _lack(day: date, made: Reconciliation | None) -> Lack | None:
    if made is None:
        return Lack(what=Missing.NOT_RECONCILED, day=day)
    if not made.usage_points:
        return Lack(what=Missing.NO_CONSUMER, day=day)
    if made.unexplained:
        return Lack(what=Missing.UNEXPLAINED, day=day, count=made.unexplained, usage_points=made.usage_points)
    left = made.usage_points - made.billed
    return Lack(what=Missing.NOT_BILLED, day=day, count=left, usage_points=made.usage_points) if left > 0 else None
