"""Half hours of the days that are read now, yesterday and today, kept for neighbours together.

Half an hour of a home fits two octets, and drawing 256 homes at once costs a twentieth of drawing each by itself.
What is kept is bounded: of 300,000 homes one day, 31 MB; who was asked for longest ago goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOMES_A_GROUP = 256
"""Half a millisecond for the first of them, nothing for the others."""

GROUPS_KEPT = 1250
"""25 kB each: 31 MB."""

_LARGEST_UINT16 = (1 << 16) - 1

HalfHours = NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(
    slots=True, kw_only=True, eq=False
)  # not frozen: made for every group of a city, which costs a third so
class GroupDay:
    """One day of one group. Nobody changes it.

    begin_wh int64[home]       energy since installation when the day begins
    energy   uint[home, slot]  energy of each half hour in Wh
    """

    begin_wh: NDArray[np.int64]
    energy: HalfHours


Draw = Callable[[int, int], GroupDay]
"""From the number of a group and of a day to that day."""


class HotDays:
    """The days that are kept. ``draw`` makes a day of a group."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._kept: OrderedDict[tuple[int, int], GroupDay] = OrderedDict()
        self.days: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._kept)

    def change(self, days: frozenset[int]) -> None:
        """From now on these days are kept, once they have been asked for."""
        if days == self.days:
            return
        self.days = days
        for key in [key for key in self._kept if key[0] not in days]:
            del self._kept[key]

    def edges_wh(self, home: int, day: int) -> NDArray[np.int64]:
        """Energy since installation at the 49 half hours that bound a kept day, ``int64[edge]``."""
        group, place = divmod(home, HOMES_A_GROUP)
        kept = self._kept.get((day, group))
        if kept is None:
            kept = self._kept[day, group] = self._draw(group, day)
            if len(self._kept) > GROUPS_KEPT:
                self._kept.popitem(last=False)
        energy = kept.energy[place]
        edges = np.empty(len(energy) + 1, np.int64)
        edges[0] = kept.begin_wh[place]
        edges[1:] = energy
        return np.add.accumulate(edges, out=edges)


def group_day(begin_wh: NDArray[np.int64], running_wh: NDArray[np.int64]) -> GroupDay:
    """A day from ``begin_wh[home]`` and the energy since its midnight, ``running_wh[home, slot + 1]``."""
    energy = running_wh[:, 1:] - running_wh[:, :-1]
    if energy.max(initial=0) <= _LARGEST_UINT16:
        return GroupDay(begin_wh=begin_wh, energy=energy.astype(np.uint16))
    return GroupDay(begin_wh=begin_wh, energy=energy.astype(np.uint32))
