"""One round of the day's work: seal what is over, estimate and validate what changed, keep and let go.

A step of a day is done again when the blocks, midnight registers or settings that it saw have changed, so a round
is cheap when nothing came in and can be killed anywhere. A day is validated when most meters have answered; it is
estimated when all have had their time, so that what comes late is read and not guessed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import structlog

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import KOLKATA, Period, civil_date, civil_day
from bijlighar.mdm.validation import RULES
from bijlighar.operations.day_estimate import estimate_day
from bijlighar.operations.day_evidence import LIMITS_KEY as VALIDATION_KEY
from bijlighar.operations.day_evidence import DayKnowledge, gather
from bijlighar.operations.day_keep import BACKFILL_DAYS, Kept, tend_days
from bijlighar.operations.day_parts import changed, seen_by_bucket
from bijlighar.operations.day_report.totals import LIMITS_KEY as VOLTAGE_KEY
from bijlighar.operations.day_report.totals import keep_totals
from bijlighar.operations.day_validate import BlockFindings, DayFindings, validate_day
from bijlighar.operations.estimation_order import ORDER_KEY
from bijlighar.records import Records
from bijlighar.records.blocks_manifest import ESTIMATES, BlockFile
from bijlighar.records.day_progress import DayStep, Done, combined, name_of
from bijlighar.records.exceptions import FoundException, Judged

VALIDATE_AFTER_S = 8 * 3600
"""After the day's end: the service level wants 95 % of the meters by then, so a gap begins to mean something."""
ESTIMATE_AFTER_S = 24 * 3600
"""After the day's end: the service level wants 99 % of the meters by then."""

_VERSION = {rule.number: rule.version for rule in RULES}
_log = structlog.get_logger("worker")


@dataclass(kw_only=True)
class Round:
    """What a round did."""

    kept: Kept
    estimated: list[date]
    validated: list[date]
    totalled: list[date] = field(default_factory=list)


def work_round(
    records: Records, now_s: float, zone: ZoneInfo = KOLKATA, *, going_on: Callable[[], bool] = lambda: True
) -> Round:
    """Do what is due; ``going_on`` is asked between days, and once it says no the rest waits for the next round.

    Raises as ``tend_days``, ``estimate_day`` and ``validate_day``.
    """
    with records.registry.remembered():
        return _round(records, now_s, zone, going_on)


def _round(records: Records, now_s: float, zone: ZoneInfo, going_on: Callable[[], bool]) -> Round:
    result = Round(kept=tend_days(records, now_s, zone), estimated=[], validated=[])
    today = civil_date(int(now_s), zone)
    for ago in range(1, BACKFILL_DAYS + 1):
        day = today - timedelta(days=ago)
        since_s = now_s - civil_day(day, zone).end_s
        if not going_on():
            continue
        if since_s < VALIDATE_AFTER_S:
            _total(records, day, int(now_s), zone, result)
            continue
        _estimate_and_judge(records, day, int(now_s), zone, result, estimate=since_s >= ESTIMATE_AFTER_S)
        _total(records, day, int(now_s), zone, result)
    return result


def _total(records: Records, day: date, now_s: int, zone: ZoneInfo, result: Round) -> None:
    """The day's totals, from its end on: who comes in the early morning sees what is known by then."""
    if (blocks := _due(records, day, DayStep.TOTALLED, zone)) is None:
        return
    kept = keep_totals(records, day, now_s=now_s, zone=zone)
    records.day_progress.put(day, DayStep.TOTALLED, Done(blocks=blocks, done_s=now_s))
    result.totalled.append(day)
    _log.info("day totalled", day=day.isoformat(), totals=kept)


def _estimate_and_judge(
    records: Records, day: date, now_s: int, zone: ZoneInfo, result: Round, *, estimate: bool
) -> None:
    """Those buckets of which a step would see something else than it saw; what is known is gathered once."""
    known: DayKnowledge | None = None
    for step in (DayStep.ESTIMATED, DayStep.VALIDATED) if estimate else (DayStep.VALIDATED,):
        if (blocks := _due(records, day, step, zone)) is None:
            continue
        known = known or gather(records, day, zone)
        before = records.day_progress.done(day).get(step)
        files = _files(records, day, step)
        seen = seen_by_bucket(records, known, files, _in_force(records, step, known.period.start_s))
        again = changed({} if before is None else before.buckets, seen)
        if again and step is DayStep.ESTIMATED:
            made = estimate_day(records, day, now_s=now_s, zone=zone, known=known, buckets=again)
            result.estimated.append(day)
            _log.info("day estimated", day=day.isoformat(), buckets=len(again), made=made.made, left=made.left)
        elif again:
            judged = _judge(records, day, now_s, known, again, whole=len(again) == len(seen))
            result.validated.append(day)
            _log.info(
                "day validated",
                day=day.isoformat(),
                buckets=len(again),
                opened=judged.opened,
                standing=judged.standing,
            )
        records.day_progress.put(day, step, Done(blocks=blocks, done_s=now_s, buckets=seen))


def _judge(
    records: Records, day: date, now_s: int, known: DayKnowledge, buckets: Collection[int], *, whole: bool
) -> Judged:
    """Validate some buckets and keep what was found in the queue."""
    found = exceptions_of(validate_day(records, day, known=known, buckets=buckets))
    if whole:
        return records.exceptions.keep(day, found, now_s)
    files = [file for file in records.blocks.day(day) if file.bucket in buckets]
    meters = {meter_id for file in files for meter_id in records.blocks.meters_of(file).tolist()}
    return records.exceptions.keep(day, found, now_s, judged=meters)


def exceptions_of(found: DayFindings) -> list[FoundException]:
    """Findings of a day as the queue keeps them."""
    return [each for block in found.blocks for each in _of_block(block)]


def _of_block(block: BlockFindings) -> list[FoundException]:
    found = block.findings
    measured, limit = (np.nan_to_num(figures).tolist() for figures in (found.measured, found.limit))
    columns = (found.meter_id, found.rule, found.first_slot, found.end_slot, found.severity)
    rows = zip(*(column.tolist() for column in columns), measured, limit, strict=True)
    return [
        FoundException(
            meter_id=meter_id,
            rule=rule,
            rule_version=_VERSION[rule],
            period_s=block.period_s,
            first_slot=first,
            end_slot=end,
            severity=severity,
            measured=figure,
            held_against=held_against,
        )
        for meter_id, rule, first, end, severity, figure, held_against in rows
    ]


def _due(records: Records, day: date, step: DayStep, zone: ZoneInfo) -> str | None:
    """What a step is to see, by name: blocks, midnight registers and its setting; None when it has seen them.

    Validation sees estimates too; the day's totals see estimates, edits and events, and no registers.
    """
    seen = _files(records, day, step)
    if not seen:
        return None
    period = civil_day(day, zone)
    if step is DayStep.TOTALLED:
        beside = [segment.segment_id for segment in records.readings.pin(ProfileKind.EVENT, period).segments]
        beside.append(f"edits {len(records.edits.edits(period))}")
    else:
        beside = [
            segment.segment_id
            for at_s in (period.start_s, period.end_s)
            for segment in records.readings.pin(ProfileKind.DAILY, Period(start_s=at_s, end_s=at_s + 1)).segments
        ]
    blocks = combined([name_of(seen), *beside, _in_force(records, step, period.start_s)])
    done = records.day_progress.done(day).get(step)
    return None if done is not None and done.blocks == blocks else blocks


def _files(records: Records, day: date, step: DayStep) -> list[BlockFile]:
    """Blocks of a day, and its estimates for a step that sees them; nothing where nothing is sealed."""
    files = records.blocks.day(day)
    if files and step is not DayStep.ESTIMATED:
        files += records.blocks.manifest.blocks(ESTIMATES, day, day)
    return files


_SETTING_OF = {DayStep.ESTIMATED: ORDER_KEY, DayStep.VALIDATED: VALIDATION_KEY, DayStep.TOTALLED: VOLTAGE_KEY}


def _in_force(records: Records, step: DayStep, at_s: int) -> str:
    """The rows of a step's setting that hold or held at an instant: limits are put together from all of them."""
    rows = [row for row in records.settings.history(_SETTING_OF[step]) if row.valid_from_s <= at_s]
    return json.dumps([[row.valid_from_s, row.value] for row in rows], sort_keys=True)
