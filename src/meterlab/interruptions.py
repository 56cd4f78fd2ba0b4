"""When a meter measured nothing: its relay was open, or its transformer had no supply.

Intervals are half-open ``[begin_s, end_s)`` in epoch seconds; an open end is FOREVER. Only meters that were ever
interrupted cost memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meterlab.deviations import Deviations, Step, disjoint

FOREVER = 1 << 40
"""Epoch seconds beyond every question (the year 36812)."""

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A relay moved (``meter``) or supply was cut (``transformer``) at ``at_s``."""

    at_s: int
    meter: int | None = None
    transformer: int | None = None


def merged(intervals: list[Interval]) -> list[Interval]:
    """The same time as disjoint intervals in order."""
    result: list[Interval] = []
    for begin, end in sorted(intervals):
        if result and begin <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


@dataclass
class Interruptions:
    """Relay intervals by meter, power cuts by transformer, and the ``deviations`` that come with them.

    ``journal``: what changed, in the order in which it was told.
    """

    by_relay: dict[int, list[Interval]] = field(default_factory=dict)
    by_transformer: dict[int, list[Interval]] = field(default_factory=dict)
    deviations: Deviations = field(default_factory=Deviations)
    journal: list[Change] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether anything keeps a home from drawing as usual, or its meter from seeing it."""
        return bool(self.by_relay or self.by_transformer or self.deviations.any)

    def relay_opened(self, meter: int, at_s: int) -> None:
        """The relay of ``meter`` opens; nothing happens when it is open."""
        intervals = self.by_relay.setdefault(meter, [])
        if not intervals or intervals[-1][1] != FOREVER:
            intervals.append((at_s, FOREVER))
            self.journal.append(Change(at_s=at_s, meter=meter))

    def relay_closed(self, meter: int, at_s: int) -> None:
        """The relay of ``meter`` closes; nothing happens when it is closed."""
        intervals = self.by_relay.get(meter, [])
        if intervals and intervals[-1][1] == FOREVER:
            intervals[-1] = (intervals[-1][0], at_s)
            self.journal.append(Change(at_s=at_s, meter=meter))

    def supply_lost(self, transformer: int, begin_s: int, end_s: int) -> None:
        """A power cut of a transformer and all its meters. Raises ValueError when it ends before it begins."""
        if end_s <= begin_s:
            raise ValueError(f"a power cut ends at {end_s}, after it begins at {begin_s}")
        self.by_transformer[transformer] = merged([*self.by_transformer.get(transformer, []), (begin_s, end_s)])
        self.journal.append(Change(at_s=begin_s, transformer=transformer))

    def cuts(self, transformer: int) -> list[Interval]:
        """Power cuts of a transformer, in order."""
        return self.by_transformer.get(transformer, [])

    def unmeasured(self, meter: int, transformer: int) -> list[Interval]:
        """All time in which the meter measured nothing, disjoint and in order."""
        relay, cuts = self.by_relay.get(meter), self.by_transformer.get(transformer)
        if not relay and not cuts:
            return []
        return merged([*(relay or []), *(cuts or [])])

    def steps(self, meter: int, transformer: int, *, really: bool = False) -> tuple[Step, ...]:
        """Disjoint intervals with the thousandths of the usual energy in them, in order.

        What the meter of a home sees; with ``really`` what the home draws, be it seen or stolen.
        """
        gone = self.unmeasured(meter, transformer)
        factors = self.deviations.factors(meter, transformer, gone, really=really) if self.deviations.any else []
        return disjoint([*((begin, end, 0) for begin, end in gone), *factors])


def overlap_s(intervals: list[Interval], begin_s: int, end_s: int) -> int:
    """Seconds of ``[begin_s, end_s)`` that lie in disjoint ``intervals``."""
    return sum(max(0, min(end, end_s) - max(begin, begin_s)) for begin, end in intervals)
