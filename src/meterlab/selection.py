"""Which rows and columns of a profile a GET asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bijlighar.dlms.clock import decode_instant
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.model import Profile, Quantity, Quirk
from bijlighar.dlms.xdlms import EntrySelection, RangeSelection
from meterlab.calendar import day_of, midnight_s
from meterlab.plans import ModelPlan

_EARLIEST_S, _LATEST_S = -(1 << 40), 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Rows whose stamp lies in ``[begin_s, end_s]``; of these, entries ``first`` to ``last`` (from 1; 0 = all).

    ``one_day``: of blocks, those of the local day of the first one and no others.
    """

    columns: tuple[Quantity, ...]
    begin_s: int = _EARLIEST_S
    end_s: int = _LATEST_S
    first: int = 1
    last: int = 0
    one_day: bool = False

    def entries(self, rows: int) -> slice:
        """The rows of the buffer, oldest first, that are asked for by number."""
        return slice(max(0, self.first - 1), self.last or rows)

    def stamped(self, stamps_s: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows lie in the range."""
        return np.asarray((self.begin_s <= stamps_s) & (stamps_s <= self.end_s))

    def of_one_day(self, stamps_s: NDArray[np.int64]) -> slice:
        """The rows, oldest first, that an answer for one local day holds."""
        if not self.one_day or not len(stamps_s):
            return slice(None)
        midnight = midnight_s(day_of(int(stamps_s[0])) + 1)
        return slice(0, int(np.searchsorted(stamps_s, midnight)))


def asked(plan: ModelPlan, profile: Profile, selection: RangeSelection | EntrySelection | None) -> Asked:
    """What a selection means for a profile, by the quirks of its make.

    Raises RemoteProtocolError for an instant that is none and for a range that the make does not know.
    """
    one_day = Quirk.CUT_BY_DAY in plan.model.quirks
    if selection is None:
        return Asked(columns=profile.columns, one_day=one_day)
    if isinstance(selection, EntrySelection):
        last_column = selection.last_column or len(profile.columns)
        return Asked(
            columns=profile.columns[max(0, selection.first_column - 1) : last_column],
            first=selection.first,
            last=selection.last,
            one_day=one_day,
        )
    if Quirk.NO_RANGE in plan.model.quirks:
        raise RemoteProtocolError("this make knows no range")
    wanted = {(column.class_id, column.obis, column.attribute) for column in selection.columns}
    begin_s = _instant(selection.start, plan.model.deviation_sign)
    end_s = _instant(selection.end, plan.model.deviation_sign)
    if Quirk.EMPTY_RANGE_IGNORED in plan.model.quirks and begin_s == end_s:
        begin_s = end_s = None
    if Quirk.RANGE_BY_DAY in plan.model.quirks and not (_begins_day(begin_s) and _ends_day(end_s)):
        raise RemoteProtocolError("this make knows whole local days only")
    return Asked(
        columns=tuple(
            column
            for column in profile.columns
            if not wanted or (column.column.class_id, column.column.obis, column.column.attribute) in wanted
        ),
        begin_s=_EARLIEST_S if begin_s is None else begin_s,
        end_s=_LATEST_S if end_s is None else end_s,
        one_day=one_day,
    )


_instant = lru_cache(maxsize=1024)(decode_instant)
"""A fleet is asked for the same ranges."""


def _begins_day(instant_s: int | None) -> bool:
    return instant_s is None or instant_s == midnight_s(day_of(instant_s))


def _ends_day(instant_s: int | None) -> bool:
    """A day ends at its last second, or at the midnight after it."""
    return _begins_day(instant_s) or _begins_day(None if instant_s is None else instant_s + 1)
