"""The billing link by folder and as IEC 61968-9: sheets whole or refused by name, messages others can read."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from bijlighar.cim.billing import DeliveryState
from bijlighar.operations.billing_exchange import cim_form
from bijlighar.operations.billing_exchange.delivering import BillingServerAway
from bijlighar.operations.billing_exchange.folder_door import COLUMNS, FolderDoor, take_folder
from bijlighar.operations.billing_exchange.json_form import statement_of
from bijlighar.operations.billing_exchange.rounds import billing_round
from bijlighar.operations.day_round import work_round
from bijlighar.records import Records
from operations.billing_town import after, billing_town
from operations.day_town import JUNE
from operations.test_billing_doors import DELIVERY, NOW_S


@pytest.fixture
def records(records_url: str, tmp_path: Path) -> Iterator[Records]:
    """Every consumer heard for four days."""
    yield from billing_town(tmp_path, records_url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where both sides meet."""
    (tmp_path / "billing" / "in").mkdir(parents=True)
    return tmp_path / "billing"


def test_statements_leave_as_a_sheet_and_answers_come_back_as_one(records: Records, folder: Path) -> None:
    work_round(records, float(after(0)))
    billing_round(records, FolderDoor(folder), now_s=after(0))
    (sheet,) = (folder / "out").iterdir()
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8"))))
    assert [row["usage_point"] for row in rows] == ["U1", "U2", "U3", "U4"]
    assert tuple(rows[0]) == COLUMNS
    answers = "key,result,bill_reference,billed_wh,amount_paise,reason\n" + "".join(
        f"{row['key']},billed,B{number},{row['import_wh']},,\n" for number, row in enumerate(rows)
    )
    (folder / "in" / "answers-1.csv").write_text(answers, encoding="utf-8")
    done = take_folder(records, folder, now_s=after(0, 26))
    assert (done.taken["answers-1.csv"].taken, done.refused) == (4, {})
    assert json.loads((folder / "in" / "done" / "answers-1.csv.json").read_text())["taken"] == 4
    states = {each.state for each in records.deliveries.of_period(JUNE, JUNE)}
    assert states == {DeliveryState.ACKNOWLEDGED}
    (folder / "in" / "answers-again.csv").write_text(answers, encoding="utf-8")
    assert take_folder(records, folder, now_s=after(0, 27)).taken["answers-again.csv"].repeated


@pytest.mark.parametrize(
    ("name", "octets", "why"),
    [
        ("dues.csv", b"usage_point,amount_paise\nU1,12", "cut off"),
        ("dues.csv", "usage_point\nबिजली\n".encode("utf-16"), "not UTF-8|cut off"),
        ("dues.csv", b"usage_point,amount_paise\nU1,12,13\n", "more columns"),
        ("dues.csv", b'usage_point\n"U1\n', "line"),
        ("dues.csv", b"\n", "no header"),
        ("bills.csv", b"a\n", "none of answers, dues, payments"),
    ],
)
def test_a_file_that_is_no_sheet_is_put_aside_with_the_reason(
    records: Records, folder: Path, name: str, octets: bytes, why: str
) -> None:
    (folder / "in" / name).write_bytes(octets)
    done = take_folder(records, folder, now_s=after(0))
    assert done.taken == {}
    assert any(words in done.refused[name] for words in why.split("|"))
    assert (folder / "in" / "refused" / name).read_bytes() == octets
    assert json.loads((folder / "in" / "refused" / f"{name}.json").read_text()) == {"error": done.refused[name]}
    assert not (folder / "in" / name).exists()


def test_a_sheet_of_dues_in_excels_own_utf8_is_taken_row_by_row(records: Records, folder: Path) -> None:
    header = "usage_point,amount_paise,due_day,as_of,reference\n"
    text = header + "U1,1200,,2026-06-03T00:00:00Z,B1\nU9,5,,2026-06-03T00:00:00Z,B2\n"
    (folder / "in" / "dues-1.csv").write_text(text, encoding="utf-8-sig")
    receipt = take_folder(records, folder, now_s=after(0)).taken["dues-1.csv"]
    assert (receipt.taken, [each.reason for each in receipt.refused]) == (1, ["unknown-usage-point"])


def test_a_folder_that_cannot_be_written_counts_as_away(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(BillingServerAway):
        FolderDoor(tmp_path).send([DELIVERY])


def test_a_cim_message_names_meter_usage_point_interval_and_reading_types() -> None:
    root = ET.fromstring(cim_form.message_of("M1", [DELIVERY], NOW_S))
    message, readings = f"{{{cim_form.MESSAGE}}}", f"{{{cim_form.READINGS}}}"
    header = {element.tag.removeprefix(message): element.text for element in root.find(f"{message}Header") or ()}
    assert (header["Verb"], header["Noun"], header["MessageID"]) == ("created", "MeterReadings", "M1")
    one = root.find(f".//{readings}MeterReading")
    assert one is not None
    assert one.findtext(f"{readings}valuesInterval/{readings}start") == "2026-05-31T18:30:00Z"
    assert one.findtext(f"{readings}UsagePoint/{readings}Names/{readings}name") == "U1"
    (reading,) = one.findall(f"{readings}Readings")
    kind = reading.find(f"{readings}ReadingType")
    assert kind is not None
    assert kind.get("ref") == cim_form.READING_TYPES["import_wh"]
    assert reading.findtext(f"{readings}value") == str(statement_of(DELIVERY)["import_wh"])


def _reply(result: str, error: str = "") -> bytes:
    return (
        f'<m:ResponseMessage xmlns:m="{cim_form.MESSAGE}">'
        f"<m:Header><m:CorrelationID>M1</m:CorrelationID></m:Header>"
        f"<m:Reply><m:Result>{result}</m:Result>{error}</m:Reply></m:ResponseMessage>"
    ).encode()


def test_a_reply_says_ok_or_why_not() -> None:
    assert cim_form.read_reply(_reply("OK")).result == "OK"
    failed = cim_form.read_reply(
        _reply("FAILED", "<m:Error><m:code>2.4</m:code> <m:details>no</m:details></m:Error>")
    )
    assert (failed.result, failed.errors, failed.correlation_id) == ("FAILED", ("2.4 no",), "M1")


@pytest.mark.parametrize(
    "octets", [b"", b"<a", b"<a/>", _reply("MAYBE"), b'<!DOCTYPE a [<!ENTITY b "c">]>' + _reply("OK")]
)
def test_a_reply_that_cannot_be_read_is_refused(octets: bytes) -> None:
    with pytest.raises(cim_form.ReplyRefused):
        cim_form.read_reply(octets)
