"""Alarm details in Hindi: facts stay as they are, reasons within a sentence are told too; the unknown stays so."""

from __future__ import annotations

import re

import pytest

from bijlighar.controlroom import alarm_texts
from bijlighar.controlroom.alarm_texts import in_hindi
from bijlighar.records import database, files


@pytest.mark.parametrize(
    ("english", "facts", "reason"),
    [
        ("head-end headend-2 has not spoken; its meters are not read", ["headend-2"], ""),
        ("nothing is stored: the disk of the readings is full", [], "रीडिंग की डिस्क भर गई है"),
        ("nothing is stored: some new trouble", ["some new trouble"], ""),
        ("12 meters cannot be read, one has no keys", ["12"], "की कुंजियाँ नहीं हैं"),
        (
            "3 pushes refused, the last from 127.0.0.1:4059: replayed, meter 12, title 424A4C0000000001",
            ["3", "127.0.0.1:4059", "मीटर 12", "424A4C0000000001"],
            "दोहराया गया",
        ),
        (
            "48 rows of block-load in block-load/2026-06-01/a.parquet: the file is missing",
            ["48", "block-load/2026-06-01/a.parquet"],
            "फ़ाइल नहीं है",
        ),
    ],
)
def test_a_detail_keeps_its_facts_in_hindi(english: str, facts: list[str], reason: str) -> None:
    hindi = in_hindi(english)
    assert re.search("[\u0900-\u097f]", hindi)
    assert [fact for fact in facts if fact not in hindi] == []
    assert reason in hindi


@pytest.mark.parametrize("english", ["unheard of", "", "head-end has spoken"])
def test_what_is_not_known_has_no_hindi(english: str) -> None:
    assert in_hindi(english) == ""


def test_every_reason_of_the_store_is_told() -> None:
    reasons = {*database._REASONS.values(), *database._STATES.values(), *files._REASONS.values()}
    assert {reason for reason in reasons if reason in in_hindi(f"nothing is stored: {reason}")} == set()


def test_every_sentence_says_as_many_facts_in_both_languages() -> None:
    for english, hindi in alarm_texts._SENTENCES.items():
        assert english.count("{}") == hindi.count("{}"), english
        assert in_hindi(english.replace("{}", "fact")), english
