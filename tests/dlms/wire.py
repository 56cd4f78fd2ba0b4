"""A client and a meter over a wire that is two lists of octets: the values that protocol tests share."""

from __future__ import annotations

from bijlighar.dlms.association import (
    NEED_DATA,
    ActionRequested,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    GetRequested,
    Mechanism,
    ServerAccess,
    ServerAssociation,
    ServerSettings,
    SetRequested,
)
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityControl, SecurityMaterial
from bijlighar.dlms.xdlms import ActionResult, AttributeRef, DataAccessResult, MethodRef

CLIENT_TITLE = bytes.fromhex("4D4D4D0000000001")
METER_TITLE = bytes.fromhex("4D4D4D0000BC614E")
ENCRYPTION_KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AUTHENTICATION_KEY = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
CLIENT_CHALLENGE = bytes(range(16))
METER_CHALLENGE = bytes(range(16, 32))
SECRETS = {Mechanism.LLS: b"12345678", Mechanism.HLS_AES: b"0123456789ABCDEF"}
BOTH = SecurityControl.AUTHENTICATED_ENCRYPTED
CLIENT = 48

BUFFER = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 2)
CLOCK = AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2)
DISCONNECT = MethodRef(70, Obis.parse("0.0.96.3.10.255"), 1)
ROW = bytes.fromhex("0208090C07E9071703081E18FF014A0012096406000000010600000002060000000306000000041200051100")
LOAD_PROFILE = bytes([0x01, 48]) + ROW * 48


def material(title: bytes) -> SecurityMaterial:
    return SecurityMaterial(
        system_title=title, encryption_key=ENCRYPTION_KEY, authentication_key=AUTHENTICATION_KEY
    )


def client_settings(
    mechanism: Mechanism = Mechanism.HLS_GMAC,
    ciphering: Ciphering = Ciphering.GENERAL_GLO,
    protection: SecurityControl = BOTH,
    **others: object,
) -> ClientSettings:
    fields: dict[str, object] = {
        "mechanism": mechanism,
        "ciphering": ciphering,
        "protection": protection,
        "client_address": CLIENT,
        "secret": SECRETS.get(mechanism),
        "own": material(CLIENT_TITLE),
        "invocation_counter": 1,
        "counters_left": 1000,
        "challenge": CLIENT_CHALLENGE,
    }
    return ClientSettings(**{**fields, **others})  # type: ignore[arg-type]


def server_settings(
    mechanism: Mechanism = Mechanism.HLS_GMAC,
    ciphering: Ciphering = Ciphering.GENERAL_GLO,
    protection: SecurityControl = BOTH,
    last_accepted_counter: int = 0,
    **others: object,
) -> ServerSettings:
    access = ServerAccess(
        client_address=CLIENT,
        mechanism=mechanism,
        ciphering=ciphering,
        protection=protection,
        secret=SECRETS.get(mechanism),
        material=material(METER_TITLE),
        last_accepted_counter=last_accepted_counter,
    )
    fields: dict[str, object] = {
        "accesses": {CLIENT: access},
        "challenge": METER_CHALLENGE,
        "invocation_counter": 7,
    }
    return ServerSettings(**{**fields, **others})  # type: ignore[arg-type]


def events_of(side: ClientAssociation | ServerAssociation) -> list[object]:
    """All events that are ready."""
    events: list[object] = []
    while (event := side.next_event()) is not NEED_DATA:
        events.append(event)
    return events


def serve(meter: ServerAssociation, value: bytes = LOAD_PROFILE) -> list[object]:
    """Answer whatever is asked; the events that were seen."""
    events: list[object] = []
    while (event := meter.next_event()) is not NEED_DATA:
        events.append(event)
        if isinstance(event, GetRequested):
            meter.answer_get(value)
        elif isinstance(event, SetRequested):
            meter.answer_set(DataAccessResult.SUCCESS)
        elif isinstance(event, ActionRequested):
            meter.answer_action(ActionResult.SUCCESS, b"\x16\x01")
    return events


class Wire:
    """Both sides and what went over the wire. ``sent`` and ``answered`` hold one entry for each turn."""

    def __init__(self, client: ClientSettings, server: ServerSettings, value: bytes = LOAD_PROFILE) -> None:
        self.client = ClientAssociation(client)
        self.meter = ServerAssociation(server)
        self.value = value
        self.sent: list[bytes] = []
        self.answered: list[bytes] = []
        self.meter_events: list[object] = []

    def exchange(self) -> list[object]:
        """Carry octets to and fro until the client has an event or nothing moves."""
        while octets := self.client.data_to_send():
            self.sent.append(octets)
            self.meter.receive_data(octets)
            self.meter_events += serve(self.meter, self.value)
            answer = self.meter.data_to_send()
            self.answered.append(answer)
            self.client.receive_data(answer)
            if events := events_of(self.client):
                return events
        return []

    def opened(self) -> list[object]:
        self.client.open()
        return self.exchange()


def whole_session(wire: Wire) -> list[object]:
    """Open, GET in blocks, SET, ACTION, release: the client's events."""
    client = wire.client
    events = wire.opened()
    for ask in (
        lambda: client.get(BUFFER),
        lambda: client.set(CLOCK, b"\x12\x00\x01"),
        lambda: client.action(DISCONNECT, b"\x0f\x00"),
        client.release,
    ):
        ask()
        events += wire.exchange()
    return events
