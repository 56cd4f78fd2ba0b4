"""From events to slots."""

from __future__ import annotations

import numpy as np

from bijlighar.mdm.outages import Spans, seconds_in_slots, spans
from mdm.days import DAY, DAY_S

METERS = np.array([1, 2, 5], dtype=np.int32)


def told(*events: tuple[int, int, int]) -> Spans:
    table = np.array(events, dtype=np.int64).reshape(-1, 3)
    return spans(
        table[:, 0].astype(np.int32), table[:, 1], table[:, 2], begins=101, ends=102, until_s=DAY.end_s + 99
    )


def plain(found: Spans) -> list[tuple[int, int, int]]:
    return [(int(m), int(a), int(b)) for m, a, b in zip(found.meter_id, found.start_s, found.end_s, strict=True)]


def test_a_beginning_lasts_to_its_end_and_an_open_one_on() -> None:
    events = [(2, 50, 102), (1, 10, 101), (1, 30, 102), (1, 40, 101), (2, 20, 101), (2, 25, 101), (3, 5, 102)]
    assert plain(told(*events)) == [(1, 10, 30), (1, 40, DAY.end_s + 99), (2, 20, 50)]
    assert plain(told((1, 10, 101), (1, 10, 102))) == [(1, 10, 10)]
    assert plain(told((1, 10, 301))) == []
    assert plain(told()) == []


def test_seconds_are_counted_in_each_slot_of_the_day() -> None:
    found = told(
        (1, DAY_S - 600, 101), (1, DAY_S + 2400, 102), (5, DAY_S + 86_000, 101), (7, DAY_S, 101), (2, DAY_S, 102)
    )
    seconds = seconds_in_slots(found, METERS, DAY, 1800)
    assert seconds[0, :3].tolist() == [1800, 600, 0]
    assert seconds[2, -1] == 400
    assert seconds.sum() == 2400 + 400
    assert seconds_in_slots(found, METERS[:0], DAY, 900).shape == (0, 96)
