"""Master data of the billing server: dated, row by row, through every door, and what is billed by it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.accounts import AccountChange, AccountStatus, account_on
from bijlighar.cim.billing import DeliveryState
from bijlighar.cim.period import civil_day
from bijlighar.mdm.estimation import EstimationRule
from bijlighar.operations.bill_preview import bills_of_period
from bijlighar.operations.billing_exchange.cim_form import MESSAGE
from bijlighar.operations.billing_exchange.cim_master import MasterData, read_master, refusal_of, reply_of
from bijlighar.operations.billing_exchange.folder_door import take_folder
from bijlighar.operations.billing_exchange.intake import take_message
from bijlighar.operations.billing_exchange.json_form import MessageRefused
from bijlighar.operations.billing_exchange.reconciling import reconcile
from bijlighar.operations.billing_exchange.rounds import billing_round
from bijlighar.operations.billing_exchange.rows import account_of, parsed
from bijlighar.operations.billing_exchange.statements import SUSPENDED
from bijlighar.operations.day_evidence import gather
from bijlighar.operations.day_round import work_round
from bijlighar.operations.estimation_order import ORDER_KEY, orders_on
from bijlighar.records import Records
from bijlighar.records.billing_in import MessageContradicts
from bijlighar.records.settings import Setting
from operations.billing_town import USED, BillingServer, after, billing_town
from operations.day_town import JUNE

LATER_S = after(5)
ROW = {
    "usage_point": "U1",
    "account": "K-1",
    "name": "आशा वर्मा",
    "tariff": "up-lmv-1-rural",
    "sanctioned_load_w": 3_000,
    "status": "active",
    "valid_from": "2026-06-01",
    "as_of": "2026-06-01T09:00:00+05:30",
}
CODES = {"up-lmv-1-rural", "up-lmv-1-urban"}


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Every consumer heard for four days."""
    yield from billing_town(tmp_path, records_url)


def take(records: Records, *rows: object, number: str = "A1") -> list[tuple[int, str]]:
    receipt = take_message(records, "accounts", number, rows, now_s=after(0))
    return [(each.row, each.reason) for each in receipt.refused]


def lines(records: Records, point: str, first: date, last: date) -> list[tuple[str, int]]:
    bill = bills_of_period(records, first, last, at_s=LATER_S)[point]
    return [(line.what, line.amount_paise) for line in bill.lines]


def test_what_holds_is_put_together_from_what_was_told(records: Records) -> None:
    later = {**ROW, "name": "", "account": None, "valid_from": "2026-06-03", "sanctioned_load_w": "5000"}
    del later["status"]
    assert take(records, ROW, later) == []
    assert records.accounts.on(JUNE - timedelta(days=1)) == {}
    first, second = (records.accounts.on(JUNE + timedelta(days=ago))["U1"] for ago in (1, 2))
    assert (first.account, first.name, first.sanctioned_load_w) == ("K-1", "आशा वर्मा", 3_000)
    assert second == replace(first, since=date(2026, 6, 3), sanctioned_load_w=5_000), "the rest goes on"
    assert records.accounts.count() == 1


def test_the_same_again_changes_nothing_and_the_order_of_coming_does_not_matter(records: Records) -> None:
    newer = {**ROW, "as_of": "2026-06-02T09:00:00+05:30", "sanctioned_load_w": 4_000}
    take(records, newer, number="A2")
    take(records, ROW, number="A1")
    assert records.accounts.on(JUNE)["U1"].sanctioned_load_w == 4_000, "what was said later holds"
    assert take_message(records, "accounts", "A1", [ROW], now_s=after(1)).repeated
    with pytest.raises(MessageContradicts):
        take(records, newer, number="A1")
    take(records, ROW, newer, ROW, number="A3")
    assert len(records.accounts.history("U1")) == 2, "the same words in another message are not kept again"


_days = st.integers(0, 6).map(lambda ago: JUNE + timedelta(days=ago))
_changes = st.builds(
    AccountChange,
    usage_point=st.just("U1"),
    valid_from=_days,
    as_of_s=st.integers(0, 10_000),
    account=st.none() | st.sampled_from(["K-1", "K-2"]),
    tariff=st.none() | st.sampled_from(sorted(CODES)),
    sanctioned_load_w=st.none() | st.integers(1, 9_000),
    status=st.none() | st.sampled_from(AccountStatus),
)


@given(
    changes=st.lists(_changes, min_size=1, max_size=6, unique_by=lambda each: each.as_of_s).flatmap(
        st.permutations
    ),
    day=_days,
)
def test_what_holds_is_the_last_word_on_each_matter(changes: list[AccountChange], day: date) -> None:
    held = account_on(changes, day)
    begun = [each for each in changes if each.valid_from <= day]
    assert (held is None) == (not begun)
    if held is not None:
        for name in ("account", "tariff", "sanctioned_load_w", "status"):
            told = [each for each in begun if getattr(each, name) is not None]
            last = max(told, key=lambda each: (each.valid_from, each.as_of_s), default=None)
            nothing = AccountStatus.ACTIVE if name == "status" else None
            assert getattr(held, name) == (nothing if last is None else getattr(last, name))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"usage_point": "U9"}, "unknown-usage-point"),
        ({"usage_point": "UT1"}, "no-consumer"),
        ({"usage_point": ""}, "usage_point-missing"),
        ({"tariff": "by-the-moon"}, "tariff-unknown"),
        ({"status": "gone"}, "status-unknown"),
        ({"sanctioned_load_w": 0}, "sanctioned_load_w-out-of-range"),
        ({"sanctioned_load_w": "5 kW"}, "sanctioned_load_w-is-no-number"),
        ({"sanctioned_load_w": 10**8}, "sanctioned_load_w-out-of-range"),
        ({"valid_from": None}, "valid_from-missing"),
        ({"valid_from": "01/06/2026"}, "valid_from-is-no-day"),
        ({"valid_from": "0202-06-01"}, "valid_from-out-of-range"),
        ({"as_of": "2026-06-01"}, "as_of-has-no-offset"),
        ({"name": "a\x00b"}, "name-wrong"),
        (dict.fromkeys(("account", "name", "tariff", "sanctioned_load_w", "status"), ""), "nothing-told"),
    ],
)
def test_a_row_that_cannot_be_is_kept_apart_and_the_others_are_taken(
    records: Records, change: dict[str, object], reason: str
) -> None:
    assert take(records, {**ROW, **change}, {**ROW, "usage_point": "U2"}, "no row") == [(1, reason), (3, "no-row")]
    assert set(records.accounts.on(JUNE)) == {"U2"}
    assert {each.kind for each in records.billing_inbox.refused_rows()} == {"accounts"}


_rows = st.dictionaries(
    st.sampled_from([*ROW, "other"]),
    st.none() | st.integers() | st.text(max_size=20) | st.just("2026-06-01"),
    max_size=9,
)


@given(rows=st.lists(_rows, max_size=4))
def test_no_row_breaks_the_reading_and_none_is_lost(rows: list[dict[str, object]]) -> None:
    found = parsed(rows, lambda row: account_of(row, CODES))
    assert len(found.rows) + len(found.refused) == len(rows)


def test_a_bill_is_made_by_the_accounts_terms_each_part_by_its_own(records: Records) -> None:
    last = JUNE + timedelta(days=2)
    before = lines(records, "U1", JUNE, last)
    take(records, {**ROW, "valid_from": "2026-06-03"})
    # two days urban with 2 kW, one day rural with 3 kW, which has no fixed charge
    two_days, one_day = lines(records, "U1", JUNE, last - timedelta(days=1)), lines(records, "U1", last, last)
    assert lines(records, "U1", JUNE, last) == [*two_days, *one_day] != before
    assert [what for what, _ in one_day].count("fixed") == 0
    assert two_days[-1] == ("fixed", 2 * 2 * 11_000 // 30 + 1)  # 1466.67 paise, rounded up
    assert lines(records, "U2", JUNE, last) == lines(records, "U2", JUNE, last), "nobody else is touched"


def test_the_load_that_validation_holds_use_against_is_the_accounts(records: Records) -> None:
    take(
        records,
        {"usage_point": "U1", "sanctioned_load_w": 9_000, "valid_from": "2026-06-02", "as_of": ROW["as_of"]},
    )
    loads = [
        gather(records, JUNE + timedelta(days=ago)).meters.of(records_meters())["sanctioned_load_w"].tolist()
        for ago in (0, 1)
    ]
    assert loads == [[2_000, 2_000], [9_000, 2_000]]


def records_meters():
    import numpy as np  # noqa: PLC0415

    return np.array([1, 2], dtype=np.int32)


def test_groups_of_estimation_go_by_the_accounts_tariff(records: Records) -> None:
    take(records, ROW)
    order = [{"tariff": "up-lmv-1-rural", "order": ["line"]}]
    records.settings.put(Setting(key=ORDER_KEY, value=order, valid_from_s=0, changed_by="meera", changed_s=0))
    dealt = orders_on(records, civil_day(JUNE).start_s, records.registry.meters()).dealt(records_meters())
    assert [(order[0], rows.tolist()) for order, rows in dealt if len(order) == 1] == [(EstimationRule.LINE, [0])]


def test_a_suspended_account_is_held_back_and_a_closed_one_is_not_billed_at_all(records: Records) -> None:
    take(
        records,
        {**ROW, "status": "suspended"},
        {**ROW, "usage_point": "U2", "status": "closed"},
        {**ROW, "usage_point": "U3", "status": "closed", "valid_from": "2026-06-02"},
    )
    server = BillingServer()
    work_round(records, float(after(0)))
    billing_round(records, server, now_s=after(0))
    states = {each.statement.usage_point: each for each in records.deliveries.of_period(JUNE, JUNE)}
    assert states["U1"].state is DeliveryState.HELD
    assert states["U1"].reason == SUSPENDED
    assert sorted(states) == ["U1", "U3", "U4"], "closed the day before: there is nobody to bill"
    made = reconcile(records, JUNE, JUNE, now_s=after(0))
    assert (made.usage_points, made.billed, made.content["causes"]) == (3, 2, {"held": 1, "same": 2})
    assert states["U3"].statement.import_wh == USED[3]


def test_a_sheet_in_the_folder_says_the_same_as_json(records: Records, tmp_path: Path) -> None:
    (tmp_path / "billing" / "in").mkdir(parents=True)
    text = ",".join(ROW) + "\n" + ",".join(str(value) for value in ROW.values()) + "\n"
    text += "U2,,,,,suspended,2026-06-01,2026-06-01T00:00:00Z\nU9,K,,,,,2026-06-01,2026-06-01T00:00:00Z\n"
    (tmp_path / "billing" / "in" / "accounts-1.csv").write_text(text, encoding="utf-8")
    receipt = take_folder(records, tmp_path / "billing", now_s=after(0)).taken["accounts-1.csv"]
    assert (receipt.taken, [each.reason for each in receipt.refused]) == (2, ["unknown-usage-point"])
    told = json.loads((tmp_path / "billing" / "in" / "done" / "accounts-1.csv.json").read_text())
    assert told["refused"] == [{"row": 3, "reason": "unknown-usage-point"}]
    by_folder = records.accounts.history("U1")
    assert take(records, ROW) == []
    assert records.accounts.history("U1") == by_folder, "through another door the same is the same"


def cim(
    noun: str, payload: str, *, verb: str = "create", number: str = "C1", at: str = "2026-06-01T03:30:00Z"
) -> bytes:
    return (
        f'<m:RequestMessage xmlns:m="{MESSAGE}"><m:Header><m:Verb>{verb}</m:Verb><m:Noun>{noun}</m:Noun>'
        f"<m:Timestamp>{at}</m:Timestamp><m:MessageID>{number}</m:MessageID></m:Header><m:Payload>"
        f'<{noun} xmlns="http://iec.ch/TC57/2011/{noun}#">{payload}</{noun}></m:Payload></m:RequestMessage>'
    ).encode()


def named(tag: str, name: str, more: str = "") -> str:
    return f"<{tag}>{more}<Names><name>{name}</name></Names></{tag}>"


ACCOUNT = cim(
    "CustomerAccountConfig",
    "<CustomerAccount><status><value>active</value></status>"
    + named("Customer", "आशा वर्मा")
    + "<CustomerAgreements><validityInterval><start>2026-05-31T18:30:00Z</start></validityInterval>"
    + named("PricingStructures", "up-lmv-1-rural")
    + named("UsagePoints", "U1")
    + "</CustomerAgreements><Names><name>K-1</name></Names></CustomerAccount>",
)
POINT = cim(
    "UsagePointConfig",
    named(
        "UsagePoint",
        "U1",
        "<ConfigurationEvents><effectiveDateTime>2026-06-01T00:00:00+05:30</effectiveDateTime></ConfigurationEvents>"
        "<ratedPower><multiplier>k</multiplier><unit>W</unit><value>3.0</value></ratedPower>",
    ),
    number="C2",
)
LINK = cim(
    "MasterDataLinkageConfig",
    named("UsagePoint", "U2")
    + named("UsagePoint", "U9")
    + named("CustomerAccount", "K-2")
    + named("PricingStructure", "up-lmv-1-urban"),
    verb="changed",
    number="C3",
)


def taken(records: Records, message: MasterData) -> tuple[str, list[tuple[str, str]]]:
    """Result of the reply and its errors by code and usage point."""
    receipt = take_message(records, "accounts", message.message_id, message.rows, now_s=after(0))
    root = ET.fromstring(reply_of(message, receipt, after(0)))
    assert root.findtext(f".//{{{MESSAGE}}}CorrelationID") == message.message_id
    errors = root.findall(f".//{{{MESSAGE}}}Error")
    told = [(e.findtext(f"{{{MESSAGE}}}code") or "", e.findtext(f"{{{MESSAGE}}}ID") or "") for e in errors]
    return root.findtext(f".//{{{MESSAGE}}}Result") or "", told


def test_three_messages_of_iec_61968_9_come_to_the_same_as_one_row(records: Records) -> None:
    assert taken(records, read_master(ACCOUNT)) == ("OK", [])
    assert taken(records, read_master(POINT)) == ("OK", [])
    assert taken(records, read_master(LINK)) == ("PARTIAL", [("unknown-usage-point", "U9")])
    by_cim = records.accounts.on(JUNE)
    assert by_cim["U2"].account == "K-2"
    assert take(records, {**ROW, "usage_point": "U3"}) == []
    assert replace(records.accounts.on(JUNE)["U3"], usage_point="U1") == by_cim["U1"]
    assert taken(records, read_master(POINT)) == ("OK", []), "at least once is harmless"
    assert len(records.accounts.history("U1")) == 2


def test_of_a_message_whose_rows_are_all_wrong_nothing_is_taken(records: Records) -> None:
    wrong = [
        ("<ratedPower><value>3</value><unit>VA</unit></ratedPower>", "sanctioned_load_w-is-no-number"),
        ("<ratedPower>much</ratedPower>", "sanctioned_load_w-is-no-number"),
        ("<status><value>?</value></status>", "status-unknown"),
        ("", "nothing-told"),
        (
            "<ConfigurationEvents><effectiveDateTime>soon</effectiveDateTime></ConfigurationEvents>",
            "valid_from-is-no-day",
        ),
    ]
    payload = "".join(named("UsagePoint", "U1", more) for more, _ in wrong)
    result, errors = taken(records, read_master(cim("UsagePointConfig", payload)))
    assert (result, [code for code, _ in errors]) == ("FAILED", [reason for _, reason in wrong])
    assert records.accounts.on(JUNE) == {}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<a",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + ACCOUNT,
        ACCOUNT.replace(b"CustomerAccountConfig", b"MeterConfig"),
        ACCOUNT.replace(b">create<", b">delete<"),
        ACCOUNT.replace(b">C1<", b"><"),
        cim("UsagePointConfig", ""),
    ],
)
def test_a_message_that_cannot_be_read_is_refused(octets: bytes) -> None:
    with pytest.raises(MessageRefused) as refused:
        read_master(octets)
    root = ET.fromstring(refusal_of(str(refused.value), 0))
    assert root.findtext(f".//{{{MESSAGE}}}Result") == "FAILED"


@given(cut=st.integers(0, len(ACCOUNT) - 1), change=st.binary(max_size=3))
def test_no_damage_to_a_message_breaks_the_reading(cut: int, change: bytes) -> None:
    for octets in (ACCOUNT[:cut], ACCOUNT[:cut] + change + ACCOUNT[cut + len(change) :]):
        try:
            assert read_master(octets).rows
        except MessageRefused:
            continue
