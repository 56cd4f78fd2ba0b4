"""Live columns: how every meter stands now, as numpy arrays indexed by ``meter_id``.

Rebuilt from records when the control room starts, then kept up by the head-ends' feed. The feed may lose; the
records may not, so whatever is shown here can be had again by rebuilding. Lives on one thread (the event loop).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period, civil_date, civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch

OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
_OUTCOME_CODE = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_HEARD = frozenset({Outcome.OK, Outcome.INCOMPLETE, Outcome.NOT_STORED})
_HEARD_CODES = np.array([outcome in _HEARD for outcome in OUTCOMES])
_OK, _STOPPED = _OUTCOME_CODE[Outcome.OK], _OUTCOME_CODE[Outcome.STOPPED]
NO_OUTCOME = -1

STATES = ("heard", "late", "silent")
HEARD_WITHIN_S = 3_600
"""Two half-hour slots: a meter read each slot may miss one try before the operator's eye is drawn to it."""
LATE_WITHIN_S = 86_400
"""A day without a word is silence: the meter then missed its midnight registers as well."""

MOST_SLOTS_A_DAY = 96
"""Blocks of 15 minutes, the shortest of IS 15959."""

_PHASE_VOLTAGES = ("voltage_r_mv", "voltage_y_mv", "voltage_b_mv")
_PHASE_CURRENTS = ("current_r_ma", "current_y_ma", "current_b_ma")


class LiveColumns:
    """One row per meter id, MISSING where nothing is known.

    last_contact_ms  int64  last contact in which the meter was heard, epoch milliseconds
    tried_ms         int64  last contact of any outcome
    outcome          int8   index into OUTCOMES of the newest contact, NO_OUTCOME before the first
    power_w, voltage_mv, current_ma, import_wh, power_factor_milli  int64  of the newest instantaneous row
    read_s           int64  instant of that row, epoch seconds
    signal_dbm, clock_offset_ms  int64  from the newest contact or row that told
    relay            int8   1 closed, 0 open, -1 unknown
    today_wh         int64  sum of this civil day's blocks
    tried_today, succeeded_today  int32  contacts of this civil day
    """

    def __init__(self, capacity: int, *, now_s: float) -> None:
        self._rows = 0
        self._slots: NDArray[np.bool_] = np.zeros((0, MOST_SLOTS_A_DAY), dtype=np.bool_)
        self._changed: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self.day = civil_day(civil_date(int(now_s)))
        self.readings_today = 0
        self._grow(capacity + 1)

    def _grow(self, rows: int) -> None:
        def wider(name: str, dtype: str, fill: int) -> NDArray[np.generic]:
            column = np.full(rows, fill, dtype=dtype)
            if self._rows:
                column[: self._rows] = getattr(self, name)
            return column

        def int64(name: str, fill: int = MISSING) -> NDArray[np.int64]:
            return wider(name, "int64", fill).astype(np.int64, copy=False)

        self.last_contact_ms = int64("last_contact_ms")
        self.tried_ms = int64("tried_ms")
        self.power_w = int64("power_w")
        self.voltage_mv = int64("voltage_mv")
        self.current_ma = int64("current_ma")
        self.import_wh = int64("import_wh")
        self.power_factor_milli = int64("power_factor_milli")
        self.read_s = int64("read_s")
        self.signal_dbm = int64("signal_dbm")
        self.clock_offset_ms = int64("clock_offset_ms")
        self.today_wh = int64("today_wh")
        self.outcome = wider("outcome", "int8", NO_OUTCOME).astype(np.int8, copy=False)
        self.relay = wider("relay", "int8", -1).astype(np.int8, copy=False)
        self.tried_today = wider("tried_today", "int32", 0).astype(np.int32, copy=False)
        self.succeeded_today = wider("succeeded_today", "int32", 0).astype(np.int32, copy=False)
        slots = np.zeros((rows, MOST_SLOTS_A_DAY), dtype=np.bool_)
        changed = np.zeros(rows, dtype=np.bool_)
        slots[: self._rows] = self._slots
        changed[: self._rows] = self._changed
        self._slots, self._changed = slots, changed
        self._rows = rows

    @property
    def capacity(self) -> int:
        """The largest meter id that has a row."""
        return self._rows - 1

    def ensure(self, largest_meter_id: int) -> None:
        """Make room for new meters; what is known stays."""
        if largest_meter_id > self.capacity:
            self._grow(largest_meter_id + 1)

    def roll(self, now_s: float) -> bool:
        """Begin a new civil day when midnight has passed. True when it did."""
        if int(now_s) in self.day:
            return False
        self.day = civil_day(civil_date(int(now_s)))
        self.today_wh[:] = MISSING
        self.tried_today[:] = 0
        self.succeeded_today[:] = 0
        self._slots[:] = False
        self.readings_today = 0
        self._changed[:] = True
        return True

    def apply_readings(self, batch: ReadingBatch) -> None:
        """Take over a landed batch. Rows of meters beyond ``capacity`` are left out: the registry comes first."""
        known = (batch.meter_id >= 0) & (batch.meter_id <= self.capacity)
        if not known.any():
            return
        self.readings_today += int(np.count_nonzero(known & _within(batch.received_s, self.day)))
        if batch.kind is ProfileKind.INSTANTANEOUS:
            self._apply_instantaneous(batch, known)
        elif batch.kind is ProfileKind.BLOCK_LOAD and batch.period_s > 0:
            self._apply_blocks(batch, known)
        meters = batch.meter_id[known]
        np.maximum.at(self.last_contact_ms, meters, batch.received_s[known] * 1000)
        self._changed[meters] = True

    def _apply_instantaneous(self, batch: ReadingBatch, known: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(known & (batch.start_s >= self._read_at(batch.meter_id, known)))
        # Oldest first: of several rows of one meter the newest is written last and stays.
        rows = rows[np.argsort(batch.start_s[rows], kind="stable")]
        meters = batch.meter_id[rows]
        self.read_s[meters] = batch.start_s[rows]
        targets = {
            "active_power_w": self.power_w,
            "import_wh": self.import_wh,
            "power_factor_milli": self.power_factor_milli,
            "signal_dbm": self.signal_dbm,
        }
        for channel, target in targets.items():
            _write_present(target, meters, batch.channels.get(channel), rows)
        _write_present(self.voltage_mv, meters, _mean_of(batch, "voltage_mv", _PHASE_VOLTAGES), rows)
        _write_present(self.current_ma, meters, _mean_of(batch, "current_ma", _PHASE_CURRENTS), rows)
        relay = batch.channels.get("relay_closed")
        if relay is not None:
            told = relay[rows] != MISSING
            self.relay[meters[told]] = (relay[rows][told] != 0).astype(np.int8)

    def _read_at(self, meter_id: NDArray[np.int32], known: NDArray[np.bool_]) -> NDArray[np.int64]:
        return self.read_s[np.where(known, meter_id, 0)]

    def _apply_blocks(self, batch: ReadingBatch, known: NDArray[np.bool_]) -> None:
        energy = batch.channels.get("import_wh")
        slots_a_day = self.day.seconds // batch.period_s
        if energy is None or slots_a_day > MOST_SLOTS_A_DAY:
            return
        rows = np.flatnonzero(known & _within(batch.start_s, self.day) & (energy != MISSING))
        slot = (batch.start_s[rows] - self.day.start_s) // batch.period_s
        # One row a meter and slot: a block that came twice is one block.
        _, first = np.unique(batch.meter_id[rows].astype(np.int64) * MOST_SLOTS_A_DAY + slot, return_index=True)
        rows, slot = rows[first], slot[first]
        fresh = ~self._slots[batch.meter_id[rows], slot]
        rows, slot = rows[fresh], slot[fresh]
        meters = batch.meter_id[rows]
        self._slots[meters, slot] = True
        self.today_wh[meters] = np.where(self.today_wh[meters] == MISSING, 0, self.today_wh[meters])
        np.add.at(self.today_wh, meters, energy[rows])

    def apply_contacts(self, contacts: Sequence[Contact]) -> None:
        """Take over contacts, in any order. One that ended with the head-end says nothing of its meter."""
        if contacts:
            self.apply_contact_columns(
                np.array([each.meter_id for each in contacts], dtype=np.int64),
                np.array([each.started_ms for each in contacts], dtype=np.int64),
                np.array([_OUTCOME_CODE[each.outcome] for each in contacts], dtype=np.int8),
                np.array([_told(each.clock_offset_ms) for each in contacts], dtype=np.int64),
                np.array([_told(each.signal_dbm) for each in contacts], dtype=np.int64),
            )

    def apply_contact_columns(
        self,
        meter: NDArray[np.int64],
        started_ms: NDArray[np.int64],
        outcome: NDArray[np.int8],
        clock_offset_ms: NDArray[np.int64],
        signal_dbm: NDArray[np.int64],
    ) -> None:
        """The same in columns by contact: ``outcome`` an index into OUTCOMES, MISSING for what was not told."""
        keep = np.flatnonzero((meter >= 0) & (meter <= self.capacity) & (outcome != _STOPPED))
        # Oldest first: of several contacts of one meter the newest is written last and stays.
        keep = keep[np.argsort(started_ms[keep], kind="stable")]
        meter, started_ms, outcome = meter[keep], started_ms[keep], outcome[keep]
        today = _within(started_ms // 1000, self.day)
        np.add.at(self.tried_today, meter[today], np.int32(1))
        np.add.at(self.succeeded_today, meter[today & (outcome == _OK)], np.int32(1))
        newest = started_ms >= self.tried_ms[meter]
        self.tried_ms[meter[newest]] = started_ms[newest]
        self.outcome[meter[newest]] = outcome[newest]
        for target, told in ((self.clock_offset_ms, clock_offset_ms[keep]), (self.signal_dbm, signal_dbm[keep])):
            fresh = newest & (told != MISSING)
            target[meter[fresh]] = told[fresh]
        heard = _HEARD_CODES[outcome]
        np.maximum.at(self.last_contact_ms, meter[heard], started_ms[heard])
        self._changed[meter] = True

    def states(self, meter_id: NDArray[np.int32], now_s: float) -> NDArray[np.int8]:
        """Index into STATES of each named meter at ``now_s``."""
        last_ms = self.last_contact_ms[meter_id]
        never = last_ms == MISSING
        age_s = now_s - np.where(never, 0, last_ms) / 1000
        state = np.where(age_s <= HEARD_WITHIN_S, 0, np.where(age_s <= LATE_WITHIN_S, 1, 2))
        return np.where(never, 2, state).astype(np.int8)

    def mark_changed(self, meter_id: NDArray[np.int32]) -> None:
        """Have these meters told again, though nothing new was heard of them."""
        self._changed[meter_id] = True

    def take_changed(self, most: int | None = None) -> NDArray[np.int32]:
        """Ids of up to ``most`` meters that changed since they were last taken; the others wait."""
        changed = np.flatnonzero(self._changed)[:most].astype(np.int32)
        self._changed[changed] = False
        return changed

    def take_changed_of(self, meters: Iterable[int]) -> list[int]:
        """Those of the named meters that changed since changes were last taken; then nothing counts as changed."""
        changed = [meter for meter in meters if 0 <= meter <= self.capacity and self._changed[meter]]
        self._changed[:] = False
        return changed


def _told(value: int | None) -> int:
    return MISSING if value is None else value


def _within(instants_s: NDArray[np.int64], period: Period) -> NDArray[np.bool_]:
    return (instants_s >= period.start_s) & (instants_s < period.end_s)


def _write_present(
    target: NDArray[np.int64],
    meters: NDArray[np.int32],
    column: NDArray[np.int64] | None,
    rows: NDArray[np.intp],
) -> None:
    if column is not None:
        told = column[rows] != MISSING
        target[meters[told]] = column[rows][told]


def _mean_of(batch: ReadingBatch, whole: str, phases: tuple[str, ...]) -> NDArray[np.int64] | None:
    """The channel itself, or the mean of the phases that were told, rounded; MISSING where none was."""
    if whole in batch.channels:
        return batch.channels[whole]
    told = [batch.channels[name] for name in phases if name in batch.channels]
    if not told:
        return None
    stacked = np.stack(told)
    present = stacked != MISSING
    count = present.sum(axis=0)
    total = np.where(present, stacked, 0).sum(axis=0)
    mean: NDArray[np.int64] = np.where(count == 0, MISSING, total // np.maximum(count, 1)).astype(np.int64)
    return mean
