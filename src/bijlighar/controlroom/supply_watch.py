"""Which meters have no supply, as they said themselves: last gasps and power failures, live.

A meter is dark from its failure until it says that power is back, or until a reading of its momentary values shows
that it lives. Where half of a transformer's or a feeder's meters are dark, all of it is taken to be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.live import LiveColumns
from bijlighar.controlroom.registry_index import RegistryIndex
from bijlighar.headend.push_status import FIRST_BREATH, LAST_GASP, STATUS_LOG
from bijlighar.mdm.outages import POWER_FAILED, POWER_RESTORED
from bijlighar.records import Records

DARK_SHARE = 0.5
"""Not every dying meter is heard: of a feeder's last gasps some are lost on the air."""
LEAST_METERS = 3
"""A transformer of one or two meters says nothing that the meter itself does not say."""
BACK_S = 2 * 86_400
"""Failures older than this are not looked for at a start: such a meter has long been on the list of the silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """No supply since ``since_s``. ``extent``: "meter", "transformer" or "feeder"; ``meters`` dark in it."""

    extent: str
    since_s: int
    meters: int


class SupplyWatch:
    """Instants of failure and return by meter id, epoch seconds, MISSING for never. Lives on the event loop."""

    def __init__(self, capacity: int) -> None:
        self._failed_s = np.full(capacity + 1, MISSING, dtype=np.int64)
        self._restored_s = self._failed_s.copy()

    def ensure(self, largest_meter_id: int) -> None:
        """Make room for new meters; what is known stays."""
        more = largest_meter_id + 1 - len(self._failed_s)
        if more > 0:
            nothing = np.full(more, MISSING, dtype=np.int64)
            self._failed_s = np.concatenate([self._failed_s, nothing])
            self._restored_s = np.concatenate([self._restored_s, nothing])

    def apply(self, batch: ReadingBatch) -> None:
        """Take over a landed batch; only events count."""
        if batch.kind is ProfileKind.EVENT and {"event_code", "event_log"} <= batch.channels.keys():
            self.apply_events(
                batch.meter_id, batch.start_s, batch.channels["event_code"], batch.channels["event_log"]
            )

    def apply_events(
        self,
        meter_id: NDArray[np.integer],
        at_s: NDArray[np.int64],
        code: NDArray[np.int64],
        log: NDArray[np.int64],
    ) -> None:
        """The same in columns, in any order."""
        pushed = log == STATUS_LOG
        known = (meter_id >= 0) & (meter_id < len(self._failed_s))
        failed = known & ((code == POWER_FAILED) | (pushed & (code == LAST_GASP)))
        restored = known & ((code == POWER_RESTORED) | (pushed & (code == FIRST_BREATH)))
        np.maximum.at(self._failed_s, meter_id[failed], at_s[failed])
        np.maximum.at(self._restored_s, meter_id[restored], at_s[restored])

    def rebuild(self, records: Records, now_s: float) -> None:
        """Take over the events of the last days. Blocking; raises SegmentDamaged, Unavailable."""
        recent = Period(start_s=int(now_s) - BACK_S, end_s=int(now_s) + 1)
        for rows in records.pieces.rows(ProfileKind.EVENT, recent, ["event_code", "event_log"]):
            if {"event_code", "event_log"} <= rows.channels.keys():
                self.apply_events(
                    rows.meter_id, rows.start_s, rows.channels["event_code"], rows.channels["event_log"]
                )

    def dark(self, meter_id: NDArray[np.int32], live: LiveColumns) -> NDArray[np.bool_]:
        """bool[meter]: no supply, as far as is known."""
        failed = self._failed_s[meter_id]
        back_s = np.maximum(self._restored_s[meter_id], live.read_s[meter_id])
        return np.asarray((failed != MISSING) & (failed > back_s))

    def outage(self, index: RegistryIndex, live: LiveColumns, meter_id: int) -> Outage | None:
        """The outage of a meter's supply, the widest extent that is known; None while there is none."""
        row = int(np.searchsorted(index.meter_id, meter_id))
        for extent in ("feeder", "transformer"):
            codes, names = index.codes[extent]
            if not names[codes[row]]:
                continue
            beside = index.meter_id[codes == codes[row]]
            dark = beside[self.dark(beside, live)]
            if len(beside) >= LEAST_METERS and len(dark) >= DARK_SHARE * len(beside):
                return Outage(extent=extent, since_s=int(self._failed_s[dark].min()), meters=len(dark))
        if self.dark(index.meter_id[row : row + 1], live)[0]:
            return Outage(extent="meter", since_s=int(self._failed_s[meter_id]), meters=1)
        return None
