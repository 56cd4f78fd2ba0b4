"""A day's service levels judged against the limits that held then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period, civil_day
from bijlighar.mdm.service_levels.completeness import CUT_OFF_HOURS, Completeness, cut_offs_s
from bijlighar.mdm.service_levels.faults import Fault, FaultEvidence, Scope, ranked_faults
from bijlighar.mdm.service_levels.limits import LimitsRow, ServiceLimits, limits_on
from bijlighar.operations.field_trial.checks import CHECK_PREFIX
from bijlighar.operations.service_levels.collect import Evidence, collect
from bijlighar.operations.service_levels.places import MeterPlaces
from bijlighar.records import Records
from bijlighar.records.service_levels import LevelPart

LIMITS_KEY = "service-levels.limits"
"""Setting whose dated values name the limits that differ from the defaults."""

_SCOPE_GROUPS = {
    Scope.TOWER: "tower",
    Scope.FEEDER: "feeder",
    Scope.TRANSFORMER: "transformer",
    Scope.MAKE: "make",
}


_EVERY_BAR = frozenset({"morning", "day", "backfill", "second"})
_BARS_OF = {
    ProfileKind.BILLING: frozenset({"morning", "backfill"}),
    ProfileKind.INSTANTANEOUS: frozenset({"morning", "day", "second"}),  # what was not read then is gone
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar and what was measured; ``measured`` and ``kept`` None while it cannot be told.

    ``limit`` a share (at least) at ``hours`` after midnight, or seconds (at most) where ``hours`` is None.
    """

    code: str
    hours: int | None
    limit: float
    measured: float | None

    @property
    def kept(self) -> bool | None:
        """Whether the bar is kept."""
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.hours is None else self.measured >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLevel:
    """Completeness of one kind of rows; ``share`` and ``whole`` by CUT_OFF_HOURS, None for hours to come."""

    kind: ProfileKind
    expected: int
    held: int
    share: tuple[float | None, ...]
    whole: tuple[float | None, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Reads on demand asked for on the day, and alarms told on it: how many, and the bars."""

    done: int
    failed: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Everything told of a day. ``levels`` by meter, for tables by group; ``faults`` ranked."""

    day: date
    period: Period
    window: Period
    now_s: int
    final: bool
    limits: ServiceLimits
    places: MeterPlaces
    levels: Mapping[ProfileKind, Completeness]
    kinds: tuple[KindLevel, ...]
    on_demand: Answering
    alarms: Answering
    faults: tuple[Fault, ...]


def judge(records: Records, places: MeterPlaces, day: date, now_s: int) -> Judged:
    """Judge a day as it stands at ``now_s``. Raises UnknownServiceLimit, SegmentDamaged, Unavailable."""
    period = civil_day(day)
    limits = limits_of(records, period.start_s)
    until_s = min(now_s, period.end_s + limits.morning_hours * 3600)
    window = Period(start_s=period.start_s, end_s=max(until_s, period.start_s))
    seen = collect(records, places, period, window, billing=(day + timedelta(days=1)).day == 1)
    return Judged(
        day=day,
        period=period,
        window=window,
        now_s=now_s,
        final=is_final(day, now_s),
        limits=limits,
        places=places,
        levels=seen.levels,
        kinds=tuple(kind_level(kind, level, limits, period, now_s) for kind, level in seen.levels.items()),
        on_demand=_on_demand(records, period, limits),
        alarms=_alarms(records, day, limits),
        faults=tuple(ranked_faults(_fault_evidence(seen, places, limits))),
    )


def is_final(day: date, now_s: float) -> bool:
    """Whether the last cut-off of a day has passed: nothing told of it changes any more."""
    return now_s >= int(cut_offs_s(civil_day(day).end_s)[-1])


def limits_of(records: Records, start_s: int) -> ServiceLimits:
    """What holds for a day that starts at ``start_s``. Raises UnknownServiceLimit, Unavailable."""
    rows = records.settings.history(LIMITS_KEY)
    return limits_on(start_s, [LimitsRow(valid_from_s=row.valid_from_s, changes=row.value) for row in rows])


def kind_level(
    kind: ProfileKind, level: Completeness, limits: ServiceLimits, day: Period, now_s: int
) -> KindLevel:
    """One kind's completeness at the cut-offs that have passed, and the bars it is held against."""
    past = (cut_offs_s(day.end_s) <= now_s).tolist()
    share = tuple(level.level(place) if passed else None for place, passed in enumerate(past))
    at = dict(zip(CUT_OFF_HOURS, share, strict=True))
    wanted = (
        ("morning", limits.morning_hours, limits.morning_share),
        ("day", limits.day_hours, limits.day_share),
        ("backfill", limits.backfill_hours, limits.backfill_share),
        ("second", limits.day_hours, limits.second_bar_share),
    )
    return KindLevel(
        kind=kind,
        expected=int(level.expected.sum()),
        held=int(level.held[:, -1].sum()),
        share=share,
        whole=tuple(level.whole(place) if passed else None for place, passed in enumerate(past)),
        bars=tuple(
            Bar(code=code, hours=hours, limit=limit, measured=at[hours])
            for code, hours, limit in wanted
            if code in _BARS_OF.get(kind, _EVERY_BAR)
        ),
    )


def _on_demand(records: Records, day: Period, limits: ServiceLimits) -> Answering:
    jobs = [job for job in records.jobs.ended(day) if not job.job_id.startswith(CHECK_PREFIX)]
    took_s = [(job.ended_ms - job.asked_ms) / 1000 for job in jobs if job.done]
    p90, p99 = np.percentile(took_s, [90, 99]).tolist() if took_s else (None, None)
    return Answering(
        done=len(took_s),
        failed=len(jobs) - len(took_s),
        bars=(
            Bar(code="on-demand-p90", hours=None, limit=limits.on_demand_p90_s, measured=p90),
            Bar(code="on-demand-p99", hours=None, limit=limits.on_demand_p99_s, measured=p99),
        ),
    )


def _alarms(records: Records, day: date, limits: ServiceLimits) -> Answering:
    """Alarms and events of meters: from receipt by the head-end to the screens, as the control room counted."""
    kept = records.service_levels.get(day, LevelPart.ALARM_DELAYS)
    count = {int(seconds): int(number) for seconds, number in (kept.content if kept else {}).items()}
    told = sum(count.values())
    return Answering(
        done=told,
        failed=0,
        bars=(Bar(code="alarm-p95", hours=None, limit=limits.alarm_p95_s, measured=_of_counts(count, 0.95)),),
    )


def _of_counts(count: Mapping[int, int], share: float) -> float | None:
    """The least number of seconds within which a share of the counted lies."""
    left = share * sum(count.values())
    for seconds in sorted(count):
        left -= count[seconds]
        if left <= 0:
            return float(seconds)
    return None


def _fault_evidence(seen: Evidence, places: MeterPlaces, limits: ServiceLimits) -> FaultEvidence:
    groupings = {scope: places.groups[name].grouping for scope, name in _SCOPE_GROUPS.items()}
    return FaultEvidence(cells=seen.cells, groupings=groupings, cuts=seen.cuts, limits=limits)


def name_of(fault: Fault, places: MeterPlaces) -> tuple[str, int | None]:
    """What a fault concerns by name (a group's code, a meter's serial), and the meter's number if it is one."""
    if fault.scope is Scope.UTILITY:
        return "", None
    if fault.scope is Scope.METER:
        return places.serials[fault.place], int(places.meter_id[fault.place])
    codes: Sequence[str] = places.groups[_SCOPE_GROUPS[fault.scope]].codes
    return codes[fault.place], None
