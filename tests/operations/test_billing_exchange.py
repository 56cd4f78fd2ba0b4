"""The billing link: the same kWh on both sides, whatever is late, away, twice or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bijlighar.cim.billing import DeliveryState
from bijlighar.cim.period import civil_day
from bijlighar.operations.billing_exchange.delivering import FIRST_RETRY_S, deliver_due
from bijlighar.operations.billing_exchange.gate import decide_link, judge_link
from bijlighar.operations.billing_exchange.intake import take_answers, take_message
from bijlighar.operations.billing_exchange.reconciling import reconcile
from bijlighar.operations.billing_exchange.rounds import CYCLE_KEY, UnknownCycle, billing_round, due_periods
from bijlighar.operations.billing_exchange.statements import DISAGREE, EXCEPTIONS, PeriodNotOver, close_period
from bijlighar.operations.day_round import work_round
from bijlighar.records import Records
from bijlighar.records.exceptions import Choice, Resolution
from bijlighar.records.settings import Setting
from operations.billing_town import DAYS, START_S, USED, BillingServer, after, billing_town
from operations.day_town import JUNE, block_load, registers

CONSUMERS = ("U1", "U2", "U3", "U4")


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Every consumer heard for four days."""
    yield from billing_town(tmp_path, records_url)


def day(number: int) -> tuple:
    return (JUNE + timedelta(days=number),) * 2


def run(records: Records, server: BillingServer, number: int, hours: float = 25.0) -> None:
    work_round(records, float(after(number, hours)))
    billing_round(records, server, now_s=after(number, hours))


def states(records: Records, number: int) -> dict[str, DeliveryState]:
    return {each.statement.usage_point: each.state for each in records.deliveries.of_period(*day(number))}


def test_each_day_is_stated_sent_billed_and_found_the_same_on_both_sides(records: Records) -> None:
    server = BillingServer()
    for number in range(DAYS):
        run(records, server, number)
    for number in range(DAYS):
        assert states(records, number) == dict.fromkeys(CONSUMERS, DeliveryState.ACKNOWLEDGED)
        told = {e.statement.usage_point: e.billed_wh for e in records.deliveries.of_period(*day(number))}
        assert told == {f"U{meter}": used for meter, used in USED.items()}
    assert len(server.received) == len(set(server.received)) == DAYS * len(CONSUMERS)
    verdict = judge_link(records, after(DAYS))
    assert (verdict.passed, verdict.lacking) == (True, ())
    assert decide_link(records, by="officer", reason="trial ended", now_s=after(DAYS)).verdict == "pass"
    assert run(records, server, DAYS - 1, 30.0) is None
    assert len(server.received) == DAYS * len(CONSUMERS), "what was answered is not sent again"


def test_a_billing_server_that_is_away_is_asked_again_later_and_nothing_is_lost(records: Records) -> None:
    server = BillingServer()
    server.away = "it is being repaired"
    run(records, server, 0)
    assert {each.reason for each in records.deliveries.of_period(*day(0))} == {"it is being repaired"}
    assert reconcile(records, *day(0), now_s=after(0)).content["causes"] == {"not-answered": 4}
    assert deliver_due(records, server, now_s=after(0) + FIRST_RETRY_S - 1).sent == 0
    server.away = ""
    assert deliver_due(records, server, now_s=after(0) + FIRST_RETRY_S).answered == 4
    assert sorted(server.received) == sorted(2 * list(server.bills)), (
        "sent twice, billed once, under the same keys"
    )
    assert reconcile(records, *day(0), now_s=after(0, 30)).billed == 4


def test_a_day_whose_answers_are_on_their_way_is_passed_over_until_they_are_overdue(records: Records) -> None:
    server = BillingServer()
    for number in range(DAYS):
        server.away = "it is being repaired" if number == DAYS - 1 else ""
        run(records, server, number)
    last = day(DAYS - 1)[0]
    seen = judge_link(records, after(DAYS - 1, 47.9))
    assert (seen.passed, [each.last_day for each in seen.days]) == (True, [day(n)[0] for n in range(DAYS - 1)])
    assert judge_link(records, after(DAYS - 1, 48)).lacking == (f"{last}: 4 of 4 not billed",)


def test_an_answer_that_comes_later_and_twice_counts_once(records: Records) -> None:
    server = BillingServer()
    server.silent = True
    run(records, server, 0)
    deliveries = records.deliveries.of_period(*day(0))
    rows = [
        {"key": e.key, "result": "billed", "bill_reference": f"B{n}", "billed_wh": e.statement.import_wh}
        for n, e in enumerate(deliveries)
    ]
    wrong = [
        {"key": "nobody", "result": "refused", "reason": "unknown"},
        {"key": deliveries[0].key, "result": "?"},
    ]
    receipt = take_message(records, "answers", "A1", [*rows, *wrong], now_s=after(0, 26))
    assert (receipt.taken, [(r.row, r.reason) for r in receipt.refused]) == (
        4,
        [(5, "unknown-key"), (6, "result-unknown")],
    )
    assert take_message(records, "answers", "A1", [*rows, *wrong], now_s=after(0, 27)).repeated
    other = [{**rows[0], "billed_wh": 1}]
    assert [r.reason for r in take_message(records, "answers", "A2", other, now_s=after(0, 28)).refused] == [
        "answered-otherwise"
    ]
    assert states(records, 0) == dict.fromkeys(CONSUMERS, DeliveryState.ACKNOWLEDGED)


def test_a_bill_over_other_kwh_is_a_difference_without_a_cause_and_the_link_does_not_pass(
    records: Records,
) -> None:
    server = BillingServer()
    for number in range(DAYS):
        server.more_wh = 1 if number == 2 else 0
        run(records, server, number)
    made = records.billing_checks.of_period(*day(2))
    assert made is not None
    assert (made.billed, made.unexplained) == (0, 4)
    assert {each["cause"] for each in made.content["differences"]} == {"billed-otherwise"}
    verdict = judge_link(records, after(DAYS))
    assert not verdict.passed
    assert verdict.lacking == (f"{day(2)[0]}: 4 differences without a cause",)


def test_what_may_be_wrong_is_held_back_until_somebody_decides(records: Records) -> None:
    records.landing.land([registers({1: 7_000 + USED[1] + 9_000}, START_S + 86_400)], [])
    server = BillingServer()
    run(records, server, 0)
    (held,) = [each for each in records.deliveries.of_period(*day(0)) if each.state is DeliveryState.HELD]
    assert (held.statement.usage_point, held.reason) == ("U1", EXCEPTIONS)
    assert held.key not in server.received
    records.exceptions.resolve(
        Choice(meter_id=1),
        resolution=Resolution.READING_RIGHT,
        reason="seen on the spot",
        by="asha",
        now_s=after(0),
    )
    close_period(records, *day(0), now_s=after(0, 26))
    newest = records.deliveries.of_usage_point("U1")[0]
    assert (newest.state, newest.reason) == (DeliveryState.HELD, DISAGREE), "register and blocks still disagree"


def test_readings_that_change_after_billing_send_a_correction(records: Records) -> None:
    server = BillingServer()
    run(records, server, 0)
    more = USED[2] + 10
    records.landing.land(
        [block_load([2], more=1, late_s=90_000), registers({2: 7_000 + more}, START_S + 86_400)], []
    )
    run(records, server, 0, 27.0)
    revisions = records.deliveries.of_usage_point("U2")
    assert [(each.revision, each.statement.import_wh) for each in revisions] == [(2, more), (1, USED[2])]
    assert reconcile(records, *day(0), now_s=after(0, 28)).content["causes"] == {
        "corrected-after-billing": 1,
        "same": 3,
    }
    records.exceptions.resolve(
        Choice(meter_id=2), resolution=Resolution.READING_RIGHT, reason="clerk", by="asha", now_s=after(0, 28)
    )
    close_period(records, *day(0), now_s=after(0, 28))
    deliver_due(records, server, now_s=after(0, 28))
    assert reconcile(records, *day(0), now_s=after(0, 28)).billed == 4


def test_a_silent_meter_is_named_and_never_billed_from_nothing(records_url: str, tmp_path: Path) -> None:
    for records in billing_town(tmp_path, records_url, silent=[3]):
        server = BillingServer()
        run(records, server, 0)
        made = reconcile(records, *day(0), now_s=after(0))
        assert (made.usage_points, made.billed, made.explained, made.unexplained) == (4, 3, 1, 0)
        (gone,) = made.content["differences"]
        assert (gone["usage_point"], gone["cause"]) == ("U3", "no-reading")


def test_what_was_billed_from_an_estimate_is_locked(records: Records) -> None:
    server = BillingServer()
    run(records, server, 0)
    bills = records.edits.bills(civil_day(JUNE))
    assert {bill.meter_id for bill in bills} == {1, 2, 3, 4}
    answers = [each for each in server.bills.values() if each.key.startswith("U1/")]
    take_answers(records, answers, now_s=after(0, 30))
    assert len(records.edits.bills(civil_day(JUNE))) == len(bills), "locking twice is harmless"


def test_months_are_closed_when_they_are_over_and_other_cycles_are_refused(records: Records) -> None:
    assert list(due_periods("monthly", JUNE.replace(month=7, day=2))) == [(JUNE, JUNE.replace(day=30))]
    assert list(due_periods("none", JUNE)) == []
    with pytest.raises(PeriodNotOver):
        close_period(records, *day(0), now_s=civil_day(JUNE).end_s - 1)
    records.settings.put(
        Setting(key=CYCLE_KEY, value="weekly", valid_from_s=10, changed_by="officer", changed_s=10)
    )
    with pytest.raises(UnknownCycle):
        billing_round(records, None, now_s=after(0))


def test_a_refusal_is_told_with_its_reason(records: Records) -> None:
    server = BillingServer()
    server.silent = True
    run(records, server, 0)
    key = records.deliveries.of_usage_point("U1")[0].key
    take_message(
        records,
        "answers",
        "A1",
        [{"key": key, "result": "refused", "reason": "account closed"}],
        now_s=after(0, 26),
    )
    made = reconcile(records, *day(0), now_s=after(0, 26))
    assert {each["usage_point"]: (each["cause"], each["detail"]) for each in made.content["differences"]}[
        "U1"
    ] == (
        "refused",
        "account closed",
    )


def test_an_amount_that_differs_from_the_tariff_is_shown(records: Records) -> None:
    server = BillingServer()
    server.silent = True
    run(records, server, 0)
    for each in records.deliveries.of_period(*day(0)):
        bill = replace(server.bill(each), amount_paise=1)
        take_answers(records, [bill], now_s=after(0, 26))
    made = reconcile(records, *day(0), now_s=after(0, 26))
    assert made.content["causes"] == {"amount-differs": 4}
    assert all(each["expected_paise"] > 20_000 for each in made.content["differences"])
