"""Meters that dial in, and meters behind a gateway: read by a plain client."""

import asyncio
import contextlib
import csv

import numpy as np
import pytest
import uvloop

from bijlighar.dlms import axdr
from bijlighar.dlms.association import NEED_DATA, AssociationOpened, ClientAssociation, GetSucceeded, Released
from bijlighar.dlms.gateway import Gateway
from bijlighar.dlms.notification import open_push, sender_title
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import CLOCK_TIME, AttributeRef
from meterlab import identity, registry
from meterlab.dial_in import DialIn
from meterlab.exchange import Exchange
from meterlab.gateway import physical_address
from meterlab.lab import build
from meterlab.push import PushMaker
from meterlab.reached import METERS_A_GATEWAY, WrongWay, with_ways
from meterlab.server import listener, serve
from meterlab.town import mohalla

from .conftest import NOW, SEED, StandingClock, settings_for

NAME = AttributeRef(1, Obis.parse("0.0.42.0.0.255"), 2)


def exchange_of(town):
    return Exchange(lab=build(town, now_s=NOW), clock=StandingClock())


async def frame(reader):
    head = await reader.readexactly(8)
    return head, await reader.readexactly(int.from_bytes(head[6:8], "big"))


async def visit(reader, writer, association, *refs):
    """Open, ask, release; plain values."""
    association.open()
    values, waiting = [], list(refs)
    while True:
        event = association.next_event()
        writer.write(association.data_to_send())
        if event is NEED_DATA:
            octets = await reader.read(65_536)
            if not octets:
                raise EOFError
            association.receive_data(octets)
        elif isinstance(event, Released):
            return values
        else:
            assert isinstance(event, AssociationOpened | GetSucceeded), event
            if isinstance(event, GetSucceeded):
                values.append(axdr.plain(event.data()))
            if waiting:
                association.get(waiting.pop(0))
            else:
                association.release()


async def until(holds):
    """Wait for a condition."""
    while not holds():  # noqa: ASYNC110 (columns and sets have no event to wait for)
        await asyncio.sleep(0.01)


async def hung_up(*writers):
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def title_of(meter):
    return identity.system_title(SEED, meter).hex().upper().encode()


class FrontDoor:
    """Where meters dial in: keeps the first connections, with what was said on them."""

    def __init__(self):
        self.calls = asyncio.Queue()
        self.writers = []

    async def __call__(self, reader, writer):
        self.writers.append(writer)
        self.calls.put_nowait((reader, writer))

    async def next(self, by_title):
        """The next caller, once its greeting has been verified: meter, counter, streams."""
        reader, writer = await self.calls.get()
        head, apdu = await frame(reader)
        assert head[:6] == bytes([0, 1, 0, 1, 0, 64])
        meter = by_title[sender_title(apdu)]
        keys = identity.keys(SEED, meter)
        push = open_push(
            apdu,
            SecurityMaterial(
                system_title=identity.system_title(SEED, meter),
                encryption_key=keys.encryption,
                authentication_key=keys.authentication,
            ),
        )
        device, setup, clock = axdr.plain(axdr.decode(push.notification.octets))
        assert device.decode().endswith(identity.serial(SEED, meter))
        assert setup == Obis.parse("0.7.25.9.0.255").octets
        assert len(clock) == 12
        return meter, push.counter, reader, writer


async def dialling(test, share=0.5):
    town = with_ways(mohalla(SEED, 12), dial_in_share=share)
    exchange, door = exchange_of(town), FrontDoor()
    server = await asyncio.start_server(door, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dial_in = DialIn(exchange, PushMaker(exchange.lab), [("127.0.0.1", port)], retry_s=0.01)
    task = asyncio.create_task(dial_in.run())
    try:
        async with asyncio.timeout(30):
            await test(exchange, door)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hung_up(*door.writers)
        await until(lambda: not exchange.open)
        server.close()


def test_a_meter_that_dials_in_says_who_it_is_and_is_read_on_that_connection():
    async def run(exchange, door):
        dialling_in = np.flatnonzero(exchange.lab.town.dials_in).tolist()
        by_title = {identity.system_title(SEED, meter): meter for meter in dialling_in}
        heard = set()
        for _ in dialling_in:
            meter, _, reader, writer = await door.next(by_title)
            heard.add(meter)
            assert writer.get_extra_info("peername")[0] == exchange.lab.town.host(meter)
            role = "reader" if meter < exchange.lab.town.consumers else "public"
            for counter in (1, 100):  # one association after the other on the connection that stands
                association = ClientAssociation(settings_for(meter, role, counter))
                name, clock = (await visit(reader, writer, association, NAME, CLOCK_TIME))[:2]
                assert name == title_of(meter)
                assert len(clock) == 12
            exchange.drop_idle()
        assert heard == set(dialling_in)
        assert 0 < len(heard) < len(exchange.lab.town)

    uvloop.run(dialling(run))


def test_a_meter_whose_connection_ends_calls_again_under_a_higher_counter():
    async def run(exchange, door):
        by_title = {identity.system_title(SEED, meter): meter for meter in range(len(exchange.lab.town))}
        first, counters = None, []
        while len(counters) < 3:
            meter, counter, _, writer = await door.next(by_title)
            first = meter if first is None else first
            if meter == first:
                counters.append(counter)
                writer.close()
        assert counters == sorted(set(counters))

    uvloop.run(dialling(run))


def test_nobody_at_the_door_is_tried_again():
    async def run():
        exchange = exchange_of(with_ways(mohalla(SEED, 3), dial_in_share=1.0))
        sock = listener(0)  # bound and taken down again: nobody listens there
        port = sock.getsockname()[1]
        sock.close()
        dial_in = DialIn(exchange, PushMaker(exchange.lab), [("127.0.0.1", port)], retry_s=0.001)
        task = asyncio.create_task(dial_in.run())
        async with asyncio.timeout(30):
            await until(lambda: min(dial_in._tries.values(), default=0) >= 3)
        assert dial_in.calls == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    uvloop.run(run())


async def carrying(test, homes=250, gateways=2):
    exchange = exchange_of(with_ways(mohalla(SEED, homes), gateways=gateways))
    sock, stop, ready = listener(0), asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(exchange, sock, lambda _: ready.set(), stop))
    await ready.wait()
    try:
        async with asyncio.timeout(30):
            await test(exchange, sock.getsockname()[1])
    finally:
        stop.set()
        await task


def behind_gateway(meter, counter, address=None):
    gateway = Gateway(network_id=0, physical_address=address or physical_address(SEED, meter))
    settings = settings_for(meter, "reader", counter)
    fields = {name: getattr(settings, name) for name in settings.__dataclass_fields__ if name != "kept"}
    return ClientAssociation(type(settings)(**{**fields, "gateway": gateway}))


def test_many_meters_are_read_through_one_connection_of_a_gateway():
    async def run(exchange, port):
        town = exchange.lab.town
        carried = np.flatnonzero(town.gateway == 1).tolist()
        assert len(carried) == METERS_A_GATEWAY
        assert {town.host(meter) for meter in carried} == {"127.15.0.2"}
        reader, writer = await asyncio.open_connection("127.15.0.2", port)
        for counter in (1, 50):
            for meter in carried[:3]:
                assert await visit(reader, writer, behind_gateway(meter, counter), NAME) == [title_of(meter)]
        await hung_up(writer)
        assert exchange.tally.faults == 0

    uvloop.run(carrying(run))


def test_a_gateway_answers_for_nobody_else_and_a_meter_for_one_client_at_a_time():
    async def run(exchange, port):
        town = exchange.lab.town
        here, elsewhere = int(np.flatnonzero(town.gateway == 0)[0]), int(np.flatnonzero(town.gateway == 1)[0])
        first = await asyncio.open_connection("127.15.0.1", port)
        association = behind_gateway(here, 1)
        association.open()
        first[1].write(association.data_to_send())
        await first[0].read(1)  # associated, and not released
        second = await asyncio.open_connection("127.15.0.1", port)
        for stranger in (behind_gateway(here, 40), behind_gateway(elsewhere, 1), behind_gateway(here, 1, b"ML0")):
            stranger.open()
            second[1].write(stranger.data_to_send())
        await until(lambda: exchange.tally.busy + exchange.tally.foreign >= 3)
        assert (exchange.tally.busy, exchange.tally.foreign) == (1, 2)
        await hung_up(first[1])
        await until(lambda: here not in exchange.busy)
        assert await visit(*second, behind_gateway(here, 90), NAME) == [title_of(here)]
        second[1].write(b"\x00\x01\x00\x20\x00\x01\x00\x02\xc0\x01")  # no prefix: nobody's
        assert await second[0].read() == b""
        await hung_up(second[1])

    uvloop.run(carrying(run))


def test_who_dials_in_or_stands_behind_a_gateway_cannot_be_called():
    async def run(exchange, port):
        hidden = int(np.flatnonzero(exchange.lab.town.gateway == 0)[0])
        own = f"127.16.0.{hidden + 1}"
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(own, port)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await hung_up(writer)
        assert exchange.tally.unreachable == 1

    uvloop.run(carrying(run))


def test_the_registry_tells_gateways_and_the_pool_of_those_that_dial_in(tmp_path):
    town = with_ways(mohalla(SEED, 250), gateways=1, dial_in_share=0.3)
    registry.write(town, tmp_path, 4059)
    with (tmp_path / "meters.csv").open(encoding="utf-8", newline="") as file:
        meters = list(csv.DictReader(file))
    assert {row["group"] for row in meters[150:250]} == {"gateway-0001"}
    assert {row["host"] for row in meters[150:250]} == {"127.15.0.1"}
    others = {row["group"] for row in meters[:150]}
    assert others == {"dialin-1", "tower-SS-001"}
    assert with_ways(mohalla(SEED, 250), dial_in_share=0.3).dials_in.mean() == pytest.approx(0.3, abs=0.1)
    with pytest.raises(WrongWay):
        with_ways(mohalla(SEED, 250), gateways=4)
