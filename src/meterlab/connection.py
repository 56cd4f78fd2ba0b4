"""One connection of a client with a meter, from the accepted socket to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import structlog

from bijlighar.dlms.association import NEED_DATA, ServerAssociation, ServerEvent, State
from bijlighar.dlms.errors import ProtocolError
from meterlab.access import WRAPPER_HEADER_OCTETS, caller_of, hdlc_settings, keep_counters, server_settings
from meterlab.answering import answer
from meterlab.conduct import WELL_BEHAVED
from meterlab.eavesdropper import Tape
from meterlab.gateway import GatewayConnection
from meterlab.outbox import Outbox
from meterlab.radio import Fate
from meterlab.usual import UsualVisit

if TYPE_CHECKING:
    from meterlab.exchange import Exchange

_GRACE_S = 0.05
"""A client that closes and calls again at once may be heard before its goodbye: look again after this."""

_MOST_EARLY_OCTETS = 4096
"""Far more than the one AARQ that a client may send before it is answered."""

_log = structlog.get_logger("meterlab")


class MeterConnection(asyncio.Protocol):
    """The meter's end. All it knows of the meter is a number; its state stands in the lab's columns."""

    __slots__ = (
        "_arrives_at",
        "_asked",
        "_association",
        "_conduct",
        "_early",
        "_exchange",
        "_meter",
        "_outbox",
        "_prompt",
        "_tape",
        "_transport",
        "_visit",
        "heard_at_s",
    )
    dialled = False
    """Whether the meter opened the connection."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._meter: int | None = None
        self._transport: asyncio.Transport | None = None
        self._association: ServerAssociation | None = None
        self._visit: UsualVisit | None = None
        self._outbox: Outbox | None = None
        self._conduct = WELL_BEHAVED
        self._prompt = False
        self._asked = False
        self._tape: Tape | None = None
        self._early = b""
        self._arrives_at = 0.0
        self.heard_at_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out which meter was called, and whether it is free."""
        line = cast("asyncio.Transport", transport)  # uvloop's inherit from none of asyncio's
        self.opened(line)
        host = line.get_extra_info("sockname")[0]
        gateway = self._exchange.lab.town.gateway_at(host)
        if gateway is not None:
            carrying = GatewayConnection(self._exchange, gateway)
            line.set_protocol(carrying)
            carrying.connection_made(line)
            return
        meter = self._exchange.called(host)
        if meter is None:
            line.abort()
        elif meter in self._exchange.busy:
            asyncio.get_running_loop().call_later(_GRACE_S, self._call_again, meter)
        else:
            self.pick_up(meter, line)

    def opened(self, line: asyncio.Transport) -> None:
        """The connection stands."""
        self._transport = line
        self.heard_at_s = self._exchange.loop_time()

    @property
    def was_asked(self) -> bool:
        """Whether the other side has ever said anything."""
        return self._asked

    def _call_again(self, meter: int) -> None:
        transport = self._transport
        if transport is None:
            return
        if meter in self._exchange.busy:
            self._exchange.tally.busy += 1
            transport.abort()
            return
        self.pick_up(meter, transport)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def pick_up(self, meter: int, transport: asyncio.Transport) -> None:
        """The meter takes the call, unless the radio or its own conduct prevents it."""
        lab = self._exchange.lab
        fate = lab.fate(meter, self._exchange.clock.now())
        if fate is Fate.RESET:
            self._exchange.tally.unreachable += 1
            transport.abort()
            return
        self._exchange.tally.accepted += 1
        self._meter = meter
        self._exchange.busy.add(meter)
        self._exchange.open.add(self)
        self._conduct = lab.conduct(meter)
        if self._conduct.commands_return_s is not None:
            self._tape = Tape(relay_before=int(lab.state.control_state[meter]))
        if fate is Fate.GOES_THROUGH and not self._conduct.hangs:
            self._outbox = Outbox(transport, meter, lab.radio, self._conduct)
            usual = self._exchange.usual
            self._prompt = usual is not None and lab.radio.is_instant and self._conduct is WELL_BEHAVED

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """The meter is free again."""
        called = None if self._transport is None else self._transport.get_extra_info("sockname")
        self._transport = None
        if self._meter is None:
            return
        if self._tape is not None:
            self._exchange.recorded(self._tape, self._meter, called)
        self._keep_counters()
        self._exchange.busy.discard(self._meter)
        self._exchange.open.discard(self)

    def abort(self) -> None:
        """Tear the connection down."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer what has come. A fault of ours ends this connection, not the listener."""
        self.heard_at_s = now_s = self._exchange.loop_time()
        self._asked = True
        if self._prompt:  # nothing delays or distorts what nearly every meter of a city says
            self._arrived(data)
            return
        if self._meter is None:
            self._wait_with(data)
            return
        if self._tape is not None:
            self._tape.record(data)
        way_s = self._outbox.way_there_s() if self._outbox is not None else 0.0
        if way_s > 0 or self._arrives_at > now_s:
            self._arrives_at = max(now_s + way_s, self._arrives_at)
            asyncio.get_running_loop().call_at(self._arrives_at, self._arrived, data)
        else:
            self._arrived(data)

    def _wait_with(self, data: bytes) -> None:
        """Keep what comes before it is known whether the meter is free."""
        self._early += data
        if len(self._early) > _MOST_EARLY_OCTETS:
            self.abort()

    def _arrived(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            self._hear(data)
        except Exception:  # noqa: BLE001 (the outer edge: logged with its meter, counted, and the call ends)
            _log.exception("a virtual meter failed to answer", meter=self._meter)
            self._exchange.tally.failures += 1
            self.abort()

    def _hear(self, data: bytes) -> None:
        outbox, meter = self._outbox, self._meter
        if outbox is None or meter is None:
            return
        if self._association is None and self._is_usual(data, meter, outbox):
            return
        association = self._association
        if association is None:
            data, self._early = self._early + data, b""
            if self._exchange.hdlc is None and len(data) < WRAPPER_HEADER_OCTETS:
                self._early = data
                return
            association = self._opened_by(data, meter)
        if self._conduct.resets_mid_block and association.state is State.BETWEEN_BLOCKS:
            self.abort()
            return
        self._converse(association, meter, outbox, data)

    def _is_usual(self, data: bytes, meter: int, outbox: Outbox) -> bool:
        """Whether a well-behaved meter has answered as nearly all visits go; else the general machine goes on."""
        usual = self._exchange.usual
        if usual is None or self._early or self._conduct is not WELL_BEHAVED:
            return False
        visit = self._visit
        if visit is None:
            visit = self._visit = UsualVisit(usual, meter)
        octets = visit.hear(data, self._exchange.clock.now())
        if octets is None:
            return self._unusual(visit, meter, outbox)
        if self._prompt and self._transport is not None:
            self._transport.write(octets)
        else:
            outbox.send(octets, ciphered=False, last=False)
        if visit.closed:
            visit.keep_counters()
            self._visit = None
        return True

    def _unusual(self, visit: UsualVisit, meter: int, outbox: Outbox) -> bool:
        """The general machine takes over; True when it has heard everything."""
        self._visit = None
        last, _ = visit.heard.pop()
        if not visit.heard:
            return False
        self._association = visit.general_machine()
        self._converse(self._association, meter, outbox, last)
        return True

    def _converse(self, association: ServerAssociation, meter: int, outbox: Outbox, data: bytes) -> None:
        """What the general machine answers."""
        try:
            association.receive_data(data)
            while (event := association.next_event()) is not NEED_DATA:
                self._answer(association, meter, event)
        except ProtocolError:
            self._exchange.tally.faults += 1
            outbox.send(association.data_to_send(), ciphered=False, last=True)
            return
        octets = association.data_to_send()
        if octets:
            outbox.send(octets, ciphered=association.last_accepted_counter >= 0, last=False)
        if association.state is State.CLOSED:
            self._closed(association, meter)

    def _opened_by(self, data: bytes, meter: int) -> ServerAssociation:
        """The machine for the client that speaks first; it alone can associate until it has released."""
        lab, hdlc = self._exchange.lab, self._exchange.hdlc
        settings = (
            server_settings(lab, meter, caller_of(data)) if hdlc is None else hdlc_settings(lab, meter, hdlc)
        )
        self._association = ServerAssociation(settings)
        return self._association

    def _closed(self, association: ServerAssociation, meter: int) -> None:
        """Ready for the next association; an HDLC link stands until the client takes leave of it."""
        self._keep_counters()
        hdlc = self._exchange.hdlc
        if hdlc is None:
            self._association = None
        else:
            association.start_next_association(hdlc_settings(self._exchange.lab, meter, hdlc))

    def _answer(self, association: ServerAssociation, meter: int, event: ServerEvent) -> None:
        self._keep_counters()
        answer(self._exchange.lab, meter, association, event, self._exchange.clock.now())

    def _keep_counters(self) -> None:
        if self._visit is not None:
            self._visit.keep_counters()
        if self._association is not None and self._meter is not None:
            keep_counters(self._exchange.lab, self._meter, self._association)
