"""Both ways in which meters come by themselves: they push, and those that cannot be called dial in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog

from bijlighar.cim.exchange import Unavailable
from bijlighar.cim.network import Meter
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.clock import Clock
from bijlighar.headend.delivery import Delivery
from bijlighar.headend.dialled import DialInSettings, DialledDesk
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.ports import Pushes
from bijlighar.headend.push import PushDesk, PushSettings
from bijlighar.headend.roster import Roster
from bijlighar.headend.session import StandingLine
from bijlighar.headend.tenure import Tenure

_log = structlog.get_logger("headend")


class Doors:
    """On the event loop. ``push``, ``dial_in`` None: nobody is heard there, nor without a ``store``."""

    def __init__(
        self,
        store: Pushes | None,
        *,
        push: PushSettings | None,
        dial_in: DialInSettings | None,
        fleet: Fleet,
        layouts: LayoutBook,
        delivery: Delivery,
        roster: Roster,
        tenure: Tenure,
        alarms: Alarms,
        metrics: Metrics,
        clock: Clock,
        in_ledger: Callable[..., Awaitable[Any]],
    ) -> None:
        self._alarms = alarms
        self._in_ledger = in_ledger
        self.push: PushDesk | None = None
        self.dialled: DialledDesk | None = None
        if store is not None and push is not None:
            self.push = PushDesk(
                store,
                push,
                fleet=fleet,
                layouts=layouts,
                delivery=delivery,
                roster=roster,
                alarms=alarms,
                metrics=metrics,
                clock=clock,
            )
        if store is not None and dial_in is not None:
            self.dialled = DialledDesk(
                store,
                dial_in,
                fleet=fleet,
                owned=tenure,
                reachable=roster.reachable,
                alarms=alarms,
                metrics=metrics,
                clock=clock,
                in_ledger=in_ledger,
            )

    async def load(self) -> None:
        """What is durable of pushes, before anything is heard. Raises Unavailable."""
        if self.push is not None:
            await self._in_ledger(self.push.load)

    async def open(self) -> None:
        """Begin to listen. Raises PushAddressTaken, DialInAddressTaken."""
        if self.push is not None:
            await self.push.open()
        if self.dialled is not None:
            await self.dialled.open()

    async def close(self) -> None:
        """Hear nothing more."""
        if self.push is not None:
            await self.push.close()

    async def hang_up(self) -> None:
        """Visits have ended: hang up on who has dialled in."""
        if self.dialled is not None:
            await self.dialled.close()

    def fleet_changed(self, meters: Collection[Meter]) -> None:
        """Meters, keys or models are others. Meters that dial in where nobody listens are an alarm."""
        if self.push is not None:
            self.push.fleet_changed()
        if self.dialled is not None:
            self.dialled.fleet_changed()
            return
        hidden = sum(not meter.host for meter in meters)
        why = f"{hidden} meters have no host, and no dial_in_address is set at which they could call"
        self._alarms.set("dial-in-closed", why if hidden else None)

    def let_go(self, groups: Collection[str] | None = None) -> None:
        """These groups, or all, are no longer ours."""
        if self.dialled is not None:
            self.dialled.let_go(groups)

    def line_of(self, meter_id: int) -> StandingLine | None:
        """The line that a meter has opened, when it is free for a visit."""
        return None if self.dialled is None else self.dialled.line_of(meter_id)

    async def tell(self) -> None:
        """Figures and alarms; what was refused is kept, or waits for a store that is away."""
        for desk in (self.push, self.dialled):
            if desk is None or (keep := desk.tell()) is None:
                continue
            count = len(desk.refusals.waiting)
            try:
                await self._in_ledger(keep)
            except Unavailable as error:
                _log.warning("what was refused waits for the store", count=count, cause=error.reason)
            else:
                del desk.refusals.waiting[:count]
