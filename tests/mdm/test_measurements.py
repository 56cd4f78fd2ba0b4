"""The final measurement: nothing is overwritten, a billed estimate is locked, a past state is shown again."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import Sealed, seal
from bijlighar.mdm.estimation import EstimationRule, Quality
from bijlighar.mdm.measurements import Bill, Edit, Final, KeptEstimates, Source, final_state
from mdm.days import DAY, DAY_S, rows

METERS = np.array([1, 2], dtype=np.int32)
T = DAY_S + 100_000


def sealed(*cells: tuple[int, int, int, int]) -> Sealed:
    return seal([rows(cells)], day=DAY, period_s=1800, meter_id=METERS)


def kept(*cells: tuple[int, int, int | None, int], rule: EstimationRule = EstimationRule.LINE) -> KeptEstimates:
    """Estimates of ``(meter, slot, value, made_s)``."""
    count = len(cells)
    return KeptEstimates(
        meter_id=np.array([cell[0] for cell in cells], dtype=np.int32),
        start_s=np.array([DAY_S + cell[1] * 1800 for cell in cells], dtype=np.int64),
        value=np.array([MISSING if cell[2] is None else cell[2] for cell in cells], dtype=np.int64),
        quality=np.full(count, Quality.BY_INTERPOLATION, dtype=np.int16),
        rule=np.full(count, rule, dtype=np.int16),
        rule_version=np.ones(count, dtype=np.int16),
        made_s=np.array([cell[3] for cell in cells], dtype=np.int64),
    )


def edit(slot: int, value: int | None, made_s: int, meter: int = 1) -> Edit:
    return Edit(
        meter_id=meter,
        start_s=DAY_S + slot * 1800,
        period_s=1800,
        channel="import_wh",
        value=value,
        reason="read on the site",
        made_by="officer",
        made_s=made_s,
    )


def bill(billed_s: int, meter: int = 1, period: Period = DAY) -> Bill:
    return Bill(meter_id=meter, period=period, reference="B-1", billed_s=billed_s)


def at(state: Final, meter: int, slot: int) -> tuple[int, int, int]:
    cell = (meter - 1, slot)
    return int(state.value[cell]), int(state.source[cell]), int(state.quality[cell])


def test_an_estimate_stands_until_a_reading_comes() -> None:
    block = sealed((1, 4, T, 100), (1, 5, T + 50, 130))
    estimates = kept((1, 5, 110, T + 10), (1, 6, 90, T + 10))

    def state(at_s: int) -> Final:
        return final_state(block, "import_wh", estimates=estimates, at_s=at_s)

    assert at(state(T), 1, 5) == (MISSING, Source.NOTHING, 0)
    assert at(state(T + 10), 1, 5) == (110, Source.ESTIMATE, Quality.BY_INTERPOLATION)
    assert at(state(T + 50), 1, 5) == (130, Source.READING, Quality.RAW)
    assert at(state(T + 50), 1, 4) == (100, Source.READING, Quality.RAW)
    assert state(T + 50).rule[0, 6] == EstimationRule.LINE
    assert state(T + 50).rule_version[0, 6] == 1


def test_a_later_estimate_stands_for_an_earlier_one_and_one_can_be_withdrawn() -> None:
    estimates = kept((1, 5, 110, T), (1, 5, 120, T + 10), (1, 5, None, T + 20))
    told = [final_state(sealed(), "import_wh", estimates=estimates, at_s=T + s).value[0, 5] for s in (0, 10, 20)]
    assert told == [110, 120, MISSING]


def test_an_estimate_made_after_a_doubtful_reading_stands_for_it() -> None:
    block = sealed((1, 5, T, 9999))
    estimates = kept((1, 5, 110, T + 10))
    assert at(final_state(block, "import_wh", estimates=estimates, at_s=T + 10), 1, 5)[0] == 110
    assert at(final_state(block, "import_wh", estimates=estimates, at_s=T + 5), 1, 5)[0] == 9999


def test_a_billed_estimate_is_locked_and_a_billed_reading_is_not() -> None:
    block = sealed((1, 4, T, 100), (1, 4, T + 99, 140), (1, 5, T + 99, 130))
    estimates = kept((1, 5, 110, T + 10))
    state = final_state(block, "import_wh", estimates=estimates, bills=[bill(T + 20)], at_s=T + 200)
    assert at(state, 1, 5) == (110, Source.ESTIMATE, Quality.BY_INTERPOLATION)
    assert state.locked[0].tolist() == [slot == 5 for slot in range(48)]
    assert at(state, 1, 4) == (140, Source.READING, Quality.RAW)
    before = final_state(block, "import_wh", estimates=estimates, bills=[bill(T + 20)], at_s=T + 19)
    assert not before.locked.any()


def test_the_first_bill_locks_and_only_in_its_period_and_for_its_meter() -> None:
    estimates = kept((1, 5, 110, T), (1, 6, 111, T), (2, 5, 112, T), (1, 5, 220, T + 30))
    half = Period(start_s=DAY_S, end_s=DAY_S + 6 * 1800)
    bills = [bill(T + 40), bill(T + 10, period=half)]
    state = final_state(sealed(), "import_wh", estimates=estimates, bills=bills, at_s=T + 99)
    assert state.value[0, 5] == 110
    assert np.argwhere(state.locked).tolist() == [[0, 5], [0, 6]]


def test_the_zero_of_an_outage_is_no_estimate_and_is_not_locked() -> None:
    estimates = kept((1, 5, 0, T), rule=EstimationRule.OUTAGE)
    state = final_state(
        sealed((1, 5, T + 50, 40)), "import_wh", estimates=estimates, bills=[bill(T + 10)], at_s=T + 99
    )
    assert at(state, 1, 5)[:2] == (40, Source.READING)
    assert not state.estimated.any()


def test_an_edit_stands_for_all_until_it_is_withdrawn() -> None:
    block = sealed((1, 4, T, 100), (1, 4, T + 50, 105))
    edits = [edit(4, 200, T + 10), edit(4, 210, T + 20), edit(4, None, T + 90), edit(7, 5, T, meter=99)]

    def told(at_s: int) -> tuple[int, int, int]:
        return at(final_state(block, "import_wh", edits=edits, at_s=at_s), 1, 4)

    assert told(T) == (100, Source.READING, Quality.RAW)
    assert told(T + 10) == (200, Source.EDIT, Quality.EDITED)
    assert told(T + 60) == (210, Source.EDIT, Quality.EDITED)
    assert told(T + 90) == (105, Source.READING, Quality.RAW)


moments = st.integers(0, 6)
readings = st.lists(st.tuples(st.just(1), st.integers(0, 2), moments, st.integers(0, 9)), max_size=5)
guesses = st.lists(st.tuples(st.just(1), st.integers(0, 2), st.integers(10, 19), moments), max_size=4)
changes = st.lists(st.tuples(st.integers(0, 2), st.integers(20, 29), moments), max_size=2)


@settings(max_examples=60, deadline=None)
@given(readings, guesses, changes, st.lists(moments, max_size=2))
def test_what_comes_later_never_changes_a_past_state(
    read: list[tuple[int, int, int, int]],
    guessed: list[tuple[int, int, int, int]],
    changed: list[tuple[int, int, int]],
    billed: list[int],
) -> None:
    """Shown from all that is kept, the state of a moment is what it was when only so much was kept."""

    def shown(until: int, at_s: int) -> Final:
        cells = [(m, s, T + r, v) for m, s, r, v in read if r <= until]
        estimates = [(m, s, v, T + made) for m, s, v, made in guessed if made <= until]
        edits = [edit(s, v, T + made) for s, v, made in changed if made <= until]
        bills = [bill(T + moment) for moment in billed if moment <= until]
        return final_state(
            sealed(*cells), "import_wh", estimates=kept(*estimates), edits=edits, bills=bills, at_s=at_s
        )

    for moment in range(7):
        then, again = shown(moment, T + moment), shown(99, T + moment)
        for name in ("value", "quality", "source", "rule", "since_s", "locked"):
            assert np.array_equal(getattr(then, name), getattr(again, name)), name
