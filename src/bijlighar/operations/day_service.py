"""When a meter was in service: what it says before it came or after it went belongs to no bill of that place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bijlighar.cim.period import Period
from bijlighar.mdm.outages import Spans
from bijlighar.records.registry import Installation

FOR_EVER_S = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A meter at a usage point during ``[start_s, end_s)``; 0 and FOR_EVER_S where no bound is known.

    ``ratio`` of the transformers in front of it, ``opening_wh`` and ``closing_wh`` as read there; None: not told
    """

    meter_id: int
    usage_point: str
    start_s: int
    end_s: int
    ratio: Fraction | None = None
    opening_wh: int | None = None
    closing_wh: int | None = None

    def touches(self, period: Period) -> bool:
        """Whether it was there at any moment of a period."""
        return self.start_s < period.end_s and self.end_s > period.start_s


def stays(installations: Iterable[Installation]) -> list[Stay]:
    """Stays by start.

    The first meter of a usage point, if it is that meter's first place, was there before the registry knew of it:
    sheets of a fleet that stands already name no date.
    """
    meters: set[int] = set()
    points: set[str] = set()
    result = []
    for each in sorted(installations, key=lambda each: each.installed_s):
        is_first = each.meter_id not in meters and each.usage_point not in points
        result.append(
            Stay(
                meter_id=each.meter_id,
                usage_point=each.usage_point,
                start_s=0 if is_first else each.installed_s,
                end_s=FOR_EVER_S if each.removed_s is None else each.removed_s,
                ratio=each.ratio,
                opening_wh=each.opening_wh,
                closing_wh=each.closing_wh,
            )
        )
        meters.add(each.meter_id)
        points.add(each.usage_point)
    return result


def spans_of(every: Iterable[Stay], period: Period) -> Spans:
    """The stays that touch a period, in columns."""
    some = [stay for stay in every if stay.touches(period)]
    return Spans(
        meter_id=np.array([stay.meter_id for stay in some], dtype=np.int32),
        start_s=np.array([stay.start_s for stay in some], dtype=np.int64),
        end_s=np.array([stay.end_s for stay in some], dtype=np.int64),
    )
