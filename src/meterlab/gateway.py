"""A gateway: one address and one connection for the meters of a hundred homes (IEC 62056-5-3, gateway protocol).

Before each APDU stands the prefix E6h with the network and the meter's physical address, here its serial number as
ASCII; before each answer E7h and the same. A meter holds one association at a time, whoever asks through whatever
connection; frames for a meter that is engaged elsewhere, or that is not carried here, are answered by nobody.
Behind a gateway there is no radio: delays and conduct of ``radio`` and ``conduct`` do not apply.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import structlog

from bijlighar.dlms.association import NEED_DATA, ServerAssociation, State
from bijlighar.dlms.errors import ProtocolError, RemoteProtocolError
from bijlighar.dlms.gateway import REQUEST, Gateway, split_prefix
from bijlighar.dlms.limits import MAX_FRAME_OCTETS
from bijlighar.dlms.wrapper import HEADER_OCTETS
from meterlab import identity
from meterlab.access import caller_of, keep_counters, server_settings
from meterlab.answering import answer
from meterlab.reached import NETWORK_ID

if TYPE_CHECKING:
    from meterlab.exchange import Exchange

_log = structlog.get_logger("meterlab")


def physical_address(seed: int, meter: int) -> bytes:
    """A meter's address behind its gateway."""
    return identity.serial(seed, meter).encode()


class GatewayConnection(asyncio.Protocol):
    """The gateway's end of one connection."""

    __slots__ = ("_exchange", "_held", "_machines", "_meters", "_transport", "heard_at_s")
    dialled = False

    def __init__(self, exchange: Exchange, gateway: int) -> None:
        town = exchange.lab.town
        assert town.gateway is not None
        carried = np.flatnonzero(town.gateway == gateway).tolist()
        self._exchange = exchange
        self._meters = {physical_address(town.seed, meter): meter for meter in carried}
        self._machines: dict[int, ServerAssociation] = {}
        self._held = b""
        self._transport: asyncio.Transport | None = None
        self.heard_at_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody calls."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's inherit from none of asyncio's
        self.heard_at_s = self._exchange.loop_time()
        self._exchange.tally.accepted += 1
        self._exchange.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """All associations are over."""
        self._transport = None
        self._exchange.open.discard(self)
        for meter in tuple(self._machines):
            self._part_with(meter)

    def abort(self) -> None:
        """Tear the connection down."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand whole frames on. A fault of ours ends this connection, not the listener."""
        self.heard_at_s = self._exchange.loop_time()
        self._held += data
        try:
            while self._transport is not None and (frame := self._next_frame()) is not None:
                self._hand_on(frame)
        except Exception:  # noqa: BLE001 (the outer edge: logged, counted, and the call ends)
            _log.exception("a gateway failed to answer")
            self._exchange.tally.failures += 1
            self.abort()

    def _next_frame(self) -> bytes | None:
        held = self._held
        if len(held) < HEADER_OCTETS:
            return None
        end = HEADER_OCTETS + int.from_bytes(held[6:8], "big")
        if len(held) < end:
            assert end <= HEADER_OCTETS + MAX_FRAME_OCTETS
            return None
        self._held = held[end:]
        return held[:end]

    def _hand_on(self, frame: bytes) -> None:
        try:
            named, _ = split_prefix(frame[HEADER_OCTETS:], REQUEST)
        except RemoteProtocolError:
            self._exchange.tally.faults += 1
            self.abort()
            return
        meter = self._meters.get(named.physical_address)
        if meter is None or named.network_id != NETWORK_ID:
            self._exchange.tally.foreign += 1
            return
        machine = self._machines.get(meter) or self._begun(meter, named, frame)
        if machine is not None:
            self._converse(meter, machine, frame)

    def _begun(self, meter: int, named: Gateway, frame: bytes) -> ServerAssociation | None:
        """The meter's next association, None while it is engaged elsewhere."""
        if meter in self._exchange.busy:
            self._exchange.tally.busy += 1
            return None
        settings = replace(server_settings(self._exchange.lab, meter, caller_of(frame)), gateway=named)
        machine = self._machines[meter] = ServerAssociation(settings)
        self._exchange.busy.add(meter)
        return machine

    def _converse(self, meter: int, machine: ServerAssociation, frame: bytes) -> None:
        lab, now_s = self._exchange.lab, self._exchange.clock.now()
        over = False
        try:
            machine.receive_data(frame)
            while (event := machine.next_event()) is not NEED_DATA:
                keep_counters(lab, meter, machine)
                answer(lab, meter, machine, event, now_s)
        except ProtocolError:
            self._exchange.tally.faults += 1
            over = True
        octets = machine.data_to_send()
        if octets and self._transport is not None:
            self._transport.write(octets)
        if over or machine.state is State.CLOSED:
            self._part_with(meter)

    def _part_with(self, meter: int) -> None:
        keep_counters(self._exchange.lab, meter, self._machines.pop(meter))
        self._exchange.busy.discard(meter)
