"""Our client reads a meter that nobody here wrote: the simulator of pydlms-client. Every cell is compared."""

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    AssociationOpened,
    AssociationRefused,
    Ciphering,
    ClientSettings,
    GetFailed,
    Mechanism,
    Released,
    ServiceRefused,
)
from bijlighar.dlms.clock import DeviationSign, decode_instant, encode_instant
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.template import Template
from bijlighar.dlms.xdlms import AttributeRef, DataAccessResult, RangeSelection
from interop import foreign
from interop.conversation import conversation
from interop.processes import foreign_meter

pytestmark = pytest.mark.interop

OWN_TITLE = b"BJG00001"
BLOCK_LOAD = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 2)
COLUMNS = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 3)
CLOCK = AttributeRef(8, Obis.parse(foreign.CLOCK), 2)
REGISTER = AttributeRef(3, Obis.parse(foreign.REGISTER[0]), 2)
SCALER = AttributeRef(3, Obis.parse(foreign.REGISTER[0]), 3)
COUNTER = "0.0.43.1.2.255"
GET_NEXT, GET_NORMAL = bytes.fromhex("c002"), bytes.fromhex("c001")
INDIAN = DeviationSign.INDIAN


ACCESS = {
    Mechanism.LLS: (foreign.READER, foreign.PASSWORD),
    Mechanism.HLS_AES: (foreign.FIRMWARE, foreign.HLS_SECRET),
    Mechanism.HLS_GMAC: (foreign.SETTING, None),
}


def settings(mechanism, ciphering=Ciphering.GLO, **changes):
    material = SecurityMaterial(
        system_title=OWN_TITLE,
        encryption_key=foreign.ENCRYPTION_KEY,
        authentication_key=foreign.AUTHENTICATION_KEY,
    )
    client_address, secret = ACCESS[mechanism]
    wanted = {
        "mechanism": mechanism,
        "ciphering": ciphering,
        "client_address": client_address,
        "secret": secret,
        "own": material,
        "meter_title": foreign.SYSTEM_TITLE,
        "invocation_counter": 1,
        "counters_left": 1000,
        "challenge": bytes(range(16)),
    }
    return ClientSettings(**(wanted | changes))


def talk(meter, mechanism, ciphering=Ciphering.GLO):
    return conversation(settings(mechanism, ciphering), meter.port)


def rows_of(value):
    return [[cell.value for cell in row.value] for row in value.value]


def truth(rows):
    """Rows as the meter was told to hold them: instant, then counts."""
    return [[int(foreign.stamp(row).timestamp()), *foreign.counts(row).values()] for row in rows]


def with_instants(rows):
    return [[decode_instant(row[0], INDIAN), *row[1:]] for row in rows]


@pytest.fixture
def meter(tmp_path):
    with foreign_meter(foreign.description(counter=COUNTER), tmp_path) as running:
        yield running


ASSOCIATIONS = pytest.mark.parametrize(
    ("mechanism", "ciphering"),
    [
        (Mechanism.LLS, Ciphering.GLO),
        (Mechanism.LLS, Ciphering.GENERAL_GLO),
        (Mechanism.HLS_AES, Ciphering.GLO),
        (Mechanism.HLS_GMAC, Ciphering.GLO),
        (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO),
    ],
)


@ASSOCIATIONS
def test_clock_and_register_are_read_and_the_meter_is_known_by_its_title(meter, mechanism, ciphering):
    with talk(meter, mechanism, ciphering) as line:
        opened = line.open()
        assert isinstance(opened, AssociationOpened)
        assert opened.meter_title == foreign.SYSTEM_TITLE
        assert opened.max_pdu == foreign.MAX_PDU_OCTETS
        instant = decode_instant(line.value(CLOCK).value, INDIAN)
        assert instant == int(foreign.stamp(47).timestamp())
        assert line.value(REGISTER) == axdr.u32(foreign.REGISTER[1])
        assert [part.value for part in line.value(SCALER).value] == [foreign.REGISTER[2], foreign.REGISTER[3]]
        assert isinstance(line.release(), Released)


@ASSOCIATIONS
def test_a_day_of_blocks_comes_in_many_blocks_and_every_cell_is_right(tmp_path, mechanism, ciphering):
    description = foreign.description(counter=COUNTER)
    with foreign_meter(description, tmp_path) as meter, talk(meter, mechanism, ciphering) as line:
        assert isinstance(line.open(), AssociationOpened)
        value = line.value(BLOCK_LOAD)
        assert isinstance(line.release(), Released)
    assert with_instants(rows_of(value)) == truth(range(48))
    asked = [request for request in meter.requests if request.startswith(GET_NEXT)]
    assert len(asked) >= 2000 // foreign.MAX_PDU_OCTETS
    assert [int.from_bytes(request[3:7], "big") for request in asked] == list(range(1, len(asked) + 1))


@ASSOCIATIONS
def test_a_range_brings_its_rows_and_no_others(tmp_path, mechanism, ciphering):
    first, last = 12, 17
    selection = RangeSelection(
        start=encode_instant(int(foreign.stamp(first).timestamp()), INDIAN),
        end=encode_instant(int(foreign.stamp(last).timestamp()), INDIAN),
    )
    description = foreign.description(counter=COUNTER)
    with foreign_meter(description, tmp_path) as meter, talk(meter, mechanism, ciphering) as line:
        assert isinstance(line.open(), AssociationOpened)
        value = line.value(BLOCK_LOAD, selection)
    assert with_instants(rows_of(value)) == truth(range(first, last + 1))
    [asked] = [request for request in meter.requests if request.startswith(GET_NORMAL)]
    assert asked[12:14] == b"\x01\x01"  # access selection present, selector 1: range


def test_a_range_without_rows_is_empty_not_an_error(meter):
    day_before = int(foreign.FIRST_DAY.timestamp()) - 86_400
    selection = RangeSelection(
        start=encode_instant(day_before, INDIAN), end=encode_instant(day_before + 3600, INDIAN)
    )
    with talk(meter, Mechanism.LLS) as line:
        assert isinstance(line.open(), AssociationOpened)
        assert rows_of(line.value(BLOCK_LOAD, selection)) == []


def test_rows_decoded_at_once_are_the_rows_decoded_one_by_one(meter):
    with talk(meter, Mechanism.HLS_GMAC) as line:
        assert isinstance(line.open(), AssociationOpened)
        octets = line.get(BLOCK_LOAD).octets
    table = Template.learn(octets).decode_rows([octets, octets])
    columns = [column.tolist() for column in table.columns]
    assert table.buffer_index.tolist() == [0] * 48 + [1] * 48
    assert [list(row) for row in zip(*columns, strict=True)] == truth(range(48)) * 2


def test_capture_objects_are_those_that_the_meter_lists(meter):
    with talk(meter, Mechanism.LLS) as line:
        assert isinstance(line.open(), AssociationOpened)
        listed = [[part.value for part in entry.value] for entry in line.value(COLUMNS).value]
    names = [foreign.CLOCK, *(column[0] for column in foreign.COLUMNS.values())]
    assert [str(Obis.from_octets(entry[1])) for entry in listed] == names


def test_an_object_that_is_not_there_is_an_answer(meter):
    with talk(meter, Mechanism.LLS) as line:
        assert isinstance(line.open(), AssociationOpened)
        event = line.get(AttributeRef(3, Obis.parse("1.0.99.99.99.255"), 2))
        assert isinstance(event, GetFailed)
        assert event.result is DataAccessResult.OBJECT_UNDEFINED
        assert line.value(REGISTER) == axdr.u32(foreign.REGISTER[1])


def test_a_wrong_password_is_refused_as_such(meter):
    with conversation(settings(Mechanism.LLS, secret=b"87654321"), meter.port) as line:
        assert isinstance(line.open(), AssociationRefused)


def test_a_counter_that_was_used_is_refused_by_the_meter(meter):
    for counter, expected in ((100, AssociationOpened), (50, ServiceRefused | AssociationRefused)):
        changed = settings(Mechanism.LLS, invocation_counter=counter)
        with conversation(changed, meter.port) as line:
            assert isinstance(line.open(), expected)


def test_without_security_the_public_client_reads_the_counter(meter):
    public = ClientSettings(client_address=foreign.PUBLIC)
    with conversation(public, meter.port) as line:
        assert isinstance(line.open(), AssociationOpened)
        assert line.value(AttributeRef(1, Obis.parse(COUNTER), 2)) == axdr.u32(0)
