"""Journey 1. Eleven meters of Sweet Home Apartment are read for days; a scorecard says pass or fail, and why.

Meters, radio and faults are virtual; the protocol, the head-end, the store and the judgement are the product's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import JobState
from bijlighar.cim.period import Period
from bijlighar.operations.field_trial.checks import current_check, request_check
from bijlighar.operations.field_trial.current import current_scorecard
from bijlighar.operations.field_trial.define import begin_trial, consumer_meters
from bijlighar.operations.field_trial.scorecard import Scorecard, Verdict
from bijlighar.operations.field_trial.wording import FindingCode
from journeys.town import Town, running_town

JUNE_3 = 1_780_425_000  # 2026-06-03 00:00 in Kolkata
DAY = 86_400
HELD = Period(start_s=JUNE_3 - 30 * DAY, end_s=JUNE_3 + 3 * DAY)
SPEED = 3_000.0
WITHIN_S = 900.0
"""A quiet machine reads three days in a minute and a half; a busy one slows the town's clock."""
COMPARING = 60.0
"""A meter holds 35 days: what is compared must not grow older than that while a busy machine compares it."""
LTE = ["--radio", "lte", "--radio-scale", "0.05"]
"""The delays of LTE at a twentieth, because the town's hours are short; its failures are whole."""


def trial_of_days(town: Town, days: float) -> Scorecard:
    """Read the town for ``days``, then read everything again and compare; the scorecard afterwards."""
    trial = begin_trial(
        town.records,
        name="Sweet Home Apartment",
        name_hi="स्वीट होम अपार्टमेंट",
        now_s=JUNE_3,
        meter_ids=consumer_meters(town.records),
    )
    assert len(trial.meters) == 11
    town.start_headend()
    town.run_until(lambda: town.now() >= JUNE_3 + days * DAY, within_s=WITHIN_S)
    town.go_at(COMPARING)
    request_check(town.records, trial, asked_by="meera", now_ms=int(town.now() * 1000))
    town.run_until(lambda: _state(town) is JobState.DONE, within_s=WITHIN_S)
    town.clock.set_speed(0)  # meters keep 35 days: what is compared later shall not run out of them
    card = current_scorecard(town.records, town.now())
    assert card is not None
    return card


def _state(town: Town) -> JobState | None:
    check = current_check(town.records, int(town.now()))
    return None if check is None else check.state


@pytest.mark.timeout(3 * WITHIN_S)
def test_a_good_trial_passes_and_every_value_is_the_meters_own(tmp_path: Path, records_url: str) -> None:
    with running_town(tmp_path, records_url, start_s=JUNE_3, speed=SPEED, radio=LTE, push=True) as town:
        card = trial_of_days(town, 3.1)
        assert len(town.records.pushes.windows()) == 12  # what the meters also push changes no judgement
        told = [found.detail_en for found in card.findings]
        assert card.verdict is Verdict.PASS, (told, card.limits)
        assert told == []
        assert card.kept.slots_held == card.kept.slots_expected
        assert card.kept.slots_expected >= 11 * 37 * 48
        assert card.kept.values_wrong == 0
        assert card.kept.values_compared >= 11 * 34 * 48 * 6
        assert card.kept.register_days_compared >= 11 * 33
        compared = sum(
            _held_against_truth(town, number, meter_id)
            for number, meter_id in enumerate(consumer_meters(town.records))
        )
        assert compared >= 11 * 33 * (48 * 6 + 4)


def _held_against_truth(town: Town, number: int, meter_id: int) -> int:
    """Compare what is stored of one meter with what meterlab says it holds; the number of values compared."""
    compared = 0
    for kind, shift_s in ((ProfileKind.BLOCK_LOAD, 1800), (ProfileKind.DAILY, 0)):
        # a block is stamped with its end by these meters and kept by its start
        kept = town.records.readings.rows(
            kind, meter_id, Period(start_s=JUNE_3 - 30 * DAY, end_s=JUNE_3 + 3 * DAY)
        )
        rows = {int(start_s): row for row, start_s in enumerate(kept.start_s)}
        told = town.truth(number, kind.value, _iso(JUNE_3 - 30 * DAY + shift_s), _iso(JUNE_3 + 3 * DAY))
        assert len(told) >= len(rows) >= 33
        for line in told:
            start_s = line["stamp_s"] - shift_s
            if start_s not in HELD:
                continue
            for channel, value in line["values"].items():
                assert int(kept.channels[channel][rows[start_s]]) == value, (kind, line["stamp"], channel)
                compared += 1
    return compared


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).isoformat()


@pytest.fixture
def spoilt(tmp_path: Path) -> Callable[[], Scorecard]:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    scenes = ["bad-meter:meter=4", "bad-tower-hour:day=1:hour=14", "drifting-clock:meter=6"]

    def run() -> Scorecard:
        with running_town(tmp_path, url, start_s=JUNE_3, speed=SPEED, radio=LTE, scenes=scenes) as town:
            return trial_of_days(town, 3.1)

    return run


@pytest.mark.timeout(3 * WITHIN_S)
def test_a_bad_meter_a_bad_tower_hour_and_a_drifting_clock_are_each_found_and_named(
    spoilt: Callable[[], Scorecard],
) -> None:
    card = spoilt()
    assert card.verdict is Verdict.FAIL
    found = {(finding.code, finding.meter_id): finding for finding in card.findings}
    bad_meter, drifting = card.meters[4].meter, card.meters[6].meter
    told = [finding.detail_en for finding in card.findings]

    named = found[FindingCode.BAD_METER, bad_meter.meter_id]
    assert bad_meter.serial in named.detail_en, told
    assert bad_meter.serial in named.detail_hi

    tower = [finding for finding in card.findings if finding.code is FindingCode.TOWER_OUTAGE]
    assert len(tower) == 1, told
    assert "04-06-2026 14:" in tower[0].detail_en

    clock = found[FindingCode.DRIFTING_CLOCK, drifting.meter_id]
    assert drifting.serial in clock.detail_en
    assert card.meters[6].clock.drift_s_per_day == pytest.approx(45, abs=5)

    blamed = {meter_id for _, meter_id in found if meter_id is not None}
    assert blamed == {bad_meter.meter_id, drifting.meter_id}, told
