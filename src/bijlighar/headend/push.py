"""Pushes of meters, from the socket to the store: what joins listener, windows, delivery and what follows of them.

One head-end process listens for all meters: two that both admitted pushes would each believe a replay that the
other has seen. ``push_windows`` tells in which order a push becomes durable.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from bijlighar.dlms.model import MeterModel, ModelPush, Severity
from bijlighar.dlms.profile import ProfileLayout
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.clock import Clock
from bijlighar.headend.delivery import Delivery
from bijlighar.headend.fleet import Fleet
from bijlighar.headend.layouts import KeptLayout, LayoutBook, default_layout
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.ports import Pushes
from bijlighar.headend.push_bundle import ENTRY_OCTETS, PushBundle, PushResult
from bijlighar.headend.push_intake import ACCEPTED, DUPLICATE, PushIntake
from bijlighar.headend.push_listener import PushLimits, PushListener
from bijlighar.headend.push_refusals import Reason, Refusals
from bijlighar.headend.push_senders import Entry, Gathering, Senders
from bijlighar.headend.push_status import FIRST_BREATH, LAST_GASP, LOAD_SWITCH_OPERATED
from bijlighar.headend.push_windows import Windows
from bijlighar.headend.roster import Roster
from bijlighar.headend.schedule import Task
from bijlighar.headend.settling import DOUBT_S, NEWS_S

_log = structlog.get_logger("headend")


class PushAddressTaken(Exception):
    """Nothing can listen where pushes shall come in. ``address`` as set, ``reason`` one sentence."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"pushes cannot be heard at {address}: {reason}")
        self.address = address
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """``host`` and ``port`` for TCP and UDP alike. Seconds are wall-clock.

    ``gather_s``      how long accepted pushes may wait for others of their layout
    ``most_gathered`` how many of one layout may
    """

    host: str
    port: int
    gather_s: float = 0.02
    most_gathered: int = 4_096
    limits: PushLimits = field(default_factory=PushLimits)


class PushDesk:
    """On the event loop, except ``load``. ``loop_later`` and sockets come with ``open``."""

    def __init__(
        self,
        store: Pushes,
        settings: PushSettings,
        *,
        fleet: Fleet,
        layouts: LayoutBook,
        delivery: Delivery,
        roster: Roster,
        alarms: Alarms,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings
        self._fleet = fleet
        self._layouts = layouts
        self._delivery = delivery
        self._roster = roster
        self._metrics = metrics
        self._clock = clock
        self._windows = Windows()
        self._senders = Senders(fleet, self._windows)
        self.refusals = Refusals(alarms, metrics)
        self.intake = PushIntake(
            self._senders,
            self.refusals,
            metrics,
            now=clock.now,
            flush=self._bundle,
            most_gathered=settings.most_gathered,
        )
        self.listener = PushListener(
            self.intake,
            metrics,
            settings.limits,
            full=lambda: delivery.full,
            taken=self._flush_soon,
        )
        self._flushing: asyncio.TimerHandle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._assumed: dict[tuple[str, str], KeptLayout] = {}
        self._doubted_s: dict[int, float] = {}
        self._told = [0, 0]

    def load(self) -> None:
        """The windows as they are durable; before anything is heard. Blocks. Raises Unavailable."""
        kept = self._store.windows()
        self._windows.load(kept)
        self._delivery.landed_windows.load(kept)

    async def open(self) -> None:
        """Begin to listen. Raises PushAddressTaken."""
        host, port = self._settings.host, self._settings.port
        try:
            await self.listener.open(host, port)
        except OSError as error:
            raise PushAddressTaken(f"{host}:{port}", error.strerror or str(error)) from None
        self._keeper = asyncio.create_task(self.listener.keep())
        _log.info("pushes are heard", host=host, port=self.listener.port)

    async def close(self) -> None:
        """Hear nothing more; what was heard goes to the delivery."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self.listener.close()
        self._flush()

    def fleet_changed(self) -> None:
        """Meters, keys or models are others."""
        self._flush()
        self._senders.fleet_changed()

    def tell(self) -> Callable[[], None] | None:
        """Metrics and alarms; and what is to be done in the ledger to keep what was refused, when there is any."""
        intake = self.intake
        self._metrics.push(ACCEPTED, intake.accepted - self._told[0])
        self._metrics.push(DUPLICATE, intake.duplicates - self._told[1])
        self._told = [intake.accepted, intake.duplicates]
        self.refusals.tell(self._clock.now())
        waiting = self.refusals.waiting
        return partial(self._keep, len(waiting)) if waiting else None

    def landed(self, pushes: list[PushResult], *, stored: bool) -> None:
        """Pushes are durable, or never will be."""
        for result in pushes:
            if not stored:
                self._windows.forget(result.bundle.counters())
                self.intake.forget(result.bundle.push, result.bundle.entries)
                self._metrics.push("lost", len(result.bundle.entries))
                continue
            for position, why in result.faults.items():
                self._not_understood(result.bundle.entries[position], why)
            self._metrics.unreadable(len(result.faults))
            if result.quarantined is not None:
                for reason in result.quarantined.reasons:
                    self._metrics.apart(reason, 1)
            self._act(result)

    def _keep(self, count: int) -> None:
        self._store.keep_refused(self.refusals.waiting[:count])

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(self._settings.gather_s, self._flush)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self.intake.flush_all()

    def _bundle(self, gathering: Gathering) -> None:
        """Hand what was gathered to the delivery, by the layouts that the meters' firmware has."""
        push, model = gathering.push, gathering.model
        by_layout: dict[int, tuple[KeptLayout | None, list[Entry]]] = {}
        by_firmware: dict[str, list[Entry]] = defaultdict(list)
        firmware = self._fleet.firmware
        for entry in gathering.entries:
            by_firmware[firmware.get(entry[0].meter_id, "")].append(entry)
        for version, entries in by_firmware.items():
            layout = self._layout(model, version, push)
            by_layout.setdefault(id(layout), (layout, []))[1].extend(entries)
        for layout, entries in by_layout.values():
            octets = 2 * sum(len(entry[2]) for entry in entries) + ENTRY_OCTETS * len(entries)
            self._delivery.put(
                PushBundle(
                    model=model,
                    push=push,
                    layout=layout,
                    received_s=int(self._clock.now()),
                    entries=tuple(entries),
                    octets=octets,
                    urgent=layout is None,
                )
            )

    def _layout(self, model: MeterModel, firmware: str, push: ModelPush) -> KeptLayout | None:
        """Columns of a push: those that the model lists, else those of the profile as the meter told them."""
        if push.profile is None:
            return None
        known = None if push.columns else self._layouts.find(model.name, firmware, push.profile)
        if known is not None:
            return known
        key = (model.name, push.name)
        if key not in self._assumed:
            default = default_layout(model, push.profile)
            columns = default.columns
            if push.columns:
                columns = ProfileLayout(
                    capture_objects=tuple(quantity.column for quantity in push.columns),
                    scalers=tuple(quantity.scaler for quantity in push.columns),
                )
            self._assumed[key] = KeptLayout(
                columns=columns,
                period_s=default.period_s,
                stamps_end=default.stamps_end,
                newest_first=default.newest_first,
                from_meter=False,
            )
        return self._assumed[key]

    def _not_understood(self, entry: Entry, why: str) -> None:
        """Verified and admitted, but not of the layout: kept as evidence; perhaps the firmware has changed."""
        meter_id, now_s = entry[0].meter_id, self._clock.now()
        self.intake.refuse(entry, Reason.NOT_UNDERSTOOD, "the landing")
        _log.warning("push not understood", meter_id=meter_id, cause=why)
        if now_s - self._doubted_s.get(meter_id, float("-inf")) >= DOUBT_S and meter_id in self._roster:
            self._doubted_s[meter_id] = now_s
            self._roster.ask_for(meter_id, Task.NAMEPLATE, now_s)

    def _act(self, result: PushResult) -> None:
        """Ask the meter itself: about what is critical, and how its switch stands, which no bit tells."""
        now_s, codes = self._clock.now(), result.bundle.model.event_codes
        for meter_id, code, start_s in result.events:
            if now_s - start_s > NEWS_S or meter_id not in self._roster or code in (LAST_GASP, FIRST_BREATH):
                continue
            critical = code in codes and codes[code].severity is Severity.CRITICAL
            if critical or (result.bundle.layout is None and code == LOAD_SWITCH_OPERATED):
                self._roster.ask_for(meter_id, Task.INSTANTANEOUS, now_s, alarm=True)
