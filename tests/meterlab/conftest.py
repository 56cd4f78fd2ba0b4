"""A served lab on a free port of loopback, and a client that asks its meters over the real protocol."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest
import uvloop

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    NEED_DATA,
    AssociationOpened,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    GetSucceeded,
    Mechanism,
)
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import AttributeRef, MethodRef
from meterlab import identity, scenes
from meterlab.exchange import Exchange
from meterlab.lab import build
from meterlab.server import listener, serve
from meterlab.trial import trial

NOW = 1_763_900_000  # 2025-11-23 17:43:20 in Kolkata
SEED = 1
CLIENT_TITLE = b"HESBIJLI"


class StandingClock:
    """Town time that a test sets."""

    def __init__(self, now_s=NOW):
        self.now_s = now_s

    def now(self):
        return self.now_s

    async def sleep_until(self, instant_s):
        raise NotImplementedError


def settings_for(meter, role, counter):
    keys = identity.keys(SEED, meter)
    if role == "public":
        return ClientSettings()
    own = SecurityMaterial(
        system_title=CLIENT_TITLE, encryption_key=keys.encryption, authentication_key=keys.authentication
    )
    reading = role == "reader"
    return ClientSettings(
        client_address=32 if reading else 48,
        mechanism=Mechanism.LLS if reading else Mechanism.HLS_AES,
        secret=keys.reader_secret if reading else keys.setting_secret,
        ciphering=Ciphering.GLO,
        own=own,
        invocation_counter=counter,
        counters_left=10_000,
        challenge=bytes(range(16)),
    )


@dataclass
class Session:
    """One connection with one meter."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    association: ClientAssociation

    async def event(self):
        """The next event; EOFError when the meter hangs up."""
        while True:
            event = self.association.next_event()
            self.writer.write(self.association.data_to_send())
            if event is not NEED_DATA:
                return event
            octets = await self.reader.read(65_536)
            if not octets:
                raise EOFError
            self.association.receive_data(octets)

    async def open(self):
        self.association.open()
        return await self.event()

    async def ask(self, class_id, obis, attribute, selection=None):
        self.association.get(AttributeRef(class_id, Obis.parse(obis), attribute), selection)
        return await self.event()

    async def get(self, class_id, obis, attribute, selection=None):
        """The plain value of an attribute that must be given."""
        event = await self.ask(class_id, obis, attribute, selection)
        assert isinstance(event, GetSucceeded), event
        return axdr.plain(event.data())

    async def set(self, class_id, obis, attribute, value):
        self.association.set(AttributeRef(class_id, Obis.parse(obis), attribute), value)
        return (await self.event()).result

    async def act(self, class_id, obis, method, parameter):
        self.association.action(MethodRef(class_id, Obis.parse(obis), method), parameter)
        return (await self.event()).result

    async def close(self):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class Served:
    """A lab that listens."""

    exchange: Exchange
    port: int
    clock: StandingClock
    counters: dict = field(default_factory=dict)
    writers: list = field(default_factory=list)

    @property
    def lab(self):
        return self.exchange.lab

    async def connect(self, meter, role="reader", counter=None):
        """A connection with its association not yet opened."""
        if counter is None:
            counter = self.counters.get((meter, role), 0) + 1
            self.counters[meter, role] = counter + 10_000
        host = self.lab.town.host(meter)
        reader, writer = await self.dial(host)
        return Session(reader, writer, ClientAssociation(settings_for(meter, role, counter)))

    def again(self, session, meter, role, counter):
        """Another association on the same connection."""
        return Session(session.reader, session.writer, ClientAssociation(settings_for(meter, role, counter)))

    async def dial(self, host):
        """A bare connection, closed when the test ends."""
        reader, writer = await asyncio.open_connection(host, self.port)
        self.writers.append(writer)
        return reader, writer

    async def hang_up(self):
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def session(self, meter, role="reader", counter=None):
        """An open association."""
        session = await self.connect(meter, role, counter)
        opened = await session.open()
        assert isinstance(opened, AssociationOpened), opened
        return session


async def serving(test, scene=(), radio=None, **limits):
    clock = StandingClock()
    calls = [scenes.parse(text) for text in scene]
    lab = build(trial(SEED), now_s=NOW, calls=calls, **(radio or {}))
    exchange = Exchange(lab=lab, clock=clock, **limits)
    sock, stop, ready = listener(0), asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(exchange, sock, lambda _: ready.set(), stop))
    await ready.wait()
    served = Served(exchange, sock.getsockname()[1], clock)
    try:
        async with asyncio.timeout(60):
            await test(served)
    finally:
        await served.hang_up()
        stop.set()
        await task


@pytest.fixture
def served():
    """Run ``async def test(served)`` against a lab with scenes."""

    def run(test, *scene, radio=None, **limits):
        uvloop.run(serving(test, scene, radio, **limits))

    return run
