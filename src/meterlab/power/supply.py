"""The power flow as meters feel it: voltage at any meter, losses that transformer meters count, load not served.

Feeder-days are taken from the store, or made here while somebody waits. When a relay moves or supply is lost
during a run, the rest of that feeder's day flows otherwise: the day gets another edition, valid from that moment,
and what was counted until then stays counted. Editions of a running day are asked of the flow's own process where
there is one; until they are there, the one before holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meterlab.calendar import DAY_S, KOLKATA_S, SLOT_S, SLOTS_A_DAY, day_of, midnight_s
from meterlab.interruptions import Interruptions
from meterlab.power import circumstances
from meterlab.power.feeder_day import DayMaker, FeederDay, short_wh
from meterlab.power.network import FeederNetwork
from meterlab.power.store import FlowStore
from meterlab.registers import Registers
from meterlab.town import THREE_PHASES, Town

DAYS_KEPT = 512
"""Feeder-days in memory, some 0.2 MB each for a feeder of 1,400 homes."""

SETTLES_S = 60
"""Town seconds within which further switching on a feeder makes no further edition."""

_MV_A_CV = 10.0

Ask = Callable[[int, int, str], bool]
"""Feeder, day and circumstances as JSON, for the process of the flow; whether it will make the day."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Edition:
    """A feeder-day, valid from ``from_s``; ``carry_wh`` int64[transformer + 1] is added to its losses.

    ``read``: how much of the journal was known when it was made.
    """

    from_s: int
    read: int
    key: str
    day: FeederDay
    carry_wh: NDArray[np.int64]


class Supply:
    """The flow of a town from the begin of day ``since_day`` on. ``store`` None: nothing is kept on disk."""

    def __init__(
        self,
        town: Town,
        interruptions: Interruptions,
        *,
        since_day: int,
        store: FlowStore | None = None,
        ask: Ask | None = None,
    ) -> None:
        self.since_s = midnight_s(since_day)
        self._town, self._interruptions = town, interruptions
        self._since_day, self._store, self._ask = since_day, store, ask
        self._maker = DayMaker(town)
        self._plain = Registers(town, interruptions)
        self._kept: OrderedDict[tuple[int, int], list[_Edition]] = OrderedDict()
        self._lost_before: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._asked: set[tuple[int, int, str]] = set()
        self._ahead: int | None = None
        self._read = len(interruptions.journal)
        self._moved: dict[
            int, tuple[int, int]
        ] = {}  # feeder to its last change and how much of the journal that is
        self._looked_at: dict[int, int] = {}  # feeder to the first day that was not looked at for short homes
        self._short: dict[int, dict[int, FeederDay]] = {}

    def network(self, feeder: int) -> FeederNetwork:
        """The network of a feeder."""
        return self._maker.network(feeder)

    def feeder_day(self, feeder: int, day: int) -> FeederDay:
        """The newest edition of a feeder-day."""
        return self._editions(feeder, day, midnight_s(day + 1))[-1].day

    def voltage_mv(self, meter: int, phase: int, instants_s: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean voltage of the half hours that hold the instants, ``float64[instant]``; none before ``since_s``."""
        transformer = int(self._town.transformer[meter])
        feeder = int(self._town.feeder[transformer])
        network = self._maker.network(feeder)
        row = _row(network, self._town, meter, phase)
        days, into_s = np.divmod(instants_s + KOLKATA_S, DAY_S)
        out = np.empty(len(instants_s))
        for day in np.unique(days).tolist():
            for edition, chosen in self._by_edition(feeder, day, days, instants_s):
                seen = edition.day.terminal_cv if self._town.is_consumer(meter) else edition.day.busbar_cv
                out[chosen] = seen[row][into_s[chosen] // SLOT_S]
        return out * _MV_A_CV

    def loss_wh(self, transformer: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """What the lines below a transformer lost since ``since_s``, ``int64[instant]``; 0 before it."""
        feeder = int(self._town.feeder[transformer])
        return self._loss_wh(feeder, self._place(feeder, transformer), instants_s)

    def feeder_loss_wh(self, feeder: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        """What a feeder and its transformers themselves lost since ``since_s``, ``int64[instant]``."""
        return self._loss_wh(feeder, len(self._maker.network(feeder).transformer), instants_s)

    def _place(self, feeder: int, transformer: int) -> int:
        return int(np.searchsorted(self._maker.network(feeder).transformer, transformer))

    def _loss_wh(self, feeder: int, place: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
        days = (instants_s + KOLKATA_S) // DAY_S
        out = np.zeros(len(instants_s), np.int64)
        for day in np.unique(days[instants_s > self.since_s]).tolist():
            before = int(self._before(feeder, day)[place])
            for edition, chosen in self._by_edition(feeder, day, days, instants_s):
                out[chosen] = before + _lost(edition, place, instants_s[chosen])
        return out

    def short_wh(
        self, homes: NDArray[np.int64], instants_s: NDArray[np.int64], *, really: bool
    ) -> NDArray[np.int64] | None:
        """What homes wished since ``since_s`` and did not get, as their load sank: ``int64[home, instant]``.

        ``really``: of what they drew, else of what their meters saw. None: nothing.
        """
        feeders = np.unique(self._town.feeder[self._town.transformer[homes]]).tolist()
        last_day = day_of(int(instants_s.max(initial=0)))
        for feeder in feeders:
            for day in range(self._looked_at.get(feeder, self._since_day), last_day + 1):
                self.feeder_day(feeder, day)
                self._looked_at[feeder] = day + 1
        if not any(self._short.get(feeder) for feeder in feeders):
            return None
        out = np.zeros((len(homes), len(instants_s)), np.int64)
        for feeder in feeders:
            for day, flowed in self._short.get(feeder, {}).items():
                rows = np.flatnonzero(np.isin(homes, flowed.short_home)) if day <= last_day else np.empty(0)
                if len(rows):
                    part = flowed.short_part[np.searchsorted(flowed.short_home, homes[rows])]
                    out[rows] += self._short_of_day(homes[rows], day, part, instants_s, really=really)
        return out

    def _short_of_day(
        self,
        homes: NDArray[np.int64],
        day: int,
        part: NDArray[np.float32],
        instants_s: NDArray[np.int64],
        *,
        really: bool,
    ) -> NDArray[np.int64]:
        """The day's part of it: whole slots that have passed, and what has passed of the running one."""
        edges_s = midnight_s(day) + SLOT_S * np.arange(SLOTS_A_DAY + 1)
        within_s = np.clip(instants_s, edges_s[0], edges_s[-1])
        at = self._plain.homes_wh(homes, np.concatenate([edges_s, within_s]), really=really)
        edges, now = at[:, : len(edges_s)], at[:, len(edges_s) :]
        running = np.zeros_like(edges)
        np.cumsum(short_wh(np.diff(edges, axis=1), part), axis=1, out=running[:, 1:])
        slot = np.minimum((within_s - edges_s[0]) // SLOT_S, SLOTS_A_DAY - 1)
        return np.asarray(running[:, slot] + short_wh(now - edges[:, slot], part[:, slot]))

    def _before(self, feeder: int, day: int) -> NDArray[np.int64]:
        """Losses from the first day to the begin of ``day``, ``int64[transformer + 1]``."""
        if day <= self._since_day:
            return np.zeros(len(self._maker.network(feeder).transformer) + 1, np.int64)
        first = day
        while first > self._since_day and (feeder, first) not in self._lost_before:
            first -= 1
        lost = self._lost_before.get((feeder, first), np.zeros(1, np.int64))  # of the first day: nothing
        for each in range(first, day):
            edition = self._editions(feeder, each, midnight_s(each + 1))[-1]
            lost = lost + edition.day.loss_edges_wh[:, -1] + edition.carry_wh
            self._lost_before[feeder, each + 1] = lost
        return lost

    def _by_edition(
        self, feeder: int, day: int, days: NDArray[np.int64], instants_s: NDArray[np.int64]
    ) -> list[tuple[_Edition, NDArray[np.int64]]]:
        """The editions of a day, each with the places of the instants for which it holds."""
        places = np.flatnonzero(days == day)
        editions = self._editions(feeder, day, int(instants_s[places].max()))
        if len(editions) == 1:
            return [(editions[0], places)]
        number = np.searchsorted([edition.from_s for edition in editions], instants_s[places]) - 1
        return [(edition, places[number == n]) for n, edition in enumerate(editions) if (number == n).any()]

    def _editions(self, feeder: int, day: int, until_s: int) -> list[_Edition]:
        """The editions of a day, a newer one added if something moved before ``until_s``."""
        self._read_journal()
        editions = self._kept.get((feeder, day))
        if editions is None:
            editions = self._kept[feeder, day] = [self._first(feeder, day)]
            self._forget()
        self._kept.move_to_end((feeder, day))
        moved_s, entry = self._moved.get(feeder, (0, 0))
        newest = editions[-1]
        if newest.read >= entry or moved_s >= midnight_s(day + 1):
            return editions
        if moved_s <= midnight_s(day):
            editions[:] = [self._first(feeder, day)]
            self._forget_sums(feeder, day)
        elif max(moved_s, until_s) - newest.from_s >= SETTLES_S:
            self._renew(feeder, day, moved_s, editions)
        return editions

    def _read_journal(self) -> None:
        journal = self._interruptions.journal
        for entry in range(self._read, len(journal)):
            change = journal[entry]
            transformer = change.transformer
            if transformer is None:
                transformer = int(self._town.transformer[change.meter])
            feeder = int(self._town.feeder[transformer])
            moved_s, _ = self._moved.get(feeder, (0, 0))
            self._moved[feeder] = max(moved_s, change.at_s), entry + 1
        self._read = len(journal)

    def _forget_sums(self, feeder: int, day: int) -> None:
        """Sums of losses over a day that is now another."""
        for later in [key for key in self._lost_before if key[0] == feeder and key[1] > day]:
            del self._lost_before[later]

    def _first(self, feeder: int, day: int) -> _Edition:
        _, _, text = self.wanted(feeder, day)
        flowed = self._stored(feeder, day, text) or self._made(feeder, day, text)
        self._note_short(feeder, day, flowed)
        nothing = np.zeros(len(flowed.loss_edges_wh), np.int64)
        key = circumstances.key(text)
        return _Edition(from_s=midnight_s(day) - 1, read=self._read, key=key, day=flowed, carry_wh=nothing)

    def _renew(self, feeder: int, day: int, moved_s: int, editions: list[_Edition]) -> None:
        _, _, text = self.wanted(feeder, day)
        key = circumstances.key(text)
        if key == editions[-1].key:
            editions[-1] = replace(editions[-1], read=self._read)
            return
        flowed = self._stored(feeder, day, text)
        if flowed is None and self._will_come(feeder, day, text):
            return
        slot = (moved_s - midnight_s(day)) // SLOT_S
        flowed = _with_slot_of(editions[-1].day, flowed or self._made(feeder, day, text), slot)
        self._note_short(feeder, day, flowed)
        at = np.asarray([moved_s])
        places = range(len(flowed.loss_edges_wh))
        none = np.zeros(len(places), np.int64)
        fresh = _Edition(from_s=moved_s, read=self._read, key=key, day=flowed, carry_wh=none)
        carry = [_lost(editions[-1], place, at) - _lost(fresh, place, at) for place in places]
        editions.append(replace(fresh, carry_wh=np.concatenate(carry)))
        self._forget_sums(feeder, day)

    def _will_come(self, feeder: int, day: int, text: str) -> bool:
        """Whether the flow's process makes this day; it is asked once."""
        asked = (feeder, day, circumstances.key(text))
        if self._ask is None or (asked not in self._asked and not self._ask(feeder, day, text)):
            return False
        self._asked.add(asked)
        return True

    def wanted(self, feeder: int, day: int) -> tuple[int, int, str]:
        """A day as the flow's process is asked for it: feeder, day, circumstances."""
        text = circumstances.to_json(circumstances.of_day(self._town, self._interruptions, feeder, day))
        return feeder, day, text

    def prepare(self, now_s: float) -> None:
        """Have the days of today and tomorrow made ahead; once a day is enough."""
        if self._ask is None or self._ahead == day_of(now_s):
            return
        self._ahead = day_of(now_s)
        for day in (day_of(now_s), day_of(now_s) + 1):
            for feeder in range(len(self._town.feeders)):
                self._will_come(*self.wanted(feeder, day))

    def _note_short(self, feeder: int, day: int, flowed: FeederDay) -> None:
        if len(flowed.short_home):
            self._short.setdefault(feeder, {})[day] = flowed
        else:
            self._short.get(feeder, {}).pop(day, None)

    def _stored(self, feeder: int, day: int, text: str) -> FeederDay | None:
        return None if self._store is None else self._store.load(feeder, day, circumstances.key(text))

    def _made(self, feeder: int, day: int, text: str) -> FeederDay:
        flowed = self._maker.make(feeder, day, circumstances.from_json(text))
        if self._store is not None:
            self._store.save(feeder, day, circumstances.key(text), flowed)
        return flowed

    def _forget(self) -> None:
        """The day that was asked for longest ago goes, unless it has editions that only this run knows."""
        if len(self._kept) > DAYS_KEPT:
            plain = [key for key, editions in self._kept.items() if len(editions) == 1]
            if plain:
                del self._kept[plain[0]]


def _row(network: FeederNetwork, town: Town, meter: int, phase: int) -> int | tuple[int, int]:
    """Where a meter's voltage in a phase stands in the arrays of a feeder-day."""
    if not town.is_consumer(meter):
        place = int(np.searchsorted(network.transformer, int(town.transformer[meter])))
        return place, phase
    home = int(np.searchsorted(network.home, meter))
    first = int(np.searchsorted(network.terminal_home, home))
    return first + (phase if town.phase[meter] == THREE_PHASES else 0)


def _lost(edition: _Edition, place: int, instants_s: NDArray[np.int64]) -> NDArray[np.int64]:
    """Losses below a transformer since midnight; within a half hour they grow evenly."""
    slot, rest_s = np.divmod((instants_s + KOLKATA_S) % DAY_S, SLOT_S)
    edges = edition.day.loss_edges_wh[place]
    running = (edges[slot + 1] - edges[slot]) * rest_s // SLOT_S
    return np.asarray(edges[slot] + running + edition.carry_wh[place])


def _with_slot_of(before: FeederDay, after: FeederDay, slot: int) -> FeederDay:
    """``after``, but what is not served in the slot that is running as it was: registers do not jump."""
    homes = np.union1d(before.short_home, after.short_home).astype(np.int32)
    part = np.zeros((len(homes), SLOTS_A_DAY), np.float32)
    part[np.searchsorted(homes, after.short_home)] = after.short_part
    part[:, slot] = 0
    part[np.searchsorted(homes, before.short_home), slot] = before.short_part[:, slot]
    return replace(after, short_home=homes, short_part=part)
