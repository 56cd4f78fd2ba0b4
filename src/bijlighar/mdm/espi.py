"""Use as Green Button data: an Atom feed (RFC 4287) of resources of NAESB REQ.21 ESPI 4.0, and a CSV file.

Order and names of elements, and the codes, are those of the schema espi.xsd 4.0.20231213, which NAESB licenses
under Apache 2.0. The feed holds nothing of the household but its use: no name, no address; identifiers are UUIDs
made of the usage point's code. A missing block has no reading; none is ever a zero that the meter did not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from uuid import UUID, uuid5
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING

ATOM = "http://www.w3.org/2005/Atom"
ESPI = "http://naesb.org/espi"
OURS = UUID("2f5c2c0e-7d0b-5a0f-9f0e-6d1f1c1b5a55")
"""Our own name space: the same usage point has the same identifiers in every download."""

NO_DAYLIGHT_SAVING = "FFFFFFFF"
"""DstRuleType: the rule is disabled."""
ELECTRICITY = 0
MEASURING_PERIODS = {900: 2, 1_800: 5, 3_600: 7}
"""TimeAttributeKind by block length in seconds."""
PHASES = {"R": 129, "Y": 65, "B": 33, "RYB": 225}
"""PhaseCodeKind: A, B, C to neutral, and all three."""


class Flow(IntEnum):
    """FlowDirectionKind."""

    IMPORT = 1
    EXPORT = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is told of the usage point. ``phase`` R, Y, B or RYB; ``connected`` None: the meter never said."""

    code: str
    phase: str
    connected: bool | None
    offset_s: int


@dataclass(frozen=True, kw_only=True)
class Block:
    """One day of one direction.

    start_s   int64[slot]  begin of each block, ascending
    value_wh  int64[slot]  MISSING for none
    quality   int16[slot]  QualityOfReading
    """

    flow: Flow
    period_s: int
    day_start_s: int
    day_s: int
    start_s: NDArray[np.int64]
    value_wh: NDArray[np.int64]
    quality: NDArray[np.int16]


def feed(place: Place, blocks: Iterable[Block], *, made_s: int) -> Iterator[str]:
    """The feed in pieces, block by block, as they come."""
    yield (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="{ATOM}">\n'
        f"<id>urn:uuid:{_uuid(place, 'feed', str(made_s))}</id>\n<title>Green Button</title>\n"
        f'<updated>{_instant(made_s)}</updated>\n<link rel="self" href={quoteattr(_point(place))}/>\n'
    )
    related = [_local_time(place), f"{_point(place)}/MeterReading"]
    yield _entry(
        place, _point(place), "RetailCustomer/UsagePoint", related, "UsagePoint", _usage_point(place), made_s
    )
    local = _local_time(place)
    yield _entry(place, local, "LocalTimeParameters", [], "LocalTimeParameters", _time(place), made_s)
    seen: set[tuple[Flow, int]] = set()
    for block in blocks:
        if (block.flow, block.period_s) not in seen:
            seen.add((block.flow, block.period_s))
            yield from _meter_reading(place, block, made_s)
        if (block.value_wh != MISSING).any():
            up = f"{_reading(place, block)}/IntervalBlock"
            address = f"{up}/{_uuid(place, 'block', f'{block.flow}/{block.period_s}/{block.day_start_s}')}"
            yield _entry(place, address, up, [], "IntervalBlock", _interval_block(block), made_s)
    yield "</feed>\n"


def sheet(blocks: Iterable[Block], *, offset_s: int) -> Iterator[str]:
    """The same as CSV lines, the head first: begin and end on the utility's clock, direction, Wh, quality."""
    yield "start,end,flow,energy_wh,quality\r\n"
    for block in blocks:
        held = np.flatnonzero(block.value_wh != MISSING)
        columns = (block.start_s[held], block.value_wh[held], block.quality[held])
        lines = [
            f"{_local(start, offset_s)},{_local(start + block.period_s, offset_s)},"
            f"{block.flow.name.lower()},{value},{quality}\r\n"
            for start, value, quality in zip(*(column.tolist() for column in columns), strict=True)
        ]
        if lines:
            yield "".join(lines)


def _meter_reading(place: Place, block: Block, made_s: int) -> Iterator[str]:
    reading, kind = _reading(place, block), _reading_type(place, block)
    yield _entry(
        place,
        reading,
        f"{_point(place)}/MeterReading",
        [kind, f"{reading}/IntervalBlock"],
        "MeterReading",
        "",
        made_s,
    )
    phase = PHASES.get(place.phase)
    told = {
        "accumulationBehaviour": 4,  # deltaData
        "commodity": 1,  # electricity, secondary metered
        "dataQualifier": 12,  # normal
        "flowDirection": int(block.flow),
        "intervalLength": block.period_s,
        "kind": 12,  # energy
        "phase": phase,
        "powerOfTenMultiplier": 0,
        "timeAttribute": 0,
        "uom": 72,  # Wh
        "measuringPeriod": MEASURING_PERIODS.get(block.period_s),
    }
    content = "".join(f"<{name}>{value}</{name}>" for name, value in told.items() if value is not None)
    yield _entry(place, kind, "ReadingType", [], "ReadingType", content, made_s)


def _usage_point(place: Place) -> str:
    state = ""
    if place.connected is not None:
        word = "connected" if place.connected else "logicallyDisconnected"
        state = f"<connectionState>{word}</connectionState>"
    phase = PHASES.get(place.phase)
    return (
        f"<ServiceCategory><kind>{ELECTRICITY}</kind></ServiceCategory>{state}"
        f"{'' if phase is None else f'<phaseCode>{phase}</phaseCode>'}"
    )


def _time(place: Place) -> str:
    return (
        f"<dstEndRule>{NO_DAYLIGHT_SAVING}</dstEndRule><dstOffset>0</dstOffset>"
        f"<dstStartRule>{NO_DAYLIGHT_SAVING}</dstStartRule><tzOffset>{place.offset_s}</tzOffset>"
    )


def _interval_block(block: Block) -> str:
    held = np.flatnonzero(block.value_wh != MISSING)
    columns = (block.start_s[held], block.value_wh[held], block.quality[held])
    readings = "".join(
        f"<IntervalReading><ReadingQuality><quality>{quality}</quality></ReadingQuality>"
        f"<timePeriod><duration>{block.period_s}</duration><start>{start}</start></timePeriod>"
        f"<value>{value}</value></IntervalReading>\n"
        for start, value, quality in zip(*(column.tolist() for column in columns), strict=True)
    )
    span = f"<interval><duration>{block.day_s}</duration><start>{block.day_start_s}</start></interval>"
    return f"{span}\n{readings}"


def _entry(
    place: Place, address: str, up: str, related: Iterable[str], name: str, content: str, made_s: int
) -> str:
    links = [f'<link rel="self" href={quoteattr(address)}/>', f'<link rel="up" href={quoteattr(up)}/>']
    links += [f'<link rel="related" href={quoteattr(each)}/>' for each in related]
    return (
        f"<entry>\n<id>urn:uuid:{_uuid(place, 'entry', address)}</id>\n{''.join(links)}\n"
        f"<title>{escape(name)}</title>\n"
        f'<content type="application/xml"><{name} xmlns="{ESPI}">{content}</{name}></content>\n'
        f"<published>{_instant(made_s)}</published>\n<updated>{_instant(made_s)}</updated>\n</entry>\n"
    )


def _point(place: Place) -> str:
    return f"RetailCustomer/UsagePoint/{_uuid(place, 'usage point', '')}"


def _local_time(place: Place) -> str:
    return f"LocalTimeParameters/{_uuid(place, 'local time', str(place.offset_s))}"


def _reading(place: Place, block: Block) -> str:
    return f"{_point(place)}/MeterReading/{_uuid(place, 'reading', f'{block.flow}/{block.period_s}')}"


def _reading_type(place: Place, block: Block) -> str:
    return f"ReadingType/{_uuid(place, 'reading type', f'{block.flow}/{block.period_s}')}"


def _uuid(place: Place, what: str, which: str) -> UUID:
    return uuid5(OURS, f"{place.code}\n{what}\n{which}")


def _instant(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _local(at_s: int, offset_s: int) -> str:
    sign, off = ("-", -offset_s) if offset_s < 0 else ("+", offset_s)
    told = datetime.fromtimestamp(at_s + offset_s, UTC).strftime("%Y-%m-%dT%H:%M")
    return f"{told}{sign}{off // 3600:02d}:{off % 3600 // 60:02d}"
