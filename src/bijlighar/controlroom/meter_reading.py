"""One meter's readings as its page shows them: registers, curve, gaps, last instantaneous values.

Pure over batches; which rows to fetch is the API's business.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import CHANNELS
from bijlighar.cim.period import Period, civil_date, civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.instants import iso

DEFAULT_PERIOD_S = 1_800
MOST_GAPS = 200


class Registers(msgspec.Struct, frozen=True, kw_only=True):
    """Cumulative registers as last read."""

    import_kwh: float | None = None
    import_kvah: float | None = None
    export_kwh: float | None = None
    export_kvah: float | None = None
    demand_w: int | None = None
    demand_time: str | None = None
    read_at: str | None = None


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """What the meter itself says of its relay; None when it never said."""

    closed: bool | None
    read_at: str | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks that are missing: ``[start, end)`` and how many."""

    start: str | None
    end: str | None
    slots: int


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One block of the curve; None where the meter's value is missing."""

    start: str | None
    import_wh: int | None
    voltage_v: float | None
    current_a: float | None


class RegisterRow(msgspec.Struct, frozen=True, kw_only=True):
    """Registers at 00:00 of ``day``."""

    day: str
    import_kwh: float | None
    import_kvah: float | None
    export_kwh: float | None
    export_kvah: float | None


def row_of(batch: ReadingBatch, meter_id: int) -> int | None:
    """The last row of the meter in the batch, or None."""
    rows = np.flatnonzero(batch.meter_id == meter_id)
    return int(rows[-1]) if len(rows) else None


def value(batch: ReadingBatch, row: int, channel: str) -> int | None:
    """One value in its stored unit, None when missing."""
    column = batch.channels.get(channel)
    return None if column is None or column[row] == MISSING else int(column[row])


def thousandth(batch: ReadingBatch, row: int, channel: str) -> float | None:
    """One value divided by 1,000: Wh as kWh, mV as V."""
    stored = value(batch, row, channel)
    return None if stored is None else stored / 1_000


def registers_of(batch: ReadingBatch, row: int | None) -> Registers:
    """Registers out of an instantaneous row."""
    if row is None:
        return Registers()
    return Registers(
        import_kwh=thousandth(batch, row, "import_wh"),
        import_kvah=thousandth(batch, row, "import_vah"),
        export_kwh=thousandth(batch, row, "export_wh"),
        export_kvah=thousandth(batch, row, "export_vah"),
        demand_w=value(batch, row, "demand_w"),
        demand_time=iso(value(batch, row, "demand_w_time_s")),
        read_at=iso(int(batch.start_s[row])),
    )


def relay_of(batch: ReadingBatch, row: int | None) -> Relay:
    """The relay as the meter told it."""
    told = None if row is None else value(batch, row, "relay_closed")
    if row is None or told is None:
        return Relay(closed=None, read_at=None)
    return Relay(closed=told != 0, read_at=iso(int(batch.start_s[row])))


def instantaneous_of(batch: ReadingBatch, row: int | None) -> dict[str, Any]:
    """Every told value by a name with the unit for people (V, A, Hz; W, Wh, min as they are), and ``read_at``."""
    if row is None:
        return {}
    shown: dict[str, Any] = {"read_at": iso(int(batch.start_s[row]))}
    for channel in batch.channels:
        stored = value(batch, row, channel)
        if stored is not None:
            name, told = _for_people(channel, stored)
            shown[name] = told
    return shown


_ENDINGS = (("_millihz", "_hz"), ("_milli", ""), ("_mv", "_v"), ("_ma", "_a"))


def _for_people(channel: str, stored: int) -> tuple[str, Any]:
    if channel.endswith("_time_s"):
        return channel.removesuffix("_s"), iso(stored)
    if CHANNELS[channel].exponent != 0:
        for ending, shown in _ENDINGS:
            if channel.endswith(ending):
                return channel.removesuffix(ending) + shown, stored / 1_000
    return channel, stored


def curve_of(batch: ReadingBatch, day: Period, period_s: int, until_s: int) -> list[Slot]:
    """The blocks of one day that have ended by ``until_s``, in order, missing ones with None."""
    rows = {int(start): row for row, start in enumerate(batch.start_s)}
    ended = min(day.end_s, until_s - period_s + 1)
    return [
        _slot(batch, rows.get(start), start) for start in range(day.start_s, max(day.start_s, ended), period_s)
    ]


def _slot(batch: ReadingBatch, row: int | None, start_s: int) -> Slot:
    if row is None:
        return Slot(start=iso(start_s), import_wh=None, voltage_v=None, current_a=None)
    return Slot(
        start=iso(start_s),
        import_wh=value(batch, row, "import_wh"),
        voltage_v=_phase_mean(batch, row, "voltage_{}mv"),
        current_a=_phase_mean(batch, row, "current_{}ma"),
    )


def _phase_mean(batch: ReadingBatch, row: int, pattern: str) -> float | None:
    """The whole meter's value, else the mean of the phases that were told."""
    whole = thousandth(batch, row, pattern.format(""))
    if whole is not None:
        return whole
    phases = [thousandth(batch, row, pattern.format(phase)) for phase in ("r_", "y_", "b_")]
    told = [phase for phase in phases if phase is not None]
    return round(sum(told) / len(told), 3) if told else None


def register_rows(batch: ReadingBatch) -> list[RegisterRow]:
    """Midnight registers, oldest first."""
    return [
        RegisterRow(
            day=civil_date(int(batch.start_s[row])).isoformat(),
            import_kwh=thousandth(batch, row, "import_wh"),
            import_kvah=thousandth(batch, row, "import_vah"),
            export_kwh=thousandth(batch, row, "export_wh"),
            export_kvah=thousandth(batch, row, "export_vah"),
        )
        for row in range(len(batch))
    ]


def gaps_of(held_s: NDArray[np.int64], period: Period, period_s: int) -> list[Gap]:
    """Runs of blocks of ``period`` that are not held, oldest first. Both ends of ``period`` stand on blocks."""
    expected = np.arange(period.start_s, period.end_s - period_s + 1, period_s, dtype=np.int64)
    missing = expected[~np.isin(expected, held_s)]
    if not len(missing):
        return []
    runs = np.split(missing, np.flatnonzero(np.diff(missing) != period_s) + 1)
    return [
        Gap(start=iso(int(run[0])), end=iso(int(run[-1]) + period_s), slots=len(run)) for run in runs[-MOST_GAPS:]
    ]


def last_days(days: int, period_s: int, *, now_s: float) -> Period:
    """From the first block ``days`` civil days ago to the end of the newest block that has ended."""
    today: date = civil_date(int(now_s))
    start_s = civil_day(date.fromordinal(today.toordinal() - days)).start_s
    end_s = start_s + (int(now_s) - start_s) // period_s * period_s
    return Period(start_s=start_s, end_s=end_s)
