"""A home's half hours of a day or two as the octets of an answer: those of ``objects``, in a fifth of the time.

Every day all meters of a make are asked for the same range, and nearly all stand undisturbed on one phase. For
such a range a ``Sheet`` is made once: the whole buffer with tags, stamps and what all homes share filled in. A
home fills in its energy, voltage and current. Whoever differs in anything (relay, power cut, clock that jumped,
three phases, a range that is not whole, a column not known here) gets None and is answered the general way.
"""

from __future__ import annotations

from collections.abc import Callable, Container

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms import axdr
from bijlighar.dlms.model import Profile, Quantity, Quirk, Stamp
from meterlab import rows
from meterlab.calendar import DAY_S, KOLKATA_S, SLOT_S, midnight_s
from meterlab.plans import INSTANT_TYPE, ModelPlan, exponent_of
from meterlab.profiles import last_end_s
from meterlab.quantities import FLOATS, MILLI, Numbers, Source, current_ma, neutral_ma, nominal_ma, signal_dbm
from meterlab.quantities import power_factor_milli as power_factor
from meterlab.registers import INSTALLED_S
from meterlab.selection import Asked
from meterlab.state import SMALLEST_JUMP_S
from meterlab.town import THREE_PHASES
from meterlab.voltage import frequency_millihz, voltage_mv

_HALF_HOURS_AN_HOUR = 3600 // SLOT_S
_CLOCK_TAG_AT, _CLOCK_ENDS_AT = 2, 16  # of a row, behind its own tag and count


class _Home:
    """One home over the half hours of a sheet, each number found once.

    ``edges`` int64[register, edge]: active and apparent energy drawn since installation.
    """

    __slots__ = ("_current", "_steps", "_voltage", "edges", "ends_s", "meter", "source")

    def __init__(self, source: Source, meter: int, ends_s: Numbers, drawn: Numbers) -> None:
        self.source, self.meter, self.ends_s = source, meter, ends_s
        self.edges = np.empty((2, len(drawn)), np.int64)
        self.edges[0], self.edges[1] = drawn, source.registers.apparent(meter, drawn)
        self._steps: dict[int, Numbers] = {}
        self._voltage: Numbers | None = None
        self._current: Numbers | None = None

    def steps(self, coarser: int) -> Numbers:
        """Energy of each half hour as registers in ``coarser`` Wh tell it, ``int64[register, slot]``."""
        steps = self._steps.get(coarser)
        if steps is None:
            standing = self.edges + self.source.registers.start_wh(self.meter)
            if coarser != 1:
                standing //= coarser
            steps = self._steps[coarser] = standing[:, 1:] - standing[:, :-1]
        return steps

    def voltage_mv(self) -> Numbers:
        """Mean voltage of each half hour; the current comes with it."""
        if self._voltage is None:
            town, apparent = self.source.town, self.edges[1]
            mean_va = (apparent[1:] - apparent[:-1]) * _HALF_HOURS_AN_HOUR
            phase = int(town.phase[self.meter])
            self._voltage = voltage_mv(town, self.meter, phase, self.ends_s - SLOT_S, nominal_ma(mean_va))
            self._current = current_ma(mean_va, self._voltage)
        return self._voltage

    def current_ma(self) -> Numbers:
        """Mean current of each half hour."""
        self.voltage_mv()
        assert self._current is not None
        return self._current

    def signal_dbm(self) -> Numbers:
        """Signal strength at the end of each half hour."""
        return signal_dbm(self.source.town, self.meter, self.ends_s)


_Read = Callable[[_Home], Numbers | int]

_OF_A_HOME: dict[str, tuple[_Read, int]] = {
    "block-voltage": (_Home.voltage_mv, MILLI),
    "block-current": (_Home.current_ma, MILLI),
    "block-neutral-current": (lambda home: neutral_ma(home.current_ma()), MILLI),
    "block-power-factor": (lambda home: power_factor(home.source.town, home.meter), MILLI),
    "signal": (_Home.signal_dbm, 0),
}
"""Column to how it is found and its power of ten."""

_REGISTERS = {"block-import": 0, "block-import-apparent": 1}
"""Columns that are differences of a register, and which."""

_NOTHING = {
    *("block-export", "block-export-apparent", "meter-health"),
    *(f"block-q{quadrant}" for quadrant in (2, 3, 4)),
}
_FREQUENCY = "block-frequency"


class Sheet:
    """The buffer of one range of one make; ``ends_s`` of its half hours, oldest first. For one thread."""

    def __init__(self, source: Source, plan: ModelPlan, asked: Asked, ends_s: Numbers, stamps_s: Numbers) -> None:
        self._source = source
        self.ends_s = ends_s
        self._first_s, self._last_s = int(ends_s[0]), int(ends_s[-1])
        self._pieces = _pieces(self._first_s, self._last_s)
        order = slice(None, None, -1) if plan.model.newest_first else slice(None)
        columns = [self._column(column, stamps_s[order], ends_s[order]) for column in asked.columns]
        octets = rows.buffer(columns, plan.deviation_min)
        self._octets = np.frombuffer(octets, np.uint8).copy()
        head = 1 + len(axdr.encode_length(len(ends_s)))
        table = self._octets[head:].view(rows.table(columns, plan.deviation_min).dtype)
        self._fill: list[tuple[NDArray[np.generic], _Read]] = []
        for number, column in enumerate(asked.columns):
            read = _read(column)
            if read is not None:
                self._fill.append((table[f"v{number}"][order], read))
        self._kept: NDArray[np.intp] | None = None
        if Quirk.NULL_CLOCKS in plan.model.quirks:
            self._octets[head + table.itemsize + _CLOCK_TAG_AT :: table.itemsize] = rows.NULL_CELL[0]
            self._kept = _without_clocks(head, len(ends_s), table.itemsize)

    def _column(self, column: Quantity, shown_s: Numbers, ends_s: Numbers) -> rows.Column:
        """What is alike in all homes: stamps, frequency, and nothing where a home fills in its own."""
        if column.type == INSTANT_TYPE:
            return rows.Column(kind=rows.INSTANT, values=shown_s)
        values = np.zeros(len(shown_s), np.int64)
        if column.name == _FREQUENCY:
            values = frequency_millihz(self._source.town, ends_s) // 10 ** (exponent_of(column) - MILLI)
        return rows.Column(kind=column.type, values=values)

    def is_held(self, meter: int, now_s: float, depth: int) -> bool:
        """Whether the meter holds all of it now, neither more nor less."""
        if self._last_s <= now_s - SMALLEST_JUMP_S - SLOT_S:  # however its clock is off
            newest_s = now_s + SMALLEST_JUMP_S
        else:
            newest_s = last_end_s(self._source.state, meter, SLOT_S, now_s)
            if self._last_s > newest_s:
                return False
        return self._first_s >= newest_s - (depth - 1) * SLOT_S

    def octets(self, meter: int) -> bytes | None:
        """The answer of an undisturbed home, None while its day is not kept."""
        drawn = self._drawn_wh(meter)
        if drawn is None:
            return None
        home = _Home(self._source, meter, self.ends_s, drawn)
        for cells, read in self._fill:
            cells[...] = read(home)
        kept = self._octets if self._kept is None else self._octets[self._kept]
        return kept.tobytes()

    def _drawn_wh(self, meter: int) -> Numbers | None:
        """Energy since installation at the edges of the half hours."""
        parts = []
        for day, edges in self._pieces:
            drawn = self._source.registers.day_edges_wh(meter, day)
            if drawn is None:
                return None
            parts.append(drawn[edges])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _pieces(first_s: int, last_s: int) -> list[tuple[int, slice]]:
    """Days and their edges, of the 49 of each, that bound half hours ending at ``first_s`` to ``last_s``."""
    day, last_day = ((end_s - SLOT_S + KOLKATA_S) // DAY_S for end_s in (first_s, last_s))
    begin = (first_s - midnight_s(day)) // SLOT_S - 1
    end = (last_s - midnight_s(last_day)) // SLOT_S + 1
    if day == last_day:
        return [(day, slice(begin, end))]
    return [(day, slice(begin, None)), (last_day, slice(1, end))]


def _read(column: Quantity) -> _Read | None:
    """How a home finds its cells on the wire; None for a column that is alike in all."""
    if column.name in _REGISTERS:
        register, coarser = _REGISTERS[column.name], 10 ** exponent_of(column)
        return lambda home: home.steps(coarser)[register]
    if column.name not in _OF_A_HOME:
        return None
    of_home, exponent = _OF_A_HOME[column.name]
    coarser = 10 ** (exponent_of(column) - exponent)
    return of_home if coarser == 1 else lambda home: of_home(home) // coarser


def _without_clocks(head: int, count: int, width: int) -> NDArray[np.intp]:
    """Which octets of the buffer stay when the clocks of all rows but the first are one octet, null-data."""
    keep = np.ones((count, width), np.bool_)
    keep[1:, _CLOCK_TAG_AT + 1 : _CLOCK_ENDS_AT] = False
    return np.concatenate([np.arange(head), head + np.flatnonzero(keep)])


class DaySheets:
    """The sheets of a town. For one thread."""

    def __init__(self, source: Source, distorted: Container[int]) -> None:
        self._source = source
        self._distorted = distorted

    def sheet(self, plan: ModelPlan, profile: Profile, asked: Asked) -> Sheet | None:
        """The sheet of a range, None for one that is answered the general way."""
        if not self._whole(profile, asked):
            return None
        later_s = SLOT_S if plan.model.stamp is Stamp.BEGIN else 0
        first_s = -(-(asked.begin_s + later_s + KOLKATA_S) // SLOT_S) * SLOT_S - KOLKATA_S
        last_s = (asked.end_s + later_s + KOLKATA_S) // SLOT_S * SLOT_S - KOLKATA_S
        day = (first_s - SLOT_S + KOLKATA_S) // DAY_S
        if not INSTALLED_S + SLOT_S <= first_s <= last_s <= midnight_s(day + 2):
            return None
        ends_s = np.arange(first_s, last_s + 1, SLOT_S, dtype=np.int64)
        stamps_s = ends_s - later_s
        if len(stamps_s[asked.of_one_day(stamps_s)]) < len(stamps_s):
            return None
        return Sheet(self._source, plan, asked, ends_s, stamps_s)

    def _whole(self, profile: Profile, asked: Asked) -> bool:
        """Whether all rows of a range are asked for, of columns that are known here."""
        return (
            profile.name == "block-load"
            and profile.period_s == SLOT_S
            and (asked.first, asked.last) == (1, 0)
            and bool(asked.columns)
            and asked.columns[0].column.is_clock
            and all(_known(column) for column in asked.columns)
        )

    def octets(self, sheet: Sheet, meter: int, profile: Profile, now_s: float) -> bytes | None:
        """The answer of a meter, None when the general way must be gone."""
        if not self._undisturbed(meter) or not sheet.is_held(meter, now_s, profile.depth):
            return None
        return sheet.octets(meter)

    def _undisturbed(self, meter: int) -> bool:
        town, state = self._source.town, self._source.state
        if meter >= town.consumers or town.phase[meter] == THREE_PHASES:
            return False
        if (
            meter in state.clock_jumps
            or meter in state.turns
            or meter in self._distorted
            or self._source.registers.flow is not None
        ):
            return False
        interruptions = self._source.registers.interruptions
        return not interruptions.any or not interruptions.steps(meter, int(town.transformer[meter]))


def _known(column: Quantity) -> bool:
    """Whether a sheet can hold a column: of a width that whole numbers fit, no finer than they are."""
    if column.type == INSTANT_TYPE:
        return column.name == "clock"
    if column.type in FLOATS:
        return False
    if column.name in _NOTHING:
        return True
    if column.name in _REGISTERS:
        return exponent_of(column) >= 0
    exponent = MILLI if column.name == _FREQUENCY else _OF_A_HOME.get(column.name, (None, None))[1]
    return exponent is not None and exponent_of(column) >= exponent
