"""The ranking names what many meters share before it blames a single one, each fault with its cause."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.outages import Spans
from bijlighar.mdm.service_levels.cells import OUTCOMES, ContactCells
from bijlighar.mdm.service_levels.faults import Cause, Fault, FaultEvidence, Grouping, Scope, ranked_faults
from bijlighar.mdm.service_levels.limits import DEFAULTS

HOUR = 3600
START = 1_781_461_800
DAY = Period(start_s=START, end_s=START + 24 * HOUR)
METERS = 60
TOWERS = np.repeat(np.arange(3), 20).astype(np.int32)
FEEDERS = (np.arange(METERS) // 10).astype(np.int32)
TRANSFORMERS = (np.arange(METERS) // 5).astype(np.int32)
MAKES = (np.arange(METERS) % 4).astype(np.int32)
NO_CUTS = Spans(meter_id=np.zeros(0, np.int32), start_s=np.zeros(0, np.int64), end_s=np.zeros(0, np.int64))


@dataclass
class Day:
    """A day on which every meter is read each half hour, but for what a test spoils."""

    outcome: np.ndarray = field(default_factory=lambda: np.full((METERS, 48), OUTCOMES.index(Outcome.OK), np.int8))
    signal: np.ndarray = field(default_factory=lambda: np.full(METERS, -85, np.int64))
    clock_ms: np.ndarray = field(default_factory=lambda: np.zeros(METERS, np.int64))
    cuts: Spans = NO_CUTS

    def spoil(self, meters: object, hours: slice, outcome: Outcome = Outcome.NO_ANSWER) -> None:
        halves = slice(hours.start * 2, hours.stop * 2, hours.step)
        self.outcome[meters, halves] = OUTCOMES.index(outcome)

    def faults(self) -> list[Fault]:
        cells = ContactCells(METERS, DAY)
        meter = np.repeat(np.arange(METERS), 48)
        started = START + 60 + np.tile(np.arange(48) * 1800, METERS)
        heard = np.repeat(self.outcome != OUTCOMES.index(Outcome.NO_ANSWER), 1, axis=0).reshape(-1)
        cells.add(
            meter,
            started,
            self.outcome.reshape(-1),
            np.where(heard, np.repeat(self.signal, 48), MISSING),
            np.where(heard, np.repeat(self.clock_ms, 48), MISSING),
        )
        codes = {
            Scope.TOWER: TOWERS,
            Scope.FEEDER: FEEDERS,
            Scope.TRANSFORMER: TRANSFORMERS,
            Scope.MAKE: MAKES,
        }
        groupings = {scope: Grouping(code=code, groups=int(code.max()) + 1) for scope, code in codes.items()}
        return ranked_faults(FaultEvidence(cells=cells, groupings=groupings, cuts=self.cuts, limits=DEFAULTS))


def told(faults: list[Fault]) -> list[tuple[Scope, int, Cause]]:
    return [(fault.scope, fault.place, fault.cause) for fault in faults]


def test_a_day_without_trouble_has_no_fault() -> None:
    assert Day().faults() == []


def test_one_lost_try_here_and_there_is_no_fault() -> None:
    day = Day()
    day.outcome[np.arange(METERS), np.arange(METERS) % 48] = OUTCOMES.index(Outcome.RESET)
    assert day.faults() == []


def test_a_silent_tower_stands_before_a_bad_meter_and_blames_none_of_its_own() -> None:
    day = Day()
    day.spoil(slice(20, 40), slice(14, 17))
    day.spoil(3, slice(0, 24))
    first, second = day.faults()
    assert told([first, second]) == [(Scope.TOWER, 1, Cause.TOWER_OUTAGE), (Scope.METER, 3, Cause.NEVER_HEARD)]
    assert (first.meters, first.of, first.lost_h) == (20, 20, 60.0)
    assert first.periods == (Period(start_s=START + 14 * HOUR, end_s=START + 17 * HOUR),)
    assert (second.tried, second.failed, second.lost_h) == (48, 48, 24.0)


def test_a_tower_that_is_tried_less_and_less_stays_silent_in_between() -> None:
    day = Day()
    day.spoil(slice(20, 40), slice(10, 14))
    day.outcome[20:40, 24] = OUTCOMES.index(Outcome.STOPPED)  # nobody was tried in the half hour from 12:00
    fault = day.faults()[0]
    assert fault.periods == (Period(start_s=START + 10 * HOUR, end_s=START + 14 * HOUR),)


def test_a_tower_that_answers_in_between_was_silent_twice() -> None:
    day = Day()
    day.spoil(slice(20, 40), slice(10, 11))
    day.spoil(slice(20, 40), slice(15, 16))
    (fault,) = day.faults()
    assert [period.start_s for period in fault.periods] == [START + 10 * HOUR, START + 15 * HOUR]


def test_everything_silent_at_once_is_the_head_end_s_own_line() -> None:
    day = Day()
    day.spoil(slice(None), slice(4, 5))
    (fault,) = day.faults()
    assert told([fault]) == [(Scope.UTILITY, -1, Cause.HEAD_END_LINE)]
    assert (fault.meters, fault.lost_h) == (60, 60.0)


def test_a_feeder_silent_as_one_while_its_tower_works_has_no_supply() -> None:
    day = Day()
    day.spoil(slice(10, 20), slice(2, 3))
    assert told(day.faults()) == [(Scope.FEEDER, 1, Cause.NO_SUPPLY)]


def test_a_transformer_silent_as_one_while_its_feeder_works_has_no_supply() -> None:
    day = Day()
    day.spoil(slice(15, 20), slice(2, 6))
    assert told(day.faults()) == [(Scope.TRANSFORMER, 3, Cause.NO_SUPPLY)]


def test_power_logs_turn_a_silent_tower_into_lack_of_supply() -> None:
    day = Day()
    day.spoil(slice(20, 40), slice(14, 17))
    dark = np.arange(20, 40, dtype=np.int32)
    begin = np.full(20, START + 14 * HOUR, np.int64)
    day.cuts = Spans(meter_id=dark, start_s=begin, end_s=begin + 3 * HOUR)
    (fault,) = day.faults()
    assert (fault.cause, fault.confirmed) == (Cause.NO_SUPPLY, 20)


def test_one_make_that_refuses_on_every_tower_is_the_make_s_fault() -> None:
    day = Day()
    day.spoil(np.flatnonzero(MAKES == 2), slice(0, 24), Outcome.REFUSED)
    (fault,) = day.faults()
    assert told([fault]) == [(Scope.MAKE, 2, Cause.MAKE_FAULT)]
    assert (fault.meters, fault.of, fault.towers, fault.outcome) == (15, 15, 3, Outcome.REFUSED)


def test_one_make_that_fails_on_one_tower_alone_is_not_blamed() -> None:
    day = Day()
    rows = np.flatnonzero((MAKES == 2) & (TOWERS == 0))
    day.spoil(rows, slice(0, 24), Outcome.REFUSED)
    assert {fault.cause for fault in day.faults()} == {Cause.KEYS_REFUSED}


def test_all_makes_failing_alike_are_no_make_s_fault() -> None:
    day = Day()
    day.spoil(np.arange(0, METERS, 3), slice(0, 24), Outcome.PROTOCOL)
    assert {fault.scope for fault in day.faults()} == {Scope.METER}


def test_single_meters_are_told_by_their_own_cause() -> None:
    day = Day()
    day.spoil(1, slice(0, 24), Outcome.NOT_AUTHENTIC)
    day.spoil(7, slice(0, 24), Outcome.WRONG_METER)
    day.spoil(25, slice(0, 24), Outcome.INCOMPLETE)
    day.spoil(30, slice(0, 13))
    day.spoil(44, slice(0, 6))
    day.signal[44] = -108
    day.clock_ms[52] = -7_200_000
    found = {fault.place: fault for fault in day.faults()}
    assert {place: fault.cause for place, fault in found.items()} == {
        1: Cause.KEYS_REFUSED,
        7: Cause.WRONG_METER,
        25: Cause.ODD_ANSWERS,
        30: Cause.UNSTEADY,
        44: Cause.WEAK_SIGNAL,
        52: Cause.WRONG_CLOCK,
    }
    assert found[44].signal_dbm == -108
    assert found[52].clock_offset_ms == -7_200_000


def test_faults_stand_in_order_of_what_they_cost() -> None:
    day = Day()
    day.spoil(0, slice(0, 13))
    day.spoil(21, slice(0, 24))
    day.spoil(slice(40, 60), slice(1, 2))
    assert [fault.lost_h for fault in day.faults()] == [24.0, 20.0, 13.0]


def test_the_head_end_s_own_end_and_a_store_that_refused_blame_nobody() -> None:
    day = Day()
    day.spoil(slice(0, 20), slice(0, 12), Outcome.STOPPED)
    day.spoil(slice(20, 40), slice(0, 12), Outcome.NOT_STORED)
    assert day.faults() == []
