"""Many visits' answers understood at once: grouped by layout, decoded by template, translated to channels.

A fault in one meter's answer costs that meter's rows only. Every parcel gets its own result, so that its contact
can tell how many rows came, which were kept apart and which could not be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.dlms.axdr import Tag
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.model import MeterModel
from bijlighar.dlms.rows import RowRefused, RowRules
from bijlighar.dlms.template import Template
from bijlighar.headend.layouts import KeptLayout
from bijlighar.headend.reading import ProfileRead
from bijlighar.headend.seen import SeenRows
from bijlighar.headend.translate import Quarantined, Translated, translate

MOST_TEMPLATES = 4096
"""Models x firmwares x profiles of a large fleet are some hundreds; beyond this something invents layouts."""

_LOGGED = (ProfileKind.EVENT, ProfileKind.BILLING)
"""Kinds without slots: their rows come again with every reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What one visit, or one part of it, has brought.

    ``contact`` None for a part of a visit that goes on; ``token`` is handed back with the result;
    ``repeat``  True keeps rows that were landed before (a person asked for them)
    """

    meter_id: int
    model: MeterModel
    reads: tuple[ProfileRead, ...]
    contact: Contact | None
    token: object
    repeat: bool = False
    urgent: bool = False

    @property
    def octets(self) -> int:
        """How much memory its answers hold."""
        return sum(len(read.octets) for read in self.reads)


@dataclass(slots=True, kw_only=True)
class ParcelResult:
    """How a parcel was understood.

    ``faults``   by profile: why rows could not be read
    ``apart``    rows kept apart, by reason
    ``unmapped`` columns without a channel
    ``events``   (log, code, start_s) of fresh event rows
    """

    parcel: Parcel
    rows: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)
    events: list[tuple[int, int, int]] = field(default_factory=list)
    signal_dbm: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What is to be landed, and a result for each parcel in their order."""

    readings: list[ReadingBatch]
    quarantined: list[Quarantined]
    results: list[ParcelResult]


class Templates:
    """Templates by layout, learnt from the first buffer that has a row. For one thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[object, Template]] = {}

    def of(self, reads: Sequence[ProfileRead], model: MeterModel) -> Template:
        """The template for reads that share one layout object."""
        return self.for_layout(reads[0].order.profile, reads[0].layout, [read.octets for read in reads], model)

    def for_layout(
        self, profile: str, layout: KeptLayout, buffers: Sequence[bytes], model: MeterModel
    ) -> Template:
        """The template for buffers of one layout object."""
        key = (profile, id(layout))
        if key in self._known:
            return self._known[key][1]
        rules = RowRules.of(
            layout.columns,
            deviation_sign=model.deviation_sign,
            default_offset_min=model.default_offset_min,
            period_s=layout.period_s or None,
            newest_first=layout.newest_first,
        )
        for octets in buffers:
            try:
                template = Template.learn(octets, rules)
            except RemoteProtocolError:
                continue
            if len(self._known) >= MOST_TEMPLATES:
                self._known.clear()
            self._known[key] = (layout, template)  # holding the layout keeps its id from being used again
            return template
        return Template(rules, ((Tag.NULL_DATA, 0),) * rules.columns)  # row by row, and nothing is learnt


def understand(parcels: Sequence[Parcel], templates: Templates, seen: SeenRows, now_s: float) -> Understood:
    """Decode and translate all reads of all parcels. Never raises for what a meter sent."""
    results = [ParcelResult(parcel=parcel) for parcel in parcels]
    groups: dict[tuple[str, int], list[tuple[ParcelResult, ProfileRead]]] = defaultdict(list)
    for result in results:
        for read in result.parcel.reads:
            groups[read.order.profile, id(read.layout)].append((result, read))
    understood = Understood(readings=[], quarantined=[], results=results)
    for members in groups.values():
        _understand_group(members, templates, seen, now_s, understood)
    return understood


def _understand_group(
    members: list[tuple[ParcelResult, ProfileRead]],
    templates: Templates,
    seen: SeenRows,
    now_s: float,
    understood: Understood,
) -> None:
    reads = [read for _, read in members]
    order = reads[0].order
    table = templates.of(reads, members[0][0].parcel.model).decode_rows([read.octets for read in reads])
    for fault in table.faults:
        members[fault.buffer][0].faults.setdefault(order.profile, []).append(_why(fault))
    translated = translate(
        order.kind,
        reads[0].layout,
        table,
        np.array([result.parcel.meter_id for result, _ in members], np.int32),
        np.array([read.received_s for read in reads], np.int64),
        now_s,
    )
    fresh = _fresh_rows(translated, members, seen)
    _tell_results(translated, fresh, members, order.profile)
    if fresh.any():
        understood.readings.append(_selected(translated.readings, fresh))
    if translated.quarantined is not None:
        apart = translated.quarantined.readings
        fresh_apart = np.ones(len(apart), bool) if order.kind not in _LOGGED else seen.fresh_apart(apart)
        if fresh_apart.any():
            understood.quarantined.append(_selected_apart(translated.quarantined, fresh_apart))


def _why(fault: RowRefused) -> str:
    """The reason without the number that the buffer had among those of other meters."""
    reason = fault.reason.partition(": ")[2] or fault.reason
    return reason if fault.row is None else f"row {fault.row}: {reason}"


def _fresh_rows(
    translated: Translated, members: list[tuple[ParcelResult, ProfileRead]], seen: SeenRows
) -> NDArray[np.bool_]:
    readings = translated.readings
    if readings.kind not in _LOGGED:
        return np.ones(len(readings), bool)
    repeat = np.array([result.parcel.repeat for result, _ in members], bool)
    return repeat[translated.buffer_index] | seen.fresh(readings)


def _tell_results(
    translated: Translated,
    fresh: NDArray[np.bool_],
    members: list[tuple[ParcelResult, ProfileRead]],
    profile: str,
) -> None:
    readings = translated.readings
    rows_by_buffer = np.bincount(translated.buffer_index, minlength=len(members)).tolist()
    unmapped = {f"{profile} {column}" for column in translated.unmapped}
    signal = readings.channels.get("signal_dbm")
    for buffer, (result, _) in enumerate(members):
        result.rows += rows_by_buffer[buffer]
        result.unmapped |= unmapped
        if signal is not None and rows_by_buffer[buffer]:
            told = signal[translated.buffer_index == buffer]
            told = told[told != MISSING]
            result.signal_dbm = int(told[-1]) if len(told) else result.signal_dbm
    if translated.quarantined is not None:
        apart = translated.quarantined
        for buffer, reason in zip(apart.buffer_index, apart.reasons, strict=True):
            counts = members[buffer][0].apart
            counts[reason] = counts.get(reason, 0) + 1
    if readings.kind is ProfileKind.EVENT and "event_code" in readings.channels:
        for row in np.flatnonzero(fresh):
            event = (
                int(readings.channels["event_log"][row]),
                int(readings.channels["event_code"][row]),
                int(readings.start_s[row]),
            )
            members[translated.buffer_index[row]][0].events.append(event)


def _selected(readings: ReadingBatch, chosen: NDArray[np.bool_]) -> ReadingBatch:
    if chosen.all():
        return readings
    return ReadingBatch(
        kind=readings.kind,
        period_s=readings.period_s,
        meter_id=readings.meter_id[chosen],
        start_s=readings.start_s[chosen],
        received_s=readings.received_s[chosen],
        channels={name: column[chosen] for name, column in readings.channels.items()},
    )


def _selected_apart(apart: Quarantined, chosen: NDArray[np.bool_]) -> Quarantined:
    return Quarantined(
        readings=_selected(apart.readings, chosen),
        reasons=tuple(reason for reason, keep in zip(apart.reasons, chosen, strict=True) if keep),
        buffer_index=apart.buffer_index[chosen],
    )
