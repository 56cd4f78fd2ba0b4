"""The queue of validation exceptions: nothing is lost, nothing decided is forgotten."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from bijlighar.records.day_progress import DayStep, Done
from bijlighar.records.exceptions import Choice, ExceptionState, FoundException, Judged, Resolution

DAY = date(2026, 6, 1)
GAP = FoundException(
    meter_id=1,
    rule=13,
    rule_version=1,
    period_s=1800,
    first_slot=4,
    end_slot=6,
    severity=1,
    measured=2.0,
    held_against=0.0,
)
SUM = replace(GAP, meter_id=2, rule=14, first_slot=0, end_slot=48, severity=2, measured=700.0, held_against=260.0)


def judged(**figures):
    return Judged(**{"opened": 0, "reopened": 0, "standing": 0, "gone": 0} | figures)


def test_what_is_found_again_keeps_its_row(trial):
    assert trial.exceptions.keep(DAY, [GAP, SUM], 100) == judged(opened=2)
    first = trial.exceptions.queue(Choice())
    assert trial.exceptions.keep(DAY, [SUM, GAP], 200) == judged(standing=2)
    again = trial.exceptions.queue(Choice())
    assert [each.exception_id for each in again] == [each.exception_id for each in first]
    assert {(each.found_s, each.judged_s) for each in again} == {(100, 200)}


def test_what_is_not_found_any_more_is_gone_and_opens_when_it_comes_back(trial):
    trial.exceptions.keep(DAY, [GAP, SUM], 100)
    assert trial.exceptions.keep(DAY, [SUM], 200) == judged(standing=1, gone=1)
    assert [each.rule for each in trial.exceptions.queue(Choice())] == [14]
    assert [each.rule for each in trial.exceptions.queue(Choice(state=ExceptionState.GONE))] == [13]
    assert trial.exceptions.keep(DAY, [GAP, SUM], 300) == judged(standing=1, reopened=1)
    assert [each.found_s for each in trial.exceptions.queue(Choice(rule=13))] == [100]


def test_a_decision_stands_until_the_figures_change(trial):
    trial.exceptions.keep(DAY, [GAP, SUM], 100)
    decided = trial.exceptions.resolve(
        Choice(rule=14), resolution=Resolution.READING_RIGHT, reason="meter was replaced", by="asha", now_s=150
    )
    assert len(decided) == 1
    trial.exceptions.keep(DAY, [GAP, SUM], 200)
    (kept,) = trial.exceptions.queue(Choice(state=ExceptionState.RESOLVED))
    assert (kept.resolution, kept.reason, kept.resolved_by, kept.resolved_s) == (
        Resolution.READING_RIGHT,
        "meter was replaced",
        "asha",
        150,
    )
    assert trial.exceptions.keep(DAY, [GAP], 250) == judged(standing=1), "what was decided stays decided"
    trial.exceptions.keep(DAY, [GAP, replace(SUM, measured=900.0)], 300)
    (again,) = trial.exceptions.queue(Choice(rule=14))
    assert (again.state, again.resolution, again.measured) == (ExceptionState.OPEN, None, 900.0)


def test_many_are_resolved_at_once_and_only_the_chosen_ones(trial):
    gaps = [replace(GAP, meter_id=meter_id, first_slot=slot) for meter_id in range(1, 12) for slot in range(40)]
    trial.exceptions.keep(DAY, gaps, 100)
    trial.exceptions.keep(DAY + timedelta(days=1), [GAP], 100)
    chosen = Choice(rule=13, last_day=DAY)
    assert trial.exceptions.counts(chosen) == {13: 440}
    words = {"resolution": Resolution.ESTIMATE_STANDS, "reason": "tower away", "by": "asha", "now_s": 200}
    assert len(trial.exceptions.resolve(chosen, **words)) == 440
    assert trial.exceptions.resolve(chosen, **words) == [], "twice is harmless"
    assert [each.day for each in trial.exceptions.queue(Choice())] == [DAY + timedelta(days=1)]
    assert trial.exceptions.keep(DAY, [], 300) == judged(), "decided ones do not go"


@pytest.mark.parametrize("words", [{"reason": " ", "by": "asha"}, {"reason": "tower", "by": ""}])
def test_a_decision_has_a_reason_and_a_name(trial, words):
    trial.exceptions.keep(DAY, [GAP], 100)
    with pytest.raises(ValueError, match="reason"):
        trial.exceptions.resolve(Choice(), resolution=Resolution.NOT_BILLED, now_s=1, **words)
    assert len(trial.exceptions.queue(Choice())) == 1


def test_the_gravest_and_newest_come_first_page_by_page(trial):
    for ago in range(3):
        trial.exceptions.keep(DAY - timedelta(days=ago), [GAP, SUM], 100)
    every = [(each.severity, each.day.day) for each in trial.exceptions.queue(Choice())]
    assert every == sorted(every, key=lambda told: (-told[0], -(told[1] if told[1] < 30 else told[1] - 31)))
    pages = [
        each for offset in range(0, 6, 2) for each in trial.exceptions.queue(Choice(), offset=offset, limit=2)
    ]
    assert [(each.severity, each.day.day) for each in pages] == every
    assert len(trial.exceptions.queue(Choice(least_severity=2))) == 3


def test_how_far_a_day_has_come_is_kept(trial):
    assert trial.day_progress.done(DAY) == {}
    trial.day_progress.put(DAY, DayStep.VALIDATED, Done(blocks="a", done_s=1))
    trial.day_progress.put(DAY, DayStep.VALIDATED, Done(blocks="b", done_s=2))
    assert trial.day_progress.done(DAY) == {DayStep.VALIDATED: Done(blocks="b", done_s=2)}
