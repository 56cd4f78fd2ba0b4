"""Many pushes of one layout, understood together: what the listener gathered and the landing thread decodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.readings import ReadingBatch
from bijlighar.dlms.model import MeterModel, ModelPush
from bijlighar.dlms.window import FINGERPRINT_OCTETS
from bijlighar.headend.decoding import Templates
from bijlighar.headend.layouts import KeptLayout
from bijlighar.headend.push_senders import NO_COUNTER, Entry
from bijlighar.headend.push_status import status_rows
from bijlighar.headend.push_windows import WindowKey
from bijlighar.headend.reading import KIND_OF
from bijlighar.headend.translate import Quarantined, translate

ENTRY_OCTETS = 250
"""Memory of one waiting push besides its octets: tuple, two objects, their headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushBundle:
    """Accepted pushes of one model, setup and layout. ``layout`` None for alerts."""

    model: MeterModel
    push: ModelPush
    layout: KeptLayout | None
    received_s: int
    entries: tuple[Entry, ...]
    octets: int
    urgent: bool = False

    def counters(self) -> Iterable[tuple[WindowKey, int, bytes]]:
        """Key, counter and fingerprint of every push that has a counter."""
        return (
            (sender.key, counter, apdu[-FINGERPRINT_OCTETS:])
            for sender, counter, apdu, _ in self.entries
            if counter != NO_COUNTER
        )


@dataclass(slots=True, kw_only=True)
class PushResult:
    """How a bundle was understood.

    ``faults`` by position of the entry: why it could not be read; ``events`` (meter_id, code, start_s) of alerts;
    ``unmapped`` columns without a channel.
    """

    bundle: PushBundle
    readings: ReadingBatch | None = None
    quarantined: Quarantined | None = None
    faults: dict[int, str] = field(default_factory=dict)
    events: list[tuple[int, int, int]] = field(default_factory=list)
    unmapped: tuple[str, ...] = ()


def understand_pushes(bundle: PushBundle, templates: Templates, now_s: float) -> PushResult:
    """Decode and translate a bundle. Never raises for what a meter sent."""
    meter_ids = [entry[0].meter_id for entry in bundle.entries]
    buffers = [entry[3] for entry in bundle.entries]
    result = PushResult(bundle=bundle)
    if bundle.layout is None or bundle.push.profile is None:
        readings, result.faults = status_rows(bundle.model, meter_ids, buffers, bundle.received_s)
    else:
        readings = _understand_rows(
            result, bundle.layout, bundle.push.profile, meter_ids, buffers, templates, now_s
        )
    if len(readings):
        result.readings = readings
        if readings.kind is ProfileKind.EVENT and "event_code" in readings.channels:
            codes = readings.channels["event_code"].tolist()
            result.events = list(zip(readings.meter_id.tolist(), codes, readings.start_s.tolist(), strict=True))
    return result


def _understand_rows(
    result: PushResult,
    layout: KeptLayout,
    profile: str,
    meter_ids: list[int],
    buffers: list[bytes],
    templates: Templates,
    now_s: float,
) -> ReadingBatch:
    table = templates.for_layout(profile, layout, buffers, result.bundle.model).decode_rows(buffers)
    for fault in table.faults:
        result.faults.setdefault(fault.buffer, fault.reason.partition(": ")[2] or fault.reason)
    translated = translate(
        KIND_OF.get(profile, ProfileKind.EVENT),
        layout,
        table,
        np.array(meter_ids, np.int32),
        np.full(len(buffers), result.bundle.received_s, np.int64),
        now_s,
    )
    result.quarantined, result.unmapped = translated.quarantined, translated.unmapped
    return translated.readings
