"""Which slots of which meter are held, as bitmaps, and which ranges are therefore still to be asked for.

One ``Coverage`` serves all meters that store one profile with one period. A slot is a block (its value is there
when the block has ended) or a midnight (there from the instant on). Slots are counted on the utility's civil
time, so that a day's first slot starts at civil midnight. A slot that a meter was asked for and did not have is
asked for once more after a day, because clocks get corrected and logs get written late, and then left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.period import Period

CIVIL_OFFSET_S = 19_800
"""Asia/Kolkata is 5 h 30 min ahead of UTC, without daylight saving since 1945."""
WINDOW_DAYS = 35
"""How far back a meter is asked: the depth that IS 15959 meters keep (36 days at 15 minutes)."""
REASK_S = 86_400
"""An absent slot may be asked for a second time this long after the first."""
MERGE_SLOTS = 8
"""A hole of held slots up to this long is asked for again rather than begin another request: one more round trip
over a mobile network costs more than eight rows of 45 octets."""
MOST_PATTERNS = 4_096
"""What is asked of meters that lack the same slots is worked out once. Most of a city lack the same; 1 MB."""
MANY = 10_000
"""Rows from which a table of flags pays, and meters in one: 17 MB for half hours."""
MOST_SLOTS_A_REQUEST = 480
"""Ten days of 30-minute blocks: about 22 kB, so that a broken connection costs seconds, not minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotKind:
    """``period_s`` slot length; ``blocks`` True when a value is complete only at the end of its slot.

    ``settle_s``  how long after that a missing row may still appear by itself, so that it is not yet absent
    ``days``      how far back slots are looked at
    """

    period_s: int
    blocks: bool = True
    settle_s: int = 3600
    days: int = WINDOW_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What is held of slots that the window has left by moving back: those before ``end``.

    ``columns`` int64[column] bytes of the bitmap that they stand in; ``held`` uint8[meter, column]
    """

    end: int
    columns: NDArray[np.int64]
    held: NDArray[np.uint8]


class Coverage:
    """Bitmaps over a moving window. ``meter_ids`` int32[meter], each once; grow with ``add_meters``.

    held, asked, absent  uint8[meter, byte], bit ``slot % slots`` of each row, most significant bit first
    reask_s              float64[meter] when slots that were asked for once may be asked for again
    """

    def __init__(self, meter_ids: NDArray[np.int32], kind: SlotKind, now_s: float) -> None:
        self.kind = kind
        self._slots = kind.days * 86_400 // kind.period_s
        self._row_of = np.zeros(0, np.int32)
        shape = (0, -(-self._slots // 8))
        self._held = np.zeros(shape, np.uint8)
        self._asked = np.zeros(shape, np.uint8)
        self._absent = np.zeros(shape, np.uint8)
        self._reask_s = np.full(0, -np.inf)
        self._end = self._complete_until(now_s)
        self._ahead: _Ahead | None = None
        self._ranges: dict[bytes, tuple[Period, ...]] = {}
        self.add_meters(meter_ids)

    def __contains__(self, meter_id: int) -> bool:
        return meter_id < len(self._row_of) and bool(self._row_of[meter_id] >= 0)

    @property
    def meter_ids(self) -> NDArray[np.int64]:
        """int64[meter]: whom it watches, by number."""
        return np.flatnonzero(self._row_of >= 0)

    @property
    def window(self) -> Period:
        """The period whose slots are complete and looked at."""
        return Period(start_s=self._start_s(self._end - self._slots), end_s=self._start_s(self._end))

    def add_meters(self, meter_ids: NDArray[np.int32]) -> None:
        """Watch more meters, of which nothing is held; those that are watched stay as they are."""
        ids = np.asarray(meter_ids, np.int64)
        beyond = int(ids.max(initial=-1)) + 1 - len(self._row_of)
        if beyond > 0:
            self._row_of = np.append(self._row_of, np.full(beyond, -1, np.int32))
        ids = ids[self._row_of[ids] < 0]
        if len(ids) == 0:
            return
        first = len(self._reask_s)
        self._row_of[ids] = np.arange(first, first + len(ids))
        empty = np.zeros((len(ids), self._held.shape[1]), np.uint8)
        self._held = np.concatenate([self._held, empty])
        self._asked = np.concatenate([self._asked, empty])
        self._absent = np.concatenate([self._absent, empty])
        self._reask_s = np.append(self._reask_s, np.full(len(ids), -np.inf))

    def merge(self, other: Coverage, now_s: float) -> None:
        """What ``other`` holds is held; its meters are watched. ``other`` is of the same kind, and given up."""
        self.advance(now_s)
        other.advance(now_s)
        if other._end != self._end:  # a window that a clock far ahead has moved: what is held is learnt again
            return
        ids = other.meter_ids
        self.add_meters(ids.astype(np.int32))
        rows, theirs = self._row_of[ids], other._row_of[ids]
        self._held[rows] |= other._held[theirs]

    def assume_before(self, start_s: int) -> None:
        """What starts before ``start_s`` counts as held for the moment: not known yet, so not asked for."""
        self._held |= self._before(start_s)

    def assume_from(self, start_s: int) -> None:
        """What starts at ``start_s`` or later counts as held, for it is known elsewhere."""
        self._held |= ~self._before(start_s)

    def learn_before(self, older: Coverage, start_s: int, now_s: float) -> None:
        """Now it is known: of its meters exactly what ``older`` holds before ``start_s``; it is given up."""
        self.advance(now_s)
        older.advance(now_s)
        if older._end != self._end:
            return
        ids = older.meter_ids
        rows, theirs, mask = self._row_of[ids], older._row_of[ids], self._before(start_s)
        self._held[rows] = (self._held[rows] & ~mask) | (older._held[theirs] & mask)

    def _before(self, start_s: int) -> NDArray[np.uint8]:
        """One row of a bitmap: the slots of the window that start before ``start_s``."""
        slots = np.arange(self._end - self._slots, self._end)
        flags = np.zeros(self._held.shape[1] * 8, bool)
        flags[slots % self._slots] = self._start_s(0) + slots * self.kind.period_s < start_s
        return np.packbits(flags)

    def is_ahead(self, now_s: float) -> bool:
        """Whether the window reaches into the future: the utility's clock was set back by more than a slot."""
        return self._end > self._complete_until(now_s) + 1

    def restart(self, now_s: float) -> None:
        """Move the window back to ``now_s``, for the clock was set back.

        What is held stays so, also what lies ahead now, for when the window comes there again: after a jump of the
        server's clock that is put right nothing is read twice. Of slots that had left the window nothing is known,
        and what was absent by the clock as it was is asked for anew.
        """
        before, self._end = self._end, self._complete_until(now_s)
        left = self._flags_of(np.arange(max(self._end, before - self._slots), before))
        self._ahead = self._left_ahead(before, self._held & left)
        self._held &= ~left
        self._asked[:] = 0
        self._absent[:] = 0
        self._reask_s[:] = -np.inf
        self._ranges.clear()

    def _left_ahead(self, before: int, held: NDArray[np.uint8]) -> _Ahead | None:
        """What is held from the window's end up to ``before``, and what lay ahead of that; None: too far off."""
        until = before
        if self._ahead is not None:
            until, columns = self._ahead.end, self._ahead.columns
            beyond = self._flags_of(np.arange(before, until))
            held[: len(self._ahead.held), columns] |= self._ahead.held & beyond[columns]
        if until - self._end > self._slots:
            return None
        columns = np.flatnonzero(self._flags_of(np.arange(self._end, until)))
        return _Ahead(end=until, columns=columns, held=held[:, columns])

    def advance(self, now_s: float) -> None:
        """Move the window up to ``now_s``: slots that enter it are missing. It never moves back."""
        end = self._complete_until(now_s)
        if end > self._end:
            self._move(end)

    def _move(self, end: int) -> None:
        entered = np.arange(max(self._end, end - self._slots), end)
        kept = ~self._flags_of(entered)
        for bitmap in (self._held, self._asked, self._absent):
            np.bitwise_and(bitmap, kept, out=bitmap)
        if self._ahead is not None:
            self._remember(self._ahead, entered)
            if end >= self._ahead.end:
                self._ahead = None
        self._end = end
        self._ranges.clear()

    def _remember(self, ahead: _Ahead, entered: NDArray[np.int64]) -> None:
        """Of the slots that enter the window those that were held already; who came since was not there."""
        again, there = self._flags_of(entered[entered < ahead.end]), len(ahead.held)
        self._held[:there, ahead.columns] |= ahead.held & again[ahead.columns]

    def _flags_of(self, slots: NDArray[np.int64]) -> NDArray[np.uint8]:
        """One row of a bitmap: these slots, at most as many as there are."""
        flags = np.zeros(self._held.shape[1] * 8, bool)
        flags[slots % self._slots] = True
        return np.packbits(flags)

    def hold(self, meter_id: NDArray[np.int32], start_s: NDArray[np.int64]) -> None:
        """Rows are durable: int32[row], int64[row]. Passes over other meters and what is outside the window."""
        slots = (start_s + CIVIL_OFFSET_S) // self.kind.period_s
        known = meter_id < len(self._row_of)
        rows = np.full(len(meter_id), -1, np.int32)
        rows[known] = self._row_of[meter_id[known]]
        inside = (rows >= 0) & (slots >= self._end - self._slots) & (slots < self._end)
        self._mark(rows[inside], slots[inside] % self._slots)

    def _mark(self, rows: NDArray[np.int32], places: NDArray[np.int64]) -> None:
        """Set bits of held. Many at once go through a table of flags, 20 times as quick as bit by bit."""
        if len(rows) < MANY:
            masks = (0x80 >> (places % 8)).astype(np.uint8)
            np.bitwise_or.at(self._held, (rows, places // 8), masks)
            return
        place_of = np.zeros(len(self._held), np.int32)
        place_of[rows] = 1
        meters = np.flatnonzero(place_of)
        place_of[meters] = np.arange(len(meters))
        of_meter = place_of[rows]
        for first in range(0, len(meters), MANY):
            here = (of_meter >= first) & (of_meter < first + MANY)
            part = meters[first : first + MANY]
            flags = np.zeros((len(part), self._held.shape[1] * 8), bool)
            flags[of_meter[here] - first, places[here]] = True
            self._held[part] |= np.packbits(flags, axis=1)

    def answered(self, meter_ids: NDArray[np.int64], asked: Period, now_s: float) -> None:
        """These meters answered for ``asked``: what is not held of it by now, and settled, they do not have."""
        first, last = self._bounds(asked, settled_before_s=now_s - self.kind.settle_s)
        rows = self._row_of[meter_ids]
        missed = self._places(first, last) & ~self._held[rows]
        some = np.any(missed, axis=1)
        if not some.any():
            return
        rows, missed = rows[some], missed[some]
        asked_once, may_ask_again = self._asked[rows], now_s >= self._reask_s[rows]
        self._absent[rows] |= missed & asked_once & _all_bits(may_ask_again)
        self._reask_s[rows[np.any(missed & ~asked_once, axis=1)]] = now_s + REASK_S
        self._asked[rows] |= missed

    def _places(self, first: int, last: int) -> NDArray[np.uint8]:
        """One row of a bitmap: the slots from place ``first`` of the window up to ``last``."""
        places = np.arange(self._slots)
        flags = np.zeros(self._held.shape[1] * 8, bool)
        flags[: self._slots] = np.roll((places >= first) & (places < last), self._end % self._slots)
        return np.packbits(flags)

    def missing(self, meter_id: int, now_s: float) -> NDArray[np.bool_]:
        """bool[slot] oldest first over ``window``: True where a row is still to be asked for."""
        return ~self._chronological(self._done(self._row_of[meter_id], now_s))

    def _done(self, row: np.int32, now_s: float) -> NDArray[np.uint8]:
        """Slots of one meter that are not asked for now."""
        done: NDArray[np.uint8] = self._held[row] | self._absent[row]
        return done if now_s >= self._reask_s[row] else done | self._asked[row]

    def missing_ranges(self, meter_id: int, now_s: float) -> tuple[Period, ...]:
        """What to ask the meter for, newest range first, each at most MOST_SLOTS_A_REQUEST slots long."""
        done = self._done(self._row_of[meter_id], now_s)
        pattern = done.tobytes()
        ranges = self._ranges.get(pattern)
        if ranges is None:
            if len(self._ranges) >= MOST_PATTERNS:
                self._ranges.clear()
            ranges = self._ranges[pattern] = self._ranges_of(~self._chronological(done))
        return ranges

    def _ranges_of(self, missing: NDArray[np.bool_]) -> tuple[Period, ...]:
        places = np.flatnonzero(missing)
        if len(places) == 0:
            return ()
        breaks = np.flatnonzero(np.diff(places) > MERGE_SLOTS + 1)
        firsts = places[np.concatenate([[0], breaks + 1])]
        lasts = places[np.concatenate([breaks, [len(places) - 1]])]
        ranges: list[Period] = []
        for first, last in zip(firsts[::-1], lasts[::-1], strict=True):
            ranges.extend(self._pieces(int(first), int(last) + 1))
        return tuple(ranges)

    def backlogs(self, now_s: float, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """int64[meter]: of whom a row is missing that by now should not be: older than what may still appear.

        ``among`` whom it watches, None for all of them.
        """
        meters = self.meter_ids if among is None else among
        settled = self._complete_until(now_s - self.kind.settle_s) - (self._end - self._slots)
        wanted, rows = self._places(0, settled), self._row_of[meters]
        may_ask_again = now_s >= self._reask_s[rows]
        done = self._held[rows] | self._absent[rows] | (self._asked[rows] & ~_all_bits(may_ask_again))
        found: NDArray[np.int64] = meters[np.any(wanted & ~done, axis=1)]
        return found

    def missing_counts(self, now_s: float) -> NDArray[np.int32]:
        """int32[meter]: how many slots of each are still to be asked for."""
        may_ask_again = (now_s >= self._reask_s)[:, None]
        resting = self._absent | np.where(may_ask_again, np.uint8(0), self._asked)
        done: NDArray[np.int32] = np.bitwise_count(self._held | resting).sum(axis=1, dtype=np.int32)
        return np.int32(self._slots) - done

    def _pieces(self, first: int, end: int) -> list[Period]:
        pieces = []
        while end > first:
            begin = max(first, end - MOST_SLOTS_A_REQUEST)
            oldest = self._end - self._slots
            pieces.append(Period(start_s=self._start_s(oldest + begin), end_s=self._start_s(oldest + end)))
            end = begin
        return pieces

    def _complete_until(self, now_s: float) -> int:
        """The first slot that is not complete at ``now_s``."""
        begun = int(now_s + CIVIL_OFFSET_S) // self.kind.period_s
        return begun if self.kind.blocks else begun + 1

    def _start_s(self, slot: int) -> int:
        return slot * self.kind.period_s - CIVIL_OFFSET_S

    def _bounds(self, asked: Period, settled_before_s: float) -> tuple[int, int]:
        """First and end place in the window of the slots that start in ``asked`` and are settled."""
        oldest = self._end - self._slots
        first = -(-(asked.start_s + CIVIL_OFFSET_S) // self.kind.period_s)
        end = min(-(-(asked.end_s + CIVIL_OFFSET_S) // self.kind.period_s), self._complete_until(settled_before_s))
        return (
            min(max(first - oldest, 0), self._slots),
            min(max(end - oldest, 0), self._slots),
        )

    def _chronological(self, packed: NDArray[np.uint8]) -> NDArray[np.bool_]:
        bits, newest = np.unpackbits(packed)[: self._slots], self._end % self._slots
        return np.concatenate((bits[newest:], bits[:newest])).view(np.bool_)


def _all_bits(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """uint8[meter, 1]: every bit set where the flag is."""
    return (flags * np.uint8(0xFF))[:, np.newaxis]
