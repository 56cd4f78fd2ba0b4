"""When meters push: snapshots every quarter hour, blocks and midnights when they end, outages and tampers at once.

Each meter has its own place in the period, so that a town does not speak all at once. Of an outage 70 % of the
meters tell, within 30 s; the return of supply is told within 180 s. A meter without supply says nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from meterlab import draws
from meterlab.calendar import DAY_S, KOLKATA_S
from meterlab.interruptions import FOREVER
from meterlab.lab import Lab
from meterlab.push import ALERT, BLOCK_LOAD, DAILY, INSTANTANEOUS, Bit

INSTANTANEOUS_S: Final = 900
SPREAD_S: Final = {INSTANTANEOUS: INSTANTANEOUS_S, BLOCK_LOAD: 300, DAILY: 600}
"""Over so many seconds the meters spread their pushes of one kind."""
GASPING_SHARE: Final = 0.7
GASP_WITHIN_S: Final = 30.0
BREATH_WITHIN_S: Final = 180.0


_BITS_OF_CODES: Final = {
    69: Bit.EARTH_LOADING,
    201: Bit.MAGNET,
    203: Bit.NEUTRAL_DISTURBANCE,
    251: Bit.COVER_OPEN,
}
"""Events that a meter's usual filter lets through as alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A push that falls due at ``at_s`` of town time. ``bits`` of an alert."""

    at_s: float
    meter: int
    name: str
    bits: tuple[Bit, ...] = ()

    @property
    def final(self) -> bool:
        """Whether the meter has no power left to say it again."""
        return Bit.LAST_GASP in self.bits


class PushPlan:
    """The plan of a lab's meters."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        seed, meters = lab.town.seed, np.arange(len(lab.town))
        self._places = {
            name: spread_s * draws.uniform(seed, f"push-{name}", meters) for name, spread_s in SPREAD_S.items()
        }
        self._gasps_s = GASP_WITHIN_S * draws.uniform(seed, "gasp-time", meters)
        self._breath_s = BREATH_WITHIN_S * draws.uniform(seed, "breath-time", meters)
        self._gasping = draws.uniform(seed, "gasp", meters) < GASPING_SHARE
        self._block_s = np.asarray([self._period_s(meter) for meter in meters.tolist()])

    def due(self, after_s: float, until_s: float) -> list[Due]:
        """What falls due in ``(after_s, until_s]``, in order; of one kind and meter only the newest."""
        found = [
            due
            for name, period_s in ((INSTANTANEOUS, INSTANTANEOUS_S), (BLOCK_LOAD, self._block_s), (DAILY, DAY_S))
            for due in self._periodic(name, np.asarray(period_s), after_s, until_s)
            if not self._dark(due.meter, due.at_s)
        ]
        found += self._outages(after_s, until_s)
        found += self._tampers(after_s, until_s)
        return sorted(found, key=lambda due: (due.at_s, due.meter))

    def _periodic(self, name: str, period_s: NDArray[np.int64], after_s: float, until_s: float) -> list[Due]:
        place = self._places[name] - KOLKATA_S
        turn = np.floor((until_s - place) / period_s)
        meters = np.flatnonzero(turn > np.floor((after_s - place) / period_s))
        at_s = np.broadcast_to(turn * period_s + place, place.shape)
        return [Due(at_s=float(at_s[meter]), meter=meter, name=name) for meter in meters.tolist()]

    def _outages(self, after_s: float, until_s: float) -> list[Due]:
        found = []
        for transformer, cuts in self._lab.state.interruptions.by_transformer.items():
            near = [cut for cut in cuts if cut[0] <= until_s and cut[1] + BREATH_WITHIN_S > after_s]
            for meter in np.flatnonzero(self._lab.town.transformer == transformer).tolist() if near else ():
                for begin, end in near:
                    gasp_s, breath_s = begin + float(self._gasps_s[meter]), end + float(self._breath_s[meter])
                    if self._gasping[meter] and after_s < gasp_s <= until_s:
                        found.append(Due(at_s=gasp_s, meter=meter, name=ALERT, bits=(Bit.LAST_GASP,)))
                    if end < FOREVER and after_s < breath_s <= until_s:
                        found.append(Due(at_s=breath_s, meter=meter, name=ALERT, bits=(Bit.FIRST_BREATH,)))
        return found

    def _tampers(self, after_s: float, until_s: float) -> list[Due]:
        """What meters notice while it happens, told at once."""
        return [
            Due(at_s=float(event.at_s), meter=meter, name=ALERT, bits=(_BITS_OF_CODES[event.code],))
            for meter, events in self._lab.state.events.items()
            for event in events
            if after_s < event.at_s <= until_s and event.code in _BITS_OF_CODES
        ]

    def _dark(self, meter: int, at_s: float) -> bool:
        cuts = self._lab.state.interruptions.cuts(int(self._lab.town.transformer[meter]))
        return any(begin <= at_s < end for begin, end in cuts)

    def _period_s(self, meter: int) -> int:
        return self._lab.objects.plan(meter).model.profiles[BLOCK_LOAD].period_s or INSTANTANEOUS_S
