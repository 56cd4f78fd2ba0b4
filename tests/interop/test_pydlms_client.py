"""A second client that nobody here wrote, that of pydlms-client, reads our virtual meters over the wrapper."""

from datetime import datetime, timedelta

import pytest

from interop.cells import D1
from interop.processes import pydlms_reads, virtual_town
from interop.test_virtual_meter import (
    ACCESSES,
    BLOCK_LOAD,
    CLOCK,
    DAILY,
    EXPORT,
    HOME,
    IMPORT,
    MIDNIGHT,
    PUBLIC,
    READER,
    START,
    TRANSFORMER,
    day_of,
    serial_of,
    truth_of_day,
    wall,
    wanted,
)

pytestmark = pytest.mark.interop

SMALL_PDU_OCTETS = 200
"""So that a day of blocks needs many of them."""


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with virtual_town(tmp_path_factory.mktemp("town"), START) as running:
        yield running


@pytest.fixture(scope="module")
def blocks(town):
    rows = D1.rows(truth_of_day(town, HOME, "block-load"))
    assert len(rows) == 48
    return rows


def reads(town, folder, client_address, mechanism, number=HOME, **more):
    title = town.meters[serial_of(town, number)]["system_title"]
    return pydlms_reads(wanted(town, number, client_address, mechanism, meter_title=title, **more), folder)


@ACCESSES
def test_pydlms_reads_registers_and_the_list_of_objects(town, tmp_path, client_address, mechanism):
    attributes = [[3, IMPORT, 2], [3, EXPORT, 2], [3, IMPORT, 3]]
    read = reads(town, tmp_path, client_address, mechanism, attributes=attributes, object_list=True)
    [now] = town.truth(serial_of(town, HOME), "instantaneous")
    imported, exported, (exponent, _unit) = read["attributes"]
    held = now["values"]
    assert [imported * 10**exponent, exported * 10**exponent] == [held["import_wh"], held["export_wh"]]
    listed = {tuple(entry) for entry in read["objects"]}
    assert {(8, CLOCK), (3, IMPORT), (7, BLOCK_LOAD), (7, DAILY), (70, "0.0.96.3.10.255")} <= listed


@ACCESSES
def test_pydlms_reads_a_day_in_many_blocks(town, tmp_path, client_address, mechanism, blocks):
    small = {"max_pdu": SMALL_PDU_OCTETS, "profiles": [day_of(BLOCK_LOAD)]}
    read = reads(town, tmp_path, client_address, mechanism, **small)
    assert read["profiles"][0]["rows"] == blocks
    assert len(read["next_blocks"]) >= len(blocks) * 25 // SMALL_PDU_OCTETS
    assert read["next_blocks"] == list(range(1, len(read["next_blocks"]) + 1))


@ACCESSES
def test_a_range_brings_pydlms_its_rows_and_no_others(town, tmp_path, client_address, mechanism, blocks):
    half = {
        "obis": BLOCK_LOAD,
        "from": wall(MIDNIGHT + timedelta(hours=6)),
        "to": wall(MIDNIGHT + timedelta(hours=9)),
    }
    none = half | {
        "from": wall(MIDNIGHT + timedelta(hours=6, seconds=1)),
        "to": wall(MIDNIGHT + timedelta(hours=6, seconds=2)),
    }
    read = reads(town, tmp_path, client_address, mechanism, profiles=[half, none])
    assert [profile["rows"] for profile in read["profiles"]] == [blocks[11:18], []]
    assert blocks[11][0] == half["from"]
    assert blocks[17][0] == half["to"]


@ACCESSES
def test_entries_bring_pydlms_those_of_the_buffer(town, tmp_path, client_address, mechanism):
    whole, some = [1, 0], [3, 5]
    profiles = [{"obis": DAILY, "entries": entries} for entries in (whole, some)]
    every, few = (
        profile["rows"]
        for profile in reads(town, tmp_path, client_address, mechanism, profiles=profiles)["profiles"]
    )
    assert D1.rows(town.truth(serial_of(town, HOME), "daily")) == every
    assert len(every) == 35
    assert few == every[2:5]


def test_pydlms_reads_the_transformer_meter(town, tmp_path):
    read = reads(town, tmp_path, READER, 1, TRANSFORMER, profiles=[day_of(BLOCK_LOAD)])
    [profile] = read["profiles"]
    truth = truth_of_day(town, TRANSFORMER, "block-load")
    assert len(profile["rows"]) == len(truth) == 95
    held = [list(row["values"].values()) for row in truth]
    for cells, numbers in zip(zip(*profile["rows"], strict=True), [None, *zip(*held, strict=True)], strict=True):
        if numbers is not None:
            [count] = {number // cell for number, cell in zip(numbers, cells, strict=True) if cell} or {1}
            assert count in {1, 10, 100, 1_000, 10_000}
            assert [cell * count for cell in cells] == list(numbers)


def test_pydlms_reads_the_counter_as_public_client(town, tmp_path):
    public = wanted(town, HOME, READER, 1, attributes=[[1, "0.0.43.1.2.255", 2]])
    last = public["invocation_counter"] - 1
    read = pydlms_reads(
        public | {"client_address": PUBLIC, "mechanism": 0, "secret": "", "ciphered": False}, tmp_path
    )
    assert read["attributes"] == [last]


def test_pydlms_and_the_clock_agree(town, tmp_path):
    read = reads(town, tmp_path, READER, 1, attributes=[[8, CLOCK, 2]])
    octets = bytes.fromhex(read["attributes"][0])
    year, month, day, hour, minute = int.from_bytes(octets[:2], "big"), *octets[2:4], *octets[5:7]
    told = datetime(year, month, day, hour, minute, tzinfo=MIDNIGHT.tzinfo)
    assert abs(told - datetime.fromisoformat(START)) < timedelta(minutes=2)


def test_pydlms_with_a_wrong_password_is_turned_away(town, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?i)authentication|rejected"):
        reads(town, tmp_path, READER, 1, attributes=[[3, IMPORT, 2]], secret=b"nobody-1".hex())


def test_pydlms_with_a_used_counter_is_turned_away(town, tmp_path):
    assert reads(town, tmp_path, READER, 1, attributes=[[3, IMPORT, 2]])["attributes"]
    with pytest.raises(RuntimeError):
        reads(town, tmp_path, READER, 1, attributes=[[3, IMPORT, 2]], invocation_counter=1)
