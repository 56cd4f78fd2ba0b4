"""What the meters' registers stand at, at any instant since installation.

A register is a pure function of town, meter and instant, less what was not drawn while supply was interrupted. The
transformer's register is the sum of its homes and the line losses, so the two sides of a balance agree to the
watt-hour. What is read again and again is kept: where the last months began, the half hours of yesterday and
today, and of a small town the midnights of those months.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from meterlab import draws, load
from meterlab.calendar import (
    DAY_S,
    KOLKATA_S,
    SLOT_S,
    day_of,
    midnight_s,
    month_begin_s,
    month_of_day,
    months_of_days,
)
from meterlab.deviations import USUAL, Step
from meterlab.hot_days import HOMES_A_GROUP, GroupDay, HotDays, group_day
from meterlab.interruptions import Interruptions
from meterlab.town import THREE_PHASES, Town

INSTALLED_MONTH = 2024 * 12 + 3
"""April 2024: every meter was installed at its first midnight. A constant, so that a town started again on another
day continues its registers."""

INSTALLED_S = month_begin_s(INSTALLED_MONTH)

_FACTORY_TEST_WH = 400
"""Registers start below this: what the factory's test left in them."""

_HOMES_AT_ONCE = 8192  # a few megabytes of intermediate numbers
_FEW_DAYS = 4
_MOST_DAYS = 31
_TABLES_KEPT = 4
"""35 days touch at most three months; one more while a month begins."""

_MOST_HOMES_KEPT_WHOLE = 50_000
"""A month of midnights costs 128 octets a home. Beyond that, midnights of older days are found when asked for."""

FEEDER_LOSS_PERMILLE = 20
"""What transformers and the 11 kV line lose between the low-voltage side and the substation (2 %, assumed)."""

_VA_BITS = 10
_QUARTER_S = SLOT_S // 2
_QUARTERS_AN_HOUR = 3600 // _QUARTER_S

_Energy = Callable[[int, NDArray[np.int64]], NDArray[np.int64]]
_OfMonth = Callable[[NDArray[np.int64], int], NDArray[np.int64]]


class PowerFlow(Protocol):
    """Physics of the town from ``since_s`` on, in place of the town's share of losses."""

    since_s: int

    def loss_wh(self, transformer: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Energy that the lines below a transformer have lost since then, ``int64[instant]``."""

    def feeder_loss_wh(self, feeder: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Energy that a feeder and its transformers themselves have lost since then, ``int64[instant]``."""

    def short_wh(
        self, homes: NDArray[np.int64], instants_s: NDArray[np.int64], *, really: bool
    ) -> NDArray[np.int64] | None:
        """What sinking voltage has kept homes from drawing since then, ``int64[home, instant]``; None: nothing."""

    def voltage_mv(self, meter: int, phase: int, instants_s: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean voltage of the half hours that hold instants not before then, ``float64[instant]``."""

    def prepare(self, now_s: float) -> None:
        """Make ready what will be asked for next; once a day is enough."""


class Registers:
    """Registers of all meters of a town. Instants are ``int64`` epoch seconds UTC, not before installation."""

    def __init__(
        self, town: Town, interruptions: Interruptions | None = None, flow: PowerFlow | None = None
    ) -> None:
        self.town = town
        self.interruptions = interruptions or Interruptions()
        self.flow = flow
        self._at_since: dict[tuple[int, int], NDArray[np.int64]] = {}  # what homes had drawn when the flow began
        meters = np.arange(len(town))
        self._import_start_wh = _starts(town.seed, "import-start", meters)
        self._export_start_wh = _starts(town.seed, "export-start", meters)
        self._midnights: dict[int, NDArray[np.uint32]] = {}
        self._months: dict[int, NDArray[np.uint32]] = {}
        self._hot = HotDays(self._day_of_group)

    def prepare(self, now_s: float, days: int) -> None:
        """Keep what is asked for again and again; older tables go. Once a day is enough.

        Of every town: where the months of the last ``days`` days began and ended, and, once they have been asked
        for, the half hours of yesterday and today. Of a small one the midnights of those months too.
        """
        wanted = {month_of_day(day) for day in range(day_of(now_s) - days, day_of(now_s) + 1)}
        for month in sorted(m for m in wanted if m >= INSTALLED_MONTH and m not in self._months):
            self._months[month] = self._for_all(month, self._month_starts, 2)
            if self.town.consumers <= _MOST_HOMES_KEPT_WHOLE:
                self._midnights[month] = self._for_all(month, self._month_midnights, _MOST_DAYS + 1)
        for month in sorted(self._months)[:-_TABLES_KEPT]:
            del self._months[month]
            self._midnights.pop(month, None)
        self._hot.change(frozenset({day_of(now_s) - 1, day_of(now_s)}))

    def _for_all(self, month: int, energy: _OfMonth, columns: int) -> NDArray[np.uint32]:
        """A table of all homes, ``uint32[consumer, column]`` in Wh: 32 bits last for 250 years of the largest."""
        table = np.empty((self.town.consumers, columns), np.uint32)
        for first in range(0, self.town.consumers, _HOMES_AT_ONCE):
            homes = np.arange(first, min(first + _HOMES_AT_ONCE, self.town.consumers))
            filled = energy(homes, month)
            table[first : first + len(homes), : filled.shape[1]] = filled
        return table

    def day_edges_wh(self, home: int, day: int) -> NDArray[np.int64] | None:
        """Energy of uninterrupted supply since installation at the 49 half hours that bound a day.

        None for a day that is not kept.
        """
        return self._hot.edges_wh(home, day) if day in self._hot.days else None

    def import_wh(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """The active import register, ``int64[instant]`` in Wh."""
        return np.asarray(self.start_wh(meter) + self.drawn_wh(meter, instants_s))

    def import_vah(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """The apparent import register, ``int64[instant]`` in VAh."""
        apparent = self.apparent(meter, self.drawn_wh(meter, instants_s))
        return np.asarray(self.start_wh(meter) + apparent)

    def export_wh(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """The active export register in Wh: nobody exports, so it stands where the factory's test left it."""
        return np.full(len(instants_s), int(self._export_start_wh[meter]))

    def apparent(self, meter: int, active: NDArray[np.int64]) -> NDArray[np.int64]:
        """Apparent energy or power that belongs to an active one, at the meter's power factor."""
        return np.asarray((active * int(self.town.va_per_1024_w[meter])) >> _VA_BITS, np.int64)

    def drawn_wh(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Energy measured since installation, ``int64[instant]`` in Wh."""
        if self.town.is_consumer(meter):
            return np.asarray(self.homes_wh(np.asarray([meter]), instants_s)[0])
        return self._above_homes(meter, instants_s, self._drawn_below)

    def phases_wh(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same by phase, ``int64[3, instant]``; losses and three-phase homes are shared alike."""
        if self.town.is_consumer(meter):
            return self._by_phase(np.asarray([meter]), instants_s, really=False)
        return self._above_homes(meter, instants_s, self._phases_below)

    def _drawn_below(self, transformer: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self.homes_wh(self.town.homes_of(transformer), instants_s, really=True).sum(axis=0))

    def _phases_below(self, transformer: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._by_phase(self.town.homes_of(transformer), instants_s, really=True)

    def _above_homes(self, meter: int, instants_s: NDArray[np.int64], below: _Energy) -> NDArray[np.int64]:
        """Through the meter of a transformer; a feeder's has all its transformers and the losses on the way."""
        feeder = self.town.feeder_of(meter)
        if feeder is None:
            return self._with_losses(int(self.town.transformer[meter]), instants_s, below)
        below_it = self.town.transformers_of(feeder)
        if self.flow is None:
            through = sum(self._with_losses(t, instants_s, below) for t in below_it)
            return np.asarray(through * (1000 + FEEDER_LOSS_PERMILLE) // 1000)
        edges_s = np.append(instants_s, self.flow.since_s)
        through = np.asarray(sum(self._with_losses(t, edges_s, below) for t in below_it))
        cheap = through * (1000 + FEEDER_LOSS_PERMILLE) // 1000
        lost = self._by_phases(self.flow.feeder_loss_wh(feeder, instants_s), through)
        flowed = cheap[..., -1:] + through[..., :-1] - through[..., -1:] + lost
        return np.where(instants_s <= self.flow.since_s, cheap[..., :-1], flowed)

    def _by_phase(
        self, homes: NDArray[np.int64], instants_s: NDArray[np.int64], *, really: bool
    ) -> NDArray[np.int64]:
        drawn = self.homes_wh(homes, instants_s, really=really)
        phase, three = self.town.phase[homes], drawn[self.town.phase[homes] == THREE_PHASES]
        return np.stack([drawn[phase == p].sum(axis=0) + ((three + p) // 3).sum(axis=0) for p in range(3)])

    def power_w(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Mean active power of the quarter hours that run at the instants, 0 while supply is interrupted."""
        return self._power(meter, instants_s, self.drawn_wh)

    def phases_w(self, meter: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same by phase, ``int64[3, instant]``."""
        return self._power(meter, instants_s, self.phases_wh)

    def _power(self, meter: int, instants_s: NDArray[np.int64], energy: _Energy) -> NDArray[np.int64]:
        begin_s = instants_s - (instants_s + KOLKATA_S) % _QUARTER_S
        edges = energy(meter, np.concatenate([begin_s, begin_s + _QUARTER_S]))
        count = len(instants_s)
        power = (edges[..., count:] - edges[..., :count]) * _QUARTERS_AN_HOUR
        for begin, end in self.interruptions.unmeasured(meter, int(self.town.transformer[meter])):
            power[..., (begin <= instants_s) & (instants_s < end)] = 0
        return power

    def _with_losses(self, transformer: int, instants_s: NDArray[np.int64], below: _Energy) -> NDArray[np.int64]:
        """What homes below a transformer drew, and the lines' losses: the town's share, or by the flow."""
        if self.flow is None:
            return self._share_of_losses(below(transformer, instants_s))
        drawn = below(transformer, instants_s)
        key = (transformer, drawn.ndim)
        at_since = self._at_since.get(key)
        if at_since is None:
            at_since = self._at_since[key] = below(transformer, np.asarray([self.flow.since_s]))
        lost = self._by_phases(self.flow.loss_wh(transformer, instants_s), drawn)
        flowed = drawn + self._share_of_losses(at_since) - at_since + lost
        return np.where(instants_s <= self.flow.since_s, self._share_of_losses(drawn), flowed)

    @staticmethod
    def _by_phases(lost: NDArray[np.int64], energy_wh: NDArray[np.int64]) -> NDArray[np.int64]:
        """Losses in thirds where energy is told by phase."""
        if energy_wh.ndim == 1:
            return lost
        return np.stack([(lost + phase) // THREE_PHASES for phase in range(THREE_PHASES)])

    def _share_of_losses(self, energy_wh: NDArray[np.int64]) -> NDArray[np.int64]:
        return energy_wh * (1000 + self.town.loss_permille) // 1000

    def start_wh(self, meter: int) -> int:
        """Where the import registers, active and apparent, stood at installation."""
        return int(self._import_start_wh[meter])

    def homes_wh(
        self, homes: NDArray[np.int64], instants_s: NDArray[np.int64], *, really: bool = False
    ) -> NDArray[np.int64]:
        """Energy that meters of homes saw since installation, ``int64[home, instant]``.

        ``really``: what the homes drew, stolen energy included.
        """
        energy = self._wished_wh(homes, instants_s, really=really)
        if self.flow is not None and int(instants_s.max(initial=0)) > self.flow.since_s:
            short = self.flow.short_wh(homes, instants_s, really=really)
            if short is not None:
                energy = energy - short
        return energy

    def _wished_wh(
        self, homes: NDArray[np.int64], instants_s: NDArray[np.int64], *, really: bool
    ) -> NDArray[np.int64]:
        energy = self._wanted_wh(homes, instants_s)
        if not self.interruptions.any:
            return energy
        for steps, rows in self._deviating(homes, really=really).items():
            some, last_s = homes[rows], int(instants_s.max(initial=0))
            for begin, end, permille in steps:
                if begin < last_s:
                    edges = np.concatenate([[begin], np.clip(instants_s, begin, end)])
                    wanted = self._wanted_wh(some, edges)
                    energy[rows] += (wanted[:, 1:] - wanted[:, :1]) * (permille - USUAL) // USUAL
        return energy

    def _deviating(self, homes: NDArray[np.int64], *, really: bool) -> dict[tuple[Step, ...], list[int]]:
        """Rows of ``homes`` by what deviates there."""
        groups: dict[tuple[Step, ...], list[int]] = {}
        for row, (home, transformer) in enumerate(
            zip(homes.tolist(), self.town.transformer[homes].tolist(), strict=True)
        ):
            steps = self.interruptions.steps(home, transformer, really=really)
            if steps:
                groups.setdefault(steps, []).append(row)
        return groups

    def _wanted_wh(self, homes: NDArray[np.int64], instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """Energy since installation of uninterrupted supply, ``int64[home, instant]``."""
        day, into_s = np.divmod(instants_s + KOLKATA_S, DAY_S)
        days, row = _numbered(day)
        midnights, slots = self._days_and_slots(homes, days, at_midnights=not into_s.any())
        if slots is None:
            return np.asarray(midnights[:, row], np.int64)
        slot, rest_s = np.divmod(into_s, SLOT_S)
        energy = midnights[:, row] + slots[:, row, slot]
        if rest_s.any():
            running = slots[:, row, slot + 1] - slots[:, row, slot]
            share = load.quarter_share(self.town.seed, homes, days[row] * (DAY_S // SLOT_S) + slot)
            half = rest_s / (SLOT_S / 2)
            part = np.where(half <= 1, share * half, share + (1 - share) * (half - 1))
            energy = energy + np.floor(running * part).astype(np.int64)
        return np.asarray(energy, np.int64)

    def _days_and_slots(
        self, homes: NDArray[np.int64], days: NDArray[np.int64], *, at_midnights: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Energy since installation when each day begins, ``int64[home, day]``, and since then at half hours.

        The latter is ``int64[home, day, slot + 1]``; None in its place where only midnights are wanted.
        """
        if len(homes) == 1 and self._hot.days.issuperset(days.tolist()):
            edges = np.stack([self._hot.edges_wh(int(homes[0]), day) for day in days.tolist()])
            return edges[None, :, 0], edges[None] - edges[None, :, :1]
        begin, energy = self._days(homes, days)
        if at_midnights:
            return begin, None
        return begin, load.slot_cumulative_wh(self.town.seed, homes, days, months_of_days(days), energy)

    def _day_of_group(self, group: int, day: int) -> GroupDay:
        """A day of neighbours, who are read on one day too."""
        first = group * HOMES_A_GROUP
        homes = np.arange(first, min(first + HOMES_A_GROUP, self.town.consumers))
        days = np.asarray([day])
        begin, energy = self._days(homes, days)
        running = load.slot_cumulative_wh(self.town.seed, homes, days, months_of_days(days), energy)[:, 0]
        return group_day(begin[:, 0], running)

    def _days(
        self, homes: NDArray[np.int64], days: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Energy since installation at the midnights that begin ``days``, and of those days: ``[home, day]``."""
        months = months_of_days(days)
        if (
            len(homes) == 1
            and months[0] == months[-1]
            and (kept := self._midnights.get(int(months[0]))) is not None
        ):
            in_month = days - day_of(month_begin_s(int(months[0])))
            edges = kept[homes[0], np.concatenate([in_month, in_month[-1:] + 1])].astype(np.int64)
            if len(days) == in_month[-1] - in_month[0] + 1:
                return edges[None, :-1], (edges[1:] - edges[:-1])[None]
        begin = np.empty((len(homes), len(days)), np.int64)
        energy = np.empty_like(begin)
        for month in np.unique(months).tolist():
            chosen = np.flatnonzero(months == month)
            kept = self._midnights.get(month)
            table = self._month_midnights(homes, month) if kept is None else kept[homes]
            in_month = days[chosen] - day_of(month_begin_s(month))
            begin[:, chosen] = table[:, in_month]
            energy[:, chosen] = table[:, in_month + 1]
            energy[:, chosen] -= begin[:, chosen]
        return begin, energy

    def _month_midnights(self, homes: NDArray[np.int64], month: int) -> NDArray[np.int64]:
        """Energy since installation at each midnight of a month, ``int64[home, day + 1]``."""
        kept = self._months.get(month)
        start = self._month_starts(homes, month) if kept is None else kept[homes].astype(np.int64)
        return start[:, :1] + load.day_cumulative_wh(self.town.seed, homes, month, start[:, 1] - start[:, 0])

    def _month_starts(self, homes: NDArray[np.int64], month: int) -> NDArray[np.int64]:
        """Energy since installation at the begin and at the end of a month, ``int64[home, 2]`` in Wh."""
        if month < INSTALLED_MONTH:
            raise ValueError(f"month {month} lies before the meters were installed")
        months = np.arange(INSTALLED_MONTH, month + 1)
        energy = load.month_wh(self.town.seed, homes, self.town.mean_wh_day[homes], months)
        before = energy[:, :-1].sum(axis=1)
        return np.stack([before, before + energy[:, -1]], axis=1)


def _starts(seed: int, subject: str, meters: NDArray[np.int64]) -> NDArray[np.uint16]:
    """What the factory's test left in the registers, ``uint16[meter]`` in Wh."""
    return (draws.bits(seed, subject, meters) % _FACTORY_TEST_WH).astype(np.uint16)


def _numbered(day: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Days in order, and the place of each element among them; for days near each other without sorting."""
    first, last = int(day.min()), int(day.max())
    if last - first < _FEW_DAYS:
        return np.arange(first, last + 1), day - first
    days, row = np.unique(day, return_inverse=True)
    return days, row


def instants(begin_s: int, end_s: int, period_s: int) -> NDArray[np.int64]:
    """Block ends in ``(begin_s, end_s]``: multiples of the period since a midnight of Kolkata."""
    first = begin_s - (begin_s + KOLKATA_S) % period_s + period_s
    return np.arange(first, end_s + 1, period_s, dtype=np.int64)


def midnights(begin_s: int, end_s: int) -> NDArray[np.int64]:
    """Midnights in ``[begin_s, end_s]``."""
    first = day_of(begin_s - 1) + 1
    return np.arange(midnight_s(first), end_s + 1, DAY_S, dtype=np.int64)
