"""Sealing: landed rows become a day block; of several rows for one meter and slot the newest received wins.

The older ones stay within reach, in ``Sealed.older``. A row that has no place in the block (another day, a start
between slots, a meter of another bucket) is handed back as a stray, never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.mdm.blocks import DayBlocks, Integers, SlotFlag, empty_blocks, flattened, slots_of


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A sealed block.

    ``blocks`` the newest version of every slot; ``older`` the versions before, in which a meter has as many rows
    as its most corrected slot has older versions, newest first; ``strays`` rows that have no place here.
    """

    blocks: DayBlocks
    older: DayBlocks
    strays: ReadingBatch


def seal(batches: Sequence[ReadingBatch], *, day: Period, period_s: int, meter_id: NDArray[np.int32]) -> Sealed:
    """Seal rows, given in landing order, for the named meters (ascending); a meter without rows keeps its place.

    Rows received in the same second: the one further down wins. A row landed twice is kept once. Raises
    ValueError for a batch of another kind or block length.
    """
    rows = _joined(batches, period_s)
    slots = slots_of(day, period_s)
    place = _places(rows, day=day, period_s=period_s, meter_id=meter_id)
    strays = _taken(rows, np.flatnonzero(place < 0))
    if len(strays):
        stays = np.flatnonzero(place >= 0)
        rows, place = _taken(rows, stays), place[stays]
    newest, beaten = _newest(place, rows.received_s, len(meter_id) * slots)
    blocks = _block(rows, place, newest, empty_blocks(day, period_s, meter_id))
    if not len(beaten):
        return Sealed(blocks=blocks, older=empty_blocks(day, period_s, meter_id[:0]), strays=strays)
    beaten = _said_once(rows, place, beaten, blocks)
    older = _older(rows, place, beaten, blocks)
    return Sealed(blocks=blocks, older=older, strays=strays)


def reseal(sealed: Sealed, batches: Sequence[ReadingBatch], meter_id: NDArray[np.int32] | None = None) -> Sealed:
    """The same block with late and corrected rows, landed after all that it holds. ``strays`` are the new ones.

    ``meter_id`` is given when meters were added to those of the block.
    """
    blocks = sealed.blocks
    meters = blocks.meter_id if meter_id is None else meter_id
    return seal([*_versions(sealed), *batches], day=blocks.day, period_s=blocks.period_s, meter_id=meters)


def says_the_same(one: Sealed, other: Sealed) -> bool:
    """Whether two blocks hold the same meters, versions and values."""
    return all(
        np.array_equal(mine.meter_id, its.meter_id)
        and np.array_equal(mine.received_s, its.received_s)
        and np.array_equal(mine.flags, its.flags)
        and all(np.array_equal(mine.channel(name), its.channel(name)) for name in {*mine.channels, *its.channels})
        for mine, its in ((one.blocks, other.blocks), (one.older, other.older))
    )


def as_of(sealed: Sealed, instant_s: int) -> DayBlocks:
    """The block as it was known at an instant: only what had been received by then."""
    blocks = sealed.blocks
    if blocks.received_s.max(initial=MISSING) <= instant_s:
        return blocks  # whatever is older came before
    known = [_taken(rows, np.flatnonzero(rows.received_s <= instant_s)) for rows in _versions(sealed)]
    return seal(known, day=blocks.day, period_s=blocks.period_s, meter_id=blocks.meter_id).blocks


def _versions(sealed: Sealed) -> list[ReadingBatch]:
    """All rows, oldest version first: a meter's rows of ``older`` stand newest first."""
    turned = np.arange(len(sealed.older))[::-1]
    parts = [flattened(sealed.older.only(turned)), flattened(sealed.blocks)]
    return [part for part in parts if len(part)]


def _joined(batches: Sequence[ReadingBatch], period_s: int) -> ReadingBatch:
    for batch in batches:
        if batch.kind is not ProfileKind.BLOCK_LOAD or batch.period_s != period_s:
            raise ValueError(f"a block of {period_s} s cannot take rows of {batch.kind} of {batch.period_s} s")
    if len(batches) == 1:
        return batches[0]
    names = dict.fromkeys(name for batch in batches for name in batch.channels)

    def joined(name: str) -> Integers:
        nothing = np.int64(MISSING)
        parts = [b.channels.get(name, np.broadcast_to(nothing, len(b))) for b in batches]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    empty = np.zeros(0, dtype=np.int64)
    return ReadingBatch(
        kind=ProfileKind.BLOCK_LOAD,
        period_s=period_s,
        meter_id=np.concatenate([empty.astype(np.int32), *(b.meter_id for b in batches)]),
        start_s=np.concatenate([empty, *(b.start_s for b in batches)]),
        received_s=np.concatenate([empty, *(b.received_s for b in batches)]),
        channels={name: joined(name) for name in names},
    )


def _taken(rows: ReadingBatch, chosen: NDArray[np.int64]) -> ReadingBatch:
    return ReadingBatch(
        kind=rows.kind,
        period_s=rows.period_s,
        meter_id=rows.meter_id[chosen],
        start_s=rows.start_s[chosen],
        received_s=rows.received_s[chosen],
        channels={name: column[chosen] for name, column in rows.channels.items()},
    )


def _places(rows: ReadingBatch, *, day: Period, period_s: int, meter_id: NDArray[np.int32]) -> NDArray[np.int64]:
    """int64[row]: ``meter row * slots + slot``, negative for a stray."""
    slots = slots_of(day, period_s)
    if not len(rows) or not len(meter_id):
        return np.full(len(rows), -1, dtype=np.int64)
    first, last = int(meter_id[0]), int(meter_id[-1])
    row_of = np.full(last - first + 2, -1, dtype=np.int64)
    row_of[meter_id.astype(np.int64) - first] = np.arange(len(meter_id))
    number = rows.meter_id.astype(np.int64) - first
    number[(number < 0) | (number > last - first)] = last - first + 1
    row = row_of[number]
    after_s = rows.start_s - day.start_s
    slot = after_s // period_s
    fits = (row >= 0) & (slot >= 0) & (slot < slots) & (slot * period_s == after_s) & (rows.received_s != MISSING)
    return np.where(fits, row * slots + slot, -1)


def _newest(
    place: NDArray[np.int64], received_s: Integers, places: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of the newest version of each place, and of all others by place, newest version first."""
    rows = np.arange(len(place))
    count = np.bincount(place, minlength=places)
    if len(place) == np.count_nonzero(count):
        return rows, rows[:0]
    crowded = count[place] > 1
    several = rows[crowded]
    order = several[np.lexsort((received_s[several], place[several]))]  # stable: ties keep landing order
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = place[order[1:]] != place[order[:-1]]
    turned = order[~is_last][::-1]
    beaten = turned[np.argsort(place[turned], kind="stable")]
    return np.concatenate([rows[~crowded], order[is_last]]), beaten


def _block(rows: ReadingBatch, place: NDArray[np.int64], newest: NDArray[np.int64], empty: DayBlocks) -> DayBlocks:
    at = place if len(newest) == len(place) else place[newest]
    whole = len(newest) == len(place)

    def spread(column: Integers) -> Integers:
        made = np.full(empty.received_s.size, MISSING, dtype=np.int64)
        made[at] = column if whole else column[newest]
        return made.reshape(empty.received_s.shape)

    return DayBlocks(
        day=empty.day,
        period_s=empty.period_s,
        meter_id=empty.meter_id,
        received_s=spread(rows.received_s),
        flags=empty.flags,
        channels={name: spread(column) for name, column in rows.channels.items()},
    )


def _said_once(
    rows: ReadingBatch, place: NDArray[np.int64], beaten: NDArray[np.int64], blocks: DayBlocks
) -> NDArray[np.int64]:
    """``beaten`` without rows landed twice, after marking the slots that were repeated or corrected."""
    at = place[beaten]
    same = np.ones(len(beaten), dtype=bool)
    for name, column in rows.channels.items():
        same &= column[beaten] == blocks.channels[name].reshape(-1)[at]
    received_s = rows.received_s[beaten]
    columns = [np.arange(len(beaten)), *(column[beaten] for column in rows.channels.values()), received_s, at]
    order = np.lexsort(columns)
    equal = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in columns[1:]:
        equal &= column[order[1:]] == column[order[:-1]]
    twice = same & (received_s == blocks.received_s.reshape(-1)[at])
    twice[order[1:][equal]] = True
    flags = blocks.flags.reshape(-1)
    flags[at[same & ~twice]] |= np.uint8(SlotFlag.REPEATED)
    flags[at[~same]] |= np.uint8(SlotFlag.CORRECTED)
    return np.asarray(beaten[~twice], dtype=np.int64)


def _older(
    rows: ReadingBatch, place: NDArray[np.int64], beaten: NDArray[np.int64], blocks: DayBlocks
) -> DayBlocks:
    """Beaten rows, sorted by place and newest first, as a block with one row per meter and version."""
    meter, slot = np.divmod(place[beaten], blocks.slots)
    begins = np.ones(len(beaten), dtype=bool)
    begins[1:] = place[beaten[1:]] != place[beaten[:-1]]
    numbers = np.arange(len(beaten))
    version = numbers - np.maximum.accumulate(np.where(begins, numbers, 0))
    keys, row = np.unique(meter * (len(beaten) + 1) + version, return_inverse=True)
    owner = blocks.meter_id[keys // (len(beaten) + 1)]
    block = empty_blocks(blocks.day, blocks.period_s, owner)
    return _block(_taken(rows, beaten), row * blocks.slots + slot, numbers, block)
