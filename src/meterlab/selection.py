"""Which rows and columns of a profile a GET asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms.clock import decode_instant
from bijlighar.dlms.model import Profile, Quantity
from bijlighar.dlms.xdlms import EntrySelection, RangeSelection
from meterlab.plans import ModelPlan

_EARLIEST_S, _LATEST_S = -(1 << 40), 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Rows whose stamp lies in ``[begin_s, end_s]``; of these, entries ``first`` to ``last`` (from 1; 0 = all)."""

    columns: tuple[Quantity, ...]
    begin_s: int = _EARLIEST_S
    end_s: int = _LATEST_S
    first: int = 1
    last: int = 0

    def entries(self, rows: int) -> slice:
        """The rows of the buffer, oldest first, that are asked for by number."""
        return slice(max(0, self.first - 1), self.last or rows)

    def stamped(self, stamps_s: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows lie in the range."""
        return np.asarray((self.begin_s <= stamps_s) & (stamps_s <= self.end_s))


def asked(plan: ModelPlan, profile: Profile, selection: RangeSelection | EntrySelection | None) -> Asked:
    """What a selection means for a profile. Raises RemoteProtocolError for an instant that is none."""
    if selection is None:
        return Asked(columns=profile.columns)
    if isinstance(selection, EntrySelection):
        last_column = selection.last_column or len(profile.columns)
        return Asked(
            columns=profile.columns[max(0, selection.first_column - 1) : last_column],
            first=selection.first,
            last=selection.last,
        )
    wanted = {(column.class_id, column.obis, column.attribute) for column in selection.columns}
    begin_s = decode_instant(selection.start, plan.model.deviation_sign)
    end_s = decode_instant(selection.end, plan.model.deviation_sign)
    return Asked(
        columns=tuple(
            column
            for column in profile.columns
            if not wanted or (column.column.class_id, column.column.obis, column.column.attribute) in wanted
        ),
        begin_s=_EARLIEST_S if begin_s is None else begin_s,
        end_s=_LATEST_S if end_s is None else end_s,
    )
