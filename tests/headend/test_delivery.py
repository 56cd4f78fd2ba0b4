import threading
from dataclasses import replace

import pytest

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.dlms import axdr
from bijlighar.headend import delivery as delivery_module
from bijlighar.headend.delivery import Delivery, DeliverySettings
from bijlighar.headend.seen import SeenRows

from .doubles import Store
from .meters import NOON_S, block_row
from .test_decoding import blocks, parcel

QUICK = DeliverySettings(most_wait_s=0.02, retry_s=0.01, retry_cap_s=0.02)


class Bench:
    """A delivery, its store, and what it told."""

    def __init__(self, **settings):
        self.store = Store()
        self.landed = []
        self.troubles = []
        self.changed = threading.Condition()
        self.delivery = Delivery(
            self.store,
            SeenRows(),
            now=lambda: NOON_S,
            on_landed=self._tell(self.landed),
            on_trouble=self._tell(self.troubles),
            settings=replace(QUICK, **settings),
        )
        self.delivery.start()

    def _tell(self, kept):
        def told(news):
            with self.changed:
                kept.append(news)
                self.changed.notify_all()

        return told

    def until(self, true):
        with self.changed:
            assert self.changed.wait_for(true, timeout=60), "it never came"

    def put(self, meter_id, rows=3, outcome=Outcome.OK, **changes):
        contact = Contact(meter_id=meter_id, started_ms=NOON_S * 1000, purpose="block-load", outcome=outcome)
        self.delivery.put(replace(parcel(meter_id, ("block-load", blocks(rows)), **changes), contact=contact))


@pytest.fixture
def bench():
    made = []

    def make(**settings):
        made.append(Bench(**settings))
        return made[-1]

    yield make
    for one in made:
        one.delivery.stop(0.1)


def test_what_comes_together_is_landed_together(bench):
    one = bench(most_wait_s=60.0)
    for meter in (1, 2, 3):
        one.put(meter, urgent=meter == 3)
    one.until(lambda: one.landed)
    assert one.store.land_calls == 1
    assert len(one.store.landed[0]) == 9
    assert [contact.rows for contact in one.store.contacts] == [3, 3, 3]
    assert one.landed[0].stored
    assert one.troubles == []


def test_an_urgent_parcel_does_not_wait(bench):
    one = bench(most_wait_s=3_600.0)
    one.put(1, urgent=True)
    one.until(lambda: one.landed)
    assert one.landed[0].stored


def test_a_database_that_is_locked_keeps_everything_and_is_tried_again(bench):
    one = bench()
    one.store.unavailable = "database is locked"
    one.put(1)
    one.until(lambda: len(one.troubles) >= 3)
    assert set(one.troubles) == {"database is locked"}
    assert one.landed == []
    one.store.unavailable = None
    one.until(lambda: one.landed)
    assert one.troubles[-1] is None
    assert one.landed[0].stored
    assert one.store.starts(one.store.landed[0].kind, 1) == [NOON_S - 1800, NOON_S - 3600, NOON_S - 5400]


def test_a_full_disk_acknowledges_nothing_alarms_stops_new_visits_and_resumes(bench):
    one = bench(queue_parcels=3)
    one.store.unavailable = "no space left on device"
    for meter in (1, 2, 3):
        one.put(meter)
    one.until(lambda: one.troubles)
    assert one.delivery.full
    assert one.landed == []
    assert one.store.contacts == []
    one.store.unavailable = None
    one.until(lambda: sum(len(landed.contacts) for landed in one.landed) == 3)
    one.until(lambda: one.troubles[-1] is None)
    one.delivery.stop(1.0)
    assert not one.delivery.full
    assert one.delivery.octets == 0
    assert sorted(contact.meter_id for contact in one.store.contacts) == [1, 2, 3]


def test_stopping_while_the_store_is_away_gives_the_visits_back_as_not_stored(bench):
    one = bench()
    one.store.unavailable = "gone"
    one.put(1)
    one.until(lambda: one.troubles)
    one.delivery.stop(0.05)
    [landed] = one.landed
    assert not landed.stored
    assert landed.readings == []
    assert [contact.outcome for contact in landed.contacts] == [Outcome.NOT_STORED]


def test_stopping_lands_what_waits(bench):
    one = bench(most_wait_s=60.0)
    one.put(1)
    one.put(2)
    one.delivery.stop(1.0)
    assert [contact.meter_id for contact in one.store.contacts] == [1, 2]


def test_a_landing_that_fails_for_another_reason_is_told_and_given_back(bench):
    one = bench()
    one.store.broken = TypeError("a fault of the store's own code")
    one.put(1)
    one.until(lambda: one.landed)
    assert not one.landed[0].stored
    assert "TypeError" in one.troubles[0]
    one.store.broken = None
    one.put(2)
    one.until(lambda: len(one.landed) == 2)
    assert one.landed[1].stored


def test_a_parcel_that_breaks_our_own_code_does_not_stop_the_others(bench, monkeypatch):
    whole = delivery_module.understand

    def breaks_on_two(parcels, *rest):
        if any(one.meter_id == 2 for one in parcels):
            raise ZeroDivisionError
        return whole(parcels, *rest)

    monkeypatch.setattr(delivery_module, "understand", breaks_on_two)
    one = bench(most_wait_s=0.1)
    for meter in (1, 2, 3):
        one.put(meter)
    one.until(lambda: sum(len(landed.contacts) for landed in one.landed) == 3)
    outcomes = {contact.meter_id: contact.outcome for contact in one.store.contacts}
    assert outcomes == {1: Outcome.OK, 2: Outcome.PROTOCOL, 3: Outcome.OK}


def test_a_contact_tells_what_was_found_in_its_answers(bench):
    one = bench()
    rows = [block_row(NOON_S), block_row(NOON_S - 1800, columns=3), block_row(946_684_800)]
    contact = Contact(meter_id=1, started_ms=0, purpose="block-load", outcome=Outcome.OK)
    read = parcel(1, ("block-load", axdr.encode(axdr.array(rows))))
    one.delivery.put(replace(read, contact=contact))
    one.until(lambda: one.landed)
    [told] = one.store.contacts
    assert told.outcome is Outcome.PROTOCOL
    assert told.rows == 1
    assert "block-load: 1 unreadable (row 1: 3 cells for 7 columns)" in told.detail
    assert "1 rows kept apart: long-past" in told.detail
    assert one.store.apart[0][1] == ("long-past",)
