"""``decode``: what a row costs when the block loads of many meters are decoded at once, every tag verified.

Each meter has another day, so that no date is shared; stamps are block ends, so that the last row of each buffer
has another date than the rest. ``ns_per_row`` is the worst of 64 to 1,024 meters, each the median of rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from benches.blockload import COLUMNS, ROWS, RULES, day_buffer
from benches.report import Goal, Report, say
from bijlighar.dlms.template import Template

METERS = (64, 256, 1024)
ROUNDS = 15
ROWS_PER_ROUND = 100_000
"""Some 3 ms: far above the clock's grain, far below a scheduler's slice."""

DAYS = 300
GOAL_NS_PER_ROW = 30.0


def ns_per_row(
    decode: Callable[[list[bytes]], object],
    buffers: list[bytes],
    rounds: int,
    rows_per_round: int = ROWS_PER_ROUND,
) -> float:
    """The median over rounds, by process CPU time, after one round to warm up."""
    rows = ROWS * len(buffers)
    repeat = max(1, rows_per_round // rows)
    costs = []
    for _ in range(rounds + 1):
        begun = time.process_time_ns()
        for _ in range(repeat):
            decode(buffers)
        costs.append((time.process_time_ns() - begun) / (rows * repeat))
    return median(costs[1:])


def run(rounds: int = ROUNDS, numbers_of_meters: tuple[int, ...] = METERS) -> Report:
    """Measure."""
    most = max(numbers_of_meters)
    say(f"decode: making the days of {most} meters")
    own_day = [day_buffer(meter, meter % DAYS) for meter in range(most)]
    same_day = [day_buffer(meter) for meter in range(most)]
    template = Template.learn(own_day[0], RULES)
    _check(template, own_day)
    by_meters, by_meters_same_day = {}, {}
    for meters in numbers_of_meters:
        own = round(ns_per_row(template.decode_rows, own_day[:meters], rounds), 1)
        same = round(ns_per_row(template.decode_rows, same_day[:meters], rounds), 1)
        by_meters[str(meters)], by_meters_same_day[str(meters)] = own, same
        say(f"decode: {meters} meters: {own} ns a row, all of the same day {same}")
    single_us = ns_per_row(template.decode_rows, own_day[:1], rounds) * ROWS / 1000
    general = _row_by_row(own_day[0])
    general_us = ns_per_row(template.decode_rows, [general], rounds, ROWS) * ROWS / 1000
    say(f"decode: one buffer {single_us:.1f} us, row by row {general_us:.0f} us")
    worst = max(by_meters.values())
    return Report(
        name="decode",
        input=f"block loads of {ROWS} rows x {COLUMNS} columns, 45 octets a row, a day of its own for each meter",
        figures={
            "ns_per_row": worst,
            "ns_per_row_by_meters": by_meters,
            "ns_per_row_same_day_by_meters": by_meters_same_day,
            "single_buffer_us": round(single_us, 1),
            "row_by_row_buffer_us": round(general_us, 1),
        },
        goals=[Goal(figure="ns_per_row", measured=worst, limit=GOAL_NS_PER_ROW)],
    )


def _check(template: Template, buffers: list[bytes]) -> None:
    """What is measured must be right: all rows, no fault, and the fast way."""
    table = template.decode_rows(buffers)
    assert not table.faults, table.faults[:3]
    assert len(table) == ROWS * len(buffers)


def _row_by_row(octets: bytes) -> bytes:
    """The same buffer with its number of rows written in the long form, which no template knows."""
    return octets[:1] + b"\x81" + octets[1:]
