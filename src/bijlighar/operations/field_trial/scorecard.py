"""The judgement of a field trial: from evidence to a scorecard. Pure: the same evidence, the same verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bijlighar.cim.contacts import Contact
from bijlighar.operations.field_trial.clocks import DAY_S, ClockJudgement, judge_clock
from bijlighar.operations.field_trial.evidence import TrialEvidence, TrialMeter
from bijlighar.operations.field_trial.figures import (
    Kept,
    Sessions,
    kept_in_all,
    kept_of,
    meter_sessions,
    sessions_of,
)
from bijlighar.operations.field_trial.findings import meter_findings, outage_finding
from bijlighar.operations.field_trial.gaps import Gap, find_gaps
from bijlighar.operations.field_trial.limits import TrialLimits
from bijlighar.operations.field_trial.outages import GroupOutage, group_outages
from bijlighar.operations.field_trial.wording import Finding


class Verdict(StrEnum):
    """``running`` until enough days and the comparison of values are there."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterScore:
    """One meter's line of the scorecard."""

    meter: TrialMeter
    sessions: Sessions
    kept: Kept
    clock: ClockJudgement
    gaps: tuple[Gap, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCheck:
    """One limit, what was measured against it, and whether it held.

    ``unit`` is "share", "ms", "s", "s/day", "days" or "" for a count; ``measured`` None: nothing to measure yet.
    """

    code: str
    unit: str
    limit: float
    measured: float | None
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """The whole scorecard. ``days`` of contacts so far."""

    evidence: TrialEvidence
    days: float
    verdict: Verdict
    limits: tuple[LimitCheck, ...]
    sessions: Sessions
    kept: Kept
    meters: tuple[MeterScore, ...]
    findings: tuple[Finding, ...]
    outages: tuple[GroupOutage, ...]


def judge(evidence: TrialEvidence) -> Scorecard:
    """The scorecard of a trial. Meters keep the order of the evidence."""
    outages = group_outages(evidence.contacts, {meter.meter_id: meter.group for meter in evidence.meters})
    by_meter: dict[int, list[Contact]] = {meter.meter_id: [] for meter in evidence.meters}
    for contact in evidence.contacts:
        if contact.meter_id in by_meter:
            by_meter[contact.meter_id].append(contact)
    days = 0.0 if evidence.started_s is None else (evidence.now_s - evidence.started_s) / DAY_S
    scores = tuple(_score(meter, by_meter[meter.meter_id], outages, evidence) for meter in evidence.meters)
    sessions = sessions_of(
        [contact for meter in evidence.meters for contact in by_meter[meter.meter_id]],
        sum(score.sessions.excused for score in scores),
    )
    kept = kept_in_all(score.kept for score in scores)
    checks = _limit_checks(evidence.limits, days, sessions, kept, scores)
    return Scorecard(
        evidence=evidence,
        days=days,
        verdict=_verdict(evidence.limits, days, checks, scores),
        limits=checks,
        sessions=sessions,
        kept=kept,
        meters=scores,
        findings=(*map(outage_finding, outages), *(f for score in scores for f in score.findings)),
        outages=tuple(outages),
    )


def _score(
    meter: TrialMeter, contacts: Sequence[Contact], outages: Sequence[GroupOutage], evidence: TrialEvidence
) -> MeterScore:
    own_outages = [outage for outage in outages if outage.group == meter.group]
    sessions = meter_sessions(meter, contacts, own_outages)
    kept = kept_of(meter, evidence)
    timed = [(c.started_ms / 1000, c.clock_offset_ms / 1000) for c in contacts if c.clock_offset_ms is not None]
    clock = judge_clock([at for at, _ in timed], [offset for _, offset in timed])
    gaps = find_gaps(
        data=evidence.data,
        period_s=meter.period_s,
        held=evidence.held.get(meter.meter_id, np.empty(0, np.int64)),
        contacts=contacts,
        power_cuts=evidence.power_cuts.get(meter.meter_id, ()),
        outages=own_outages,
    )
    findings = meter_findings(meter, sessions=sessions, kept=kept, clock=clock, gaps=gaps, limits=evidence.limits)
    passed = Verdict.PASS if sessions.succeeded and kept.values_compared else Verdict.RUNNING
    return MeterScore(
        meter=meter,
        sessions=sessions,
        kept=kept,
        clock=clock,
        gaps=tuple(gaps),
        findings=tuple(findings),
        verdict=Verdict.FAIL if findings else passed,
    )


def _limit_checks(
    limits: TrialLimits, days: float, sessions: Sessions, kept: Kept, scores: Sequence[MeterScore]
) -> tuple[LimitCheck, ...]:
    rates = [s.sessions.success_rate for s in scores if s.sessions.success_rate is not None]
    offsets = [abs(s.clock.offset_s) for s in scores if s.clock.offset_s is not None]
    drifts = [abs(s.clock.drift_s_per_day) for s in scores if s.clock.drift_s_per_day is not None]
    wrong = float(kept.values_wrong) if kept.values_compared else None
    off = float(kept.register_days_off) if kept.register_days_compared else None
    return (
        _at_least("minimum_days", "days", limits.minimum_days, days),
        _at_least("success_rate_all", "share", limits.success_rate_all, sessions.success_rate),
        _at_least("success_rate_per_meter", "share", limits.success_rate_per_meter, min(rates, default=None)),
        _at_least("slots_held", "share", limits.slots_held, kept.share_held),
        _at_most("latency_p90", "ms", limits.latency_p90_ms, sessions.latency_ms_p90),
        _at_most("clock_offset", "s", limits.clock_offset_s, max(offsets, default=None)),
        _at_most("clock_drift", "s/day", limits.clock_drift_s_per_day, max(drifts, default=None)),
        _at_most("wrong_values", "", limits.wrong_values, wrong),
        _at_most("register_days_off", "days", limits.register_days_off, off),
    )


def _at_least(code: str, unit: str, limit: float, measured: float | None) -> LimitCheck:
    passed = measured is not None and measured >= limit
    return LimitCheck(code=code, unit=unit, limit=limit, measured=measured, passed=passed)


def _at_most(code: str, unit: str, limit: float, measured: float | None) -> LimitCheck:
    passed = measured is not None and measured <= limit
    return LimitCheck(code=code, unit=unit, limit=limit, measured=measured, passed=passed)


def _verdict(
    limits: TrialLimits, days: float, checks: Sequence[LimitCheck], scores: Sequence[MeterScore]
) -> Verdict:
    waiting = any(score.verdict is Verdict.RUNNING for score in scores) or not scores
    if days < limits.minimum_days or waiting:
        return Verdict.RUNNING
    failed = not all(check.passed for check in checks) or any(s.verdict is Verdict.FAIL for s in scores)
    return Verdict.FAIL if failed else Verdict.PASS
