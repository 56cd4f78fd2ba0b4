"""Every rule and code that the server tells has its words on the pages, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from bijlighar.cim.billing import DeliveryState
from bijlighar.mdm.estimation import EstimationRule, Quality
from bijlighar.mdm.measurements import Source
from bijlighar.mdm.validation import RULES
from bijlighar.operations.billing_exchange.gate import Missing
from bijlighar.operations.billing_exchange.reconciling import EXPLAINED, UNEXPLAINED
from bijlighar.records.exceptions import Resolution

SCREENS = Path(__file__).parents[2] / "web" / "src" / "screens"
WANTED = {
    "exceptions": [
        *(f"{group}.{rule.id}" for rule in RULES for group in ("name", "found", "means", "do")),
        *(f"resolution.{each.value}" for each in Resolution),
    ],
    "meter/data": [
        *(f"rule.{each.name.lower().replace('_', '-')}" for each in EstimationRule),
        *(f"quality.{each.name.lower().replace('_', '-')}" for each in Quality),
        *(f"source.{each.name.lower()}" for each in Source),
    ],
    "billing": [
        *(f"delivery.{each.value}" for each in DeliveryState),
        *(f"lack.{each.value}" for each in Missing),
        *(f"cause.{each}" for each in (*EXPLAINED, *UNEXPLAINED)),
    ],
}


@pytest.mark.parametrize("screen", WANTED)
def test_every_code_has_its_words(screen: str) -> None:
    text = (SCREENS / screen / "words.ts").read_text("utf-8")
    english, hindi = text.split("export const hi", 1)
    for key in WANTED[screen]:
        for words in (english, hindi):
            assert f"'{key}'" in words or f"'{key}.high'" in words, key
