"""How a meter answers ranges of its block load: part of a day, three days, no length; order, null clocks, stamps.

Each finding keeps its reason. A meter that was without supply, or is new, may hold too few rows to judge by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.model import Quirk, Stamp
from bijlighar.dlms.xdlms import AttributeRef, RangeSelection
from bijlighar.headend.layouts import BUFFER, PROFILE_CLASS
from bijlighar.headend.probe.buffers import Row, is_newest_first, rows_of, stamps_filled, stamps_told, types_of
from bijlighar.headend.probe.findings import Findings, Measured, ProfileFound
from bijlighar.headend.script import Get, ReadRefused, Script

_DAY_S = 86_400
_PART_S = 5 * 3600 + 60 * 7
"""Part of a day: no whole hours, so that neither end is a midnight of any zone."""
_LATE_S = 60
"""A meter may write its block this late; nearer to the turn of a block the stamp says little."""
_HALF_HOUR_S = 1800


class Ranges:
    """Fills the findings about ranges. ``offset_min`` local minus UTC."""

    def __init__(
        self, findings: Findings, now: Callable[[], float], tell: Callable[[str], None], offset_min: int
    ) -> None:
        self.findings = findings
        self.tell = tell
        self._now = now
        self._offset_s = 60 * offset_min
        self._offset_min = offset_min
        self._refusal = ""
        self._asked = 0, 0

    def block_load(self, found: ProfileFound) -> Script[None]:
        """All questions, in an order in which each answer helps to understand the next."""
        end_s = int(self._now()) + (self.findings.clock_offset_s or 0)
        rows = yield from self._part_of_a_day(found, end_s - _PART_S, end_s)
        if not rows:
            self.findings.remarks.append("block load had no rows to judge ranges and stamps by")
            return
        known = set(self.findings.quirks)
        stamps = self._understood(found, rows)
        if Quirk.NO_RANGE not in known and self._midnight(end_s) > self._asked[0]:
            stamps += yield from self._of_today(found, end_s)  # what a make that cuts by day has not yet given
        self._judge_stamp(stamps, end_s, found.period_s or _HALF_HOUR_S)
        if Quirk.NO_RANGE not in known:
            yield from self._several_days(found, end_s, max(stamps, default=end_s))
        if not known & {Quirk.NO_RANGE, Quirk.RANGE_BY_DAY} and stamps:
            yield from self._no_length(found, stamps[len(stamps) // 2])

    def _ask(self, found: ProfileFound, begin_s: int | None, end_s: int) -> Script[list[Row] | None]:
        """The rows of a range (None: of everything), or None when that was refused."""
        selection = None
        if begin_s is not None:
            start, end = (encode_instant(at, self.findings.sign, self._offset_min) for at in (begin_s, end_s))
            selection = RangeSelection(start=start, end=end)
        try:
            rows = rows_of((yield Get(AttributeRef(PROFILE_CLASS, found.obis, BUFFER), selection)))
        except ReadRefused as refusal:
            self._refusal = refusal.result
            return None
        if begin_s is not None:
            self._asked = begin_s, end_s
        found.refused = ""
        found.rows = max(found.rows, len(rows))
        found.types = found.types or types_of(rows, found.captures)
        return rows

    def _part_of_a_day(self, found: ProfileFound, begin_s: int, end_s: int) -> Script[list[Row] | None]:
        rows = yield from self._ask(found, begin_s, end_s)
        if rows is not None:
            self._judge_width(found, rows, begin_s, end_s)
            return rows
        refusal = self._refusal
        today_s = self._midnight(end_s)
        rows = yield from self._ask(found, today_s, today_s + _DAY_S - 1)
        if rows is not None:
            self._quirk(Quirk.RANGE_BY_DAY, f"part of a day was refused ({refusal}), a whole local day answered")
            return rows or (yield from self._ask(found, today_s - _DAY_S, today_s - 1))
        rows = yield from self._ask(found, None, end_s)
        if rows is None:
            found.refused = f"its rows were refused: {self._refusal}"
        else:
            self._quirk(Quirk.NO_RANGE, f"ranges were refused ({refusal}), the whole buffer answered")
        return rows

    def _judge_width(self, found: ProfileFound, rows: Sequence[Row], begin_s: int, end_s: int) -> None:
        period_s = found.period_s or _HALF_HOUR_S
        asked, day = (end_s - begin_s) // period_s + 2, _DAY_S // period_s
        if len(rows) > 2 * day + 1:
            self._quirk(Quirk.NO_RANGE, f"a range of {asked - 2} blocks was answered with {len(rows)} rows")
        elif len(rows) > asked:
            self._quirk(Quirk.RANGE_BY_DAY, f"a range of {asked - 2} blocks was widened to {len(rows)} rows")

    def _understood(self, found: ProfileFound, rows: Sequence[Row]) -> list[int]:
        """The rows' stamps; order and null clocks are judged on the way."""
        clock = found.clock_column
        if clock is None:
            self.findings.remarks.append("block load has no clock among its columns")
            return []
        told = stamps_told(rows, clock, self.findings.sign)
        newest_first = is_newest_first(told, *self._asked)
        nulls = sum(stamp is None for stamp in told)
        if newest_first is not None:
            how = "by the stamps of its rows" if nulls == 0 else "by the stamp of the first row"
            self.findings.newest_first = Measured(value=newest_first, reason=how)
        if nulls:
            self._quirk(Quirk.NULL_CLOCKS, f"{nulls} of {len(told)} rows had no clock")
        return stamps_filled(told, found.period_s or _HALF_HOUR_S, newest_first=bool(newest_first))

    def _of_today(self, found: ProfileFound, end_s: int) -> Script[list[int]]:
        begin_s = self._midnight(end_s)
        rows = yield from self._ask(found, begin_s, begin_s + _DAY_S - 1)
        return self._stamps(found, rows or [])

    def _stamps(self, found: ProfileFound, rows: Sequence[Row]) -> list[int]:
        """Once the order is known."""
        if found.clock_column is None:
            return []
        told = stamps_told(rows, found.clock_column, self.findings.sign)
        newest_first = bool(self.findings.newest_first.value)
        return stamps_filled(told, found.period_s or _HALF_HOUR_S, newest_first=newest_first)

    def _judge_stamp(self, stamps: Sequence[int], end_s: int, period_s: int) -> None:
        if not stamps:
            return
        age_s = end_s - max(stamps)
        reason = f"the newest row's stamp was {age_s} s old by the meter's clock, blocks last {period_s} s"
        if age_s % period_s < _LATE_S:
            reason += "; this near to the turn of a block it says little, probe again"
        if -_LATE_S <= age_s < period_s:
            self.findings.stamp = Measured(value=Stamp.END, reason=reason)
        elif period_s <= age_s < 2 * period_s:
            self.findings.stamp = Measured(value=Stamp.BEGIN, reason=reason)
        else:
            self.findings.stamp = Measured(reason=reason)
        self.tell(f"stamps: {reason}")

    def _several_days(self, found: ProfileFound, end_s: int, newest_s: int) -> Script[None]:
        begin_s = self._midnight(end_s) - 2 * _DAY_S
        rows = yield from self._ask(found, begin_s, self._midnight(end_s) + _DAY_S - 1)
        if rows is None:
            self._quirk(Quirk.CUT_BY_DAY, f"a range of three days was refused ({self._refusal})")
            return
        stamps = self._stamps(found, rows)
        if stamps and max(stamps) < newest_s:
            self._quirk(
                Quirk.CUT_BY_DAY, f"a range of three days was answered with the {len(rows)} rows of one day"
            )

    def _no_length(self, found: ProfileFound, stamp_s: int) -> Script[None]:
        rows = yield from self._ask(found, stamp_s, stamp_s)
        if rows is not None and len(rows) > 1:
            self._quirk(Quirk.EMPTY_RANGE_IGNORED, f"a range without length was answered with {len(rows)} rows")

    def _midnight(self, instant_s: int) -> int:
        return (instant_s + self._offset_s) // _DAY_S * _DAY_S - self._offset_s

    def _quirk(self, quirk: Quirk, reason: str) -> None:
        self.findings.quirks[quirk] = reason
        self.tell(f"{quirk.value}: {reason}")
