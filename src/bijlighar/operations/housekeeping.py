"""What is done once a minute by one process: small segments merged, a trial's check ended that nobody looks at."""

from __future__ import annotations

import structlog

from bijlighar.operations.field_trial.checks import current_check
from bijlighar.records import Records
from bijlighar.records.segment import SegmentDamaged

_log = structlog.get_logger("housekeeping")


def tend(records: Records, now_s: float) -> None:
    """Do what is due; cheap when nothing is. Raises Unavailable."""
    current_check(records, int(now_s))
    try:
        merged = records.compaction.tend()
    except SegmentDamaged as damage:  # marked and alarmed by the records; the next minute goes on without it
        _log.warning("segment not merged", cause=str(damage))
        return
    if merged:
        _log.info("segments merged", segments=merged)
