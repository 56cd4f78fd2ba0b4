"""The judgement of a field trial finds what was seeded and names nothing that was not."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period
from bijlighar.operations.field_trial.document import document, sheet
from bijlighar.operations.field_trial.evidence import Comparison, RegisterSums, TrialEvidence, TrialMeter
from bijlighar.operations.field_trial.gaps import GapCause
from bijlighar.operations.field_trial.scorecard import Verdict, judge
from bijlighar.operations.field_trial.wording import FindingCode

START = 1_780_252_200  # 2026-06-01 00:00 in Kolkata
HOUR = 3600
DAY = 24 * HOUR
DAYS = 4
METERS = [
    TrialMeter(meter_id=n, serial=f"BJ{n:05d}", name=f"Flat {n}", group="Tower Bijlighar") for n in range(1, 12)
]


def contact(meter_id: int, at_s: float, outcome: Outcome = Outcome.OK, **facts: object) -> Contact:
    spoke = outcome is Outcome.OK
    return Contact(
        meter_id=meter_id,
        started_ms=int(at_s * 1000),
        purpose="block-load+instantaneous",
        outcome=outcome,
        **{
            "latency_ms": 900 + meter_id if spoke else None,
            "clock_offset_ms": 500 if spoke else None,
            "signal_dbm": -80 if spoke else None,
            **facts,
        },
    )


def good_trial() -> TrialEvidence:
    visits = [START + 600 + k * HOUR / 2 for k in range(DAYS * 48)]
    slots = START + np.arange(DAYS * 48, dtype=np.int64) * 1800
    return TrialEvidence(
        name="Sweet Home Apartment",
        name_hi="स्वीट होम अपार्टमेंट",
        division="Bijlighar Parade",
        place="Kanpur",
        now_s=START + DAYS * DAY,
        data=Period(start_s=START, end_s=START + DAYS * DAY),
        started_s=START,
        meters=METERS,
        contacts=[contact(m.meter_id, at + m.meter_id) for at in visits for m in METERS],
        held={m.meter_id: slots for m in METERS},
        comparisons={m.meter_id: Comparison(compared=1344, wrong=0, at_s=START + DAYS * DAY) for m in METERS},
        register_sums={m.meter_id: RegisterSums(days_compared=DAYS - 1, days_off=0) for m in METERS},
    )


def codes(card: object) -> list[tuple[str, int | None]]:
    return [(found.code, found.meter_id) for found in card.findings]  # type: ignore[attr-defined]


def test_a_good_trial_passes_and_nothing_is_found() -> None:
    card = judge(good_trial())
    assert card.verdict is Verdict.PASS
    assert card.findings == ()
    assert all(check.passed for check in card.limits)
    assert card.sessions.tried == 11 * DAYS * 48
    assert card.kept.slots_held == card.kept.slots_expected == 11 * DAYS * 48
    assert card.meters[0].sessions.latency_ms_p50 == pytest.approx(901)


def test_a_meter_that_answers_badly_is_named_and_fails_the_trial() -> None:
    trial = good_trial()
    spoilt = [
        contact(5, c.started_ms / 1000, Outcome.NO_ANSWER) if c.meter_id == 5 and n % 3 else c
        for n, c in enumerate(trial.contacts)
    ]
    card = judge(replace(trial, contacts=spoilt))
    assert (FindingCode.BAD_METER, 5) in codes(card)
    assert {meter for _, meter in codes(card)} == {5}
    assert card.verdict is Verdict.FAIL
    assert "Flat 5" in card.findings[0].detail_en
    assert "Flat 5" in card.findings[0].detail_hi


def test_a_silent_tower_is_named_once_and_no_meter_is_blamed() -> None:
    trial = good_trial()
    dark = Period(start_s=START + DAY + 14 * HOUR, end_s=START + DAY + 15 * HOUR)
    spoilt = [
        contact(c.meter_id, c.started_ms / 1000, Outcome.NO_ANSWER) if c.started_ms // 1000 in dark else c
        for c in trial.contacts
    ]
    card = judge(replace(trial, contacts=spoilt))
    assert codes(card) == [(FindingCode.TOWER_OUTAGE, None)]
    (outage,) = card.outages
    assert outage.period.start_s <= dark.start_s + 900
    assert outage.period.end_s >= dark.end_s - 900
    assert "02-06-2026 14:" in card.findings[0].detail_en
    assert card.verdict is Verdict.PASS


@pytest.mark.parametrize("drift", [45.0, -45.0])
def test_a_drifting_clock_is_named_even_when_it_was_set_in_between(drift: float) -> None:
    trial = good_trial()

    def offset_ms(at_ms: int) -> int:
        days = (at_ms / 1000 - START) / DAY
        return round((days % 2) * drift) * 1000

    spoilt = [
        replace(c, clock_offset_ms=offset_ms(c.started_ms)) if c.meter_id == 7 else c for c in trial.contacts
    ]
    card = judge(replace(trial, contacts=spoilt))
    assert codes(card) == [(FindingCode.DRIFTING_CLOCK, 7)]
    assert card.meters[6].clock.drift_s_per_day == pytest.approx(drift, rel=0.1)
    assert card.meters[6].clock.jumps == 1


def test_one_late_answer_does_not_make_a_clock_drift() -> None:
    trial = good_trial()
    contacts = list(trial.contacts)
    contacts[30] = replace(contacts[30], clock_offset_ms=9_000)
    assert judge(replace(trial, contacts=contacts)).findings == ()


def test_gaps_carry_their_cause() -> None:
    trial = good_trial()
    slots = trial.held[1]
    cut = Period(start_s=int(slots[10]), end_s=int(slots[14]))
    held = {**trial.held, 1: np.delete(slots, [10, 11, 12, 13, 100])}
    card = judge(replace(trial, held=held, power_cuts={1: [cut]}))
    first, second = card.meters[0].gaps
    assert (first.cause, first.slots, first.period) == (GapCause.POWER_CUT, 4, cut)
    assert (second.cause, second.slots) == (GapCause.ABSENT_IN_METER, 1)
    assert (FindingCode.GAPS, 1) in codes(card)


def test_slots_after_the_last_contact_are_not_reached() -> None:
    trial = good_trial()
    last = START + 3 * DAY
    contacts = [c for c in trial.contacts if c.meter_id != 2 or c.started_ms < last * 1000]
    held = {**trial.held, 2: trial.held[2][trial.held[2] < last]}
    card = judge(replace(trial, contacts=contacts, held=held))
    (gap,) = card.meters[1].gaps
    assert (gap.cause, gap.period.start_s, gap.slots) == (GapCause.NOT_REACHED, last, 48)


def test_wrong_values_and_register_sums_fail() -> None:
    trial = good_trial()
    card = judge(
        replace(
            trial,
            comparisons={**trial.comparisons, 3: Comparison(compared=1344, wrong=1, at_s=trial.now_s)},
            register_sums={**trial.register_sums, 4: RegisterSums(days_compared=3, days_off=1)},
        )
    )
    assert codes(card) == [(FindingCode.WRONG_VALUES, 3), (FindingCode.REGISTER_SUM, 4)]
    assert card.verdict is Verdict.FAIL


def test_a_meter_never_heard_is_not_an_empty_success() -> None:
    trial = good_trial()
    contacts = [
        contact(c.meter_id, c.started_ms / 1000, Outcome.REFUSED) if c.meter_id == 9 else c for c in trial.contacts
    ]
    card = judge(replace(trial, contacts=contacts))
    assert (FindingCode.NEVER_HEARD, 9) in codes(card)
    assert card.meters[8].sessions.success_rate == 0
    assert card.verdict is Verdict.FAIL


def test_the_trial_runs_until_days_and_comparison_are_there() -> None:
    trial = good_trial()
    assert judge(replace(trial, comparisons={})).verdict is Verdict.RUNNING
    assert judge(replace(trial, now_s=START + 2 * DAY)).verdict is Verdict.RUNNING
    empty = judge(replace(trial, contacts=[], held={}, comparisons={}, register_sums={}, started_s=None))
    assert empty.verdict is Verdict.RUNNING
    assert empty.sessions.success_rate is None


def test_the_document_and_the_sheet_say_the_same() -> None:
    trial = good_trial()
    hostile = replace(METERS[0], name="=HYPERLINK(1)")
    card = judge(replace(trial, meters=[hostile, *METERS[1:]]))
    told = document(card)
    rows = list(csv.DictReader(io.StringIO(sheet(card))))
    assert [row["serial"] for row in rows] == [row["serial"] for row in told["meters"]]
    assert rows[0]["name"] == "'=HYPERLINK(1)"
    assert told["trial"]["started"] == "2026-05-31T18:30:00Z"
    assert told["verdict"] == "pass"
