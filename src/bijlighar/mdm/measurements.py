"""The final measurement: what counts of reading, estimate and edit, now or at any instant of the past.

Nothing is overwritten. Readings, estimates and edits are only ever added, each with the instant at which it came,
so that the state of any instant is made again from what had come by then. In this order:

- an estimate that was billed is locked: it stands, whatever came after the bill;
- an edit by a person stands until it is withdrawn;
- of a reading and an estimate the one that came later stands, so a late reading takes its estimate's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.blocks import DayBlocks, Integers
from bijlighar.mdm.estimation import EstimationRule, Quality
from bijlighar.mdm.sealing import Sealed, as_of


class Source(IntEnum):
    """Where a final measurement comes from."""

    NOTHING = 0
    READING = 1
    ESTIMATE = 2
    EDIT = 3


@dataclass(frozen=True, kw_only=True)
class KeptEstimates:
    """Estimates of one channel as kept, in columns; later ones of a slot stand further down or were made later.

    meter_id int32[estimate]; start_s, value (MISSING: withdrawn), made_s int64[estimate]; quality, rule,
    rule_version int16[estimate]
    """

    meter_id: NDArray[np.int32]
    start_s: Integers
    value: Integers
    quality: NDArray[np.int16]
    rule: NDArray[np.int16]
    rule_version: NDArray[np.int16]
    made_s: Integers

    def __len__(self) -> int:
        return len(self.meter_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What a person put in place of a reading; ``value`` None withdraws the edits of that slot before it."""

    meter_id: int
    start_s: int
    period_s: int
    channel: str
    value: int | None
    reason: str
    made_by: str
    made_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A period of a meter was billed from the state of ``billed_s``."""

    meter_id: int
    period: Period
    reference: str
    billed_s: int


@dataclass(frozen=True, kw_only=True)
class Final:
    """Final measurements of one channel of a block, all [meter, slot].

    value        int64  MISSING where nothing is known
    quality      int16  Quality of ESPI, 0 where there is nothing
    source       int16  Source
    rule         int16  EstimationRule of an estimate, else 0
    rule_version int16  its version, else 0
    since_s      int64  when it came: received, made or edited; MISSING where there is nothing
    locked       bool   a billed estimate
    """

    value: Integers
    quality: NDArray[np.int16]
    source: NDArray[np.int16]
    rule: NDArray[np.int16]
    rule_version: NDArray[np.int16]
    since_s: Integers
    locked: NDArray[np.bool_]

    @property
    def estimated(self) -> NDArray[np.bool_]:
        """bool[meter, slot]: an estimate; the zero of an outage is none."""
        return np.asarray((self.source == Source.ESTIMATE) & (self.rule != EstimationRule.OUTAGE))


def final_state(
    sealed: Sealed,
    channel: str,
    *,
    estimates: KeptEstimates | None = None,
    edits: Sequence[Edit] = (),
    bills: Sequence[Bill] = (),
    at_s: int,
) -> Final:
    """The final measurements of a channel as they stood at ``at_s``. Edits in the order they were added."""
    sealed = Sealed(
        blocks=sealed.blocks.with_channel(channel), older=sealed.older.with_channel(channel), strays=sealed.strays
    )
    state = _unlocked(sealed, channel, estimates, edits, at_s)
    known = sorted((bill for bill in bills if bill.billed_s <= at_s), key=lambda bill: bill.billed_s)
    for billed_s in dict.fromkeys(bill.billed_s for bill in known):
        then = _unlocked(sealed, channel, estimates, edits, billed_s)
        in_bill = covered(sealed.blocks, [bill for bill in known if bill.billed_s == billed_s])
        fresh = in_bill & then.estimated & ~state.locked
        for name in ("value", "quality", "source", "rule", "rule_version", "since_s"):
            np.copyto(getattr(state, name), getattr(then, name), where=fresh)
        state.locked[fresh] = True
    return state


def _unlocked(
    sealed: Sealed, channel: str, estimates: KeptEstimates | None, edits: Sequence[Edit], at_s: int
) -> Final:
    blocks = as_of(sealed, at_s)
    value = blocks.channel(channel).copy()
    held = value != MISSING
    zero = np.zeros(value.shape, dtype=np.int16)
    state = Final(
        value=value,
        quality=np.where(held, np.int16(Quality.RAW), np.int16(0)),
        source=np.where(held, np.int16(Source.READING), np.int16(Source.NOTHING)),
        rule=zero.copy(),
        rule_version=zero.copy(),
        since_s=np.where(held, blocks.received_s, MISSING),
        locked=np.zeros(value.shape, dtype=bool),
    )
    if estimates is not None:
        _estimate(state, blocks, estimates, at_s)
    for edit in edits:
        if edit.channel == channel and edit.made_s <= at_s:
            _edit(state, blocks, edit, [e for e in edits if e.made_s <= at_s and _same_slot(e, edit)])
    return state


def _estimate(state: Final, blocks: DayBlocks, estimates: KeptEstimates, at_s: int) -> None:
    row, slot = cells(blocks, estimates.meter_id, estimates.start_s)
    mine = np.flatnonzero((row >= 0) & (estimates.made_s <= at_s))
    order = mine[np.argsort(estimates.made_s[mine], kind="stable")]
    place = row[order] * blocks.slots + slot[order]
    last = np.full(state.value.size, -1, dtype=np.int64)
    last[place] = order  # of several for one slot the last stays
    chosen = np.flatnonzero(last >= 0)
    number = last[chosen]
    stands = (estimates.value[number] != MISSING) & (estimates.made_s[number] >= state.since_s.reshape(-1)[chosen])
    chosen, number = chosen[stands], number[stands]
    state.value.reshape(-1)[chosen] = estimates.value[number]
    state.quality.reshape(-1)[chosen] = estimates.quality[number]
    state.source.reshape(-1)[chosen] = Source.ESTIMATE
    state.rule.reshape(-1)[chosen] = estimates.rule[number]
    state.rule_version.reshape(-1)[chosen] = estimates.rule_version[number]
    state.since_s.reshape(-1)[chosen] = estimates.made_s[number]


def _edit(state: Final, blocks: DayBlocks, edit: Edit, of_slot: Sequence[Edit]) -> None:
    if edit is not of_slot[-1] or edit.value is None or edit.period_s != blocks.period_s:
        return
    row, slot = cells(blocks, np.array([edit.meter_id], dtype=np.int32), np.array([edit.start_s]))
    if row[0] < 0:
        return
    at = (row[0], slot[0])
    state.value[at], state.since_s[at] = edit.value, edit.made_s
    state.quality[at], state.source[at] = Quality.EDITED, Source.EDIT
    state.rule[at], state.rule_version[at] = 0, 0


def _same_slot(one: Edit, other: Edit) -> bool:
    return (one.meter_id, one.start_s, one.channel) == (other.meter_id, other.start_s, other.channel)


def covered(blocks: DayBlocks, bills: Sequence[Bill]) -> NDArray[np.bool_]:
    """bool[meter, slot]: the slot lies in a billed period of its meter."""
    result = np.zeros(blocks.received_s.shape, dtype=bool)
    begins = blocks.day.start_s + np.arange(blocks.slots) * blocks.period_s
    for bill in bills:
        row = int(np.searchsorted(blocks.meter_id, bill.meter_id))
        if row < len(blocks) and blocks.meter_id[row] == bill.meter_id:
            result[row] |= (begins >= bill.period.start_s) & (begins < bill.period.end_s)
    return result


def cells(
    blocks: DayBlocks, meter_id: NDArray[np.int32], start_s: Integers
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and slot of meters and starts; the row is -1 where they have no place in the block."""
    slot = (start_s - blocks.day.start_s) // blocks.period_s
    fits = (slot >= 0) & (slot < blocks.slots) & (slot * blocks.period_s + blocks.day.start_s == start_s)
    if not len(blocks):
        return np.full(len(meter_id), -1, dtype=np.int64), slot
    row = np.minimum(np.searchsorted(blocks.meter_id, meter_id), len(blocks) - 1)
    fits &= blocks.meter_id[row] == meter_id
    return np.where(fits, row, -1), slot
