import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.seen import BILLING_LOG, SeenRows


def events(*rows):
    """(meter, log, start, code) rows as a batch."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return ReadingBatch(
        kind=ProfileKind.EVENT,
        period_s=0,
        meter_id=columns[0].astype(np.int32),
        start_s=columns[2],
        received_s=columns[2],
        channels={"event_log": columns[1], "event_code": columns[3]},
    )


def test_a_row_is_fresh_until_it_was_landed():
    seen, rows = SeenRows(), events((1, 0, 100, 7), (1, 0, 200, 8))
    assert seen.fresh(rows).tolist() == [True, True]
    seen.note(rows)
    assert seen.fresh(rows).tolist() == [False, False]
    assert seen.since_s(1, 0) == 200


def test_two_events_of_one_second_are_told_apart():
    seen = SeenRows()
    seen.note(events((1, 0, 200, 8)))
    assert seen.fresh(events((1, 0, 200, 8), (1, 0, 200, 10))).tolist() == [False, True]
    seen.note(events((1, 0, 200, 10)))
    assert seen.fresh(events((1, 0, 200, 8), (1, 0, 200, 10))).tolist() == [False, False]


def test_logs_and_meters_do_not_hide_each_others_rows():
    seen = SeenRows()
    seen.note(events((1, 0, 900, 7)))
    assert seen.fresh(events((1, 2, 100, 101), (2, 0, 100, 7))).tolist() == [True, True]
    assert seen.since_s(1, 2) is None


def test_after_a_start_the_last_days_are_landed_once_more():
    seen = SeenRows()
    seen.start_from(ProfileKind.EVENT, np.array([1, 1], np.int32), np.array([500, 900], np.int64), overlap_s=200)
    assert seen.since_s(1, 3) == 700
    assert seen.since_s(1, BILLING_LOG) is None
    assert seen.fresh(events((1, 3, 699, 151), (1, 3, 700, 151), (1, 3, 900, 151))).tolist() == [False, True, True]


def test_billing_rows_are_a_log_of_their_own():
    seen = SeenRows()
    batch = ReadingBatch(
        kind=ProfileKind.BILLING,
        period_s=0,
        meter_id=np.array([1], np.int32),
        start_s=np.array([500], np.int64),
        received_s=np.array([900], np.int64),
    )
    assert seen.fresh(batch).tolist() == [True]
    seen.note(batch)
    assert seen.fresh(batch).tolist() == [False]
    assert seen.since_s(1, BILLING_LOG) == 500
