import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.exchange import Unavailable
from bijlighar.headend.counters import BLOCK, LEAST_FOR_A_VISIT, CounterBook


class Durable:
    """The store's side: never hands a number out again."""

    def __init__(self, start=0):
        self.next = start
        self.calls = 0
        self.unavailable = False

    def reserve(self, meter_id, client_address, count, at_least=0):  # noqa: ARG002
        if self.unavailable:
            raise Unavailable("locked")
        self.calls += 1
        first = max(self.next, at_least)
        self.next = first + count
        return first


def test_one_durable_write_serves_many_visits():
    store = Durable(start=500)
    book = CounterBook(store)
    for _ in range(10):
        reserved = book.take(1, 32)
        book.put_back(1, 32, reserved, reserved.first + 50)
    assert store.calls == 1
    assert book.ready(1, 32)
    assert book.reserved == BLOCK


def test_a_visit_that_never_came_back_skips_its_numbers():
    store = Durable(start=500)
    book = CounterBook(store)
    lost = book.take(1, 32)
    after = book.take(1, 32)
    assert after.first == lost.first + lost.count


def test_a_new_block_is_taken_when_too_few_are_left():
    book = CounterBook(Durable(start=1))
    reserved = book.take(1, 32)
    book.put_back(1, 32, reserved, reserved.first + reserved.count - LEAST_FOR_A_VISIT + 1)
    assert not book.ready(1, 32)
    assert book.take(1, 32).first == reserved.first + reserved.count


def test_only_a_counter_that_was_never_used_is_fresh():
    assert CounterBook(Durable(start=0)).take(1, 32).fresh
    assert not CounterBook(Durable(start=1)).take(1, 32).fresh


def test_what_the_meter_says_is_exceeded():
    book = CounterBook(Durable(start=0))
    book.take(1, 32)
    assert book.take_above(1, 32, 77_777).first == 77_778
    assert book.take_above(1, 32, 5).first > 77_778


def test_associations_have_counters_of_their_own():
    book = CounterBook(Durable(start=1))
    reserved = book.take(1, 32)
    book.put_back(1, 32, reserved, reserved.first + 1)
    assert book.ready(1, 32)
    assert not book.ready(1, 48)
    assert not book.ready(2, 32)


def test_an_unavailable_store_gives_no_numbers():
    store = Durable()
    store.unavailable = True
    with pytest.raises(Unavailable):
        CounterBook(store).take(1, 32)


@given(st.lists(st.tuples(st.integers(0, 1200), st.booleans(), st.none() | st.integers(0, 5000)), max_size=40))
def test_no_number_is_ever_used_twice(visits):
    """Visits use some numbers, then end in good order, or crash, or make way for what the meter says."""
    store = Durable()
    book = CounterBook(store)
    used = set()
    for wanted, ends_well, meters_own in visits:
        reserved = book.take(1, 32) if meters_own is None else book.take_above(1, 32, meters_own)
        spent = range(reserved.first, reserved.first + min(wanted, reserved.count))
        assert used.isdisjoint(spent)
        used.update(spent)
        if ends_well:
            book.put_back(1, 32, reserved, reserved.first + len(spent))
        else:
            book = CounterBook(store)
