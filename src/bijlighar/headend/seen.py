"""Which event and billing rows were landed before: their logs have no slots, so the newest landed row tells.

A log is read from its newest known instant on, that instant included, because two events may share a second; rows
that are not newer and not other than what was seen are left out. Landing a row twice would be harmless, only
wasteful, so nothing here is durable: after a start everything within the last days is landed once more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import ReadingBatch

BILLING_LOG = -1
"""Billing rows are one log beside the numbered event logs."""
MOST_APART = 1_024
"""Rows kept apart that are remembered of one meter: all its logs and billing periods, twice."""
_LOGS = {ProfileKind.BILLING: [BILLING_LOG], ProfileKind.EVENT: list(range(7))}
_NEVER_S = np.iinfo(np.int64).min


class SeenRows:
    """Newest landed instant of each meter and log, and the codes seen at that instant.

    One thread writes; ``fresh`` may be asked from another, where the worst is a row that lands twice. Rows become
    seen by ``note``, after they were landed, never before.
    """

    def __init__(self) -> None:
        self._floor_s = np.full((0, 8), _NEVER_S)
        """int64[meter_id, log], the billing log last: what was landed before this process counts up to here."""
        self._newest_s: dict[tuple[int, int], int] = {}
        self._codes: dict[tuple[int, int], set[int]] = {}
        self._apart: dict[int, set[tuple[int, int, int]]] = {}

    def since_s(self, meter_id: int, log: int) -> int | None:
        """From when on the log is worth reading; None: from its beginning."""
        newest_s, floor_s = self._newest_s.get((meter_id, log), _NEVER_S), self._floor(meter_id, log)
        return max(newest_s, floor_s) if max(newest_s, floor_s) > _NEVER_S else None

    def fresh(self, readings: ReadingBatch) -> NDArray[np.bool_]:
        """bool[row]: True where the row was not landed yet."""
        return np.array([self._is_fresh(*row) for row in _rows(readings)], bool)

    def note(self, readings: ReadingBatch) -> None:
        """These rows are durable."""
        for meter_id, log, start_s, code in _rows(readings):
            key = (meter_id, log)
            newest_s = self._newest_s.get(key)
            if newest_s is None or start_s > newest_s:
                self._newest_s[key], self._codes[key] = start_s, {code}
            elif start_s == newest_s:
                self._codes[key].add(code)

    def fresh_apart(self, readings: ReadingBatch) -> NDArray[np.bool_]:
        """bool[row]: True where a row with an impossible time was not kept apart yet."""
        return np.array([row[1:] not in self._apart.get(row[0], ()) for row in _rows(readings)], bool)

    def note_apart(self, readings: ReadingBatch) -> None:
        """These rows are kept apart, durably; a meter would send them again with every reading of its log."""
        for meter_id, log, start_s, code in _rows(readings):
            known = self._apart.setdefault(meter_id, set())
            if len(known) >= MOST_APART:
                known.clear()
            known.add((log, start_s, code))

    def start_from(
        self, kind: ProfileKind, meter_id: NDArray[np.int32], start_s: NDArray[np.int64], overlap_s: int
    ) -> None:
        """What the store holds, logs not told apart: each counts as seen until ``overlap_s`` before the newest."""
        if len(meter_id) == 0:
            return
        beyond = int(meter_id.max()) + 1 - len(self._floor_s)
        if beyond > 0:
            self._floor_s = np.concatenate([self._floor_s, np.full((beyond, 8), _NEVER_S)])
        newest_s = np.full(len(self._floor_s), _NEVER_S)
        np.maximum.at(newest_s, meter_id, start_s)
        told = np.flatnonzero(newest_s > _NEVER_S)
        for log in _LOGS[kind]:
            self._floor_s[told, log] = np.maximum(self._floor_s[told, log], newest_s[told] - overlap_s)

    def _floor(self, meter_id: int, log: int) -> int:
        return int(self._floor_s[meter_id, log]) if meter_id < len(self._floor_s) else _NEVER_S

    def _is_fresh(self, meter_id: int, log: int, start_s: int, code: int) -> bool:
        if start_s < self._floor(meter_id, log):
            return False
        newest_s = self._newest_s.get((meter_id, log))
        if newest_s is None or start_s > newest_s:
            return True
        return start_s == newest_s and code not in self._codes[meter_id, log]


def _rows(readings: ReadingBatch) -> list[tuple[int, int, int, int]]:
    count = len(readings)
    if "event_code" not in readings.channels:
        logs, codes = [BILLING_LOG] * count, [0] * count
    else:
        logs = readings.channels["event_log"].tolist()
        codes = readings.channels["event_code"].tolist()
    return list(zip(readings.meter_id.tolist(), logs, readings.start_s.tolist(), codes, strict=True))
