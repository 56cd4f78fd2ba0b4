"""A failing plan made smaller: fewer kinds of misfortune, later and earlier ends, until every piece is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .simulation import Found, Plan, simulate
from .weather import HOUR_S, Weather

RATES = (
    *("kills_a_day", "stops_a_day", "pauses_a_day", "power_cuts", "at_a_step", "flickers"),
    *("outages_a_day", "disk_refuses", "lost_answers", "towers_a_day", "clock_resets"),
)
FINE_S = 0.25 * HOUR_S
"""Faults are narrowed down to so long a time."""


def breaks(plan: Plan, promise: str) -> Found | None:
    """The run, when it breaks this promise."""
    found = simulate(plan)
    return found if any(violation.promise == promise for violation in found.violations) else None


def shrink(plan: Plan, promise: str, tell: Callable[[str], None], run=breaks) -> tuple[Plan, Found]:
    """The smallest plan that was found to break the same promise, and its run. ``run`` as ``breaks``.

    Every draw belongs to its own name, so what is left out shifts nothing else. Raises ValueError for a plan that
    breaks no such promise.
    """
    found = run(plan, promise)
    if found is None:
        raise ValueError(f"this plan does not break {promise!r}")
    for what, smaller in _without(plan.weather):
        tried = replace(plan, weather=_joined(plan.weather, smaller))
        if (less := run(tried, promise)) is not None:
            tell(f"needs no {what}")
            plan, found = tried, less
    plan, found = _narrowed(plan, found, promise, run)
    tell(f"faults from {plan.weather.from_s:.0f} s until {plan.weather.until_s:.0f} s are enough")
    return plan, found


def _without(weather: Weather) -> Iterator[tuple[str, dict[str, object]]]:
    if weather.line:
        yield "fault of any line", {"line": ()}
    for fault, _ in weather.line:
        yield f"line that is {fault}", {"line": fault}
    for name in RATES:
        if getattr(weather, name):
            yield name.replace("_", " "), {name: 0.0}


def _joined(weather: Weather, change: dict[str, object]) -> Weather:
    if "line" in change and change["line"] != ():
        return replace(weather, line=tuple(pair for pair in weather.line if pair[0] is not change["line"]))
    return replace(weather, **change)


def _narrowed(plan: Plan, found: Found, promise: str, run) -> tuple[Plan, Found]:
    """Bisect the last and then the first moment at which anything may happen."""
    least, most = 0.0, min(plan.weather.until_s, plan.end_s - plan.calm_s)
    while most - least > FINE_S:
        middle = (least + most) / 2
        tried = replace(plan, weather=replace(plan.weather, until_s=middle))
        if (less := run(tried, promise)) is not None:
            plan, found, most = tried, less, middle
        else:
            least = middle
    least = plan.weather.from_s
    while most - least > FINE_S:
        middle = (least + most) / 2
        tried = replace(plan, weather=replace(plan.weather, from_s=middle))
        if (less := run(tried, promise)) is not None:
            plan, found, least = tried, less, middle
        else:
            most = middle
    return plan, found
