"""``day``: a city's day is sealed from its segments, validated, estimated, summed, balanced and summarised.

Figures are CPU seconds of one process, so that a busy machine does not change them. Landing the segments is not
counted, the head-end has done it; reading them, writing the sealed blocks durably and reading those again is.
``rule_cost`` is nanoseconds a reading, ``estimation_cost`` that of each rule of estimation alone on all gaps,
measured beside the day. ``vs`` is the same day in SQL: DuckDB's, and PostgreSQL's if it can run.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benches.day_evidence import Beside, beside
from benches.day_sql import day_in_sql
from benches.day_town import DAY, PERIOD, City, arrivals, city
from benches.report import Goal, Report, say, versions
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks
from bijlighar.mdm.estimation import EstimationRule, estimate
from bijlighar.mdm.sums import balance, coarser, summaries, summed
from bijlighar.mdm.validation import RULES, Findings, Found, Limits, Rule
from bijlighar.mdm.validation.catalogue import gathered
from bijlighar.operations.day_seal import DaySealed, seal_planned
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile

CONSUMERS = 300_000
GOAL_READINGS_PER_S = 1.4e6
"""A hundred times the published 13,900 readings a second and core of a 16-core system."""

GOAL_RSS_GB = 1.5

LIMITS = Limits(consecutive_ratio=0.99)
"""All rules are on, so that each has a cost."""

NOW_S = PERIOD.end_s + 9 * 3600.0


@dataclass(kw_only=True)
class Measured:
    """CPU seconds by step and by rule, and what came out, so that nobody measures nothing."""

    cpu_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    rules_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    estimation_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    findings: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    estimates: int = 0
    left_missing: int = 0
    transformers_told: int = 0
    total_kwh: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what the block costs under a name."""
        begun = time.process_time()
        yield
        self.cpu_s[name] += time.process_time() - begun

    @property
    def total_s(self) -> float:
        """All steps."""
        return sum(self.cpu_s.values())


def run(consumers: int = CONSUMERS) -> Report:
    """Measure, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="bijlighar-day-") as folder:
        return measure(Path(folder), consumers)


def measure(folder: Path, consumers: int) -> Report:
    """Measure in a folder."""
    town = city(consumers)
    with Records(None, folder, now=lambda: NOW_S) as records:
        landed, segments = land(records, town)
        say(f"day: {landed} rows in {segments} segments")
        figures = Measured()
        plan = town.plan()
        with figures.step("seal"):
            sealed = seal_planned(records, plan)
        say(f"day: sealed {sealed.readings} readings in {figures.cpu_s['seal']:.2f} s")
        work(records, town, figures)
        say(f"day: all in {figures.total_s:.2f} s")
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        octets = sum(block.octets for block in records.blocks.day(DAY))
        versus = day_in_sql(records, folder, town, figures.total_s)
    return _report(town, sealed, figures, segments=segments, peak_gb=peak_gb, octets=octets, versus=versus)


def land(records: Records, town: City) -> tuple[int, int]:
    """Land the day; rows and segments."""
    rows = segments = 0
    for batches in arrivals(town):
        records.landing.land(batches, [])
        rows += sum(len(batch) for batch in batches)
        segments += 1
    return rows, segments


def work(records: Records, town: City, figures: Measured) -> None:
    """Bucket by bucket: read, validate, estimate, sum, balance, summarise."""
    by_bucket: dict[int, list[BlockFile]] = {}
    for block in records.blocks.day(DAY):
        by_bucket.setdefault(block.bucket, []).append(block)
    for files in by_bucket.values():
        blocks: dict[int, DayBlocks] = {}
        final: dict[int, NDArray[np.int64]] = {}
        for file in files:
            with figures.step("read"):
                read = sealed_of(records.blocks.read(file, DAY), PERIOD).blocks
            given = beside(read)  # what stands beside the block is read from elsewhere: not counted
            _validate(given, figures)
            blocks[file.period_s], final[file.period_s] = read, _estimate(read, given, figures)
        _sum(town, blocks, final, figures)


def _validate(given: Beside, figures: Measured) -> Findings:
    found: list[tuple[Rule, Found]] = []
    with figures.step("validate"):
        for rule in RULES:
            begun = time.process_time()
            each = rule.judge(given.evidence, LIMITS)
            figures.rules_s[rule.id] += time.process_time() - begun
            figures.findings[rule.id] += len(each)
            found.append((rule, each))
        return gathered(given.evidence, [(rule, each) for rule, each in found if len(each)])


def _estimate(block: DayBlocks, given: Beside, figures: Measured) -> NDArray[np.int64]:
    with figures.step("estimate"):
        values = block.channel("import_wh")
        made = estimate(values, block.period_s, given.background)
        final = values.copy()
        final[made.row, made.slot] = made.value
    _cost_of_each(block, given, figures)
    figures.estimates += len(made)
    figures.left_missing += len(made.left_row)
    return final


def _cost_of_each(block: DayBlocks, given: Beside, figures: Measured) -> None:
    """Adjusting needs something to adjust: it is measured with like days before it."""
    for rule in EstimationRule:
        first = (EstimationRule.LIKE_DAYS,) if rule is EstimationRule.ADJUST_FROM_SCALAR else ()
        begun = time.process_time()
        estimate(block.channel("import_wh"), block.period_s, given.background, (*first, rule))
        figures.estimation_s[rule.id] += time.process_time() - begun


def _sum(town: City, blocks: dict[int, DayBlocks], final: dict[int, NDArray[np.int64]], figures: Measured) -> None:
    if 1800 not in blocks:
        return
    consumers = blocks[1800]
    owner = town.transformer[consumers.meter_id]
    present, group = np.unique(owner, return_inverse=True)
    with figures.step("sums"):
        sums = summed(final[1800], group.astype(np.int64), len(present))
    with figures.step("balance"):
        supplied = np.full(sums.energy.shape, MISSING, dtype=np.int64)
        if 900 in blocks:
            place = np.searchsorted(present, town.transformer[blocks[900].meter_id])
            supplied[place] = coarser(final[900], 2)
        told = balance(supplied, sums)
    with figures.step("summaries"):
        days = summaries(
            final[1800], 1800, consumers.channel("voltage_mv"), consumers.channel("import_wh") == MISSING
        )
    figures.transformers_told += int(np.count_nonzero(told.slots_told))
    figures.total_kwh += float(days.total_wh.sum()) / 1000


def _report(
    town: City,
    sealed: DaySealed,
    figures: Measured,
    *,
    segments: int,
    peak_gb: float,
    octets: int,
    versus: dict[str, float],
) -> Report:
    per_s = sealed.readings / figures.total_s
    return Report(
        name="day",
        input=f"{town.consumers} consumers x 48 and {town.transformers} transformers, 7 in 10 with a meter x 96; "
        f"{segments} segments, 2 % corrections, 6 channels; evidence and like days handed over as arrays",
        figures={
            "readings_per_s_per_core": round(per_s),
            "peak_rss_gb": round(peak_gb, 3),
            "readings": sealed.readings,
            "corrected": sealed.corrected,
            "bytes_per_reading": round(octets / sealed.readings, 3),
            "cpu_s": {name: round(seconds, 3) for name, seconds in figures.cpu_s.items()},
            "rule_cost": {
                name: round(1e9 * seconds / sealed.readings, 3) for name, seconds in figures.rules_s.items()
            },
            "estimation_cost": {
                name: round(1e9 * seconds / sealed.readings, 3) for name, seconds in figures.estimation_s.items()
            },
            "findings": dict(figures.findings),
            "estimates": figures.estimates,
            "left_missing": figures.left_missing,
            "transformers_balanced": figures.transformers_told,
            "total_kwh": round(figures.total_kwh),
            "vs": versus,
        },
        goals=[
            Goal(figure="readings_per_s_per_core", measured=per_s, limit=GOAL_READINGS_PER_S, at_most=False),
            Goal(figure="peak_rss_gb", measured=peak_gb, limit=GOAL_RSS_GB),
        ],
        versions=versions("pyarrow"),
    )
