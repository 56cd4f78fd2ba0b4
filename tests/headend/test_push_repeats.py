"""Unciphered pushes, where a model allows them: doubles make no second row and no second alarm, floods end."""

from dataclasses import replace

import uvloop

from bijlighar.dlms import axdr
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.clock import DeviationSign, encode_instant
from bijlighar.dlms.notification import DataNotification, encode_notification
from bijlighar.dlms.security import SecurityControl
from bijlighar.headend import push_repeats
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.push_repeats import BUDGET, STAMPED_S, UNSTAMPED_S, Heard, Repeats

from .doubles import FixedClock
from .listening import D1, Listening, body, snapshot
from .meters import NOON_S, stamp
from .pushing import SETTINGS
from .test_push_intake import Bench

OPEN = replace(
    D1,
    associations={
        **D1.associations,
        "push": replace(D1.associations["push"], ciphering=Ciphering.NONE, protection=SecurityControl(0)),
    },
)
NOT_SET = axdr.octets(b"\xff" * 12)
YEAR_2000 = axdr.octets(encode_instant(946_684_810, DeviationSign.INDIAN))


def said(octets, invoke_id=1, instant=None):
    return encode_notification(DataNotification(invoke_id=invoke_id, instant=instant, octets=octets))


def alert(bit, clock=None, meter=1):
    word = "".join("1" if place == bit else "0" for place in range(128))
    device_id = b"KPS0000%d" % meter
    return body("alert", [stamp(NOON_S) if clock is None else clock, axdr.bits(word)], device_id)


def taken(bench):
    bench.intake.flush_all()
    return sum(len(entries) for _, entries in bench.flushed)


def test_the_same_said_again_is_a_double_whatever_its_invoke_id_and_date_time():
    bench = Bench(model=OPEN)
    instant = axdr.encode(stamp(NOON_S))[2:]
    for again in (said(alert(81)), said(alert(81)), said(alert(81), 2), said(alert(81), 3, instant)):
        assert bench.take(again)
    assert (taken(bench), bench.intake.duplicates) == (1, 3)
    assert bench.take(said(alert(81, meter=2)))
    assert bench.take(said(alert(83)))
    assert bench.take(said(alert(81, stamp(NOON_S + 1))))
    assert (taken(bench), bench.intake.duplicates) == (4, 3)


def test_a_row_said_again_is_a_double_too():
    bench = Bench(model=OPEN)
    for octets in (snapshot(), snapshot(), snapshot(NOON_S + 1), snapshot()):
        assert bench.take(said(octets))
    assert (taken(bench), bench.intake.duplicates) == (2, 2)


def test_a_last_gasp_without_a_clock_is_a_double_for_minutes_only():
    for clock in (NOT_SET, YEAR_2000, axdr.null()):
        bench = Bench(model=OPEN)
        for wait_s, rows in ((0, 1), (60, 1), (UNSTAMPED_S, 2), (UNSTAMPED_S - 1, 2), (2, 3)):
            bench.clock.instant_s += wait_s
            assert bench.take(said(alert(85, clock)))
            assert taken(bench) == rows, (clock, wait_s)


def test_a_stamped_one_is_a_double_for_a_day():
    bench = Bench(model=OPEN)
    for wait_s, rows in ((0, 1), (STAMPED_S - 1, 1), (1, 2)):
        bench.clock.instant_s += wait_s
        bench.take(said(alert(85)))
        assert taken(bench) == rows


def test_made_up_pushes_of_one_meter_are_refused_beyond_its_budget_and_others_are_heard():
    bench = Bench(model=OPEN)
    for second in range(int(BUDGET) + 60):
        bench.take(said(alert(81, stamp(NOON_S - second))))
    assert taken(bench) == BUDGET
    assert bench.reasons() == ["too-many"] * 60
    bench.refusals.tell(bench.clock.now())
    assert [alarm.code for alarm in bench.alarms.standing] == ["push-forged"]
    assert bench.take(said(alert(81, meter=2)))
    bench.clock.instant_s += 120
    results = [bench.take(said(alert(83, stamp(NOON_S - second)))) for second in range(4)]
    assert results == [True, True, False, False]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(push_repeats, "MOST_REMEMBERED", 100)
    repeats = Repeats(FixedClock(0.0).now)
    for number in range(1_000):
        assert repeats.judge(number, b"x", stamped=True) is Heard.NEW
    assert len(repeats) == 100
    assert repeats.judge(999, b"x", stamped=True) is Heard.DOUBLE
    assert repeats.judge(0, b"x", stamped=True) is Heard.NEW


def run(scenario, **named):
    async def main():
        async with Listening(model=OPEN, **named) as head:
            await scenario(head)

    uvloop.run(main())


def test_a_repeated_magnet_makes_one_row_and_one_question_to_the_meter():
    async def scenario(head):
        asked = []
        roster = head.headend._roster
        ask_for = roster.ask_for
        roster.ask_for = lambda meter_id, *what, **more: asked.append(meter_id) or ask_for(meter_id, *what, **more)
        await head.send(*[said(alert(81), number) for number in range(5)])
        await head.until(lambda: asked == [1])
        await head.send(said(alert(81), 9), said(alert(84, meter=2)))
        await head.until(lambda: asked == [1, 2])
        assert head.desk.intake.duplicates == 5
        assert len(head.store.rows()) == 2

    run(scenario)


def test_after_a_restart_a_repetition_is_the_row_that_is_there():
    first = Listening(model=OPEN)

    async def main():
        async with first as head:
            await head.send(said(alert(85)))
            await head.until(lambda: len(head.store.rows()) == 1)
        async with Listening(model=OPEN, store=first.store) as head:
            await head.send(said(alert(85), 2))
            await head.until(lambda: len(head.store.rows()) == 2)
            codes = {tuple(batch.channels["event_code"].tolist()) for batch in head.store.landed}
            assert (len(set(head.store.rows())), codes) == (1, {(85,)})  # the newest of one key is read

    uvloop.run(main())


def test_what_the_store_never_took_is_heard_again():
    delivery = DeliverySettings(most_wait_s=0.01, retry_s=0.01, retry_cap_s=0.01, bug_retries=2)

    async def scenario(head):
        head.store.broken = RuntimeError("no such column")
        await head.send(said(alert(85)))
        await head.until(lambda: head.metric("pushes_total", outcome="lost") == 1)
        head.store.broken = None
        await head.send(said(alert(85), 2))
        await head.until(lambda: len(head.store.rows()) == 1)

    run(scenario, settings=replace(SETTINGS, delivery=delivery))
