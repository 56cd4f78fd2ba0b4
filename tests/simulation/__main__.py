"""``python -m tests.simulation --seed 7 --meters 50 --days 4 --weather storm``: replay a seed, or try many.

Ends with 1 when a promise was broken; then tells the seed, the events around it and the command to see it again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .shrink import shrink
from .simulation import CALM_S, Found, Plan, simulate
from .weather import DAY_S, WEATHERS


def main() -> int:
    """Run what the command line says."""
    asked = _arguments()
    broken = 0
    for seed in range(asked.seed, asked.seed + asked.seeds):
        plan = Plan(
            seed=seed,
            meters=asked.meters,
            days=asked.days,
            weather=WEATHERS[asked.weather],
            calm_s=min(asked.calm_days * DAY_S, asked.days * DAY_S / 2),
            headends=asked.headends,
        )
        if asked.trace is None:
            found = simulate(plan)
        else:
            with Path(asked.trace).open("w", encoding="utf-8") as into:
                found = simulate(plan, into)
        _tell(plan, found)
        if found.violations:
            broken += 1
            _explain(asked, plan, found)
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on")
    parser.add_argument("--meters", type=int, default=10)
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--weather", choices=sorted(WEATHERS), default="rough")
    parser.add_argument("--headends", type=int, default=1, help="processes that share the town")
    parser.add_argument("--calm-days", type=float, default=CALM_S / DAY_S, help="peace at the end")
    parser.add_argument("--trace", help="file for every event")
    parser.add_argument("--shrink", action="store_true", help="make a failing plan smaller before it is told")
    return parser.parse_args()


def _tell(plan: Plan, found: Found) -> None:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.most_common())
    befell = ", ".join(f"{count} {what}" for what, count in found.befell.most_common()) or "nothing"
    print(
        f"seed {plan.seed}: {plan.meters} meters, {plan.days:g} days, {found.calls} sessions, {found.rows} rows,"
        f" {found.steps} steps in {found.cpu_s:.1f} s of processor ({found.calls / found.cpu_s:.0f} sessions/s)"
    )
    print(f"  contacts: {outcomes}\n  befell: {befell}\n  digest {found.digest}", flush=True)


def _explain(asked: argparse.Namespace, plan: Plan, found: Found) -> None:
    first = found.violations[0]
    if asked.shrink:
        plan, found = shrink(plan, first.promise, lambda word: print(f"  shrinking: {word}", flush=True))
        first = next(one for one in found.violations if one.promise == first.promise)
    print(f"  BROKEN: {first.promise}: {first.detail}, event {first.event} at {first.now_s:.3f} s")
    for line in found.trace.around(first.event, about=first.about):
        print(f"    {line}")
    for promise in dict.fromkeys(one.promise for one in found.violations):
        count = sum(one.promise == promise for one in found.violations)
        print(f"  {count} x {promise}")
    print(
        f"  again: python -m tests.simulation --seed {plan.seed} --meters {plan.meters} --days {plan.days:g}"
        f" --weather {asked.weather} --headends {plan.headends} --calm-days {plan.calm_s / DAY_S:g} --trace FILE"
    )


if __name__ == "__main__":
    sys.exit(main())
