"""Master data as IEC 61968-9 messages: accounts, usage points, what links them, read into rows as JSON has them.

Three nouns are understood, with the verbs create, created, change and changed. Elements are known by their names,
whatever profile's namespace they stand in; what is not told here is let alone.

=======================  ==========================================================================================
CustomerAccountConfig    CustomerAccount: Names, status/value, Customer/Names; in each of its CustomerAgreements:
                         UsagePoints/Names, PricingStructures/Names (the tariff), validityInterval/start
UsagePointConfig         UsagePoint: Names or mRID, ratedPower (the sanctioned load), status/value,
                         ConfigurationEvents/effectiveDateTime
MasterDataLinkageConfig  UsagePoint, CustomerAccount, Customer, PricingStructure: Names;
                         ConfigurationEvent/effectiveDateTime
=======================  ==========================================================================================

What takes effect at an instant holds from its civil day on; where none is told, from the day of the header.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from bijlighar.cim.billing import Receipt, RowRefused
from bijlighar.cim.period import KOLKATA
from bijlighar.operations.billing_exchange.cim_form import MESSAGE, SOURCE
from bijlighar.operations.billing_exchange.json_form import MessageRefused

VERBS = ("create", "created", "change", "changed")
LONGEST_NUMBER = 200
"""Characters of a message's number."""
_TIMES = {"": 1, "none": 1, "k": 1_000, "M": 1_000_000}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterData:
    """A message of master data: its ``noun``, its number, and a row for each usage point that it names."""

    noun: str
    message_id: str
    rows: tuple[Row, ...]


def read_master(octets: bytes, zone: ZoneInfo = KOLKATA) -> MasterData:
    """Read a message. Raises MessageRefused; what is wrong with a row is told when rows are read."""
    root = _parsed(octets)
    header, payload = _child(root, "Header"), _child(root, "Payload")
    if header is None or payload is None:
        raise MessageRefused("the message has no header or no payload")
    verb, noun = _text(header, "Verb"), _text(header, "Noun")
    if noun not in _ROWS:
        raise MessageRefused(f"the noun {noun!r} is none of {', '.join(_ROWS)}")
    if verb not in VERBS:
        raise MessageRefused(f"the verb {verb!r} is none of {', '.join(VERBS)}")
    message_id = _text(header, "MessageID")
    if not message_id or len(message_id) > LONGEST_NUMBER or not message_id.isprintable():
        raise MessageRefused(f"the message has no MessageID of 1 to {LONGEST_NUMBER} characters")
    said_at = _text(header, "Timestamp")
    config = _child(payload, noun)
    if config is None:
        raise MessageRefused(f"the payload holds no {noun}")
    rows = tuple(
        {**row, "as_of": said_at, "valid_from": _day_of(row["valid_from"] or said_at, zone)}
        for row in _ROWS[noun](config)
    )
    if not rows:
        raise MessageRefused(f"the {noun} names no usage point")
    return MasterData(noun=noun, message_id=message_id, rows=rows)


def reply_of(message: MasterData, receipt: Receipt, at_s: int) -> bytes:
    """OK, PARTIAL or FAILED, with an error for each row that was kept apart."""
    refused = receipt.refused
    result = "OK" if not refused else "PARTIAL" if receipt.taken else "FAILED"
    told = [(each, str(message.rows[each.row - 1].get("usage_point", ""))) for each in refused]
    return _reply(message.noun, message.message_id, result, told, at_s)


def refusal_of(reason: str, at_s: int) -> bytes:
    """FAILED for a message that cannot be read, or contradicts an earlier one."""
    return _reply("", "", "FAILED", [(RowRefused(row=0, reason=reason, content=""), "")], at_s)


def _parsed(octets: bytes) -> ET.Element:
    if b"<!DOCTYPE" in octets or b"<!ENTITY" in octets:
        raise MessageRefused("the message brings a document type of its own")
    try:
        return ET.fromstring(octets)  # noqa: S314 (entities were refused above)
    except (ET.ParseError, ValueError, LookupError) as fault:
        raise MessageRefused(f"the message is no XML: {fault}") from None


def _of_accounts(config: ET.Element) -> Iterator[Row]:
    for account in _children(config, "CustomerAccount"):
        customer = _child(account, "Customer")
        for agreement in _children(account, "CustomerAgreements"):
            pricing = _child(agreement, "PricingStructures")
            for point in _children(agreement, "UsagePoints"):
                yield {
                    "usage_point": _name(point),
                    "account": _name(account),
                    "name": _name(customer),
                    "tariff": _name(pricing),
                    "status": _text(account, "status", "value"),
                    "valid_from": _text(agreement, "validityInterval", "start"),
                }


def _of_usage_points(config: ET.Element) -> Iterator[Row]:
    for point in _children(config, "UsagePoint"):
        yield {
            "usage_point": _name(point),
            "sanctioned_load_w": _watts(_child(point, "ratedPower")),
            "status": _text(point, "status", "value"),
            "valid_from": _text(point, "ConfigurationEvents", "effectiveDateTime"),
        }


def _of_linkages(config: ET.Element) -> Iterator[Row]:
    for point in _children(config, "UsagePoint"):
        yield {
            "usage_point": _name(point),
            "account": _name(_child(config, "CustomerAccount")),
            "name": _name(_child(config, "Customer")),
            "tariff": _name(_child(config, "PricingStructure")),
            "valid_from": _text(config, "ConfigurationEvent", "effectiveDateTime"),
        }


_ROWS: dict[str, Callable[[ET.Element], Iterator[Row]]] = {
    "CustomerAccountConfig": _of_accounts,
    "UsagePointConfig": _of_usage_points,
    "MasterDataLinkageConfig": _of_linkages,
}


def _watts(power: ET.Element | None) -> int | str:
    """Watts where they can be told, else what stands there, so that it is told as wrong."""
    if power is None:
        return ""
    told = _text(power, "value") or (power.text or "").strip()
    times, unit = _TIMES.get(_text(power, "multiplier")), _text(power, "unit")
    try:
        watts = Decimal(told) * (times or 0)
        return int(watts) if times and unit in ("", "W") and watts == watts.to_integral_value() else f"{told} ?"
    except InvalidOperation:
        return told or "?"


def _day_of(told: str, zone: ZoneInfo) -> str:
    """The civil day of an instant; what is none is left for the rows' reader to refuse."""
    try:
        instant = datetime.fromisoformat(told)
    except ValueError:
        return told
    return told if instant.tzinfo is None else instant.astimezone(zone).date().isoformat()


def _name(thing: ET.Element | None) -> str:
    """The first name of a thing, else its mRID; nothing where there is no such thing."""
    if thing is None:
        return ""
    return _text(thing, "Names", "name") or _text(thing, "mRID")


def _children(parent: ET.Element, name: str) -> Iterator[ET.Element]:
    return (each for each in parent if each.tag.rpartition("}")[2] == name)


def _child(parent: ET.Element, name: str) -> ET.Element | None:
    return next(_children(parent, name), None)


def _text(parent: ET.Element, *path: str) -> str:
    at: ET.Element | None = parent
    for name in path:
        at = None if at is None else _child(at, name)
    return "" if at is None else (at.text or "").strip()


def _reply(noun: str, answers: str, result: str, errors: Sequence[tuple[RowRefused, str]], at_s: int) -> bytes:
    ET.register_namespace("msg", MESSAGE)
    root = ET.Element(f"{{{MESSAGE}}}ResponseMessage")
    header = ET.SubElement(root, f"{{{MESSAGE}}}Header")
    stamp = datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"Verb": "reply", "Noun": noun, "Timestamp": stamp, "Source": SOURCE, "CorrelationID": answers}
    for name, text in told.items():
        ET.SubElement(header, f"{{{MESSAGE}}}{name}").text = text
    reply = ET.SubElement(root, f"{{{MESSAGE}}}Reply")
    ET.SubElement(reply, f"{{{MESSAGE}}}Result").text = result
    for refused, thing in errors:
        error = ET.SubElement(reply, f"{{{MESSAGE}}}Error")
        ET.SubElement(error, f"{{{MESSAGE}}}code").text = refused.reason
        if refused.row:
            ET.SubElement(error, f"{{{MESSAGE}}}details").text = f"usage point {refused.row} of the message"
            ET.SubElement(error, f"{{{MESSAGE}}}ID").text = thing
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
