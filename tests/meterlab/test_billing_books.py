from __future__ import annotations

from typing import Any

from meterlab.billing_accounts import URBAN, Contract
from meterlab.billing_books import Books, Faults

HOMES = [f"UP{number:02d}" for number in range(30)]


def statement(code: str, day: str = "2026-06-01", revision: int = 1, wh: int = 5_000) -> dict[str, Any]:
    return {
        "key": f"{code}/{day}/{day}/{revision}",
        "usage_point": code,
        "first_day": day,
        "last_day": day,
        "import_wh": wh,
        "demand_w": 1_500,
    }


def books() -> Books:
    contracts = {
        code: Contract(usage_point=code, account=f"A-{code}", name=code, tariff=URBAN, load_w=2_000)
        for code in HOMES
    }
    return Books(faults=Faults(), contracts=contracts)


def test_what_is_owed_is_all_that_was_billed_less_what_was_paid() -> None:
    kept = books()
    answers = [kept.bill(statement(code, day)) for day in ("2026-06-01", "2026-06-02") for code in HOMES]
    told = kept.billed_points(answers)
    assert told == {code: kept.bill(statement(code, "2026-06-02"))["bill_reference"] for code in HOMES}
    owed = {code: kept.owed_paise(code) for code in HOMES}
    assert len(set(owed.values())) == 1
    paying = {code for code in HOMES if kept.pay(code)}
    assert 10 < len(paying) < 30
    assert {code for code in HOMES if kept.owed_paise(code) == 0} == paying


def test_a_later_revision_takes_the_place_of_the_earlier_after_it_was_paid_too() -> None:
    kept = books()
    code = next(code for code in HOMES if kept.pay(code))
    first = kept.bill(statement(code))
    kept.billed_points([first])
    kept.pay(code)
    corrected = kept.bill(statement(code, revision=2, wh=4_000))
    kept.billed_points([corrected])
    assert kept.owed_paise(code) == corrected["amount_paise"] - first["amount_paise"] < 0


def test_books_that_begin_anew_number_their_bills_as_before() -> None:
    before, after = books(), books()
    before.bill(statement("UP01"))
    assert before.bill(statement("UP02")) == after.bill(statement("UP02"))
    assert before.bill(statement("UP01"))["bill_reference"] != before.bill(statement("UP02"))["bill_reference"]
