"""From a meter's columns to the utility's channels.

A table of COSEM objects tells which channel each column is; the scaler of the meter tells how many decimal places
its integers are shifted. Integers stay exact; where a meter is finer than the stored unit, and for floats, values
are rounded half to even. Columns that have no channel are named in ``unmapped``, never dropped in silence. Rows
whose time cannot be true are returned apart with a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import CHANNELS, TARIFF_ZONES, ProfileKind
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.dlms.profile import CAPTURE_TIME_ATTRIBUTE, CaptureObject, Scaler
from bijlighar.dlms.rows import ColumnKind, RowTable
from bijlighar.headend.coverage import CIVIL_OFFSET_S
from bijlighar.headend.layouts import KeptLayout

LONG_PAST_S = 1_420_070_400
"""2015-01-01: no smart meter of IS 15959 existed before; a clock that lost its battery says 2000."""
FUTURE_TOLERANCE_S = 600
"""A meter's clock is set when it is two minutes off; a row this far ahead is wrong, not merely early."""
_MOST_DECIMALS = 18
"""int64 holds 18 whole decimal places; a scaler beyond them is no scaler."""
_LARGEST = np.iinfo(np.int64).max
_NO_UNIT = (0, 255)

NO_STAMP, OFF_SLOT, FUTURE, LONG_PAST = "no-stamp", "off-slot", "future", "long-past"


def _channels() -> dict[tuple[str, int], str]:
    """Channel by (C.D.E of the object with its A-B, attribute), as in IS 15959 Parts 2 and 3."""
    table: dict[tuple[str, int], str] = {}
    energies = {1: "import_wh", 9: "import_vah", 2: "export_wh", 10: "export_vah"}
    energies |= {4 + quadrant: f"q{quadrant}_varh" for quadrant in range(1, 5)}
    for quantity, channel in energies.items():
        table[f"1.0.{quantity}.8.0", 2] = table[f"1.0.{quantity}.29.0", 2] = channel
    averaged = {12: "voltage_mv", 11: "current_ma", 13: "power_factor_milli"}
    for shift, phase in ((20, "r"), (40, "y"), (60, "b")):
        averaged |= {12 + shift: f"voltage_{phase}_mv", 11 + shift: f"current_{phase}_ma"}
        averaged[13 + shift] = f"power_factor_{phase}_milli"
    averaged |= {91: "neutral_current_ma", 14: "frequency_millihz"}
    averaged |= {9: "apparent_power_va", 1: "active_power_w", 3: "reactive_power_var"}
    for quantity, channel in averaged.items():
        table[f"1.0.{quantity}.7.0", 2] = table[f"1.0.{quantity}.27.0", 2] = channel
    for zone in (0, *TARIFF_ZONES):
        suffix = f"_tz{zone}" if zone else ""
        for quantity, unit in ((1, "w"), (9, "va")):
            table[f"1.0.{quantity}.6.{zone}", 2] = f"demand_{unit}{suffix}"
            table[f"1.0.{quantity}.6.{zone}", CAPTURE_TIME_ATTRIBUTE] = f"demand_{unit}{suffix}_time_s"
            if zone:
                table[f"1.0.{quantity}.8.{zone}", 2] = f"import_{unit}h{suffix}"
    table |= {(obis, attribute): channel for obis, attribute, channel in _OTHERS}
    return table


_OTHERS = (
    ("1.0.13.0.0", 2, "power_factor_milli"),
    ("0.0.94.91.14", 2, "power_on_min"),
    ("0.0.94.91.8", 2, "power_off_min"),
    ("0.0.94.91.13", 2, "billing_power_on_min"),
    ("0.0.96.7.0", 2, "power_failures"),
    ("0.0.94.91.0", 2, "tamper_count"),
    ("0.0.0.1.0", 2, "billing_count"),
    ("0.0.96.2.0", 2, "programming_count"),
    ("0.0.0.1.2", 2, "billing_time_s"),
    ("0.0.96.3.10", 2, "relay_closed"),
    ("0.0.17.0.0", 3, "load_limit_w"),
    ("0.1.96.12.5", 2, "signal_dbm"),
    ("0.0.96.10.1", 2, "meter_health"),
)
_EVENT_CODE = re.compile(r"0\.0\.96\.11\.([0-6])")
_CHANNEL_OF = _channels()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """What becomes of a layout's columns.

    ``stamp``     position of the column that dates the row, None when there is none
    ``channels``  (position, channel, decimal places to shift) of each column that is kept
    ``event_log`` number of the event log whose codes a column holds, else None
    ``unmapped``  columns that have no channel, or a unit that is not the channel's
    """

    stamp: int | None
    channels: tuple[tuple[int, str, int], ...]
    event_log: int | None
    unmapped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Rows with a time that cannot be true; ``reasons`` by row, ``buffer_index`` int32[row]."""

    readings: ReadingBatch
    reasons: tuple[str, ...]
    buffer_index: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """Good rows, rows to keep apart (None when there are none), and columns that were not understood.

    ``buffer_index`` int32[row] tells from which buffer each good row came.
    """

    readings: ReadingBatch
    buffer_index: NDArray[np.int32]
    quarantined: Quarantined | None
    unmapped: tuple[str, ...]


def plan_columns(kind: ProfileKind, layout: KeptLayout) -> ColumnPlan:
    """Judge a layout once; rows are then plain work."""
    columns, scalers = layout.columns.capture_objects, layout.columns.scalers
    stamp = _stamp_column(kind, columns)
    channels: list[tuple[int, str, int]] = []
    unmapped: list[str] = []
    event_log = None
    for position, (column, scaler) in enumerate(zip(columns, scalers, strict=True)):
        if position == stamp and column.is_clock:
            continue
        channel = _channel_of(column)
        shift = None if channel is None else _shift(channel, scaler)
        if channel is None or shift is None or channel in {name for _, name, _ in channels}:
            unmapped.append(f"{column.class_id}/{column.obis}/{column.attribute}")
            continue
        if channel == "event_code":
            event_log = column.obis.octets[4]
        channels.append((position, channel, shift))
    return ColumnPlan(stamp=stamp, channels=tuple(channels), event_log=event_log, unmapped=tuple(unmapped))


def translate(
    kind: ProfileKind,
    layout: KeptLayout,
    table: RowTable,
    meter_id: NDArray[np.int32],
    received_s: NDArray[np.int64],
    now_s: float,
) -> Translated:
    """The rows of many buffers of one layout. ``meter_id`` int32[buffer], ``received_s`` int64[buffer]."""
    plan = plan_columns(kind, layout)
    rows = table.buffer_index
    words = {channel for position, channel, _ in plan.channels if table.kinds[position] is ColumnKind.OBJECT}
    channels = {
        channel: _scaled(table, position, shift)
        for position, channel, shift in plan.channels
        if channel not in words
    }
    if plan.event_log is not None:
        channels["event_log"] = np.full(len(rows), plan.event_log, np.int64)
    stamps = received_s[rows] if plan.stamp is None else _instants(table, plan.stamp)
    is_block = kind is ProfileKind.BLOCK_LOAD
    period_s = layout.period_s if is_block else 0
    unset = stamps == MISSING
    shift_s = period_s if layout.stamps_end and is_block else 0
    readings = ReadingBatch(
        kind=kind,
        period_s=period_s,
        meter_id=meter_id[rows],
        start_s=np.where(unset, MISSING, stamps - np.where(unset, 0, shift_s)),
        received_s=received_s[rows],
        channels=channels,
    )
    reasons = _reasons(readings, slot_s=_slot_s(kind, layout), now_s=now_s)
    bad = reasons != ""
    unmapped = (*plan.unmapped, *(f"{channel} is no number" for channel in sorted(words)))
    if not bad.any():
        return Translated(readings=readings, buffer_index=rows, quarantined=None, unmapped=unmapped)
    apart = Quarantined(
        readings=_rows(readings, bad), reasons=tuple(map(str, reasons[bad])), buffer_index=rows[bad]
    )
    return Translated(
        readings=_rows(readings, ~bad), buffer_index=rows[~bad], quarantined=apart, unmapped=unmapped
    )


def _stamp_column(kind: ProfileKind, columns: tuple[CaptureObject, ...]) -> int | None:
    clock = next((n for n, column in enumerate(columns) if column.is_clock), None)
    if clock is None and kind is ProfileKind.BILLING:
        return next((n for n, column in enumerate(columns) if _channel_of(column) == "billing_time_s"), None)
    return clock


def _channel_of(column: CaptureObject) -> str | None:
    if column.data_index != 0:
        return None
    written = ".".join(map(str, column.obis.octets[:5]))
    if column.attribute == 2 and _EVENT_CODE.fullmatch(written):
        return "event_code"
    return _CHANNEL_OF.get((written, column.attribute))


def _shift(channel: str, scaler: Scaler | None) -> int | None:
    """Decimal places from the meter's number to the stored one; None when unit or scaler does not fit."""
    stored = CHANNELS[channel]
    if scaler is None:
        return -stored.exponent
    if scaler.unit not in _NO_UNIT and scaler.symbol != stored.symbol:
        return None
    shift = scaler.exponent - stored.exponent
    return shift if abs(shift) <= _MOST_DECIMALS else None


def _instants(table: RowTable, position: int) -> NDArray[np.int64]:
    return np.where(table.missing[position], MISSING, table.columns[position].astype(np.int64))


def _scaled(table: RowTable, position: int, shift: int) -> NDArray[np.int64]:
    column = table.columns[position]
    if table.kinds[position] is ColumnKind.FLOAT:
        scaled = _scaled_floats(column.astype(np.float64), shift)
    else:
        scaled = _scaled_integers(column.astype(np.int64), shift)
    return np.where(table.missing[position], MISSING, scaled)


def _scaled_floats(column: NDArray[np.float64], shift: int) -> NDArray[np.int64]:
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.rint(column * 10.0**shift)
    usable = np.isfinite(value) & (np.abs(value) < float(_LARGEST))
    return np.where(usable, np.where(usable, value, 0.0).astype(np.int64), MISSING)


def _scaled_integers(column: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    if shift >= 0:
        factor = 10**shift
        fits = np.abs(column) <= _LARGEST // factor
        return np.where(fits, np.where(fits, column, 0) * factor, MISSING)
    quotient, rest = np.divmod(column, 10**-shift)
    twice = 2 * rest
    up = (twice > 10**-shift) | ((twice == 10**-shift) & (quotient % 2 == 1))
    rounded: NDArray[np.int64] = quotient + up.astype(np.int64)
    return rounded


def _slot_s(kind: ProfileKind, layout: KeptLayout) -> int | None:
    """Rows of blocks and of midnight registers must start on this grid of civil time."""
    return layout.period_s if kind in (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY) else None


def _reasons(readings: ReadingBatch, slot_s: int | None, now_s: float) -> NDArray[np.str_]:
    """Why each row's time cannot be true, "" where it can."""
    unset = readings.start_s == MISSING
    starts = np.where(unset, 0, readings.start_s)
    off_slot = np.zeros(len(starts), bool) if slot_s is None else (starts + CIVIL_OFFSET_S) % slot_s != 0
    checks = {
        NO_STAMP: unset,
        LONG_PAST: starts < LONG_PAST_S,
        FUTURE: starts + readings.period_s > now_s + FUTURE_TOLERANCE_S,
        OFF_SLOT: off_slot,
    }
    return np.select(list(checks.values()), list(checks), "")


def _rows(readings: ReadingBatch, chosen: NDArray[np.bool_]) -> ReadingBatch:
    return ReadingBatch(
        kind=readings.kind,
        period_s=readings.period_s,
        meter_id=readings.meter_id[chosen],
        start_s=readings.start_s[chosen],
        received_s=readings.received_s[chosen],
        channels={name: column[chosen] for name, column in readings.channels.items()},
    )
