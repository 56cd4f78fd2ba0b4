"""The link's gate: no area is rolled out before the trial's meters were billed right on three days in a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from bijlighar.records import Records
from bijlighar.records.billing_checks import LinkDecision, Reconciliation

DAYS_IN_A_ROW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkVerdict:
    """``passed`` when the last DAYS_IN_A_ROW of ``days`` follow each other, each whole and without a difference.

    ``lacking`` says in words what is missing.
    """

    passed: bool
    days: tuple[Reconciliation, ...]
    lacking: tuple[str, ...]


def judge_link(records: Records) -> LinkVerdict:
    """Judge by the newest reconciliation of each day. Raises Unavailable."""
    daily = {each.last_day: each for each in records.billing_checks.newest() if each.first_day == each.last_day}
    if not daily:
        return LinkVerdict(passed=False, days=(), lacking=("no day has been reconciled",))
    newest = max(daily)
    wanted = [newest - timedelta(days=ago) for ago in range(DAYS_IN_A_ROW)]
    lacking = [why for day in reversed(wanted) if (why := _lacking(day, daily.get(day)))]
    days = tuple(daily[day] for day in reversed(wanted) if day in daily)
    return LinkVerdict(passed=not lacking, days=days, lacking=tuple(lacking))


def decide_link(records: Records, *, by: str, reason: str, now_s: int) -> LinkDecision:
    """Record the verdict as a decision that rollout will ask for. Raises ValueError without a name or reason."""
    verdict = judge_link(records)
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


def _lacking(day: date, made: Reconciliation | None) -> str:
    if made is None:
        return f"{day}: not reconciled"
    if not made.usage_points:
        return f"{day}: no consumer"
    if made.unexplained:
        return f"{day}: {made.unexplained} differences without a cause"
    if made.billed < made.usage_points:
        return f"{day}: {made.usage_points - made.billed} of {made.usage_points} not billed"
    return ""
