"""Our meter's side of an association behind a socket, with methods that virtual meters have no use for.

It gives back what a method is given, takes images and takes keys, so that long parameters and long answers can be
tried with foreign clients.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    NEED_DATA,
    ActionRequested,
    Ciphering,
    GetRequested,
    Mechanism,
    ServerAccess,
    ServerAssociation,
    ServerSettings,
    SetRequested,
)
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.image_transfer import IMAGE_TRANSFER_OBIS
from bijlighar.dlms.key_transfer import KeyId, transferred_keys
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.procedure import Invoke, Read
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult
from dlms.test_image_transfer import Meter as ImageMeter
from interop import foreign

ECHO = (9, "0.0.10.0.200.255", 1)
"""Class, name and method of what gives its parameter back; a script table, which every peer knows."""
SECURITY_SETUP = "0.0.43.0.3.255"
MASTER_KEY = bytes(range(100, 116))
TITLE = b"BJGMETER"
MAX_PDU_OCTETS = 256
ANSWER_S = 20.0


@dataclass
class OurMeter:
    """A running meter. ``keys`` that it was given; ``image`` what it holds; ``longest`` parameter it was given."""

    port: int = 0
    image: ImageMeter = field(default_factory=ImageMeter)
    keys: dict[KeyId, bytes] = field(default_factory=dict)
    longest: int = 0
    failure: Exception | None = None

    def answer_to_get(self, event: GetRequested) -> bytes | DataAccessResult:
        """Attributes of the image transfer; there are no others."""
        if event.ref.obis == IMAGE_TRANSFER_OBIS:
            answer = self.image.answer(Read(event.ref))
            assert isinstance(answer, (bytes, DataAccessResult))
            return answer
        return DataAccessResult.OBJECT_UNDEFINED

    def answer_to_action(self, event: ActionRequested) -> tuple[ActionResult, bytes | None]:
        """The echo, the image, the keys."""
        octets = event.octets or b""
        self.longest = max(self.longest, len(octets))
        ref = event.ref
        if (ref.class_id, str(ref.obis), ref.method) == ECHO:
            return ActionResult.SUCCESS, octets
        if ref.obis == IMAGE_TRANSFER_OBIS:
            result = self.image.answer(Invoke(ref, axdr.decode(octets)))
            assert isinstance(result, ActionResult)
            return result, None
        if ref.obis == Obis.parse(SECURITY_SETUP):
            self.keys = transferred_keys(axdr.decode(octets), MASTER_KEY)
            return ActionResult.SUCCESS, None
        return ActionResult.OBJECT_UNDEFINED, None


@contextmanager
def our_meter(hdlc: HdlcSettings | None = None) -> Iterator[OurMeter]:
    """A meter that serves one client after the other until the block ends."""
    meter = OurMeter()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        meter.port = listener.getsockname()[1]
        thread = threading.Thread(target=_serve, args=(meter, listener, hdlc), daemon=True)
        thread.start()
        yield meter
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(ANSWER_S)
    assert not thread.is_alive()
    if meter.failure is not None:
        raise meter.failure


def _serve(meter: OurMeter, listener: socket.socket, hdlc: HdlcSettings | None) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line:
            line.settimeout(ANSWER_S)
            try:
                _talk(meter, line, ServerAssociation(_settings(hdlc)))
            except Exception as failure:  # noqa: BLE001 (told to the test that waits for this thread)
                meter.failure = failure


def _talk(meter: OurMeter, line: socket.socket, association: ServerAssociation) -> None:
    while octets := line.recv(4096):
        association.receive_data(octets)
        while (event := association.next_event()) is not NEED_DATA:
            if isinstance(event, GetRequested):
                association.answer_get(meter.answer_to_get(event))
            elif isinstance(event, SetRequested):
                association.answer_set(DataAccessResult.READ_WRITE_DENIED)
            elif isinstance(event, ActionRequested):
                association.answer_action(*meter.answer_to_action(event))
        line.sendall(association.data_to_send(monotonic()))


def _settings(hdlc: HdlcSettings | None) -> ServerSettings:
    material = SecurityMaterial(
        system_title=TITLE, encryption_key=foreign.ENCRYPTION_KEY, authentication_key=foreign.AUTHENTICATION_KEY
    )
    accesses = {
        address: ServerAccess(
            client_address=address,
            mechanism=mechanism,
            secret=secret,
            ciphering=Ciphering.GLO,
            material=material,
            last_accepted_counter=0,
        )
        for address, mechanism, secret in (
            (foreign.READER, Mechanism.LLS, foreign.PASSWORD),
            (foreign.FIRMWARE, Mechanism.HLS_AES, foreign.HLS_SECRET),
            (foreign.SETTING, Mechanism.HLS_GMAC, None),
        )
    }
    return ServerSettings(
        accesses=accesses, challenge=bytes(range(16)), invocation_counter=1, max_pdu=MAX_PDU_OCTETS, hdlc=hdlc
    )
