"""Field trials and their checks are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.records import Records
from bijlighar.records.counters import UnknownMeter
from bijlighar.records.trials import Trial, TrialCheck, UnknownTrial

SWEET_HOME = Trial(
    name="Sweet Home Apartment",
    name_hi="स्वीट होम अपार्टमेंट",
    division="BJP",
    place="Bijlighar Parade",
    started_s=1_000,
    limits={"success_rate": 0.98, "clock_drift_s_per_day": 2},
    meters=(1, 2, 3),
)


def _check(trial_id: int, at_s: int, wrong: int = 0, meter_id: int = 1) -> TrialCheck:
    return TrialCheck(
        trial_id=trial_id,
        meter_id=meter_id,
        kind=ProfileKind.BLOCK_LOAD,
        compared=48,
        wrong=wrong,
        examples=[{"start_s": 5, "kept": 1, "meter": 2}] * wrong,
        at_s=at_s,
    )


def test_a_trial_is_kept_and_changed_under_its_name(trial: Records) -> None:
    kept = trial.trials.put(SWEET_HOME)
    assert kept == replace(SWEET_HOME, trial_id=kept.trial_id)
    changed = trial.trials.put(replace(SWEET_HOME, meters=(3, 4)))
    assert (changed.trial_id, changed.meters) == (kept.trial_id, (3, 4))
    assert trial.trials.current() == changed
    trial.trials.put(replace(changed, ended_s=2_000))
    assert trial.trials.current() is None
    assert [each.ended_s for each in trial.trials.all()] == [2_000]


def test_unknown_meters_and_trials_are_refused(trial: Records) -> None:
    with pytest.raises(UnknownMeter):
        trial.trials.put(replace(SWEET_HOME, meters=(1, 99)))
    assert trial.trials.all() == []
    with pytest.raises(UnknownTrial):
        trial.trials.get(7)
    with pytest.raises(UnknownTrial):
        trial.trials.put_checks([_check(7, 1)])


def test_checks_are_kept_and_the_newest_told(trial: Records) -> None:
    trial_id = trial.trials.put(SWEET_HOME).trial_id
    trial.trials.put_checks([])
    trial.trials.put_checks([_check(trial_id, 10, wrong=2), _check(trial_id, 10, meter_id=2)])
    trial.trials.put_checks([_check(trial_id, 20)])
    assert len(trial.trials.checks(trial_id)) == 3
    assert trial.trials.latest_checks(trial_id) == [_check(trial_id, 20), _check(trial_id, 10, meter_id=2)]
    assert trial.trials.checks(trial_id)[0].examples[0]["meter"] == 2
