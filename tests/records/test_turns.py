"""Threads of one process that write stand in line: first come, first served, and nobody is starved."""

import threading
import time

import pytest

from bijlighar.cim.exchange import Unavailable
from bijlighar.records.database import Database
from bijlighar.records.turns import Turns

WITHIN_S = 60.0


def in_line(turns: Turns, count: int) -> None:
    end = time.monotonic() + WITHIN_S
    while turns.waiting < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_turns_come_in_the_order_of_asking():
    turns, order = Turns(), []

    def wait(name):
        assert turns.take(WITHIN_S)
        order.append(name)
        turns.give()

    assert turns.take(0)
    threads = []
    for name in range(5):
        threads.append(threading.Thread(target=wait, args=(name,)))
        threads[-1].start()
        in_line(turns, name + 1)
    turns.give()
    for thread in threads:
        thread.join(WITHIN_S)
    assert order == list(range(5))
    assert turns.take(0), "it is free again"


def test_who_gives_up_leaves_the_line_and_takes_no_turn():
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(0.01)
    assert turns.waiting == 0
    turns.give()
    assert turns.take(0)


def test_a_writer_that_waits_too_long_for_its_turn_is_told_what_holds_it_up(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'records.db'}", busy_s=0.05)
    with database.write(), pytest.raises(Unavailable, match="locked by another writer"), database.write():
        pass
    with database.write():
        pass
    database.close()


def test_a_write_that_fails_gives_its_turn_back(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'records.db'}", busy_s=0.05)
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError
    with database.write():
        pass
    database.close()
