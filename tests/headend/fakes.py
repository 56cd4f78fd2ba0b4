"""Small meters for tests: a real listener on loopback, the server role behind it, and faults on request."""

import asyncio
from dataclasses import dataclass, field

from bijlighar.dlms.association import (
    NEED_DATA,
    ActionRequested,
    AssociationRequested,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    GetRequested,
    Mechanism,
    ServerAccess,
    ServerAssociation,
    ServerSettings,
    SetRequested,
    State,
)
from bijlighar.dlms.errors import ProtocolError
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult
from bijlighar.headend.keys import MeterKeys

TITLE = b"KPS00001"
OWN_TITLE = b"BJG\x00\x00\x00\x00\x01"
SERIAL = "KP000001"
WHOLE_S = 60.0
"""What a test waits for comes within this on any machine; a quiet one needs a hundredth."""
KEYS = MeterKeys(
    encryption_key=b"EncryptionKey001",
    authentication_key=b"AuthenticatKey01",
    reader_secret=b"secret01",
    setting_secret=b"SettingSecret001",
)


def material(title, keys=KEYS):
    return SecurityMaterial(
        system_title=title, encryption_key=keys.encryption_key, authentication_key=keys.authentication_key
    )


@dataclass
class FakeMeter:
    """Answers from ``objects``: AttributeRef → octets, DataAccessResult, or a callable of the selection.

    Faults: ``hang_after``, ``reset_after`` count answers sent before the fault; ``drip`` sends the rest octet by
    octet; ``late_s`` delays every answer; ``piece_octets`` cuts them; ``mangle`` changes each answer's octets.
    """

    objects: dict = field(default_factory=dict)
    title: bytes = TITLE
    keys: MeterKeys = KEYS
    max_pdu: int = 1024
    hang_after: int | None = None
    reset_after: int | None = None
    drip_after: int | None = None
    late_s: float = 0.0
    piece_octets: int = 1 << 20
    mangle: object = None
    written: list = field(default_factory=list)
    acted: list = field(default_factory=list)
    counters: dict = field(default_factory=lambda: {32: -1, 48: -1})
    associations: list = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    own_counter: int = 0
    transports: list = field(default_factory=list)
    port: int = 0
    tower: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)

    def settings(self):
        reader = ServerAccess(
            client_address=32,
            mechanism=Mechanism.LLS,
            ciphering=Ciphering.GLO,
            secret=self.keys.reader_secret,
            material=material(self.title, self.keys),
            last_accepted_counter=self.counters[32],
        )
        setting = ServerAccess(
            client_address=48,
            mechanism=Mechanism.HLS_AES,
            ciphering=Ciphering.GLO,
            secret=self.keys.setting_secret,
            material=material(self.title, self.keys),
            last_accepted_counter=self.counters[48],
        )
        accesses = {16: ServerAccess(client_address=16), 32: reader, 48: setting}
        return ServerSettings(
            accesses=accesses,
            challenge=b"meter challenge!",
            max_pdu=self.max_pdu,
            invocation_counter=self.own_counter,
        )

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: FakeConnection(self), "127.0.0.1", self.port)
        self.host, self.port = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for transport in self.transports:
            transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def until(self, true):
        async with asyncio.timeout(WHOLE_S):
            while not true():  # noqa: ASYNC110 (the other side of a socket tells nobody)
                await asyncio.sleep(0.005)


class FakeConnection(asyncio.Protocol):
    def __init__(self, meter):
        self._meter = meter
        self._association = ServerAssociation(meter.settings())
        self._answers = 0

    def connection_made(self, transport):
        self._transport = transport
        self._meter.transports.append(transport)
        self._count(1)
        self._meter.most_open = max(self._meter.most_open, self._meter.open_now)

    def connection_lost(self, _):
        self._count(-1)
        self._keep()

    def _count(self, change):
        """Open connections of the meter and, beside it, of all meters that share a tower."""
        meter, tower = self._meter, self._meter.tower
        meter.open_now += change
        tower["open"] = tower.get("open", 0) + change
        tower["most"] = max(tower.get("most", 0), tower["open"])

    def _keep(self):
        meter, association = self._meter, self._association
        address = association.client_address
        if address in meter.counters:
            meter.counters[address] = max(meter.counters[address], association.last_accepted_counter)
            meter.own_counter = max(meter.own_counter, association.next_invocation_counter)

    def data_received(self, data):
        try:
            self._association.receive_data(data)
            while (event := self._association.next_event()) is not NEED_DATA:
                self._answer(event)
        except ProtocolError as fault:
            self._meter.faults.append(str(fault))
        octets = self._association.data_to_send()
        self._keep()
        self._send(octets)
        if self._association.state is State.CLOSED:
            self._association.start_next_association(self._meter.settings())

    def _answer(self, event):
        meter = self._meter
        if isinstance(event, GetRequested):
            answer = meter.objects.get(event.ref, DataAccessResult.OBJECT_UNDEFINED)
            self._association.answer_get(answer(event.selection) if callable(answer) else answer)
        elif isinstance(event, SetRequested):
            meter.written.append((event.ref, event.octets))
            self._association.answer_set(DataAccessResult.SUCCESS)
        elif isinstance(event, ActionRequested):
            meter.acted.append((event.ref, event.octets))
            self._association.answer_action(ActionResult.SUCCESS)
        elif isinstance(event, AssociationRequested):
            meter.associations.append(event.client_address)

    def _send(self, octets):
        meter, number = self._meter, self._answers
        if not octets:
            return
        self._answers += 1
        if meter.reset_after is not None and number >= meter.reset_after:
            self._transport.abort()
        elif meter.hang_after is not None and number >= meter.hang_after:
            return
        elif meter.drip_after is not None and number >= meter.drip_after:
            self._drip(octets)
        else:
            octets = meter.mangle(number, octets) if meter.mangle else octets
            loop = asyncio.get_running_loop()
            loop.call_later(meter.late_s, self._write, octets) if meter.late_s else self._write(octets)

    def _write(self, octets):
        """In pieces, each in a turn of the event loop of its own."""
        size = self._meter.piece_octets
        if octets and not self._transport.is_closing():
            self._transport.write(octets[:size])
            asyncio.get_running_loop().call_soon(self._write, octets[size:])

    def _drip(self, octets):
        if octets and not self._transport.is_closing():
            self._transport.write(octets[:1])
            asyncio.get_running_loop().call_later(0.02, self._drip, octets[1:])


def reader(counter=1, left=500, keys=KEYS, **changes):
    """The client's side of the reader association."""
    settings = {
        "client_address": 32,
        "mechanism": Mechanism.LLS,
        "ciphering": Ciphering.GLO,
        "secret": keys.reader_secret,
        "own": material(OWN_TITLE, keys),
        "invocation_counter": counter,
        "counters_left": left,
        "challenge": b"client challenge",
    }
    return ClientAssociation(ClientSettings(**{**settings, **changes}))


def setter(counter=1, left=500, **changes):
    """The client's side of the setting association."""
    return reader(
        counter,
        left,
        client_address=48,
        mechanism=Mechanism.HLS_AES,
        secret=KEYS.setting_secret,
        **changes,
    )
