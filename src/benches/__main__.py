"""``python -m benches [NAME] [--json]``: one benchmark, or all of them in one table."""

from __future__ import annotations

import argparse
import json

from benches.registry import MODULES, benchmark
from benches.report import Report


def main(arguments: list[str] | None = None) -> int:
    """Run, print, and tell by the exit code whether the figures could be taken (not whether goals are met)."""
    parser = argparse.ArgumentParser(prog="bijlighar bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(MODULES), help="without a name, all of them")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--meters", type=int, help="homes of the city, for `city` only; default 10000")
    parser.add_argument("--headends", type=int, help="head-ends that read it, for `city` only; default 2")
    given = parser.parse_args(arguments)
    chosen = {}
    for option, what in (("meters", "homes"), ("headends", "head-ends")):
        count = getattr(given, option)
        if count is not None and (given.name != "city" or count < 1):
            parser.error(f"--{option} is a number of {what} for the benchmark `city`")
        if count is not None:
            chosen[option] = count
    reports = [benchmark(name)(**chosen) for name in ([given.name] if given.name else sorted(MODULES))]
    if not given.json:
        print(table(reports))
    elif given.name:
        print(reports[0].as_json())
    else:
        print(json.dumps({report.name: report.as_dict() for report in reports}, ensure_ascii=False))
    return 0


def table(reports: list[Report]) -> str:
    """Figures and goals for people."""
    lines = [f"{'benchmark':<10} {'figure':<34} {'measured':>12}  goal"]
    for report in reports:
        goals = {goal.figure: goal for goal in report.goals}
        for figure, value in _flat(report.figures):
            goal = goals.get(figure)
            told = "" if goal is None else f"{'<=' if goal.at_most else '>='} {goal.limit:g}"
            told += "" if goal is None else " met" if goal.met else " MISSED"
            lines.append(f"{report.name:<10} {figure:<34} {value!s:>12}  {told}")
    return "\n".join(lines)


def _flat(figures: dict[str, object], above: str = "") -> list[tuple[str, object]]:
    result: list[tuple[str, object]] = []
    for key, value in figures.items():
        name = f"{above}.{key}" if above else key
        result += _flat(value, name) if isinstance(value, dict) else [(name, value)]
    return result


if __name__ == "__main__":
    raise SystemExit(main())
