"""Beginning a field trial: which meters, from which day, under which limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta

from bijlighar.cim.network import UsagePoint, UsagePointKind
from bijlighar.cim.period import civil_date, civil_day
from bijlighar.operations.field_trial.limits import TrialLimits
from bijlighar.records import Records
from bijlighar.records.trials import Trial

HISTORY_DAYS = 34
"""A meter of IS 15959 keeps 35 days; the oldest day may be half gone when it is first asked."""


class NoMetersForTrial(Exception):
    """A trial needs consumer meters, and the registry holds none."""

    def __init__(self) -> None:
        super().__init__("the registry holds no consumer meter for a field trial")


def consumer_meters(records: Records) -> list[int]:
    """Registry numbers of all consumers' meters in service, in order. Raises Unavailable."""
    consumers = {point.code for point in records.registry.usage_points() if point.kind is UsagePointKind.CONSUMER}
    return [meter.meter_id for meter in records.registry.meters() if meter.usage_point in consumers]


def begin_trial(
    records: Records,
    *,
    name: str,
    name_hi: str,
    now_s: float,
    meter_ids: Sequence[int],
    limits: TrialLimits | None = None,
    history_days: int = HISTORY_DAYS,
) -> Trial:
    """Keep a trial of these meters; a trial of the same name is changed, its start kept.

    Blocks are expected from midnight ``history_days`` days ago. Raises NoMetersForTrial, Unavailable.
    """
    if not meter_ids:
        raise NoMetersForTrial
    place = records.registry.place(meter_ids[0])
    earlier = next((trial for trial in records.trials.all() if trial.name == name), None)
    first_day = civil_date(int(now_s)) - timedelta(days=history_days)
    return records.trials.put(
        Trial(
            name=name,
            name_hi=name_hi,
            division=place.division_name if place else "",
            place=common_place([point.address for point in _points(records, meter_ids)]),
            started_s=earlier.started_s if earlier else civil_day(first_day).start_s,
            limits=asdict(limits or TrialLimits()),
            meters=tuple(meter_ids),
        )
    )


def _points(records: Records, meter_ids: Sequence[int]) -> list[UsagePoint]:
    places = (records.registry.place(meter_id) for meter_id in meter_ids)
    return [place.usage_point for place in places if place is not None]


def common_place(addresses: Sequence[str]) -> str:
    """What all addresses end with, in whole parts: "Flat 1, Park House, Kanpur" and "Flat 2, …" give the house."""
    common: list[str] = []
    for parts in zip(*([part.strip() for part in text.split(",")][::-1] for text in addresses), strict=False):
        if len(set(parts)) > 1:
            break
        common.insert(0, parts[0])
    return ", ".join(common)


def limits_of(trial: Trial) -> TrialLimits:
    """The limits kept with a trial; what it does not name stands at its default, unknown names are ignored."""
    known = {field.name for field in fields(TrialLimits)}
    return TrialLimits(**{name: value for name, value in trial.limits.items() if name in known})
