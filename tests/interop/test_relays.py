"""Relays, at the level of the codec: a foreign meter's by us, ours by a foreign client; each is read back.

Our head-end sends such an order under a warrant alone, so the test holds the key that signs warrants. Nothing here
is the product's way to an order: only octets and their effect.
"""

import pytest
import uvloop

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms import axdr
from bijlighar.dlms.association import ClientAssociation, Mechanism
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef, MethodRef
from bijlighar.gate.warrant import SupplyAction, WarrantRefused, sign
from bijlighar.headend.script import Act, Get
from bijlighar.headend.session import TimeLimits, converse
from interop import foreign
from interop.processes import foreign_meter, gurux_reads, virtual_town
from interop.test_foreign_meter import settings
from interop.test_virtual_meter import SETTING, START, serial_of, wanted

pytestmark = pytest.mark.interop

WARRANT_KEY = bytes(range(32))
NOW_S = 1_781_000_000
DISCONNECT, RECONNECT = 1, 2
NOTHING = axdr.i8(0)
OWN_RELAY = foreign.RELAYS[0]
OPEN, CLOSED, READY = [False, 0], [True, 1], [False, 2]
METERS_WITH_RELAY, TRANSFORMER = range(11), 11


def warrant(obis, method, title=foreign.SYSTEM_TITLE):
    action = SupplyAction(
        service="action", class_id=70, obis=Obis.parse(obis).octets, index=method, payload=axdr.encode(NOTHING)
    )
    return sign(key=WARRANT_KEY, order_id="T-1", system_title=title, action=action, not_after_s=NOW_S + 60)


def operating(obis, signed):
    """Disconnect and reconnect one relay; what all relays say of themselves before, between and after."""
    told = [(yield from states())]
    for method in (DISCONNECT, RECONNECT):
        yield Act(MethodRef(70, Obis.parse(obis), method), NOTHING, signed(obis, method))
        told.append((yield from states()))
    return told


def states():
    found = []
    for obis in foreign.RELAYS:
        read = []
        for attribute in (2, 3):
            octets = yield Get(AttributeRef(70, Obis.parse(obis), attribute))
            read.append(axdr.plain(axdr.decode(octets)))
        found.append(read)
    return found


def operated(meter, mechanism, obis, signed=warrant, key=WARRANT_KEY):
    return uvloop.run(
        converse(
            "127.0.0.1",
            meter.port,
            ClientAssociation(settings(mechanism)),
            operating(obis, signed),
            limits=TimeLimits(),
            expected_title=foreign.SYSTEM_TITLE,
            warrant_key=key,
            now=lambda: NOW_S,
        )
    )


def actions_on_relays(requests):
    """Every ACTION that named a disconnect control, as class, object and method."""
    return [request[3:12] for request in requests if request[:1] == b"\xc3" and request[3:5] == b"\x00\x46"]


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_AES, Mechanism.HLS_GMAC])
@pytest.mark.parametrize("obis", foreign.RELAYS)
def test_each_relay_of_a_foreign_meter_opens_and_closes_and_no_other_moves(tmp_path, mechanism, obis):
    with foreign_meter(foreign.description(counter="0.0.43.1.2.255"), tmp_path) as meter:
        end = operated(meter, mechanism, obis)
    assert end.outcome is Outcome.OK, end.detail
    at = foreign.RELAYS.index(obis)
    before, between, after = end.value
    assert [before[at], between[at], after[at]] == [CLOSED, OPEN, CLOSED]
    assert [before[1 - at], between[1 - at], after[1 - at]] == [CLOSED] * 3
    name = b"\x00\x46" + Obis.parse(obis).octets
    assert actions_on_relays(meter.requests) == [name + b"\x01", name + b"\x02"]


@pytest.mark.parametrize(
    ("signed", "key"),
    [
        (lambda _obis, _method: None, WARRANT_KEY),
        (lambda obis, _method: warrant(obis, RECONNECT), WARRANT_KEY),
        (lambda obis, method: warrant(obis, method, title=b"ANOTHER1"), WARRANT_KEY),
        (warrant, bytes(range(1, 33))),
        (warrant, None),
    ],
    ids=["no warrant", "for another order", "for another meter", "signed by another", "no key"],
)
def test_without_the_right_warrant_a_foreign_meter_hears_no_order(tmp_path, signed, key):
    running = foreign_meter(foreign.description(counter="0.0.43.1.2.255"), tmp_path)
    with running as meter, pytest.raises(WarrantRefused):
        operated(meter, Mechanism.HLS_GMAC, OWN_RELAY, signed, key)
    assert actions_on_relays(meter.requests) == []
    assert len(meter.requests) >= 4


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with virtual_town(tmp_path_factory.mktemp("town"), START) as running:
        yield running


def ordered(town, folder, number, *orders):
    """What gurux is told by the relay of one of our meters after each order: output, state and mode."""
    asked = [[OWN_RELAY, order] for order in orders]
    return gurux_reads(wanted(town, number, SETTING, 2, orders=asked), folder)["relays"]


@pytest.mark.parametrize("number", METERS_WITH_RELAY)
def test_gurux_operates_each_relay_of_our_meters(town, tmp_path, number):
    told = ordered(town, tmp_path, number, "read", "mode 4", "disconnect", "read", "reconnect")
    assert [state[:2] for state in told] == [CLOSED, CLOSED, OPEN, OPEN, CLOSED]
    assert [state[2] for state in told[1:]] == [4] * 4


@pytest.mark.parametrize(("mode", "after"), [(1, READY), (2, CLOSED), (3, READY), (5, READY), (6, READY)])
def test_the_control_mode_that_gurux_writes_decides_how_a_relay_closes(town, tmp_path, mode, after):
    try:
        told = ordered(town, tmp_path, 4, f"mode {mode}", "disconnect", "reconnect")
        assert [state[:2] for state in told[1:]] == [OPEN, after]
    finally:
        ordered(town, tmp_path, 4, "mode 4", "disconnect", "reconnect")


def test_a_relay_that_is_never_to_open_refuses_gurux(town, tmp_path):
    with pytest.raises(RuntimeError, match="error"):
        ordered(town, tmp_path, 5, "mode 0", "disconnect")
    assert ordered(town, tmp_path, 5, "read", "mode 4") == [[*CLOSED, 0], [*CLOSED, 4]]


def test_a_meter_without_relay_has_none_for_gurux(town, tmp_path):
    assert serial_of(town, TRANSFORMER)
    with pytest.raises(RuntimeError):
        ordered(town, tmp_path, TRANSFORMER, "disconnect")
