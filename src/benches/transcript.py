"""The octets of one session in both directions, recorded from our two roles: what every client is fed.

Keys, titles and challenges are those of the Green Book's examples; nothing secret is in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from benches.blockload import day_buffer
from bijlighar.dlms.association import (
    NEED_DATA,
    AssociationOpened,
    Ciphering,
    ClientAssociation,
    ClientSettings,
    GetRequested,
    GetSucceeded,
    Mechanism,
    Released,
    ServerAccess,
    ServerAssociation,
    ServerSettings,
)
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import AttributeRef

CLIENT_ADDRESS = 48
CLIENT_TITLE = bytes.fromhex("4D4D4D0000000001")
METER_TITLE = bytes.fromhex("4D4D4D0000BC614E")
ENCRYPTION_KEY = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
AUTHENTICATION_KEY = bytes.fromhex("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF")
CLIENT_CHALLENGE = bytes(range(0x41, 0x51))
METER_CHALLENGE = bytes(range(0x61, 0x71))
MAX_PDU_OCTETS = 1024
COUNTERS_A_SESSION = 100
BLOCK_LOAD = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 2)


@dataclass(frozen=True, slots=True)
class Transcript:
    """``requests[i]`` was answered by ``answers[i]``; ``buffer`` is what the GET returned."""

    requests: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    buffer: bytes

    @property
    def blocks(self) -> int:
        """In how many blocks the buffer came: all answers but AARE, proof and release."""
        return len(self.answers) - 3


def client_settings() -> ClientSettings:
    """The client's side, kept from visit to visit as the head-end keeps a meter's; ``begin`` opens a visit."""
    return ClientSettings(
        client_address=CLIENT_ADDRESS,
        mechanism=Mechanism.HLS_GMAC,
        ciphering=Ciphering.GENERAL_GLO,
        own=_material(CLIENT_TITLE),
        meter_title=METER_TITLE,
        max_pdu=MAX_PDU_OCTETS,
    )


def begin(settings: ClientSettings) -> ClientAssociation:
    """One visit under ``settings``, with counters and challenge of its own."""
    return ClientAssociation(
        settings, challenge=CLIENT_CHALLENGE, invocation_counter=1, counters_left=COUNTERS_A_SESSION
    )


def record() -> Transcript:
    """One session between our client and our meter."""
    buffer = day_buffer(seed=1)
    client = begin(client_settings())
    access = ServerAccess(
        client_address=CLIENT_ADDRESS,
        mechanism=Mechanism.HLS_GMAC,
        ciphering=Ciphering.GENERAL_GLO,
        material=_material(METER_TITLE),
        last_accepted_counter=0,
    )
    meter = ServerAssociation(
        ServerSettings(
            accesses={CLIENT_ADDRESS: access},
            challenge=METER_CHALLENGE,
            invocation_counter=1,
            max_pdu=MAX_PDU_OCTETS,
        )
    )
    requests: list[bytes] = []
    answers: list[bytes] = []
    client.open()
    while True:
        event = client.next_event()
        if isinstance(event, AssociationOpened):
            client.get(BLOCK_LOAD)
        elif isinstance(event, GetSucceeded):
            assert event.octets == buffer
            client.release()
        elif isinstance(event, Released):
            return Transcript(tuple(requests), tuple(answers), buffer)
        requests.append(client.data_to_send())
        answers.append(_answer(meter, requests[-1], buffer))
        client.receive_data(answers[-1])


def _answer(meter: ServerAssociation, request: bytes, buffer: bytes) -> bytes:
    meter.receive_data(request)
    while (event := meter.next_event()) is not NEED_DATA:
        if isinstance(event, GetRequested):
            meter.answer_get(buffer)
    answer = meter.data_to_send()
    assert answer, "a meter answers"
    return answer


def _material(title: bytes) -> SecurityMaterial:
    return SecurityMaterial(
        system_title=title, encryption_key=ENCRYPTION_KEY, authentication_key=AUTHENTICATION_KEY
    )
