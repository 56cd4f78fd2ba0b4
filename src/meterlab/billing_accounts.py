"""Master data of the stand-in billing server: who is billed where, by which tariff, for which load.

It knows more than the registry of the metering side: some consumers are on the rural tariff, some have been
sanctioned more load. So a bill agrees on both sides only when the metering side took in what it was told here.
"""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

URBAN, RURAL = "up-lmv-1-urban", "up-lmv-1-rural"
SINCE = "2022-04-01"
"""Day from which the accounts hold: the first that the tariffs know."""
EVERY_RURAL = 4
"""One consumer of so many is on the rural tariff."""
EVERY_MORE = 3
"""One consumer of so many has been sanctioned MORE_W more than the registry knows."""
MORE_W = 1_000
MESSAGE = "http://iec.ch/TC57/2011/schema/message"
POINTS = "http://iec.ch/TC57/2011/UsagePointConfig#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """With whom, by which tariff, for which load in watts a usage point is billed."""

    usage_point: str
    account: str
    name: str
    tariff: str
    load_w: int


def contracts_of(registry: Path | None) -> dict[str, Contract]:
    """Contracts of the consumers of a folder of registry sheets, by usage point; none without a folder."""
    if registry is None:
        return {}
    with (registry / "usage_points.csv").open(encoding="utf-8", newline="") as sheet:
        rows = [row for row in csv.DictReader(sheet) if row["kind"] == "consumer"]
    return {
        row["code"]: Contract(
            usage_point=row["code"],
            account=f"KESCO-{number:06d}",
            name=row["name"] or f"Consumer {number}",
            tariff=RURAL if number % EVERY_RURAL == 0 else URBAN,
            load_w=int(row["sanctioned_load_w"]) + (MORE_W if number % EVERY_MORE == 0 else 0),
        )
        for number, row in enumerate(rows, 1)
    }


def account_rows(contracts: Mapping[str, Contract], now: str, *, nobody: bool) -> list[dict[str, Any]]:
    """Accounts, names, tariffs and status as rows of JSON; ``nobody``: two more that cannot be taken."""
    rows: list[dict[str, Any]] = [
        {
            "usage_point": each.usage_point,
            "account": each.account,
            "name": each.name,
            "tariff": each.tariff,
            "status": "active",
            "valid_from": SINCE,
            "as_of": now,
        }
        for each in contracts.values()
    ]
    if nobody and rows:
        rows += [{**rows[0], "usage_point": "NOBODY"}, {**rows[0], "tariff": "by-the-moon"}]
    return rows


def load_message(contracts: Sequence[Contract], message_id: str, now: str) -> bytes:
    """Sanctioned loads as IEC 61968-9: its asset system speaks another language than its ledger."""
    ET.register_namespace("msg", MESSAGE)
    root = ET.Element(f"{{{MESSAGE}}}RequestMessage")
    header = ET.SubElement(root, f"{{{MESSAGE}}}Header")
    told = {"Verb": "create", "Noun": "UsagePointConfig", "Timestamp": now, "MessageID": message_id}
    for name, text in told.items():
        ET.SubElement(header, f"{{{MESSAGE}}}{name}").text = text
    payload = ET.SubElement(root, f"{{{MESSAGE}}}Payload")
    config = ET.SubElement(payload, f"{{{POINTS}}}UsagePointConfig")
    for each in contracts:
        point = ET.SubElement(config, f"{{{POINTS}}}UsagePoint")
        events = ET.SubElement(point, f"{{{POINTS}}}ConfigurationEvents")
        ET.SubElement(events, f"{{{POINTS}}}effectiveDateTime").text = f"{SINCE}T00:00:00+05:30"
        power = ET.SubElement(point, f"{{{POINTS}}}ratedPower")
        for name, text in (("multiplier", "k"), ("unit", "W"), ("value", f"{each.load_w / 1000:g}")):
            ET.SubElement(power, f"{{{POINTS}}}{name}").text = text
        names = ET.SubElement(point, f"{{{POINTS}}}Names")
        ET.SubElement(names, f"{{{POINTS}}}name").text = each.usage_point
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
