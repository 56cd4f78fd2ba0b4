"""Both foreign clients open the setting association of our meters with GMAC: two makes, glo and general-glo."""

import pytest

from interop.cells import D1_OF_12_COLUMNS, D2_OF_18_COLUMNS
from interop.processes import gurux_reads, pydlms_reads, virtual_town
from interop.test_virtual_meter import (
    BLOCK_LOAD,
    HOME,
    IMPORT,
    SETTING,
    START,
    day_of,
    serial_of,
    truth_of_day,
    wanted,
)

pytestmark = pytest.mark.interop

GMAC = 5


@pytest.fixture(scope="module", params=[D1_OF_12_COLUMNS, D2_OF_18_COLUMNS], ids=lambda layout: layout.model)
def layout(request):
    return request.param


@pytest.fixture(scope="module")
def town(tmp_path_factory, layout):
    folder = tmp_path_factory.mktemp("town")
    with virtual_town(folder, START, models=[layout.model]) as running:
        yield running


@pytest.fixture(scope="module")
def blocks(town, layout):
    rows = layout.rows(truth_of_day(town, HOME, "block-load"))
    assert len(rows) == 48
    return rows


def asked(town, **more):
    title = town.meters[serial_of(town, HOME)]["system_title"]
    return wanted(town, HOME, SETTING, GMAC, meter_title=title, profiles=[day_of(BLOCK_LOAD)], **more)


def test_gurux_reads_a_day_of_blocks_with_gmac(town, tmp_path, blocks):
    read = gurux_reads(asked(town, object_list=True), tmp_path)
    assert read["profiles"][0]["rows"] == blocks
    assert [7, BLOCK_LOAD] in read["objects"]


@pytest.mark.parametrize("protection", ["glo", "general-glo"])
def test_pydlms_reads_a_day_of_blocks_with_gmac(town, tmp_path, blocks, protection):
    read = pydlms_reads(asked(town, object_list=True, protection=protection, max_pdu=200), tmp_path)
    assert read["profiles"][0]["rows"] == blocks
    assert [7, BLOCK_LOAD] in read["objects"]
    assert max(read["next_blocks"]) > len(blocks) * 20 // 200


@pytest.mark.parametrize("reads", [gurux_reads, pydlms_reads])
@pytest.mark.parametrize("key", ["encryption_key", "authentication_key"])
def test_with_a_wrong_key_nobody_gets_anything(town, tmp_path, reads, key):
    with pytest.raises(RuntimeError):
        reads(asked(town, attributes=[[3, IMPORT, 2]], **{key: "00" * 16}), tmp_path)
