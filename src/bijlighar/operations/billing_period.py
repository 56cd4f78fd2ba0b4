"""Billing determinants of every usage point for a span of civil days, as they stood at an instant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.billing import Determinants, IntervalGroup, Segments, Tally
from bijlighar.mdm.billing.determinants import CHANNELS, ENERGY
from bijlighar.mdm.billing.tariff import Band, band_of
from bijlighar.mdm.measurements import final_state
from bijlighar.operations.billing_lengths import counted_once
from bijlighar.operations.day_meters import multiplier, told_ratio, wraps_at_wh
from bijlighar.operations.day_service import Stay, stays
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile

NEAR_S = 3600
"""A register read within the hour of a replacement stands for the register at the replacement."""
REGISTER_KINDS = (ProfileKind.DAILY, ProfileKind.BILLING, ProfileKind.INSTANTANEOUS)
"""Profiles with registers, the surest first: a midnight row is stamped by the meter itself."""
MOST_DAYS = 400
"""Days of one period: a year and a bill that came late."""

Integers = NDArray[np.int64]


class PeriodRefused(ValueError):
    """The days are no billing period."""


@dataclass(frozen=True, kw_only=True)
class BilledPeriod:
    """Determinants of a period. ``usage_points``, ``meters`` by point: codes, and the meters that hung there.

    ``at_s``: the state of the readings that was taken.
    """

    first_day: date
    last_day: date
    period: Period
    at_s: int
    usage_points: tuple[str, ...]
    meters: tuple[tuple[int, ...], ...]
    determinants: Determinants


def determine_period(
    records: Records,
    first_day: date,
    last_day: date,
    *,
    at_s: int,
    bands: tuple[Band, ...] = (),
    usage_points: Collection[str] | None = None,
    zone: ZoneInfo = KOLKATA,
) -> BilledPeriod:
    """Determine every usage point (of some) that had a meter in the days, both ends included.

    Raises PeriodRefused, BlockDamaged, SegmentDamaged, Unavailable.
    """
    if not first_day <= last_day or (last_day - first_day).days >= MOST_DAYS:
        raise PeriodRefused(f"{first_day} to {last_day} is no billing period")
    period = Period(start_s=civil_day(first_day, zone).start_s, end_s=civil_day(last_day, zone).end_s)
    cut = sorted(
        (
            _cut(stay, period)
            for stay in stays(records.registry.installations())
            if stay.touches(period) and (usage_points is None or stay.usage_point in usage_points)
        ),
        key=lambda stay: (stay.usage_point, stay.start_s),
    )
    points = sorted({stay.usage_point for stay in cut})
    segments = _segments(records, cut, points, period)
    tally = Tally(segments, max(1, len(bands)))
    for group in _groups(records, cut, (first_day, last_day), bands, at_s, zone):
        tally.add(group)
    meters: list[list[int]] = [[] for _ in points]
    for stay, point in zip(cut, segments.point.tolist(), strict=True):
        meters[point].append(stay.meter_id)
    return BilledPeriod(
        first_day=first_day,
        last_day=last_day,
        period=period,
        at_s=at_s,
        usage_points=tuple(points),
        meters=tuple(map(tuple, meters)),
        determinants=tally.determinants(),
    )


def _cut(stay: Stay, period: Period) -> Stay:
    return Stay(
        meter_id=stay.meter_id,
        usage_point=stay.usage_point,
        start_s=max(stay.start_s, period.start_s),
        end_s=min(stay.end_s, period.end_s),
        ratio=stay.ratio,
        opening_wh=stay.opening_wh if stay.start_s > period.start_s else None,
        closing_wh=stay.closing_wh if stay.end_s < period.end_s else None,
    )


def _segments(records: Records, cut: list[Stay], points: list[str], period: Period) -> Segments:
    place = {code: number for number, code in enumerate(points)}
    opening = _registers(records, cut, [stay.start_s for stay in cut], period.start_s, before=False)
    closing = _registers(records, cut, [stay.end_s for stay in cut], period.end_s, before=True)
    for number, stay in enumerate(cut):  # what was read on the spot stands before what was read close by
        if stay.opening_wh is not None:
            opening[ENERGY][number] = stay.opening_wh
        if stay.closing_wh is not None:
            closing[ENERGY][number] = stay.closing_wh
    plates = records.nameplates.plates(period.end_s) if any(stay.ratio for stay in cut) else {}
    times = [multiplier(stay.ratio, told_ratio(plates.get(stay.meter_id))) for stay in cut]
    wraps_at = {meter.meter_id: wraps_at_wh(meter.register_digits) for meter in records.registry.meters()}
    return Segments(
        points=len(points),
        point=np.array([place[stay.usage_point] for stay in cut], dtype=np.int64),
        numerator=np.array([each.numerator for each in times], dtype=np.int64),
        denominator=np.array([each.denominator for each in times], dtype=np.int64),
        wraps_at=np.array([wraps_at.get(stay.meter_id, 0) for stay in cut], dtype=np.int64),
        opening=opening,
        closing=closing,
    )


def _registers(
    records: Records, cut: list[Stay], at: list[int], edge_s: int, *, before: bool
) -> dict[str, Integers]:
    """Registers of each segment at its instant: at the period's edge the midnight row, else one read close by."""
    result = {channel: np.full(len(cut), MISSING, dtype=np.int64) for channel in CHANNELS}
    edge = records.readings.table(
        ProfileKind.DAILY, None, Period(start_s=edge_s, end_s=edge_s + 1), list(CHANNELS)
    )
    row_of = {meter_id: row for row, meter_id in enumerate(edge.meter_id.tolist())}
    for number, (stay, at_s) in enumerate(zip(cut, at, strict=True)):
        if at_s == edge_s:
            row = row_of.get(stay.meter_id)
            found = None if row is None else {name: int(edge.channels[name][row]) for name in CHANNELS}
        else:
            found = _close_by(records, stay.meter_id, at_s, before=before)
        for channel, value in (found or {}).items():
            result[channel][number] = value
    return result


def _close_by(records: Records, meter_id: int, at_s: int, *, before: bool) -> dict[str, int] | None:
    """The last row of the hour before a removal, the first of the hour after an installation."""
    span = Period(start_s=at_s - NEAR_S, end_s=at_s + 1) if before else Period(start_s=at_s, end_s=at_s + NEAR_S)
    for kind in REGISTER_KINDS:
        rows = records.readings.rows(kind, meter_id, span, list(CHANNELS))
        if len(rows):
            row = -1 if before else 0
            return {channel: int(rows.channels[channel][row]) for channel in CHANNELS}
    return None


def _groups(
    records: Records,
    cut: list[Stay],
    days: tuple[date, date],
    bands: tuple[Band, ...],
    at_s: int,
    zone: ZoneInfo,
) -> Iterator[IntervalGroup]:
    """The final measurements day by day and block by block."""
    meter = np.array([stay.meter_id for stay in cut], dtype=np.int64)
    start = np.array([stay.start_s for stay in cut], dtype=np.int64)
    end = np.array([stay.end_s for stay in cut], dtype=np.int64)
    for ago in range((days[1] - days[0]).days + 1):
        day = days[0] + timedelta(days=ago)
        period = civil_day(day, zone)
        today = np.flatnonzero((start < period.end_s) & (end > period.start_s))
        some_hold = [file for file in records.blocks.day(day) if _holds_any(file, meter[today])]
        files = sorted(some_hold, key=attrgetter("bucket"))
        for _, some in groupby(files, key=attrgetter("bucket")):
            groups = [_group(records, file, day, period, at_s) for file in some]
            yield from counted_once(
                [_interval_group(group, meter, start, end, today, bands, period) for group in groups]
            )


def _holds_any(file: BlockFile, meter_id: Integers) -> bool:
    """Whether a file can hold one of the meters."""
    return bool(np.any((meter_id >= file.meter_min) & (meter_id <= file.meter_max)))


def _interval_group(
    group: _Block,
    meter: Integers,
    start: Integers,
    end: Integers,
    today: Integers,
    bands: tuple[Band, ...],
    day: Period,
) -> IntervalGroup:
    """A block's rows by segment, as far as their meters hung there."""
    row = np.searchsorted(group.meter_id, meter[today])
    row[row == len(group.meter_id)] = 0
    mine = today[group.meter_id[row] == meter[today]] if len(group.meter_id) else today[:0]
    row = np.searchsorted(group.meter_id, meter[mine])
    begins = group.start_s
    return IntervalGroup(
        segment=mine,
        period_s=group.period_s,
        start_s=begins,
        band=band_of(bands, begins, _utc_offset_s(day)),
        values={channel: values[row] for channel, values in group.values.items()},
        expected=(begins >= start[mine, None]) & (begins < end[mine, None]),
        estimated=group.estimated[row],
    )


@dataclass(frozen=True, kw_only=True)
class _Block:
    period_s: int
    meter_id: NDArray[np.int64]
    start_s: Integers
    values: dict[str, Integers]
    estimated: NDArray[np.bool_]


def _group(records: Records, file: BlockFile, day: date, period: Period, at_s: int) -> _Block:
    sealed = sealed_of(records.blocks.read(file, day, list(CHANNELS)), period)
    kept = records.estimates.read(day, file.bucket, file.period_s)
    known = set(sealed.blocks.meter_id.tolist())
    edits = [edit for edit in records.edits.edits(period) if edit.meter_id in known]
    bills = [bill for bill in records.edits.bills(period) if bill.meter_id in known]
    states = {
        channel: final_state(
            sealed,
            channel,
            estimates=kept.by_channel.get(channel),
            edits=[edit for edit in edits if edit.channel == channel],
            bills=bills,
            at_s=at_s,
        )
        for channel in CHANNELS
        if channel in sealed.blocks.channels or channel == ENERGY
    }
    return _Block(
        period_s=file.period_s,
        meter_id=sealed.blocks.meter_id.astype(np.int64),
        start_s=period.start_s + np.arange(sealed.blocks.slots, dtype=np.int64) * file.period_s,
        values={channel: state.value for channel, state in states.items()},
        estimated=states[ENERGY].estimated,
    )


def _utc_offset_s(day: Period) -> int:
    """A civil day begins at local midnight, so its begin tells the zone's offset."""
    return -day.start_s % 86_400
