"""The running trial's scorecard, from records to verdict."""

from __future__ import annotations

from bijlighar.operations.field_trial.collect import collect
from bijlighar.operations.field_trial.scorecard import Scorecard, judge
from bijlighar.records import Records


def current_scorecard(records: Records, now_s: float) -> Scorecard | None:
    """The scorecard of the running trial that began last; None when no trial runs. Raises Unavailable."""
    trial = records.trials.current()
    return None if trial is None else judge(collect(records, trial, now_s))
