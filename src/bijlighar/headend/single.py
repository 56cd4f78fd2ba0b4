"""Reading one meter without any store: for an engineer at a desk, and for meters that no registry knows.

Invocation counters come from the meter itself, read by its public client before each ciphered association, so no
durable counter is needed; a head-end that reads the same meter skips ahead when it is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.exchange import Nameplate
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.model import MeterModel
from bijlighar.dlms.models import load_model
from bijlighar.headend.associating import passing_title
from bijlighar.headend.clock import Clock, SystemClock
from bijlighar.headend.counters import CounterBook
from bijlighar.headend.decoding import Parcel, Templates, understand
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.octet_gateway import OctetGateway
from bijlighar.headend.reading import Errand, Gathered, Order
from bijlighar.headend.seen import SeenRows
from bijlighar.headend.translate import Quarantined
from bijlighar.headend.visitor import Visitor, VisitSettings

_CATEGORIES = {category.value: category for category in MeterCategory}
_NOBODY = 0
"""The meter number of a meter outside any registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnce:
    """What one reading brought.

    ``outcome``, ``detail`` as a contact tells them; ``readings`` one batch for each profile that had rows, with
    meter number 0; ``quarantined`` rows with an impossible time; ``faults`` by profile; ``unmapped`` columns
    """

    outcome: Outcome
    detail: str
    nameplate: Nameplate | None
    clock_offset_ms: int | None
    signal_dbm: int | None
    latency_ms: int | None
    readings: list[ReadingBatch]
    quarantined: list[Quarantined]
    faults: dict[str, list[str]]
    unmapped: frozenset[str]


class _MetersOwnCounters:
    """Counters that begin where the meter says; good for one process that reads one meter once."""

    def reserve(self, meter_id: int, client_address: int, count: int, at_least: int = 0) -> int:  # noqa: ARG002
        """``at_least`` itself: 0 makes the visitor ask the meter, then it asks for more than the meter's own."""
        return at_least


async def read_once(
    host: str,
    port: int,
    model: str | MeterModel,
    keys: MeterKeys,
    kinds: Sequence[ProfileKind],
    period: Period | None = None,
    *,
    serial: str | None = None,
    system_title: bytes = b"",
    settings: VisitSettings | None = None,
    clock: Clock | None = None,
    hdlc: HdlcSettings | None = None,
) -> ReadOnce:
    """Read ``kinds`` of the meter at ``host:port``; of blocks, midnights and events only ``period`` (else all).

    ``serial`` and ``system_title`` are checked when given. ``hdlc`` how the meter is called behind a gateway of
    octets, None = TCP wrapper. Never sets the meter's clock. Raises UnknownModel (a LookupError).
    """
    clock, settings = (
        clock or SystemClock(),
        settings or VisitSettings(own_title=passing_title(secrets.token_bytes)),
    )
    known = load_model(model) if isinstance(model, str) else model
    errand = Errand(
        meter=_meter(host, port, known, serial, system_title),
        serial=serial,
        model=known,
        firmware=None,
        orders=_orders(known, kinds, period),
        layouts=LayoutBook(None),
        now=clock.now,
        want_nameplate=True,
        may_set_clock=lambda: False,
    )
    gateway = None if hdlc is None else OctetGateway(host, port, hdlc, settings.limits)
    visitor = Visitor(
        counters=CounterBook(_MetersOwnCounters()), clock=clock, settings=settings, line_of=lambda _: gateway
    )
    visited = await visitor.visit(errand, keys, Gathered())
    if gateway is not None:
        await gateway.left()
    gathered = visited.gathered
    parcel = Parcel(
        meter_id=_NOBODY, model=known, reads=tuple(gathered.reads), contact=None, token=None, repeat=True
    )
    understood = understand([parcel], Templates(), SeenRows(), clock.now())
    result = understood.results[0]
    return ReadOnce(
        outcome=Outcome.PROTOCOL if result.faults and visited.outcome is Outcome.OK else visited.outcome,
        detail=visited.detail,
        nameplate=gathered.nameplate,
        clock_offset_ms=gathered.clock_offset_ms,
        signal_dbm=gathered.signal_dbm if gathered.signal_dbm is not None else result.signal_dbm,
        latency_ms=visited.latency_ms,
        readings=[_in_order(readings) for readings in understood.readings],
        quarantined=understood.quarantined,
        faults=result.faults,
        unmapped=frozenset(result.unmapped),
    )


def _meter(host: str, port: int, model: MeterModel, serial: str | None, system_title: bytes) -> Meter:
    return Meter(
        meter_id=_NOBODY,
        serial=serial or "",
        system_title=system_title,
        category=_CATEGORIES.get(model.category, MeterCategory.D1),
        model=model.name,
        usage_point="",
        host=host,
        port=port,
    )


def _orders(model: MeterModel, kinds: Sequence[ProfileKind], period: Period | None) -> tuple[Order, ...]:
    orders: list[Order] = []
    for kind in kinds:
        if kind is ProfileKind.EVENT:
            names = [name for name in model.profiles if name.startswith("event-")]
            orders += [Order(profile=name, ranges=(period,)) for name in names]
        elif kind in (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY):
            orders.append(Order(profile=kind.value, ranges=(period,)))
        elif kind is not ProfileKind.NAMEPLATE:
            orders.append(Order(profile=kind.value))
    return tuple(order for order in orders if order.profile in model.profiles)


def _in_order(readings: ReadingBatch) -> ReadingBatch:
    """Oldest row first, whatever order the meter keeps."""
    order = np.argsort(readings.start_s, kind="stable")
    return ReadingBatch(
        kind=readings.kind,
        period_s=readings.period_s,
        meter_id=readings.meter_id[order],
        start_s=readings.start_s[order],
        received_s=readings.received_s[order],
        channels={name: column[order] for name, column in readings.channels.items()},
    )
