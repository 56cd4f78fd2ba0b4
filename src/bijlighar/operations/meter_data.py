"""One meter's day as a person looks at it: the final values, and everything that was ever said about each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks, Sealed
from bijlighar.mdm.estimation import Quality
from bijlighar.mdm.measurements import Bill, Edit, Final, KeptEstimates, Source, covered, final_state
from bijlighar.operations.day_estimate import meter_day
from bijlighar.operations.day_registers import ENERGY_CHANNELS
from bijlighar.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One thing that was said about a slot. ``value`` in the channel's unit, None: withdrawn.

    ``rule``, ``rule_version`` of an estimate, else 0; ``came_s`` when it was received, made or edited; ``made_by``
    and ``reason`` of an edit, else empty.
    """

    source: Source
    value: int | None
    quality: int
    came_s: int
    rule: int = 0
    rule_version: int = 0
    made_by: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MeterDay:
    """A meter's civil day in one channel, as it stood at ``at_s``.

    channels  energy channels that the meter gives
    final     the final measurements; their one row is this meter
    versions  by slot, all that had been said by then, the newest first
    billed    bool[slot], in a bill that had been made by then
    bills     every bill that touches the day, whenever it was made
    """

    meter_id: int
    day: Period
    period_s: int
    channel: str
    channels: tuple[str, ...]
    at_s: int
    final: Final
    versions: tuple[tuple[Version, ...], ...]
    billed: NDArray[np.bool_]
    bills: tuple[Bill, ...]


def show_meter_day(
    records: Records, meter_id: int, day: date, channel: str, *, at_s: int, zone: ZoneInfo = KOLKATA
) -> MeterDay:
    """A meter's day with its versions. Raises NotSealed, BlockDamaged, Unavailable."""
    file, sealed = meter_day(records, meter_id, day, zone)
    period = civil_day(day, zone)
    kept = records.estimates.read(day, file.bucket, file.period_s).by_channel.get(channel)
    edits = [each for each in records.edits.edits(period, meter_id) if each.channel == channel]
    bills = records.edits.bills(period, meter_id)
    final = final_state(sealed, channel, estimates=kept, edits=edits, bills=bills, at_s=at_s)
    said = [*_readings(sealed, channel), *_estimates(sealed.blocks, meter_id, kept), *_edits(sealed.blocks, edits)]
    return MeterDay(
        meter_id=meter_id,
        day=period,
        period_s=file.period_s,
        channel=channel,
        channels=tuple(name for name in ENERGY_CHANNELS if name in sealed.blocks.channels),
        at_s=at_s,
        final=final,
        versions=_by_slot(said, sealed.blocks.slots, at_s),
        billed=covered(sealed.blocks, [bill for bill in bills if bill.billed_s <= at_s])[0],
        bills=tuple(bills),
    )


def _readings(sealed: Sealed, channel: str) -> list[tuple[int, Version]]:
    """Older versions come first, so that of two of the same second the one that holds is the newer."""
    return [
        (slot, Version(source=Source.READING, value=int(value), quality=Quality.RAW, came_s=int(received_s)))
        for blocks in (sealed.older, sealed.blocks)
        for values, received in zip(blocks.channel(channel)[::-1], blocks.received_s[::-1], strict=True)
        for slot, (value, received_s) in enumerate(zip(values.tolist(), received.tolist(), strict=True))
        if received_s != MISSING and value != MISSING
    ]


def _estimates(blocks: DayBlocks, meter_id: int, kept: KeptEstimates | None) -> list[tuple[int, Version]]:
    if kept is None:
        return []
    return [
        (
            (int(kept.start_s[number]) - blocks.day.start_s) // blocks.period_s,
            Version(
                source=Source.ESTIMATE,
                value=None if kept.value[number] == MISSING else int(kept.value[number]),
                quality=int(kept.quality[number]),
                rule=int(kept.rule[number]),
                rule_version=int(kept.rule_version[number]),
                came_s=int(kept.made_s[number]),
            ),
        )
        for number in np.flatnonzero(kept.meter_id == meter_id).tolist()
    ]


def _edits(blocks: DayBlocks, edits: Sequence[Edit]) -> list[tuple[int, Version]]:
    return [
        (
            (edit.start_s - blocks.day.start_s) // blocks.period_s,
            Version(
                source=Source.EDIT,
                value=edit.value,
                quality=Quality.EDITED,
                came_s=edit.made_s,
                made_by=edit.made_by,
                reason=edit.reason,
            ),
        )
        for edit in edits
        if edit.period_s == blocks.period_s
    ]


def _by_slot(said: Sequence[tuple[int, Version]], slots: int, at_s: int) -> tuple[tuple[Version, ...], ...]:
    found: list[list[Version]] = [[] for _ in range(slots)]
    for slot, version in said:
        if 0 <= slot < slots and version.came_s <= at_s:
            found[slot].append(version)
    return tuple(tuple(sorted(each, key=lambda version: version.came_s)[::-1]) for each in found)
