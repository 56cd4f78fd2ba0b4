"""A client that nobody here wrote, gurux-dlms, reads our virtual meters. Every cell is compared with the truth."""

from datetime import datetime, timedelta

import pytest

from bijlighar.dlms.association import AssociationOpened, Ciphering, ClientSettings, Mechanism
from bijlighar.dlms.clock import DeviationSign, encode_instant
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import AttributeRef, RangeSelection
from interop.conversation import conversation
from interop.processes import gurux_reads, virtual_town

pytestmark = pytest.mark.interop

START = "2026-06-10T10:10:00+05:30"
MIDNIGHT = datetime.fromisoformat("2026-06-09T00:00:00+05:30")
READER, SETTING, PUBLIC = 32, 48, 16
CLOCK, IMPORT, EXPORT = "0.0.1.0.0.255", "1.0.1.8.0.255", "1.0.2.8.0.255"
BLOCK_LOAD, DAILY = "1.0.99.1.0.255", "1.0.99.2.0.255"
COUNTER_OF = {READER: "0.0.43.1.2.255", SETTING: "0.0.43.1.3.255"}
HOME, TRANSFORMER = 0, 11
"""Numbers of the meters in the trial: the first flat, and the transformer's."""

COUNTS = {1, 10, 100, 1_000, 10_000}
"""Stored units (Wh, mV, mA) a count of the meter: what scalers can make of it."""


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with virtual_town(tmp_path_factory.mktemp("town"), START) as running:
        yield running


def serial_of(town, number):
    return list(town.meters)[number]


def counter_of(town, number, client_address):
    """The meter's own counter, read by our public client; gurux goes on from there."""
    meter = town.meters[serial_of(town, number)]
    hdlc = HdlcSettings() if town.framing == "hdlc" else None
    with conversation(ClientSettings(client_address=PUBLIC, hdlc=hdlc), town.port, meter["host"]) as line:
        assert isinstance(line.open(), AssociationOpened)
        counter = line.value(AttributeRef(1, Obis.parse(COUNTER_OF[client_address]), 2)).value
        line.release()
    return counter + 1


def wanted(town, number, client_address, mechanism, **more):
    serial = serial_of(town, number)
    keys, meter = town.keys[serial], town.meters[serial]
    secret = keys["reader_secret"].encode().hex() if client_address == READER else keys["setting_secret"]
    return {
        "host": meter["host"],
        "port": town.port,
        "client_address": client_address,
        "mechanism": mechanism,
        "secret": secret,
        "ciphered": True,
        "system_title": b"GRX00001".hex(),
        "encryption_key": keys["encryption_key"],
        "authentication_key": keys["authentication_key"],
        "invocation_counter": counter_of(town, number, client_address),
        "max_pdu": 512,
        "attributes": [],
        "profiles": [],
        "object_list": False,
    } | more


def wall(instant):
    return instant.replace(tzinfo=None).isoformat()


def day_of(obis):
    """A profile and the stamps of one day, both ends taken in."""
    return {
        "obis": obis,
        "from": wall(MIDNIGHT + timedelta(minutes=30)),
        "to": wall(MIDNIGHT + timedelta(days=1)),
    }


def truth_of_day(town, number, kind):
    first, last = MIDNIGHT + timedelta(minutes=30), MIDNIGHT + timedelta(days=1)
    return town.truth(serial_of(town, number), kind, "--from", first.isoformat(), "--to", last.isoformat())


ACCESSES = pytest.mark.parametrize(
    ("client_address", "mechanism"), [(READER, 1), (SETTING, 2)], ids=["LLS", "HLS"]
)


@ACCESSES
def test_gurux_reads_clock_and_registers(town, tmp_path, client_address, mechanism):
    attributes = [[8, CLOCK, 2], [3, IMPORT, 2], [3, EXPORT, 2]]
    read = gurux_reads(wanted(town, HOME, client_address, mechanism, attributes=attributes), tmp_path)
    clock, imported, exported = read["attributes"]
    [now] = town.truth(serial_of(town, HOME), "instantaneous")
    assert [imported, exported] == [now["values"]["import_wh"], now["values"]["export_wh"]]
    started = datetime.fromisoformat(START).replace(tzinfo=None)
    assert abs(datetime.fromisoformat(clock) - started) < timedelta(minutes=2)


@ACCESSES
def test_gurux_reads_a_day_of_blocks_by_range(town, tmp_path, client_address, mechanism):
    read = gurux_reads(wanted(town, HOME, client_address, mechanism, profiles=[day_of(BLOCK_LOAD)]), tmp_path)
    [profile] = read["profiles"]
    truth = truth_of_day(town, HOME, "block-load")
    assert len(profile["rows"]) == len(truth) == 48
    for row, held in zip(profile["rows"], truth, strict=True):
        assert row[0] == wall(datetime.fromisoformat(held["stamp"]).astimezone(MIDNIGHT.tzinfo))
        assert [cell * 10 for cell in row[1:]] == list(held["values"].values())


def test_gurux_and_our_own_client_read_the_same_cells(town, tmp_path):
    read = gurux_reads(wanted(town, HOME, READER, 1, profiles=[day_of(BLOCK_LOAD)]), tmp_path)
    serial = serial_of(town, HOME)
    keys, meter = town.keys[serial], town.meters[serial]
    settings = ClientSettings(
        mechanism=Mechanism.LLS,
        ciphering=Ciphering.GLO,
        client_address=READER,
        secret=keys["reader_secret"].encode(),
        own=SecurityMaterial(
            system_title=b"BJG00001",
            encryption_key=bytes.fromhex(keys["encryption_key"]),
            authentication_key=bytes.fromhex(keys["authentication_key"]),
        ),
        meter_title=bytes.fromhex(meter["system_title"]),
        invocation_counter=counter_of(town, HOME, READER),
        counters_left=100,
    )
    selection = RangeSelection(
        start=encode_instant(int(MIDNIGHT.timestamp()) + 1800, DeviationSign.INDIAN),
        end=encode_instant(int(MIDNIGHT.timestamp()) + 86_400, DeviationSign.INDIAN),
    )
    with conversation(settings, town.port, meter["host"]) as line:
        assert isinstance(line.open(), AssociationOpened)
        value = line.value(AttributeRef(7, Obis.parse(BLOCK_LOAD), 2), selection)
    ours = [[cell.value for cell in row.value[1:]] for row in value.value]
    assert ours == [row[1:] for row in read["profiles"][0]["rows"]]


def test_gurux_reads_the_transformer_meter(town, tmp_path):
    read = gurux_reads(wanted(town, TRANSFORMER, READER, 1, profiles=[day_of(BLOCK_LOAD)]), tmp_path)
    [profile] = read["profiles"]
    truth = truth_of_day(town, TRANSFORMER, "block-load")
    assert len(profile["rows"]) == len(truth)
    assert len(profile["columns"]) == len(truth[0]["values"]) + 1
    for column in range(1, len(profile["columns"])):
        cells = [row[column] for row in profile["rows"]]
        held = [list(row["values"].values())[column - 1] for row in truth]
        factor = max((number // cell for number, cell in zip(held, cells, strict=True) if cell), default=1)
        assert factor in COUNTS
        assert [cell * factor for cell in cells] == held, profile["columns"][column]


def test_gurux_understands_the_list_of_objects(town, tmp_path):
    read = gurux_reads(wanted(town, HOME, READER, 1, object_list=True), tmp_path)
    listed = {tuple(entry) for entry in read["objects"]}
    assert {(8, CLOCK), (3, IMPORT), (7, BLOCK_LOAD), (7, DAILY), (70, "0.0.96.3.10.255")} <= listed


def test_gurux_with_a_wrong_password_is_turned_away(town, tmp_path):
    false = wanted(town, HOME, READER, 1, attributes=[[8, CLOCK, 2]], secret=b"nobody-1".hex())
    with pytest.raises(RuntimeError, match=r"(?i)authentication|rejected|failed"):
        gurux_reads(false, tmp_path)


def test_gurux_with_a_wrong_key_gets_nothing(town, tmp_path):
    false = wanted(town, HOME, READER, 1, attributes=[[8, CLOCK, 2]], encryption_key="00" * 16)
    with pytest.raises(RuntimeError):
        gurux_reads(false, tmp_path)
