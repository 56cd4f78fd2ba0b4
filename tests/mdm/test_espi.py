"""Green Button data: the structure of espi.xsd 4.0 held against what is written, element by element."""

from __future__ import annotations

import csv
import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bijlighar.cim.readings import MISSING
from bijlighar.mdm.espi import ATOM, ESPI, Block, Flow, Place, feed, sheet

DAY_S = 1_781_461_800  # 2026-06-15 00:00 in Asia/Kolkata
HOME = Place(code="UP<1>&", phase="R", connected=True, offset_s=19_800)
UUID = r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"

ORDER = {
    "UsagePoint": ("roleFlags", "ServiceCategory", "status", "connectionState", "phaseCode"),
    "ServiceCategory": ("kind",),
    "LocalTimeParameters": ("dstEndRule", "dstOffset", "dstStartRule", "tzOffset"),
    "MeterReading": (),
    "ReadingType": (
        *("accumulationBehaviour", "commodity", "consumptionTier", "currency", "dataQualifier", "defaultQuality"),
        *(
            "flowDirection",
            "intervalLength",
            "kind",
            "phase",
            "powerOfTenMultiplier",
            "timeAttribute",
            "tou",
            "uom",
        ),
        *("cpp", "interharmonic", "measuringPeriod", "argument"),
    ),
    "IntervalBlock": ("interval", "IntervalReading"),
    "interval": ("duration", "start"),
    "IntervalReading": ("cost", "ReadingQuality", "timePeriod", "value", "consumptionTier", "tou", "cpp"),
    "ReadingQuality": ("quality",),
    "timePeriod": ("duration", "start"),
}
"""The sequences of espi.xsd 4.0.20231213, those elements left out that we never write."""
REQUIRED = {
    "LocalTimeParameters": 4,
    "interval": 2,
    "timePeriod": 2,
    "ReadingQuality": 1,
    "ServiceCategory": 1,
}
"""How many children must be there."""
QUALITIES = {0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}
ENTRY = ("id", "link", "title", "content", "published", "updated")


def block(
    flow: Flow = Flow.IMPORT, *, day: int = 0, period_s: int = 1_800, values: list[int] | None = None
) -> Block:
    value = np.array([100, MISSING, 120, 0] if values is None else values, dtype=np.int64)
    start = DAY_S + day * 86_400
    return Block(
        flow=flow,
        period_s=period_s,
        day_start_s=start,
        day_s=86_400,
        start_s=start + np.arange(len(value), dtype=np.int64) * period_s,
        value_wh=value,
        quality=np.array([14, 0, 9, 17][: len(value)], dtype=np.int16),
    )


def written(*blocks: Block, place: Place = HOME) -> ET.Element:
    return ET.fromstring("".join(feed(place, blocks, made_s=DAY_S)))


def resources(root: ET.Element, name: str) -> list[ET.Element]:
    return root.findall(f"{{{ATOM}}}entry/{{{ATOM}}}content/{{{ESPI}}}{name}")


def check(element: ET.Element) -> None:
    """The children stand in the schema's order and none is missing that must be there."""
    name = element.tag.removeprefix(f"{{{ESPI}}}")
    if not len(element):
        return
    children = [child.tag for child in element]
    assert all(tag.startswith(f"{{{ESPI}}}") for tag in children), name
    places = [ORDER[name].index(tag.removeprefix(f"{{{ESPI}}}")) for tag in children]
    assert places == sorted(places), name
    assert len(set(places)) >= REQUIRED.get(name, 0), name
    for child in element:
        check(child)


def test_every_resource_keeps_the_order_of_the_schema() -> None:
    root = written(block(), block(day=1), block(Flow.EXPORT), block(period_s=900, day=2))
    kinds: dict[str, int] = {}
    for entry in root.findall(f"{{{ATOM}}}entry"):
        tags = [child.tag.removeprefix(f"{{{ATOM}}}") for child in entry]
        assert sorted(tags, key=ENTRY.index) == tags
        [content] = entry.findall(f"{{{ATOM}}}content")
        [resource] = content
        name = resource.tag.removeprefix(f"{{{ESPI}}}")
        kinds[name] = kinds.get(name, 0) + 1
        check(resource)
    assert kinds == {
        "UsagePoint": 1,
        "LocalTimeParameters": 1,
        "MeterReading": 3,
        "ReadingType": 3,
        "IntervalBlock": 4,
    }


def test_the_check_itself_finds_what_is_out_of_order() -> None:
    wrong = f'<timePeriod xmlns="{ESPI}"><start>1</start><duration>2</duration></timePeriod>'
    with pytest.raises(AssertionError, match="timePeriod"):
        check(ET.fromstring(wrong))
    with pytest.raises(AssertionError, match="interval"):
        check(ET.fromstring(f'<interval xmlns="{ESPI}"><start>1</start></interval>'))


def test_a_missing_block_has_no_reading_and_a_zero_has_one() -> None:
    [told] = resources(written(block()), "IntervalBlock")
    readings = told.findall(f"{{{ESPI}}}IntervalReading")
    found = [
        tuple(int(each.findtext(f".//{{{ESPI}}}{name}", "")) for name in ("start", "duration", "value", "quality"))
        for each in readings
    ]
    assert found == [
        (DAY_S, 1_800, 100, 14),
        (DAY_S + 3_600, 1_800, 120, 9),
        (DAY_S + 5_400, 1_800, 0, 17),
    ]
    assert {quality for *_, quality in found} <= QUALITIES
    assert [int(each.text or "") for each in told.findall(f"{{{ESPI}}}interval/*")] == [86_400, DAY_S]


@pytest.mark.parametrize(
    ("flow", "period_s", "told"),
    [
        (Flow.IMPORT, 1_800, {"flowDirection": "1", "intervalLength": "1800", "measuringPeriod": "5"}),
        (Flow.EXPORT, 900, {"flowDirection": "19", "intervalLength": "900", "measuringPeriod": "2"}),
        (Flow.IMPORT, 600, {"flowDirection": "1", "intervalLength": "600"}),
    ],
)
def test_a_reading_type_says_what_is_measured(flow: Flow, period_s: int, told: dict[str, str]) -> None:
    [kind] = resources(written(block(flow, period_s=period_s)), "ReadingType")
    found = {child.tag.removeprefix(f"{{{ESPI}}}"): child.text for child in kind}
    assert found == told | {
        "accumulationBehaviour": "4",
        "commodity": "1",
        "dataQualifier": "12",
        "kind": "12",
        "phase": "129",
        "powerOfTenMultiplier": "0",
        "timeAttribute": "0",
        "uom": "72",
    }


def test_entries_are_linked_and_identified_the_same_in_every_download() -> None:
    root, again = written(block(), block(day=1)), written(block(), block(day=1))
    ids = [each.text or "" for each in root.iter(f"{{{ATOM}}}id")]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(f"urn:uuid:{UUID}", each) for each in ids)
    assert [each.text for each in again.iter(f"{{{ATOM}}}id")] == ids
    links = [(link.get("rel"), link.get("href", "")) for link in root.iter(f"{{{ATOM}}}link")]
    own = {address for rel, address in links if rel == "self"}
    ups = [address for rel, address in links if rel == "up"]
    related = [address for rel, address in links if rel == "related"]
    collections = {address.rpartition("/")[0] for address in own}
    assert all(address in own or address in collections for address in related)
    assert all(address in collections for address in ups)


def test_nothing_of_the_household_but_its_use_is_told() -> None:
    text = "".join(feed(HOME, [block()], made_s=DAY_S))
    assert "UP" not in re.sub(r"RetailCustomer/UsagePoint|UsagePoint", "", text)
    [point] = resources(written(block()), "UsagePoint")
    assert [(child.tag.removeprefix(f"{{{ESPI}}}"), child.text) for child in point][1:] == [
        ("connectionState", "connected"),
        ("phaseCode", "129"),
    ]
    unknown = Place(code="x", phase="", connected=None, offset_s=0)
    [bare] = resources(written(block(), place=unknown), "UsagePoint")
    assert len(bare) == 1


def test_the_sheet_tells_the_same_on_the_utilitys_clock() -> None:
    text = "".join(sheet([block(), block(Flow.EXPORT, day=1, values=[5, MISSING])], offset_s=19_800))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["start"], row["flow"], row["energy_wh"], row["quality"]) for row in rows] == [
        ("2026-06-15T00:00+05:30", "import", "100", "14"),
        ("2026-06-15T01:00+05:30", "import", "120", "9"),
        ("2026-06-15T01:30+05:30", "import", "0", "17"),
        ("2026-06-16T00:00+05:30", "export", "5", "14"),
    ]
    assert rows[0]["end"] == "2026-06-15T00:30+05:30"
    assert "".join(sheet([], offset_s=0)).count("\n") == 1
