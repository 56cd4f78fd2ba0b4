from __future__ import annotations

from collections.abc import Iterator

from bijlighar.controlroom.first_reading import LONGEST_S, STANDS_STILL_S, history_share, wait_until_read
from bijlighar.records import Records
from controlroom.utility import NOW

LOOK_S = 10.0


def _waited_s(shares: Iterator[float]) -> float:
    now = [0.0]

    def wait(_seconds: float) -> None:
        now[0] += LOOK_S

    wait_until_read(lambda: next(shares), wait=wait, wall_s=lambda: now[0])
    return now[0]


def test_work_waits_until_all_is_read() -> None:
    assert _waited_s(iter([0.0, 0.2, 0.99, 1.0])) == 3 * LOOK_S


def test_what_is_read_already_is_not_waited_for() -> None:
    assert _waited_s(iter([1.0])) == 0.0


def test_a_history_that_grows_no_more_is_not_waited_for_much_longer() -> None:
    assert _waited_s(0.5 for _ in range(1000)) <= STANDS_STILL_S + 2 * LOOK_S


def test_a_history_that_grows_for_ever_is_not_waited_for_for_ever() -> None:
    assert _waited_s(step / 1_000_000 for step in range(1_000_000)) <= LONGEST_S + LOOK_S


def test_a_town_is_counted_from_the_manifest_as_a_house_slot_by_slot(records: Records) -> None:
    assert history_share(records, 3, int(NOW), 35) == 71 / (3 * 34 * 48)
    assert history_share(records, 3_000, int(NOW), 35) == 71 / (3_000 * 34 * 48)
