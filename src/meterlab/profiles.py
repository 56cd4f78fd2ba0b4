"""The rows of a meter's profiles: which there are now, which are asked for, and their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms.model import Profile, Quantity, Stamp
from meterlab import rows
from meterlab.at_instants import Instants, at_instants
from meterlab.calendar import DAY_S, SLOT_S, day_of, midnight_s, month_of_day, months_of_days
from meterlab.events import log_of
from meterlab.over_blocks import Blocks, over_blocks
from meterlab.over_months import Months, over_months
from meterlab.plans import INSTANT_TYPE, ModelPlan, exponent_of
from meterlab.quantities import Numbers, Series, Source, wire
from meterlab.selection import Asked
from meterlab.state import SMALLEST_JUMP_S, State

_EVENT_PREFIX = "event-"
_BLOCK_LOAD = "block-load"
_MISSING = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows of a profile. ``stamps_s`` is what the meter's clock said, ``int64[row]``; one number per cell.

    ``cells`` are whole numbers, or float64 for columns of a float type.
    """

    profile: Profile
    stamps_s: Numbers
    columns: tuple[Quantity, ...]
    cells: tuple[Numbers | NDArray[np.float64], ...]

    @property
    def first_is_clock(self) -> bool:
        """Whether rows begin with their stamp."""
        return bool(self.columns) and self.columns[0].column.is_clock

    def encoded(self) -> list[rows.Column]:
        """The columns for ``rows.buffer``."""
        return [
            rows.Column(kind=rows.INSTANT if plan.type == INSTANT_TYPE else plan.type, values=values)
            for plan, values in zip(self.columns, self.cells, strict=True)
        ]


def last_end_s(state: State, meter: int, period_s: int, now_s: float) -> int:
    """The end of a meter's newest block: a clock that is a little off closes its block a little off."""
    shown_s = state.clock_s(meter, now_s)
    trusted_s = shown_s if abs(shown_s - now_s) < SMALLEST_JUMP_S else now_s
    return midnight_s(0) + int((trusted_s - midnight_s(0)) // period_s) * period_s


class Profiles:
    """Profiles of every meter of a town."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def table(self, meter: int, plan: ModelPlan, profile: Profile, asked: Asked, now_s: float) -> Table:
        """The rows that are asked for, oldest first (or newest first where the model says so)."""
        if profile.name == _BLOCK_LOAD:
            found = self._blocks(meter, profile, asked, now_s, at_begin=plan.model.stamp is Stamp.BEGIN)
        else:
            found = self._reader(profile.name)(meter, profile, asked, now_s)
        if plan.model.newest_first:
            found = replace(
                found, stamps_s=found.stamps_s[::-1], cells=tuple(values[::-1] for values in found.cells)
            )
        return found

    def _reader(self, name: str) -> Callable[[int, Profile, Asked, float], Table]:
        if name.startswith(_EVENT_PREFIX):
            return self._events
        return {
            "instantaneous": self._snapshot,
            "daily": self._daily,
            "billing": self._billing,
        }[name]

    def _snapshot(self, meter: int, profile: Profile, asked: Asked, now_s: float) -> Table:
        view = Instants(self.source, meter, np.asarray([int(now_s)]))
        shown = np.asarray([int(self.source.state.clock_s(meter, now_s))])
        return self._table(profile, asked, shown, lambda name: at_instants(view, name))

    def _blocks(self, meter: int, profile: Profile, asked: Asked, now_s: float, *, at_begin: bool) -> Table:
        period_s = profile.period_s or SLOT_S
        last_s = last_end_s(self.source.state, meter, period_s, now_s)
        first_s = max(last_s - (profile.depth - 1) * period_s, self.source.state.installed_s(meter) + period_s)
        later_s = period_s if at_begin else 0
        by_end = (
            replace(asked, begin_s=asked.begin_s + later_s, end_s=asked.end_s + later_s) if at_begin else asked
        )
        ends, stamps = self._ends(meter, by_end, first_s, last_s, period_s)
        stamps = stamps - later_s if at_begin else stamps
        ends, stamps = ends[asked.entries(len(ends))], stamps[asked.entries(len(ends))]
        if asked.one_day:
            ends, stamps = ends[asked.of_one_day(stamps)], stamps[asked.of_one_day(stamps)]
        kept = self._with_supply(meter, ends, period_s)
        ends, stamps = ends[kept], stamps[kept]
        if not len(ends):
            return self._table(profile, asked, stamps, lambda _: Series(values=stamps))
        whole = Blocks(self.source, meter, np.arange(ends[0], ends[-1] + 1, period_s), period_s)
        picked = (ends - ends[0]) // period_s
        return self._table(profile, asked, stamps, lambda name: over_blocks(whole, name), picked)

    def _ends(self, meter: int, asked: Asked, first_s: int, last_s: int, period_s: int) -> tuple[Numbers, Numbers]:
        """True ends and stamps of the blocks in the asked range."""
        jumps = self.source.state.clock_jumps.get(meter)
        if jumps is None:
            first_s += max(0, -(-(asked.begin_s - first_s) // period_s)) * period_s
            last_s -= max(0, -(-(last_s - asked.end_s) // period_s)) * period_s
            ends = np.arange(first_s, last_s + 1, period_s, dtype=np.int64)
            return ends, ends
        ends = np.arange(first_s, last_s + 1, period_s, dtype=np.int64)
        shift = np.zeros_like(ends)
        for since_s, by_s in jumps:
            shift[ends > since_s] = round(by_s / period_s) * period_s
        stamped = asked.stamped(ends + shift)
        return ends[stamped], (ends + shift)[stamped]

    def _with_supply(self, meter: int, ends: Numbers, period_s: int) -> slice | Numbers:
        """Rows that were written: none where the meter was dark for the whole block."""
        cuts = self.source.state.interruptions.cuts(int(self.source.town.transformer[meter]))
        if not cuts:
            return slice(None)
        dark = np.zeros(len(ends), np.bool_)
        for begin, end in cuts:
            dark |= (begin <= ends - period_s) & (ends <= end)
        return np.flatnonzero(~dark)

    def _daily(self, meter: int, profile: Profile, asked: Asked, now_s: float) -> Table:
        last = day_of(last_end_s(self.source.state, meter, DAY_S, now_s))
        days = np.arange(
            max(last - profile.depth + 1, day_of(self.source.state.installed_s(meter) - 1) + 1), last + 1
        )
        midnights = days * DAY_S + midnight_s(0)
        midnights = midnights[asked.stamped(midnights)]
        midnights = midnights[asked.entries(len(midnights))]
        view = Instants(self.source, meter, midnights)
        return self._table(profile, asked, midnights, lambda name: at_instants(view, name))

    def _billing(self, meter: int, profile: Profile, asked: Asked, now_s: float) -> Table:
        last = month_of_day(day_of(now_s))
        first = month_of_day(day_of(self.source.state.installed_s(meter))) + 1
        months = np.arange(max(last - profile.depth + 1, first), last + 1)
        first_days = (months - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        stamps = first_days * DAY_S + midnight_s(0)
        stamps = stamps[asked.stamped(stamps)]
        stamps = stamps[asked.entries(len(stamps))]
        view = Months(self.source, meter, months_of_days(stamps // DAY_S + 1))
        return self._table(profile, asked, stamps, lambda name: over_months(view, name))

    def _events(self, meter: int, profile: Profile, asked: Asked, now_s: float) -> Table:
        log = profile.name.removeprefix(_EVENT_PREFIX)
        listed = log_of(self.source.state, meter, log, int(now_s), profile.depth, asked.begin_s, asked.end_s)
        listed = listed[asked.entries(len(listed))]
        stamps = np.asarray([event.stamp_s for event in listed], np.int64)
        codes = np.asarray([event.code for event in listed], np.int64)
        view = Instants(self.source, meter, np.asarray([event.at_s for event in listed], np.int64))

        def read(name: str) -> Series | None:
            return Series(values=codes) if name == f"event-code-{log}" else at_instants(view, name)

        return self._table(profile, asked, stamps, read)

    def _table(
        self,
        profile: Profile,
        asked: Asked,
        stamps: Numbers,
        read: Callable[[str], Series | None],
        picked: Numbers | None = None,
    ) -> Table:
        cells: list[Numbers | NDArray[np.float64]] = []
        for column in asked.columns:
            if column.name == "clock" or not len(stamps):
                cells.append(stamps)
                continue
            quantity = read(column.name)
            if quantity is None:
                cells.append(np.full(len(stamps), _MISSING))
                continue
            values = wire(quantity, exponent_of(column), column.type)
            cells.append(values if picked is None else values[picked])
        return Table(profile=profile, stamps_s=stamps, columns=asked.columns, cells=tuple(cells))
