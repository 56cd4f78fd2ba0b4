"""The link's ledger: what is sent has one name on both sides, nothing is answered, booked or taken in twice."""

from dataclasses import replace
from datetime import date

import pytest

from bijlighar.cim.billing import Acknowledgement, DeliveryState, Dues, Payment, RowRefused, UsageStatement
from bijlighar.records.billing_checks import LinkDecision, Reconciliation
from bijlighar.records.billing_in import MessageContradicts
from bijlighar.records.billing_out import Offered

JUNE = (date(2026, 6, 1), date(2026, 6, 30))
ONE = UsageStatement(
    usage_point="U1",
    first_day=JUNE[0],
    last_day=JUNE[1],
    meters=("BJ0001",),
    import_wh=310_000,
    import_vah=320_000,
    export_wh=None,
    export_vah=None,
    demand_w=1_800,
    demand_start_s=1_782_000_000,
    power_factor_milli=968,
    band_wh=(310_000,),
    basis="registers",
    expected_slots=1_440,
    missing_slots=0,
    estimated_slots=2,
    estimated_wh=300,
    determined_s=1_000,
)
TWO = replace(ONE, usage_point="U2", meters=("BJ0002",), import_wh=90_000)
BILLED = Acknowledgement(
    key="U1/2026-06-01/2026-06-30/1",
    accepted=True,
    bill_reference="B-17",
    billed_wh=310_000,
    amount_paise=200_000,
)
DUES = Dues(usage_point="U1", amount_paise=200_000, due_day=date(2026, 7, 20), as_of_s=500, reference="B-17")
PAID = Payment(payment_id="P-1", usage_point="U1", amount_paise=200_000, paid_s=700)


def states(records):
    return [(each.key, each.state) for each in records.deliveries.of_period(*JUNE)]


def test_a_statement_is_sent_until_it_is_answered_and_then_no_more(trial):
    assert trial.deliveries.add([(ONE, ""), (TWO, "")], 10) == Offered(new=2, corrected=0, unchanged=0)
    first, second = trial.deliveries.due(10, 100)
    assert first.statement == ONE
    trial.deliveries.tried([first.key, second.key], now_s=10, next_try_s=70, fault="no answer")
    assert trial.deliveries.due(69, 100) == []
    assert [(each.attempts, each.reason) for each in trial.deliveries.due(70, 100)] == [(1, "no answer")] * 2
    answered = trial.deliveries.answer([BILLED], 80)
    assert [each.bill_reference for each in answered.taken] == ["B-17"]
    assert [each.key for each in trial.deliveries.due(900, 100)] == [second.key]
    assert trial.deliveries.counts() == {DeliveryState.ACKNOWLEDGED: 1, DeliveryState.WAITING: 1}


def test_an_answer_that_comes_twice_counts_once_and_another_one_does_not_take_its_place(trial):
    trial.deliveries.add([(ONE, "")], 10)
    trial.deliveries.answer([BILLED], 20)
    again = trial.deliveries.answer([BILLED, replace(BILLED, billed_wh=1), replace(BILLED, key="nobody")], 30)
    assert (again.taken, again.repeated, again.contradicting, again.unknown) == (
        (),
        (BILLED.key,),
        (BILLED.key,),
        ("nobody",),
    )
    (kept,) = trial.deliveries.of_usage_point("U1")
    assert (kept.billed_wh, kept.answered_s) == (310_000, 20)


def test_the_same_statement_again_is_the_same_delivery(trial):
    trial.deliveries.add([(ONE, ""), (TWO, "held for the test")], 10)
    again = [(replace(ONE, determined_s=9_999), ""), (TWO, "held for the test")]
    assert trial.deliveries.add(again, 20) == Offered(new=0, corrected=0, unchanged=2)
    trial.deliveries.answer([BILLED], 30)
    assert trial.deliveries.add([(ONE, "")], 40) == Offered(new=0, corrected=0, unchanged=1)


def test_a_corrected_statement_supersedes_what_was_not_answered_and_follows_what_was(trial):
    trial.deliveries.add([(ONE, ""), (TWO, "")], 10)
    trial.deliveries.answer([BILLED], 20)
    more = [(replace(ONE, import_wh=311_000), ""), (replace(TWO, import_wh=91_000), "")]
    assert trial.deliveries.add(more, 30) == Offered(new=0, corrected=2, unchanged=0)
    assert states(trial) == [
        ("U1/2026-06-01/2026-06-30/1", DeliveryState.ACKNOWLEDGED),
        ("U1/2026-06-01/2026-06-30/2", DeliveryState.WAITING),
        ("U2/2026-06-01/2026-06-30/1", DeliveryState.SUPERSEDED),
        ("U2/2026-06-01/2026-06-30/2", DeliveryState.WAITING),
    ]


def test_what_is_held_is_not_sent_and_waits_when_the_reason_has_gone(trial):
    trial.deliveries.add([(ONE, "registers and blocks disagree")], 10)
    assert trial.deliveries.due(99, 10) == []
    assert trial.deliveries.answer([BILLED], 20).unknown == (BILLED.key,), "it was never sent"
    assert trial.deliveries.add([(ONE, "")], 30).corrected == 1
    assert [each.revision for each in trial.deliveries.due(99, 10)] == [2]
    assert trial.deliveries.add([(ONE, "somebody looks at it")], 40).corrected == 1, "what waits can be held back"
    assert trial.deliveries.due(99, 10) == []


def test_a_message_is_taken_once_and_another_content_under_its_number_is_told(trial):
    first = trial.billing_inbox.take_dues("M1", [DUES], [], 10)
    assert (first.taken, first.refused, first.repeated) == (1, (), False)
    again = trial.billing_inbox.take_dues("M1", [DUES], [], 20)
    assert (again.taken, again.repeated) == (1, True)
    with pytest.raises(MessageContradicts):
        trial.billing_inbox.take_dues("M1", [replace(DUES, amount_paise=1)], [], 30)
    assert trial.billing_inbox.dues() == {"U1": DUES}


def test_rows_for_nobody_are_kept_apart_with_their_place_and_the_others_are_taken(trial):
    nobody = replace(DUES, usage_point="U999")
    unreadable = RowRefused(row=2, reason="amount-is-no-number", content='{"amount": "viel"}')
    receipt = trial.billing_inbox.take_dues("M2", [DUES, nobody], [unreadable], 10)
    assert (receipt.taken, [(each.row, each.reason) for each in receipt.refused]) == (
        1,
        [(2, "amount-is-no-number"), (3, "unknown-usage-point")],
    )
    kept = trial.billing_inbox.refused_rows()
    assert {(each.message_id, each.kind, each.row) for each in kept} == {("M2", "dues", 2), ("M2", "dues", 3)}
    assert trial.billing_inbox.refused_count() == 2


def test_newer_dues_stand_whatever_the_order_in_which_they_come(trial):
    trial.billing_inbox.take_dues("M1", [replace(DUES, as_of_s=900, amount_paise=5)], [], 10)
    trial.billing_inbox.take_dues("M2", [DUES], [], 20)
    assert trial.billing_inbox.dues(["U1"])["U1"].amount_paise == 5
    assert trial.billing_inbox.dues(["U2"]) == {}


def test_a_payment_is_booked_once_and_a_contradicting_one_is_kept_apart(trial):
    assert trial.billing_inbox.take_payments("M1", [PAID], [], 10).taken == 1
    assert trial.billing_inbox.take_payments("M2", [PAID], [], 20).taken == 1, "told again in another message"
    other = trial.billing_inbox.take_payments("M3", [replace(PAID, amount_paise=7)], [], 30)
    assert [each.reason for each in other.refused] == ["payment-contradicts"]
    assert trial.billing_inbox.payments("U1") == [PAID]


def test_the_newest_reconciliation_of_a_period_counts_and_a_decision_needs_a_name(trial):
    made = Reconciliation(
        first_day=JUNE[0],
        last_day=JUNE[1],
        made_s=10,
        usage_points=11,
        billed=10,
        explained=0,
        unexplained=1,
        content={"U3": "billed-otherwise"},
    )
    trial.billing_checks.add(made)
    trial.billing_checks.add(replace(made, made_s=20, billed=11, unexplained=0, content={}))
    (newest,) = trial.billing_checks.newest()
    assert (newest.billed, newest.content) == (11, {})
    assert trial.billing_checks.decision() is None
    decision = LinkDecision(decided_s=30, verdict="pass", decided_by="asha", reason="three days", content={})
    with pytest.raises(ValueError, match="reason"):
        trial.billing_checks.decide(replace(decision, reason=" "))
    trial.billing_checks.decide(decision)
    assert trial.billing_checks.decision() == decision
