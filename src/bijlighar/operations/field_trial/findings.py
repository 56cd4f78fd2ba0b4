"""What is wrong with one meter of a trial, by its figures and the trial's limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from bijlighar.operations.field_trial.clocks import ClockJudgement
from bijlighar.operations.field_trial.evidence import TrialMeter
from bijlighar.operations.field_trial.figures import Kept, Sessions
from bijlighar.operations.field_trial.gaps import Gap
from bijlighar.operations.field_trial.limits import TrialLimits
from bijlighar.operations.field_trial.outages import GroupOutage
from bijlighar.operations.field_trial.wording import CAUSES, Finding, FindingCode, finding, local_time

MINIMUM_TRIES_TO_JUDGE = 20
"""With fewer tries one failure is more than five per cent: a meter is not called bad on that."""

_Say = Callable[..., Finding]


def meter_findings(
    meter: TrialMeter,
    *,
    sessions: Sessions,
    kept: Kept,
    clock: ClockJudgement,
    gaps: Sequence[Gap],
    limits: TrialLimits,
) -> list[Finding]:
    """Everything found about one meter, the gravest first."""
    say = partial(finding, meter_id=meter.meter_id, name=meter.name, serial=meter.serial)
    return [
        *_reach(say, sessions, limits),
        *_values(say, kept, limits),
        *_clock(say, clock, limits),
        *(_gaps(say, kept, gaps, limits) if sessions.succeeded else ()),
    ]


def outage_finding(outage: GroupOutage) -> Finding:
    """A silent tower in words."""
    return finding(
        FindingCode.TOWER_OUTAGE,
        group=outage.group,
        start=local_time(outage.period.start_s),
        end=local_time(outage.period.end_s),
        meters=outage.meters,
    )


def _reach(say: _Say, sessions: Sessions, limits: TrialLimits) -> list[Finding]:
    judged = sessions.tried - sessions.excused
    if judged and not sessions.succeeded:
        return [say(FindingCode.NEVER_HEARD, tried=judged)]
    found = []
    rate = sessions.success_rate
    if judged >= MINIMUM_TRIES_TO_JUDGE and rate is not None and rate < limits.success_rate_per_meter:
        found.append(say(FindingCode.BAD_METER, ok=sessions.succeeded, tried=judged, rate=rate))
    slowest = sessions.latency_ms_p90
    if slowest is not None and slowest > limits.latency_p90_ms:
        found.append(say(FindingCode.SLOW, latency=slowest / 1000))
    return found


def _values(say: _Say, kept: Kept, limits: TrialLimits) -> list[Finding]:
    found = []
    if kept.values_wrong > limits.wrong_values:
        found.append(say(FindingCode.WRONG_VALUES, wrong=kept.values_wrong, compared=kept.values_compared))
    if kept.register_days_off > limits.register_days_off:
        found.append(say(FindingCode.REGISTER_SUM, days=kept.register_days_off))
    return found


def _clock(say: _Say, clock: ClockJudgement, limits: TrialLimits) -> list[Finding]:
    drift, offset = clock.drift_s_per_day, clock.offset_s
    found = []
    if drift is not None and abs(drift) > limits.clock_drift_s_per_day:
        found.append(say(FindingCode.DRIFTING_CLOCK, drift=drift, jumps=clock.jumps))
    if offset is not None and abs(offset) > limits.clock_offset_s:
        found.append(say(FindingCode.WRONG_CLOCK, offset=offset))
    return found


def _gaps(say: _Say, kept: Kept, gaps: Sequence[Gap], limits: TrialLimits) -> list[Finding]:
    if kept.share_held is None or kept.share_held >= limits.slots_held or not gaps:
        return []
    slots: Counter[str] = Counter()
    for gap in gaps:
        slots[gap.cause] += gap.slots
    cause, cause_hi = CAUSES[slots.most_common(1)[0][0]]
    missing = sum(gap.slots for gap in gaps)
    return [say(FindingCode.GAPS, slots=missing, gaps=len(gaps), cause=cause, cause_hi=cause_hi)]
