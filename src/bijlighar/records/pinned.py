"""Reading a pinned list of segments, once more when a compaction took the files away meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bijlighar.records.manifest import Pin
from bijlighar.records.segment import Segment, SegmentDamaged

Part = TypeVar("Part")


def read_pinned(
    pin: Callable[[], Pin], read: Callable[[Segment], Part], examine: Callable[[str], bool]
) -> list[Part]:
    """Read every segment of a pin, in landing order.

    Raises SegmentDamaged for a file that is really damaged, after ``examine`` has marked it as lost: the fault is
    told once, by name; from then on it is an alarm, and its rows are missing and can be read from the meters anew.
    """
    first = pin()
    try:
        return [read(segment) for segment in first.segments]
    except SegmentDamaged:
        pass
    again = pin()
    try:
        return [read(segment) for segment in again.segments]
    except SegmentDamaged as fault:
        examine(fault.file)
        raise
