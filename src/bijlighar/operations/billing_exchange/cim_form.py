"""Statements as IEC 61968-9 messages: MeterReadings "created", with reading types of docs/glossary.md.

One MeterReading a usage point; reading qualities say what was estimated. A reply's result OK means that the
message was taken, not that it was billed: bills are answered through another door.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bijlighar.cim.billing import Delivery, UsageStatement
from bijlighar.cim.period import KOLKATA, civil_day

MESSAGE = "http://iec.ch/TC57/2011/schema/message"
READINGS = "http://iec.ch/TC57/2011/MeterReadings#"
READING_TYPES = {
    "import_wh": "8.0.0.1.1.1.12.0.0.0.0.0.0.0.0.0.72.0",
    "import_vah": "8.0.0.1.1.1.12.0.0.0.0.0.0.0.0.0.71.0",
    "export_wh": "8.0.0.1.19.1.12.0.0.0.0.0.0.0.0.0.72.0",
    "export_vah": "8.0.0.1.19.1.12.0.0.0.0.0.0.0.0.0.71.0",
    "demand_w": "8.8.5.6.1.1.8.0.0.0.0.0.0.0.0.0.38.0",
}
"""Billing period (macro period 8); multiplier 0, because values are in Wh, VAh and W."""
ESTIMATED, VALIDATED = "2.8.0", "2.5.259"
"""ReadingQualityType: end device system, "estimated by reference day" and "validated, revenue quality"."""
SOURCE = "bijlighar"


class ReplyRefused(ValueError):
    """A reply cannot be read. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """``result`` OK, PARTIAL or FAILED; ``errors`` what the other side says."""

    result: str
    correlation_id: str
    errors: tuple[str, ...]


def message_of(message_id: str, deliveries: Sequence[Delivery], at_s: int, zone: ZoneInfo = KOLKATA) -> bytes:
    """An EventMessage with the readings of all deliveries, UTF-8."""
    ET.register_namespace("msg", MESSAGE)
    ET.register_namespace("mr", READINGS)
    root = ET.Element(f"{{{MESSAGE}}}EventMessage")
    header = ET.SubElement(root, f"{{{MESSAGE}}}Header")
    for name, text in (
        ("Verb", "created"),
        ("Noun", "MeterReadings"),
        ("Timestamp", _iso(at_s)),
        ("Source", SOURCE),
        ("AckRequired", "true"),
        ("MessageID", message_id),
        ("CorrelationID", message_id),
    ):
        ET.SubElement(header, f"{{{MESSAGE}}}{name}").text = text
    payload = ET.SubElement(root, f"{{{MESSAGE}}}Payload")
    readings = ET.SubElement(payload, f"{{{READINGS}}}MeterReadings")
    for each in deliveries:
        _add(readings, each, zone)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def read_reply(octets: bytes) -> Reply:
    """What the other side says of a message. Raises ReplyRefused, for any document type too."""
    if b"<!DOCTYPE" in octets or b"<!ENTITY" in octets:
        raise ReplyRefused("the reply brings a document type of its own")
    try:
        root = ET.fromstring(octets)  # noqa: S314 (entities were refused above)
    except ET.ParseError as fault:
        raise ReplyRefused(f"the reply is no XML: {fault}") from fault
    result = root.findtext(f".//{{{MESSAGE}}}Reply/{{{MESSAGE}}}Result") or ""
    if result not in ("OK", "PARTIAL", "FAILED"):
        raise ReplyRefused("the reply has no result")
    errors = root.findall(f".//{{{MESSAGE}}}Reply/{{{MESSAGE}}}Error")
    return Reply(
        result=result,
        correlation_id=root.findtext(f".//{{{MESSAGE}}}CorrelationID") or "",
        errors=tuple(" ".join("".join(error.itertext()).split()) for error in errors),
    )


def _add(readings: ET.Element, delivery: Delivery, zone: ZoneInfo) -> None:
    told = delivery.statement
    one = ET.SubElement(readings, f"{{{READINGS}}}MeterReading")
    begin = datetime.fromtimestamp(civil_day(told.first_day, zone).start_s, UTC)
    end = datetime.fromtimestamp(civil_day(told.last_day, zone).end_s, UTC)
    span = ET.SubElement(one, f"{{{READINGS}}}valuesInterval")
    ET.SubElement(span, f"{{{READINGS}}}start").text = _at(begin)
    ET.SubElement(span, f"{{{READINGS}}}end").text = _at(end)
    for serial in told.meters:
        _named(one, "Meter", serial)
    _named(one, "UsagePoint", told.usage_point)
    _named(one, "CustomerAgreement", delivery.key)
    for name, code in READING_TYPES.items():
        value = getattr(told, name)
        if value is not None:
            at = (
                end
                if name != "demand_w" or told.demand_start_s is None
                else _after_half_an_hour(told.demand_start_s)
            )
            _reading(one, code, value, at, told)


def _reading(parent: ET.Element, code: str, value: int, at: datetime, told: UsageStatement) -> None:
    reading = ET.SubElement(parent, f"{{{READINGS}}}Readings")
    ET.SubElement(reading, f"{{{READINGS}}}timeStamp").text = _at(at)
    ET.SubElement(reading, f"{{{READINGS}}}value").text = str(value)
    quality = ET.SubElement(reading, f"{{{READINGS}}}ReadingQualities")
    estimated = bool(told.estimated_slots) and told.basis == "blocks"
    kind = ET.SubElement(quality, f"{{{READINGS}}}ReadingQualityType")
    kind.set("ref", ESTIMATED if estimated else VALIDATED)
    ET.SubElement(reading, f"{{{READINGS}}}ReadingType").set("ref", code)


def _named(parent: ET.Element, kind: str, name: str) -> None:
    thing = ET.SubElement(parent, f"{{{READINGS}}}{kind}")
    names = ET.SubElement(thing, f"{{{READINGS}}}Names")
    ET.SubElement(names, f"{{{READINGS}}}name").text = name


def _after_half_an_hour(start_s: int) -> datetime:
    return datetime.fromtimestamp(start_s, UTC) + timedelta(minutes=30)


def _iso(instant_s: int) -> str:
    return _at(datetime.fromtimestamp(instant_s, UTC))


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
