"""What the records hold against what was acknowledged and what the meters hold."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.records import Records
from bijlighar.records.segment_reader import SegmentReader
from meterlab.lab import Lab

from . import truths
from .watch import Watch, keys_of

ALWAYS = Period(start_s=0, end_s=2**38)
TOLD = 5
"""Rows named in a violation."""


class Books:
    """Compares. ``indices`` by registry number the meter's number in the town."""

    def __init__(self, watch: Watch, lab: Lab, indices: dict[int, int]) -> None:
        self._watch = watch
        self._lab = lab
        self._indices = indices
        self._told_until = 0
        self.rows = 0

    def nothing_lost(self, records: Records) -> None:
        """Every row that was acknowledged since the last look is there with its own values."""
        fresh, self._told_until = self._watch.landed[self._told_until :], len(self._watch.landed)
        for kind in truths.KINDS:
            batches = [batch for batch in fresh if batch.kind is kind and len(batch)]
            if not batches:
                continue
            start_s = np.concatenate([batch.start_s for batch in batches])
            period = Period(start_s=int(start_s.min()), end_s=int(start_s.max()) + 1)
            for period_s in sorted({batch.period_s for batch in batches}):
                kept = records.readings.table(kind, None, period, (), period_s=period_s)
                self._compare(kind, [batch for batch in batches if batch.period_s == period_s], kept)
        lost = records.manifest.losses()
        if lost:
            self._watch.broken("nothing acknowledged is lost", f"{lost[0].rows} rows: {lost[0].reason}")

    def _compare(self, kind: ProfileKind, batches: list[ReadingBatch], kept: ReadingBatch) -> None:
        keys = keys_of(kept.meter_id, kept.start_s)
        for batch in batches:
            told = keys_of(batch.meter_id, batch.start_s)
            places = np.minimum(np.searchsorted(keys, told), max(len(keys) - 1, 0))
            gone = keys[places] != told if len(keys) else np.ones(len(told), bool)
            if gone.any():
                self._name("nothing acknowledged is lost", kind, batch.meter_id[gone], batch.start_s[gone])

    def _name(self, promise: str, kind: ProfileKind, meter_ids: np.ndarray, starts: np.ndarray) -> None:
        some = ", ".join(
            f"{m}@{s}" for m, s in zip(meter_ids[:TOLD].tolist(), starts[:TOLD].tolist(), strict=True)
        )
        meter = self._indices[int(meter_ids[0])]
        self._watch.broken(promise, f"{len(starts)} {kind} rows: {some}", f"meter {meter} ")

    def all_true(self, records: Records, kind: ProfileKind, nows_s: list[float], jumped: set[int]) -> None:
        """Every kept row has the meter's own values. ``nows_s``: when to ask the meters, which forget old rows."""
        for period_s in sorted({segment.period_s for segment in records.readings.pin(kind).segments}):
            kept = records.readings.table(kind, None, ALWAYS, period_s=period_s)
            self.rows += len(kept)
            self._all_true(kept, kind, nows_s, jumped)

    def _all_true(self, kept: ReadingBatch, kind: ProfileKind, nows_s: list[float], jumped: set[int]) -> None:
        bounds = np.searchsorted(kept.meter_id, [*self._indices, 2**31 - 1])
        for place, (meter_id, meter) in enumerate(self._indices.items()):
            mine = slice(bounds[place], bounds[place + 1])
            if meter in jumped or mine.start == mine.stop:
                continue
            wrong = np.ones(mine.stop - mine.start, bool)
            for now_s in nows_s:
                wrong &= ~self._same(kept, mine, *truths.rows(self._lab, meter, kind, now_s))
            if wrong.any():
                starts = kept.start_s[mine][wrong]
                self._name("values are the meter's own", kind, np.full(len(starts), meter_id), starts)

    @staticmethod
    def _same(kept: ReadingBatch, mine: slice, starts: np.ndarray, values: dict[str, np.ndarray]) -> np.ndarray:
        order = np.argsort(starts)
        starts = starts[order]
        asked = kept.start_s[mine]
        places = np.minimum(np.searchsorted(starts, asked), max(len(starts) - 1, 0))
        same = starts[places] == asked
        for name, column in values.items():
            held = kept.channels[name][mine] if name in kept.channels else np.full(len(asked), MISSING)
            same &= held == column[order][places]
        return same

    def whole(self, records: Records, kind: ProfileKind, now_s: float, since_s: float, until_s: float) -> None:
        """What the meters hold of ``[since_s, until_s)`` is kept."""
        meter_id, start_s = records.readings.held(kind, ALWAYS)
        held = np.sort(keys_of(meter_id, start_s))
        for registry_id, meter in self._indices.items():
            starts, _ = truths.rows(self._lab, meter, kind, now_s)
            starts = starts[(starts >= since_s) & (starts < until_s)]
            keys = keys_of(np.full(len(starts), registry_id), starts)
            places = np.minimum(np.searchsorted(held, keys), max(len(held) - 1, 0))
            missing = held[places] != keys if len(held) else np.ones(len(keys), bool)
            if missing.any():
                self._name("every slot comes in the end", kind, np.full(len(starts), registry_id), starts[missing])

    def nothing_doubled(self, records: Records, jumped: set[int]) -> None:
        """No meter and start has rows with different values; no contact is kept twice."""
        reader = SegmentReader(records.landing._files.root)
        for kind in truths.KINDS:
            parts = [reader.columns(segment) for segment in records.readings.pin(kind).segments]
            if not parts:
                continue
            names = sorted({name for part in parts for name in part} - {"received_s"})
            columns = {
                name: np.concatenate([part.get(name, np.full(len(part["start_s"]), MISSING)) for part in parts])
                for name in names
            }
            keys = keys_of(columns["meter_id"], columns["start_s"])
            order = np.argsort(keys, kind="stable")
            again = np.concatenate([[False], keys[order][1:] == keys[order][:-1]])
            other = np.zeros(len(keys), bool)
            for column in columns.values():
                other[1:] |= column[order][1:] != column[order][:-1]
            odd = order[again & other]
            odd = odd[[self._indices[m] not in jumped for m in columns["meter_id"][odd].tolist()]]
            if len(odd):
                meters, starts = columns["meter_id"][odd], columns["start_s"][odd]
                self._name("nothing is doubled with other values", kind, meters, starts)
        self._contacts(records)

    def _contacts(self, records: Records) -> None:
        kept = Counter(_named(contact) for contact in records.readings.contacts(ALWAYS))
        told = Counter(_named(contact) for contact in self._watch.contacts)
        lost = told - kept
        if lost:
            self._watch.broken("nothing acknowledged is lost", f"{lost.total()} contacts, one {next(iter(lost))}")
        twice = [name for name, count in kept.items() if count > 1]
        if twice:
            self._watch.broken("no contact is kept twice", f"{len(twice)} contacts, one {twice[0]}")


def _named(contact: object) -> tuple[object, ...]:
    return (contact.meter_id, contact.started_ms, contact.purpose, contact.attempt, contact.outcome.value)
