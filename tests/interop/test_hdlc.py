"""HDLC over TCP with those who were not written here: two clients read our meters, our client reads pydlms' meter.

Each length and window is the client's wish; gurux-dlms gets no window above one, because it counts one frame an
answer and so asks for the others again.
"""

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    NEED_DATA,
    AssociationOpened,
    AssociationRefused,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    GetFailed,
    Mechanism,
    Released,
)
from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.hdlc.frames import FrameReader
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef, DataAccessResult, RangeSelection
from interop import foreign
from interop.cells import D1, D1_OF_12_COLUMNS
from interop.conversation import conversation
from interop.processes import foreign_meter, gurux_reads, pydlms_reads, virtual_town
from interop.test_foreign_meter import (
    BLOCK_LOAD,
    COUNTER,
    INDIAN,
    REGISTER,
    rows_of,
    settings,
    truth,
    with_instants,
)
from interop.test_virtual_meter import (
    HOME,
    PUBLIC,
    READER,
    SETTING,
    START,
    day_of,
    serial_of,
    truth_of_day,
    wanted,
)
from meterlab import identity
from meterlab.exchange import Exchange
from meterlab.framing import HDLC
from meterlab.lab import build
from meterlab.own_clock import OwnClock
from meterlab.server import listener, serve
from meterlab.trial import trial

pytestmark = pytest.mark.interop

BLOCKS, DAILY_PROFILE = "1.0.99.1.0.255", "1.0.99.2.0.255"
IMPORT = "1.0.1.8.0.255"
MAX_PDU_OCTETS = 512
"""A day of blocks takes several APDUs, and each of them several frames of the usual 128 octets."""


@pytest.fixture(scope="module", params=[D1, D1_OF_12_COLUMNS], ids=["standard", "12 columns"])
def layout(request):
    return request.param


@pytest.fixture(scope="module")
def town(tmp_path_factory, layout):
    models = [] if layout.model is None else [layout.model]
    with virtual_town(tmp_path_factory.mktemp("town"), START, models=models, framing="hdlc") as running:
        yield running


@pytest.fixture(scope="module")
def blocks(town, layout):
    rows = layout.rows(truth_of_day(town, HOME, "block-load"))
    assert len(rows) == 48
    return rows


SIZES = {gurux_reads: [(128, 1), (64, 1), (1024, 1)], pydlms_reads: [(128, 1), (64, 3), (2030, 7)]}
"""Octets of an information field and frames before an answer, for both directions."""
PEERS = pytest.mark.parametrize(
    ("reads", "size"),
    [(reads, size) for reads, sizes in SIZES.items() for size in sizes],
    ids=[f"{reads.__name__} {size[0]}x{size[1]}" for reads, sizes in SIZES.items() for size in sizes],
)


def asked(town, client_address, mechanism, size=(128, 1), **more):
    line = {"octets": size[0], "window": size[1]}
    title = town.meters[serial_of(town, HOME)]["system_title"]
    sized = {"max_pdu": MAX_PDU_OCTETS, "hdlc": line, "meter_title": title}
    return wanted(town, HOME, client_address, mechanism, **(sized | more))


@PEERS
@pytest.mark.parametrize("client_address", [READER, SETTING], ids=["reader", "setting"])
def test_foreign_clients_read_our_meters_over_hdlc(town, tmp_path, layout, blocks, reads, size, client_address):
    mechanism = 1 if client_address == READER else layout.mechanism
    more = {"profiles": [day_of(BLOCKS)], "attributes": [[1, "0.0.96.1.0.255", 2]], "object_list": True}
    read = reads(asked(town, client_address, mechanism, size, **more), tmp_path)
    assert read["profiles"][0]["rows"] == blocks
    assert read["attributes"] == [serial_of(town, HOME).encode().hex()]
    assert {(3, IMPORT), (7, BLOCKS), (7, DAILY_PROFILE)} <= {tuple(entry) for entry in read["objects"]}


def test_gurux_writes_and_acts_over_hdlc(town, tmp_path, layout):
    orders = [[foreign.RELAYS[0], order] for order in ("mode 4", "disconnect", "read", "reconnect")]
    told = gurux_reads(asked(town, SETTING, layout.mechanism, orders=orders), tmp_path)["relays"]
    assert told == [[True, 1, 4], [False, 0, 4], [False, 0, 4], [True, 1, 4]]


@pytest.mark.parametrize("reads", [gurux_reads, pydlms_reads])
def test_foreign_clients_with_a_wrong_secret_are_turned_away_over_hdlc(town, tmp_path, reads):
    false = asked(town, READER, 1, secret=b"nobody-1".hex(), attributes=[[3, IMPORT, 2]])
    with pytest.raises(RuntimeError, match=r"(?i)authentication|rejected|failed"):
        reads(false, tmp_path)


@pytest.mark.parametrize(("octets", "physical"), [(2, 17), (4, 17), (4, 10_000)])
@pytest.mark.parametrize("reads", [gurux_reads, pydlms_reads])
def test_foreign_clients_call_a_meter_by_its_physical_address(tmp_path, reads, octets, physical):
    called = {"octets": 128, "window": 1, "address_octets": octets, "physical": physical}
    with one_meter(replace(HDLC, address_octets=octets, physical_address=physical)) as (host, port, serial):
        public = {
            "host": host,
            "port": port,
            "client_address": PUBLIC,
            "mechanism": 0,
            "secret": "",
            "ciphered": False,
            "max_pdu": MAX_PDU_OCTETS,
            "hdlc": called,
            "attributes": [[1, "0.0.96.1.0.255", 2]],
            "profiles": [],
            "object_list": True,
        }
        read = reads(public, tmp_path)
    assert read["attributes"] == [serial.encode().hex()]
    assert [8, "0.0.1.0.0.255"] in read["objects"]


@contextmanager
def one_meter(line):
    """The first meter of a trial, in a thread of this process: its address, port and serial number."""
    lab = build(trial(7), now_s=datetime.fromisoformat(START).timestamp())
    exchange = Exchange(
        lab=lab, clock=OwnClock(start_s=datetime.fromisoformat(START).timestamp(), speed=0.0), hdlc=line
    )
    sock, ready, loop, stop = listener(0), threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    served = serve(exchange, sock, lambda _: ready.set(), stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(served,))
    thread.start()
    try:
        assert ready.wait(20)
        yield lab.town.host(HOME), sock.getsockname()[1], identity.serial(7, HOME)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


WAYS = {
    "LLS": (Mechanism.LLS, Ciphering.GLO),
    "HLS-AES": (Mechanism.HLS_AES, Ciphering.GLO),
    "HLS-GMAC": (Mechanism.HLS_GMAC, Ciphering.GLO),
    "HLS-GMAC general-glo": (Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO),
}
WAY = pytest.mark.parametrize(("mechanism", "ciphering"), WAYS.values(), ids=WAYS)
LINES = {
    "usual": HdlcSettings(),
    "two octets": HdlcSettings(address_octets=2, physical_address=17),
    "four octets": HdlcSettings(address_octets=4, physical_address=10_000),
    "short frames, window": HdlcSettings(send_octets=32, receive_octets=64, send_window=3),
    "all that is allowed": HdlcSettings(send_octets=2030, receive_octets=2030, send_window=7, receive_window=7),
}


@pytest.fixture
def meter(tmp_path):
    with foreign_meter(foreign.description(counter=COUNTER, hdlc_window=7), tmp_path) as running:
        yield running


@WAY
def test_our_client_reads_pydlms_meter_over_every_kind_of_link(meter, mechanism, ciphering):
    selection = RangeSelection(
        start=encode_instant(int(foreign.stamp(12).timestamp()), INDIAN),
        end=encode_instant(int(foreign.stamp(17).timestamp()), INDIAN),
    )
    for visit, line in enumerate(LINES.values()):
        known = settings(mechanism, ciphering, hdlc=line, invocation_counter=1 + 1000 * visit)
        with conversation(known, meter.port) as talk:
            opened = talk.open()
            assert isinstance(opened, AssociationOpened)
            assert opened.meter_title == foreign.SYSTEM_TITLE
            agreement = talk.association.link.agreement
            assert agreement.send_octets == min(line.send_octets, 128)
            assert agreement.receive_octets == min(line.receive_octets, 128)
            assert agreement.send_window == line.send_window
            assert talk.value(REGISTER) == axdr.u32(foreign.REGISTER[1])
            assert with_instants(rows_of(talk.value(BLOCK_LOAD))) == truth(range(48))
            assert with_instants(rows_of(talk.value(BLOCK_LOAD, selection))) == truth(range(12, 18))
            event = talk.get(AttributeRef(3, Obis.parse("1.0.99.99.99.255"), 2))
            assert event == GetFailed(DataAccessResult.OBJECT_UNDEFINED)
            assert isinstance(talk.release(), Released)
            assert talk.association.link.disconnected
            assert talk.association.link.damaged_frames == 0


@pytest.mark.parametrize("every", [4, 5, 7])
@pytest.mark.parametrize("window", [1, 3])
def test_what_the_line_loses_on_its_way_to_pydlms_meter_is_said_again(meter, window, every):
    line = HdlcSettings(send_octets=32, receive_octets=64, send_window=window)
    known = settings(Mechanism.HLS_GMAC, Ciphering.GENERAL_GLO, hdlc=line)
    with socket.create_connection(("127.0.0.1", meter.port), timeout=20) as connection:
        lossy = LossyLine(ClientAssociation(known), connection, every)
        lossy.association.open()
        assert isinstance(lossy.event(), AssociationOpened)
        lossy.association.get(BLOCK_LOAD)
        assert with_instants(rows_of(lossy.event().data())) == truth(range(48))
        lossy.association.release()
        assert isinstance(lossy.event(), Released)
    assert lossy.said // every > 5


class LossyLine:
    """A client and a line that swallows every n-th of its frames; time passes only when no answer can come."""

    def __init__(self, association, connection, every):
        self.association, self.said = association, 0
        self._connection, self._every, self._now = connection, every, 0.0

    def event(self):
        while (event := self.association.next_event()) is NEED_DATA:
            if self._speak():
                self.association.receive_data(self._connection.recv(4096))
            else:
                self._now = self.association.link.get_timer()
                self.association.link.handle_timer(self._now)
        return event

    def _speak(self):
        """Whether an answer will come: the last frame, which asks for it, arrived."""
        frames, arrives = FrameReader(200), True
        frames.receive_data(self.association.data_to_send(self._now))
        while frame := frames.next_frame():
            self.said += 1
            arrives = self.said % self._every != 0
            if arrives:
                self._connection.sendall(frame.encode())
        return arrives


def test_without_security_our_public_client_reads_pydlms_counter_over_hdlc(meter):
    with conversation(ClientSettings(client_address=foreign.PUBLIC, hdlc=HdlcSettings()), meter.port) as talk:
        assert isinstance(talk.open(), AssociationOpened)
        assert talk.value(AttributeRef(1, Obis.parse(COUNTER), 2)) == axdr.u32(0)


def test_a_wrong_password_is_refused_by_pydlms_over_hdlc(meter):
    false = settings(Mechanism.LLS, secret=b"87654321", hdlc=HdlcSettings())
    with conversation(false, meter.port) as talk:
        assert isinstance(talk.open(), AssociationRefused)
