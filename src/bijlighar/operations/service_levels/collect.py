"""Gathers the evidence of a day's service levels from the records, piece by piece. No judgement here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.mdm.outages import POWER_FAILED, POWER_RESTORED, Spans, seconds_in_slots, spans
from bijlighar.mdm.service_levels.cells import ContactCells
from bijlighar.mdm.service_levels.completeness import (
    INSTANTANEOUS_ROWS,
    QUARTER_S,
    Arrivals,
    Completeness,
    of_blocks,
    of_rows,
)
from bijlighar.operations.service_levels.places import MeterPlaces
from bijlighar.records import Records

CUTS_BACK_S = 86_400
"""A supply that failed earlier than a day before is off all day by the meters' next events as well."""

_CHUNK_METERS = 16_384


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a day: completeness by kind, contacts in cells, spans without supply by meter's place."""

    levels: dict[ProfileKind, Completeness]
    cells: ContactCells
    cuts: Spans


def collect(records: Records, places: MeterPlaces, day: Period, window: Period, *, billing: bool) -> Evidence:
    """The evidence of ``day``; contacts and power cuts of ``window``; ``billing``: the day ends a billing period.

    Raises SegmentDamaged, Unavailable.
    """
    counted = places.counted(day)
    cuts = power_cuts(records, places, Period(start_s=day.start_s - CUTS_BACK_S, end_s=window.end_s))
    blocks = _arrivals(records, places, ProfileKind.BLOCK_LOAD, Arrivals.of_blocks(len(places), day), day)
    instants = _arrivals(records, places, ProfileKind.INSTANTANEOUS, Arrivals.of_blocks(len(places), day), day)
    midnight = Period(start_s=day.end_s, end_s=day.end_s + 1)
    daily = _arrivals(records, places, ProfileKind.DAILY, Arrivals.of_midnight(len(places), day), midnight)
    levels = {
        ProfileKind.BLOCK_LOAD: of_blocks(
            blocks, counted, _usual(blocks, places), dark_quarters(cuts, places, day)
        ),
        ProfileKind.DAILY: of_rows(daily, counted),
    }
    if billing:
        bills = _arrivals(records, places, ProfileKind.BILLING, Arrivals.of_midnight(len(places), day), midnight)
        levels[ProfileKind.BILLING] = of_rows(bills, counted)
    levels[ProfileKind.INSTANTANEOUS] = of_rows(instants, counted, INSTANTANEOUS_ROWS)
    return Evidence(levels=levels, cells=_cells(records, places, window), cuts=cuts)


def _arrivals(
    records: Records, places: MeterPlaces, kind: ProfileKind, arrivals: Arrivals, period: Period
) -> Arrivals:
    for piece in records.pieces.rows(kind, period):
        arrivals.add(places.rows_of(piece.meter_id), piece.start_s, piece.received_s, piece.period_s)
    return arrivals


def _usual(blocks: Arrivals, places: MeterPlaces) -> NDArray[np.int32]:
    """A silent meter owes blocks of the length that most meters of its kind tell."""
    usual = places.usual_s.copy()
    for length in np.unique(usual).tolist():
        told = blocks.period_s[(places.usual_s == length) & (blocks.period_s > 0)]
        if len(told):
            lengths, count = np.unique(told, return_counts=True)
            usual[places.usual_s == length] = lengths[count.argmax()]
    return usual


def power_cuts(records: Records, places: MeterPlaces, period: Period) -> Spans:
    """Spans without supply from the meters' own power logs (events 101, 102); ``meter_id`` is a place."""
    meters, at_s, codes = [], [], []
    for piece in records.pieces.rows(ProfileKind.EVENT, period, ["event_code"]):
        code = piece.channels.get("event_code", np.zeros(len(piece.meter_id), dtype=np.int64))
        row = places.rows_of(piece.meter_id)
        within = (piece.start_s >= period.start_s) & (piece.start_s < period.end_s)
        keep = within & (row >= 0) & ((code == POWER_FAILED) | (code == POWER_RESTORED))
        meters.append(row[keep])
        at_s.append(piece.start_s[keep])
        codes.append(code[keep])
    nothing = [np.zeros(0, dtype=np.int64)]
    return spans(
        np.concatenate(meters or nothing).astype(np.int32),
        np.concatenate(at_s or nothing),
        np.concatenate(codes or nothing),
        begins=POWER_FAILED,
        ends=POWER_RESTORED,
        until_s=period.end_s,
    )


def dark_quarters(cuts: Spans, places: MeterPlaces, day: Period) -> NDArray[np.bool_] | None:
    """bool[meter, quarter]: quarters of an hour wholly without supply; None where there was supply all day."""
    if not len(cuts.meter_id):
        return None
    dark = np.zeros((len(places), day.seconds // QUARTER_S), dtype=np.bool_)
    for begin in range(0, len(places), _CHUNK_METERS):
        rows = np.arange(begin, min(begin + _CHUNK_METERS, len(places)), dtype=np.int32)
        dark[rows] = seconds_in_slots(cuts, rows, day, QUARTER_S) >= QUARTER_S
    return dark


def _cells(records: Records, places: MeterPlaces, window: Period) -> ContactCells:
    cells = ContactCells(len(places), window)
    for piece in records.pieces.contacts(window):
        cells.add(
            places.rows_of(piece.meter_id),
            piece.started_s,
            piece.outcome,
            piece.signal_dbm,
            piece.clock_offset_ms,
        )
    return cells
