"""A consumer's use for taking along: final measurements of the own usage point, as ``mdm.espi`` writes them.

Sealed days come with estimates and edits and their quality codes; days that are not sealed yet are the meter's own
readings, raw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import KOLKATA, Period, civil_date, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.espi import Block, Flow
from bijlighar.mdm.estimation import Quality
from bijlighar.mdm.measurements import KeptEstimates, final_state
from bijlighar.operations.consumer_view import rows_of, used
from bijlighar.operations.day_service import Stay
from bijlighar.records import Records
from bijlighar.records.blocks_estimates import joined
from bijlighar.records.blocks_file import BlockColumns, day_named, sealed_of

MOST_DAYS = 400
"""Thirteen months, and a little more: Green Button readers ask for a year and the month before."""

CHANNEL = {Flow.IMPORT: "import_wh", Flow.EXPORT: "export_wh"}


class SpanRefused(ValueError):
    """The days cannot be told in one download."""


def checked_span(first: date, last: date) -> None:
    """Refuse what is no span of days, or too long. Raises SpanRefused."""
    if last < first:
        raise SpanRefused(f"{last} lies before {first}")
    if (last - first).days >= MOST_DAYS:
        raise SpanRefused(f"more than {MOST_DAYS} days")


def use_blocks(
    records: Records, there: Sequence[Stay], first: date, last: date, *, now_s: int, zone: ZoneInfo = KOLKATA
) -> Iterator[Block]:
    """The days from ``first`` to ``last``, both included, month by month: import, and export where there is any.

    Raises SpanRefused at once; while iterating BlockDamaged, SegmentDamaged, Unavailable.
    """
    checked_span(first, last)
    for begin, end in _months(first, last):
        for flow in Flow:
            for stay in there:
                yield from _stay_blocks(records, stay, flow, begin, end, now_s, zone)


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    begin = first
    while begin <= last:
        after = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield begin, min(last, after - timedelta(days=1))
        begin = after


def _stay_blocks(
    records: Records, stay: Stay, flow: Flow, first: date, last: date, now_s: int, zone: ZoneInfo
) -> Iterator[Block]:
    period = Period(start_s=civil_day(first, zone).start_s, end_s=civil_day(last, zone).end_s)
    if not stay.touches(period):
        return
    sealed: set[date] = set()
    for columns in records.blocks.meter_days(stay.meter_id, first, last, [CHANNEL[flow]]):
        sealed |= {day_named(day) for day in columns.day.tolist()}
        yield from _sealed_blocks(records, stay, flow, columns, period, now_s, zone)
    yield from _raw_blocks(records, stay, flow, period, sealed, zone)


def _sealed_blocks(
    records: Records, stay: Stay, flow: Flow, columns: BlockColumns, period: Period, now_s: int, zone: ZoneInfo
) -> Iterator[Block]:
    channel = CHANNEL[flow]
    days = [day_named(number) for number in columns.day.tolist()]
    kept = _estimates(records, stay.meter_id, days, channel)
    edits = [each for each in records.edits.edits(period, stay.meter_id) if each.channel == channel]
    bills = records.edits.bills(period, stay.meter_id)
    for row, day in enumerate(days):
        span = civil_day(day, zone)
        final = final_state(
            sealed_of(columns.only(np.array([row])), span),
            channel,
            estimates=kept,
            edits=[edit for edit in edits if edit.start_s in span],
            bills=bills,
            at_s=now_s,
        )
        start_s = span.start_s + np.arange(final.value.shape[1], dtype=np.int64) * columns.period_s
        there = (start_s >= stay.start_s) & (start_s < stay.end_s)
        value = np.where(there, final.value[0], MISSING)
        yield from _block(stay, flow, columns.period_s, span, start_s, value, final.quality[0])


def _estimates(records: Records, meter_id: int, days: Sequence[date], channel: str) -> KeptEstimates | None:
    found: KeptEstimates | None = None
    for each in records.estimates.of_meter(meter_id, days[0], days[-1], channel):
        found = each if found is None else joined(found, each)
    return found


def _raw_blocks(
    records: Records, stay: Stay, flow: Flow, period: Period, sealed: set[date], zone: ZoneInfo
) -> Iterator[Block]:
    for _, batch in rows_of(records, ProfileKind.BLOCK_LOAD, [stay], period):
        day_of = [civil_date(start, zone) for start in batch.start_s.tolist()]
        for day in sorted(set(day_of) - sealed):
            rows = np.flatnonzero(np.array([each == day for each in day_of]))
            quality = np.full(len(rows), Quality.RAW, dtype=np.int16)
            value = batch.channels[CHANNEL[flow]][rows]
            span = civil_day(day, zone)
            yield from _block(stay, flow, batch.period_s, span, batch.start_s[rows], value, quality)


def _block(
    stay: Stay,
    flow: Flow,
    period_s: int,
    day: Period,
    start_s: NDArray[np.int64],
    value: NDArray[np.int64],
    quality: NDArray[np.int16],
) -> Iterator[Block]:
    """Nothing for a day of which nothing is held, and none of export that never was."""
    held = value != MISSING
    if held.any() and (flow is Flow.IMPORT or value[held].any()):
        yield Block(
            flow=flow,
            period_s=period_s,
            day_start_s=day.start_s,
            day_s=day.seconds,
            start_s=start_s,
            value_wh=value if stay.ratio is None else _used(stay, value),
            quality=quality,
        )


def _used(stay: Stay, value: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([MISSING if each == MISSING else used(stay, each) for each in value.tolist()], dtype=np.int64)
