"""Days put together: a day, a week or a month of one place, with the one before it and what lies within."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bijlighar.cim.day_scope import DayScope, ReportPeriod
from bijlighar.mdm.day_summary_limits import VoltageLimits
from bijlighar.operations.day_report.totals import limits_of
from bijlighar.records import Records
from bijlighar.records.day_totals import DayTotal, SummedTotal

ABOVE = {
    DayScope.TRANSFORMER: DayScope.FEEDER,
    DayScope.FEEDER: DayScope.SUBSTATION,
    DayScope.SUBSTATION: DayScope.DIVISION,
    DayScope.DIVISION: DayScope.UTILITY,
    DayScope.MAKE: DayScope.UTILITY,
}
WITHIN = {
    DayScope.UTILITY: DayScope.DIVISION,
    DayScope.DIVISION: DayScope.SUBSTATION,
    DayScope.SUBSTATION: DayScope.FEEDER,
    DayScope.FEEDER: DayScope.TRANSFORMER,
}
"""What a place is taken apart into; the utility can be taken apart into everything."""


class UnknownPlace(LookupError):
    """There is no such place in the registry. ``scope``, ``code``."""

    def __init__(self, scope: DayScope, code: str) -> None:
        super().__init__(f"there is no {scope.value} {code[:40]!r}")
        self.scope = scope
        self.code = code


class NotWithin(ValueError):
    """A place cannot be taken apart so. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place by its names; ``name_hi`` "" where there is none."""

    scope: DayScope
    code: str
    name: str
    name_hi: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: the period that holds ``day``, of one place, taken apart by ``by``."""

    day: date
    period: ReportPeriod = ReportPeriod.DAY
    scope: DayScope = DayScope.UTILITY
    code: str = ""
    by: DayScope | None = None


@dataclass(frozen=True, kw_only=True)
class Told:
    """A period of a place.

    ``path`` from the utility down to the place; ``days`` its totals day by day, ``before`` those of the period
    before; ``total`` None where no day has totals; ``parts`` what it is taken apart into, ``part`` their scope
    (None: nothing lies within); ``transformers`` all within, for what is worst; ``exceptions`` and ``statements``
    by state (statements of the utility alone).
    """

    question: Question
    first: date
    last: date
    path: tuple[Place, ...]
    days: tuple[DayTotal, ...]
    before: tuple[DayTotal, ...]
    total: SummedTotal | None
    total_before: SummedTotal | None
    part: DayScope | None
    parts: tuple[SummedTotal, ...]
    transformers: tuple[SummedTotal, ...]
    names: Mapping[DayScope, Mapping[str, tuple[str, str]]]
    exceptions: Mapping[str, int]
    statements: Mapping[str, int] | None
    limits: VoltageLimits

    def place(self, scope: DayScope, code: str) -> Place:
        """A place by its names of today; its code where the registry has forgotten it."""
        name, name_hi = self.names.get(scope, {}).get(code, ("", ""))
        return Place(scope=scope, code=code, name=name, name_hi=name_hi)


def tell(records: Records, question: Question, *, day_start_s: int) -> Told:
    """Put the period together from the kept totals; ``day_start_s``: when its first day began.

    Raises UnknownPlace, NotWithin, UnknownVoltageLimit, Unavailable.
    """
    first, last = question.period.span(question.day)
    part = _part(question)
    names, above = _registry(records)
    if question.scope is not DayScope.UTILITY and question.code not in _known(records, question, names):
        raise UnknownPlace(question.scope, question.code)
    kept = records.day_totals
    first_before, last_before = question.period.span(first - timedelta(days=1))
    days = kept.of_days(first, last, question.scope, code=question.code)
    before = kept.of_days(first_before, last_before, question.scope, code=question.code)
    transformers = _transformers(records, question, first, last)
    within = None if question.scope is DayScope.UTILITY else {each.code for each in transformers}
    return Told(
        question=question,
        first=first,
        last=last,
        path=_path(question, names, above),
        days=tuple(days),
        before=tuple(before),
        total=together(days),
        total_before=together(before),
        part=part,
        parts=tuple(_parts(records, question, part, first, last)),
        transformers=tuple(transformers),
        names=names,
        exceptions={} if question.scope is DayScope.MAKE else _exceptions(records, first, last, within),
        statements=kept.statements(first, last) if question.scope is DayScope.UTILITY else None,
        limits=limits_of(records, day_start_s),
    )


def _part(question: Question) -> DayScope | None:
    usual = WITHIN.get(question.scope)
    if question.by is None or question.by is usual:
        return usual
    if question.scope is not DayScope.UTILITY or question.by is DayScope.UTILITY:
        raise NotWithin(f"a {question.scope.value} is not taken apart by {question.by.value}")
    return question.by


def _known(
    records: Records, question: Question, names: Mapping[DayScope, Mapping[str, tuple[str, str]]]
) -> Iterable[str]:
    if question.scope is not DayScope.MAKE:
        return names[question.scope]
    first, last = question.period.span(question.day)
    return [each.code for each in records.day_totals.sums(first, last, DayScope.MAKE)]


def _registry(
    records: Records,
) -> tuple[dict[DayScope, dict[str, tuple[str, str]]], dict[DayScope, dict[str, str]]]:
    """Names by scope and code, and the code of what each lies within now."""
    registry = records.registry
    divisions, substations = registry.divisions(), registry.substations()
    feeders, transformers = registry.feeders(), registry.transformers()
    names = {
        DayScope.DIVISION: {each.code: (each.name, each.name_hi) for each in divisions},
        DayScope.SUBSTATION: {each.code: (each.name, "") for each in substations},
        DayScope.FEEDER: {each.code: (each.name, "") for each in feeders},
        DayScope.TRANSFORMER: {each.code: (each.name, "") for each in transformers},
    }
    above = {
        DayScope.SUBSTATION: {each.code: each.division for each in substations},
        DayScope.FEEDER: {each.code: each.substation for each in feeders},
        DayScope.TRANSFORMER: {each.code: each.feeder for each in transformers},
    }
    return names, above


def _path(
    question: Question,
    names: Mapping[DayScope, Mapping[str, tuple[str, str]]],
    above: Mapping[DayScope, Mapping[str, str]],
) -> tuple[Place, ...]:
    found: list[Place] = []
    scope, code = question.scope, question.code
    while scope is not DayScope.UTILITY:
        name, name_hi = names.get(scope, {}).get(code, ("", ""))
        found.append(Place(scope=scope, code=code, name=name, name_hi=name_hi))
        scope, code = ABOVE[scope], above.get(scope, {}).get(code, "")
    found.append(Place(scope=DayScope.UTILITY, code="", name="", name_hi=""))
    return tuple(reversed(found))


def _parts(
    records: Records, question: Question, part: DayScope | None, first: date, last: date
) -> Sequence[SummedTotal]:
    if part is None:
        return ()
    parents = None if question.scope is DayScope.UTILITY else [question.code]
    return records.day_totals.sums(first, last, part, parents=parents)


def _transformers(records: Records, question: Question, first: date, last: date) -> Sequence[SummedTotal]:
    """All transformers within the place: step by step down, as it lay on those days."""
    kept, scope, codes = records.day_totals, question.scope, [question.code]
    if scope is DayScope.MAKE:
        return ()
    if scope is DayScope.UTILITY:
        return kept.sums(first, last, DayScope.TRANSFORMER)
    if scope is DayScope.TRANSFORMER:
        return [each for each in kept.sums(first, last, scope) if each.code == question.code]
    while WITHIN[scope] is not DayScope.TRANSFORMER:
        scope = WITHIN[scope]
        codes = [each.code for each in kept.sums(first, last, scope, parents=codes)]
    return kept.sums(first, last, DayScope.TRANSFORMER, parents=codes)


def _exceptions(records: Records, first: date, last: date, within: set[str] | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    for transformer, by_state in records.day_totals.exceptions(first, last).items():
        if within is None or transformer in within:
            for state, count in by_state.items():
                counts[state] = counts.get(state, 0) + count
    return counts


def together(days: Sequence[DayTotal]) -> SummedTotal | None:
    """The same as ``DayTotals.sums`` of one place, from its days."""
    if not days:
        return None
    numbers = {name: sum(day.numbers[name] for day in days) for name in days[0].numbers}
    peaks = [(day.extremes["peak_w"], day.extremes["peak_s"]) for day in days]
    peak_w, peak_s = max(
        ((watts, at) for watts, at in peaks if watts is not None), key=lambda each: each[0], default=(None, None)
    )
    least = [day.extremes["least_mv"] for day in days if day.extremes["least_mv"] is not None]
    most = [day.extremes["most_mv"] for day in days if day.extremes["most_mv"] is not None]
    return SummedTotal(
        code=days[0].code,
        parent=days[-1].parent,
        days=len(days),
        numbers=numbers,
        extremes={
            "peak_w": peak_w,
            "peak_s": peak_s,
            "least_mv": min(least, default=None),
            "most_mv": max(most, default=None),
        },
    )
