"""The town's meters at the other end of the radio: meterlab's own, with what they hold and count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bijlighar.dlms.association import NEED_DATA, ServerAssociation, State
from bijlighar.dlms.errors import ProtocolError
from meterlab.access import WRAPPER_HEADER_OCTETS, caller_of, keep_counters, server_settings
from meterlab.answering import answer
from meterlab.lab import Lab

from .kernel import Process
from .radio import Line

IDLE_S = 180.0
"""A silent client loses its meter after this."""


class Meters:
    """Who is talking with whom. ``accepted(meter, client, counter)`` tells each counter that a meter took."""

    def __init__(
        self,
        lab: Lab,
        world: Process,
        now: Callable[[], float],
        *,
        accepted: Callable[[int, int, int], None],
        faulted: Callable[[int, str], None],
    ) -> None:
        self.lab = lab
        self.world = world
        self.now = now
        self.accepted = accepted
        self.faulted = faulted
        self.talks: dict[int, Talk] = {}

    def pick_up(self, line: Line) -> Talk | None:
        """One client at a time: a second one is turned away."""
        if line.meter in self.talks:
            return None
        talk = self.talks[line.meter] = Talk(self, line)
        return talk

    def restart(self, meter: int) -> None:
        """It forgets its conversation, says nothing more on it, and keeps its counters."""
        talk = self.talks.get(meter)
        if talk is not None:
            talk.line.tell("the meter starts again")
            talk.line.go_mute()
            talk.line.answering = None
            talk.gone()


class Talk:
    """One conversation, from the accepted call to its end."""

    def __init__(self, meters: Meters, line: Line) -> None:
        self._meters = meters
        self.line = line
        self._association: ServerAssociation | None = None
        self._early = b""
        self._over = False
        self._heard_s = meters.world.time()
        self._idle: asyncio.TimerHandle = meters.world.call_later(IDLE_S, self._look_idle)

    def hear(self, octets: bytes) -> None:
        """Answer what has come."""
        if self._over:
            return
        self._heard_s = self._meters.world.time()
        lab, meter = self._meters.lab, self.line.meter
        if self._association is None:
            octets, self._early = self._early + octets, b""
            if len(octets) < WRAPPER_HEADER_OCTETS:
                self._early = octets
                return
            self._association = ServerAssociation(server_settings(lab, meter, caller_of(octets)))
        association, last = self._association, False
        try:
            association.receive_data(octets)
            while (event := association.next_event()) is not NEED_DATA:
                self._keep(association)
                answer(lab, meter, association, event, self._meters.now())
        except ProtocolError as fault:
            self._meters.faulted(meter, str(fault))
            last = True
        reply = association.data_to_send()
        self._keep(association)
        if association.state is State.CLOSED:
            self._association = None
        if reply:
            self.line.carry(reply, up=False)
        if last:
            self.gone()
            self.line.hung_up_by_meter()

    def _keep(self, association: ServerAssociation) -> None:
        keep_counters(self._meters.lab, self.line.meter, association)
        if association.last_accepted_counter >= 0 and association.client_address is not None:
            self._meters.accepted(self.line.meter, association.client_address, association.last_accepted_counter)

    def gone(self) -> None:
        """The line is no more; the meter is free again."""
        if self._over:
            return
        self._over = True
        self._idle.cancel()
        if self._association is not None:
            self._keep(self._association)
        if self._meters.talks.get(self.line.meter) is self:
            del self._meters.talks[self.line.meter]

    def _look_idle(self) -> None:
        left_s = self._heard_s + IDLE_S - self._meters.world.time()
        if left_s > 0:
            self._idle = self._meters.world.call_later(left_s, self._look_idle)
            return
        self.line.tell("the meter waits no longer")
        self.gone()
        self.line.hung_up_by_meter()
