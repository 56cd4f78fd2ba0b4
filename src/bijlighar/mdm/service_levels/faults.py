"""Why meters were not read: faults of a day ranked by the meter-hours that they cost, each with its likely cause.

What many meters share is looked for first, and what it explains is taken away before single meters are judged:
everything silent at once (the head-end's own line), a tower, a feeder or a transformer silent as one, a make that
fails in one way wherever it hangs. What is left is the meter's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.mdm.outages import Spans
from bijlighar.mdm.service_levels.cells import BUCKET_S, FAILED, OUTCOMES, READ, ContactCells
from bijlighar.mdm.service_levels.limits import ServiceLimits
from bijlighar.mdm.service_levels.together import all_silent, joined, silent_together

HOURS_A_CELL = BUCKET_S / 3600
LEAST_CELLS = 3
"""A meter that was tried in fewer half hours is not judged: one failure would be a third of all."""

FAILING_SHARE = 0.5
"""A meter fails when half of its tried half hours came to nothing; a marginal link loses one try in ten."""

WEAK_SHARE = 0.2
"""With a weak signal a fifth is enough: twice what a marginal link loses."""

MAKE_LEAST_METERS = 3
MAKE_LEAST_TOWERS = 2
MAKE_SHARE = 0.2
MAKE_TIMES_OTHERS = 5.0
"""A make is at fault when three of its meters on two towers fail in one way, at least a fifth of all of that make,
and five times the share of the other makes: below that it may be chance or the place."""


class Scope(StrEnum):
    """What a fault concerns."""

    UTILITY = "utility"
    TOWER = "tower"
    FEEDER = "feeder"
    TRANSFORMER = "transformer"
    MAKE = "make"
    METER = "meter"


class Cause(StrEnum):
    """The likely cause of a fault."""

    HEAD_END_LINE = "head-end-line"  # everything silent at once
    TOWER_OUTAGE = "tower-outage"  # all meters of a tower silent in the same hours
    NO_SUPPLY = "no-supply"  # a feeder or transformer silent as one, or the meters' own power logs say so
    MAKE_FAULT = "make-fault"  # one make fails in one way across towers
    KEYS_REFUSED = "keys-refused"  # key, password or counter refused
    WRONG_METER = "wrong-meter"  # another meter answers than is registered
    ODD_ANSWERS = "odd-answers"  # answers against the protocol, or incomplete
    WEAK_SIGNAL = "weak-signal"
    NEVER_HEARD = "never-heard"  # alone silent all day
    UNSTEADY = "unsteady"  # alone silent again and again
    WRONG_CLOCK = "wrong-clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. ``place`` the index of the group in its column, or of the meter; -1 for the whole utility.

    ``lost_h``    meter-hours in which tries came to nothing; ``meters`` how many it struck, ``of`` out of how many
    ``periods``   when, for what is silent as one
    ``confirmed`` meters whose own power log says that supply was off then
    ``outcome``   how the tries ended most often; ``towers`` on how many towers
    ``tried``, ``failed``  half hours tried and come to nothing, of a single meter
    ``elsewhere`` share of other makes' meters that fail the same way
    """

    scope: Scope
    place: int
    cause: Cause
    lost_h: float
    meters: int = 1
    of: int = 1
    periods: tuple[Period, ...] = ()
    confirmed: int = 0
    outcome: Outcome | None = None
    towers: int = 0
    tried: int = 0
    failed: int = 0
    elsewhere: float = 0.0
    signal_dbm: float | None = None
    clock_offset_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Meters in groups: ``code`` int32[meter], -1 where none is known; ``groups`` how many there are."""

    code: NDArray[np.int32]
    groups: int


@dataclass(frozen=True, kw_only=True)
class FaultEvidence:
    """What the ranking sees. ``groupings`` by scope; ``cuts`` without supply, ``meter_id`` a meter's place."""

    cells: ContactCells
    groupings: Mapping[Scope, Grouping]
    cuts: Spans
    limits: ServiceLimits


@dataclass(kw_only=True)
class _Judging:
    """Cells still to be explained, and what was found so far."""

    seen: FaultEvidence
    open_cells: NDArray[np.bool_]
    faults: list[Fault] = field(default_factory=list)


def ranked_faults(seen: FaultEvidence) -> list[Fault]:
    """All faults, the costliest first; of equal cost the wider scope first."""
    flags = seen.cells.flags
    judging = _Judging(seen=seen, open_cells=(flags != 0) & (flags & READ == 0))
    _head_end(judging)
    for scope in (Scope.TOWER, Scope.FEEDER, Scope.TRANSFORMER):
        _as_one(judging, scope)
    _own(judging)
    wider = list(Scope)
    return sorted(judging.faults, key=lambda fault: (-fault.lost_h, wider.index(fault.scope), fault.place))


def _head_end(judging: _Judging) -> None:
    flags, towers = judging.seen.cells.flags, judging.seen.groupings[Scope.TOWER]
    buckets = all_silent(flags, towers.code)
    struck = judging.open_cells & buckets[None, :]
    if not struck.any():
        return
    judging.open_cells &= ~buckets[None, :]
    judging.faults.append(
        Fault(
            scope=Scope.UTILITY,
            place=-1,
            cause=Cause.HEAD_END_LINE,
            lost_h=float(struck.sum()) * HOURS_A_CELL,
            meters=int(struck.any(axis=1).sum()),
            of=len(flags),
            periods=joined(buckets, judging.seen.cells.period.start_s, BUCKET_S),
        )
    )


def _as_one(judging: _Judging, scope: Scope) -> None:
    """Groups that are silent as a whole. A power log that says so turns a tower's silence into lack of supply."""
    grouping, cells = judging.seen.groupings[scope], judging.seen.cells
    if not grouping.groups:
        return
    silent = silent_together(cells.flags, judging.open_cells, grouping.code, grouping.groups)
    members = np.bincount(grouping.code[grouping.code >= 0], minlength=grouping.groups)
    for group in np.flatnonzero(silent.any(axis=1)).tolist():
        rows = np.flatnonzero(grouping.code == group)
        struck = judging.open_cells[rows] & silent[group][None, :]
        judging.open_cells[rows] &= ~silent[group][None, :]
        meters = int(struck.any(axis=1).sum())
        periods = joined(silent[group], cells.period.start_s, BUCKET_S)
        confirmed = _without_supply(judging.seen.cuts, rows, periods)
        dark = scope is not Scope.TOWER or confirmed * 2 >= meters
        judging.faults.append(
            Fault(
                scope=scope,
                place=group,
                cause=Cause.NO_SUPPLY if dark else Cause.TOWER_OUTAGE,
                lost_h=float(struck.sum()) * HOURS_A_CELL,
                meters=meters,
                of=int(members[group]),
                periods=periods,
                confirmed=confirmed,
            )
        )


def _without_supply(cuts: Spans, rows: NDArray[np.intp], periods: tuple[Period, ...]) -> int:
    """How many of the meters say themselves that they had no supply in one of the periods."""
    if not len(cuts.meter_id):
        return 0
    member = np.zeros(max(int(cuts.meter_id.max()), int(rows[-1])) + 1, dtype=np.bool_)
    member[rows] = True
    touching = np.zeros(len(cuts.meter_id), dtype=np.bool_)
    for period in periods:
        touching |= (cuts.start_s < period.end_s) & (cuts.end_s > period.start_s)
    return len(np.unique(cuts.meter_id[touching & member[cuts.meter_id]]))


@dataclass(frozen=True, kw_only=True)
class _Left:
    """What is left of each meter: half hours tried and lost, and the outcome that its failures share.

    ``kind`` int8[meter]: index into OUTCOMES; ``failing``, ``weak`` (of signal) bool[meter].
    """

    tried: NDArray[np.int64]
    lost: NDArray[np.int64]
    kind: NDArray[np.int8]
    failing: NDArray[np.bool_]
    weak: NDArray[np.bool_]
    signal_dbm: NDArray[np.float64]


_SILENCES = [OUTCOMES.index(each) for each in (Outcome.NO_ANSWER, Outcome.HUNG, Outcome.RESET)]
_FAILURES = [
    OUTCOMES.index(each)
    for each in (
        Outcome.REFUSED,
        Outcome.NOT_AUTHENTIC,
        Outcome.PROTOCOL,
        Outcome.WRONG_METER,
        Outcome.INCOMPLETE,
    )
]


def _left(judging: _Judging) -> _Left:
    cells, limits = judging.seen.cells, judging.seen.limits
    flags, still_open = cells.flags, judging.open_cells
    answered = (still_open & (flags & FAILED != 0)).sum(axis=1)
    lost = still_open.sum(axis=1)
    tried = lost + (flags & READ != 0).sum(axis=1)
    worst_answer = np.array(_FAILURES)[cells.outcomes[:, _FAILURES].argmax(axis=1)]
    worst_silence = np.array(_SILENCES)[cells.outcomes[:, _SILENCES].argmax(axis=1)]
    kind = np.where(answered * 2 > lost, worst_answer, worst_silence).astype(np.int8)
    signal = cells.signal_dbm
    weak = np.isin(kind, _SILENCES) & (np.nan_to_num(signal, nan=0.0) <= limits.weak_signal_dbm)
    least = np.where(weak, WEAK_SHARE, FAILING_SHARE)
    failing = (tried >= LEAST_CELLS) & (lost >= least * tried) & (lost > 0)
    return _Left(tried=tried, lost=lost, kind=kind, failing=failing, weak=weak, signal_dbm=signal)


def _own(judging: _Judging) -> None:
    """Makes, then single meters."""
    left = _left(judging)
    alone = left.failing.copy()
    for fault, rows in _makes(judging.seen, left):
        judging.faults.append(fault)
        alone[rows] = False
    judging.faults += [_meter(judging.seen, left, int(row)) for row in np.flatnonzero(alone)]
    offset = judging.seen.cells.clock_offset_ms
    wrong = (offset != MISSING) & (np.abs(offset) > judging.seen.limits.clock_s * 1000) & ~alone
    judging.faults += [
        Fault(
            scope=Scope.METER,
            place=int(row),
            cause=Cause.WRONG_CLOCK,
            lost_h=0.0,
            tried=int(left.tried[row]),
            failed=int(left.lost[row]),
            clock_offset_ms=int(offset[row]),
        )
        for row in np.flatnonzero(wrong)
    ]


def _makes(seen: FaultEvidence, left: _Left) -> list[tuple[Fault, NDArray[np.intp]]]:
    makes, towers = seen.groupings[Scope.MAKE], seen.groupings[Scope.TOWER]
    judged = (left.tried >= LEAST_CELLS) & (makes.code >= 0)
    total = np.bincount(makes.code[judged], minlength=makes.groups)
    found = []
    for kind in np.unique(left.kind[left.failing]).tolist():
        struck = judged & left.failing & (left.kind == kind)
        count = np.bincount(makes.code[struck], minlength=makes.groups)
        for make in np.flatnonzero(count >= MAKE_LEAST_METERS).tolist():
            rows = np.flatnonzero(struck & (makes.code == make))
            others, of_others = int(count.sum() - count[make]), int(total.sum() - total[make])
            elsewhere = others / of_others if of_others else 0.0
            share = count[make] / total[make]
            on_towers = len(np.unique(towers.code[rows]))
            contrasted = of_others >= MAKE_LEAST_METERS and share >= MAKE_TIMES_OTHERS * elsewhere
            if share < MAKE_SHARE or on_towers < MAKE_LEAST_TOWERS or not contrasted:
                continue
            fault = Fault(
                scope=Scope.MAKE,
                place=make,
                cause=Cause.MAKE_FAULT,
                lost_h=float(left.lost[rows].sum()) * HOURS_A_CELL,
                meters=len(rows),
                of=int(total[make]),
                outcome=OUTCOMES[kind],
                towers=on_towers,
                elsewhere=elsewhere,
            )
            found.append((fault, rows))
    return found


_CAUSE_OF = {
    Outcome.REFUSED: Cause.KEYS_REFUSED,
    Outcome.NOT_AUTHENTIC: Cause.KEYS_REFUSED,
    Outcome.WRONG_METER: Cause.WRONG_METER,
    Outcome.PROTOCOL: Cause.ODD_ANSWERS,
    Outcome.INCOMPLETE: Cause.ODD_ANSWERS,
}


def _meter(seen: FaultEvidence, left: _Left, row: int) -> Fault:
    outcome = OUTCOMES[int(left.kind[row])]
    signal, offset = float(left.signal_dbm[row]), int(seen.cells.clock_offset_ms[row])
    silent_all_day = not (seen.cells.flags[row] & (READ | FAILED)).any()
    quiet = Cause.WEAK_SIGNAL if left.weak[row] else Cause.NEVER_HEARD if silent_all_day else Cause.UNSTEADY
    return Fault(
        scope=Scope.METER,
        place=row,
        cause=_CAUSE_OF.get(outcome, quiet),
        lost_h=float(left.lost[row]) * HOURS_A_CELL,
        outcome=outcome,
        tried=int(left.tried[row]),
        failed=int(left.lost[row]),
        signal_dbm=None if np.isnan(signal) else signal,
        clock_offset_ms=None if offset == MISSING else offset,
    )
