"""What is special about a feeder on a day: the part of the town's interruptions and deviations that matters there.

It goes to the process of the power flow as JSON and gives a day its key: the same circumstances, the same flow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from meterlab.calendar import midnight_s
from meterlab.deviations import PICKUP_AFTER_S, PICKUP_PERMILLE, PICKUP_STEP_S, Deviations, Surge, Theft, TheftKind
from meterlab.interruptions import Interruptions, Interval
from meterlab.town import Town

_LOOK_BACK_S = PICKUP_AFTER_S + PICKUP_STEP_S * len(PICKUP_PERMILLE)
"""What ended earlier than this before midnight no longer matters."""

USUAL = "{}"
"""A day on which nothing is special, as JSON."""


def of_day(town: Town, interruptions: Interruptions, feeder: int, day: int) -> Interruptions:
    """The circumstances of a feeder on a day, cut to that day."""
    begin_s, end_s = midnight_s(day) - _LOOK_BACK_S, midnight_s(day + 1)
    deviations = interruptions.deviations
    cuts = {
        t: _cut(i, begin_s, end_s) for t, i in interruptions.by_transformer.items() if town.feeder[t] == feeder
    }
    relays = {
        home: _cut(intervals, begin_s, end_s)
        for home, intervals in interruptions.by_relay.items()
        if town.feeder[town.transformer[home]] == feeder
    }
    cuts, relays = _filled(cuts), _filled(relays)
    surges = [
        s for s in deviations.surges if s.begin_s < end_s and s.end_s > begin_s and _reaches(town, s, feeder)
    ]
    thefts = {
        home: [t for t in stolen if t.begin_s < end_s and t.end_s > begin_s]
        for home, stolen in deviations.thefts.items()
        if town.feeder[town.transformer[home]] == feeder
    }
    return Interruptions(
        by_relay=relays,
        by_transformer=cuts,
        deviations=Deviations(
            surges=surges,
            thefts={home: stolen for home, stolen in thefts.items() if stolen},
            picks_up=deviations.picks_up and bool(cuts or relays),
        ),
    )


def _cut(intervals: Sequence[Interval], begin_s: int, end_s: int) -> list[Interval]:
    return [(max(b, begin_s), min(e, end_s)) for b, e in intervals if b < end_s and e > begin_s]


def _filled(by_number: Mapping[int, list[Interval]]) -> dict[int, list[Interval]]:
    return {number: intervals for number, intervals in sorted(by_number.items()) if intervals}


def _reaches(town: Town, surge: Surge, feeder: int) -> bool:
    return surge.transformers is None or any(town.feeder[t] == feeder for t in surge.transformers)


def to_json(circumstances: Interruptions) -> str:
    """As one line of JSON, the same for the same circumstances."""
    deviations = circumstances.deviations
    parts = {
        "cuts": circumstances.by_transformer,
        "relays": circumstances.by_relay,
        "surges": [
            [
                s.begin_s,
                s.end_s,
                s.permille,
                None if s.transformers is None else sorted(s.transformers),
                s.gives_way,
            ]
            for s in deviations.surges
        ],
        "thefts": {
            home: [[t.begin_s, t.end_s, t.kind, t.seen_permille] for t in stolen]
            for home, stolen in sorted(deviations.thefts.items())
        },
        "picks_up": deviations.picks_up,
    }
    return json.dumps({name: part for name, part in parts.items() if part}, separators=(",", ":"))


def from_json(text: str) -> Interruptions:
    """The circumstances again."""
    parts = json.loads(text)
    return Interruptions(
        by_relay=_intervals(parts.get("relays", {})),
        by_transformer=_intervals(parts.get("cuts", {})),
        deviations=Deviations(
            surges=[
                Surge(
                    begin_s=begin_s,
                    end_s=end_s,
                    permille=permille,
                    transformers=None if among is None else frozenset(among),
                    gives_way=gives_way,
                )
                for begin_s, end_s, permille, among, gives_way in parts.get("surges", [])
            ],
            thefts={
                int(home): [
                    Theft(begin_s=begin_s, end_s=end_s, kind=TheftKind(kind), seen_permille=seen)
                    for begin_s, end_s, kind, seen in stolen
                ]
                for home, stolen in parts.get("thefts", {}).items()
            },
            picks_up=parts.get("picks_up", False),
        ),
    )


def _intervals(part: Mapping[str, list[list[int]]]) -> dict[int, list[Interval]]:
    return {int(number): [(begin, end) for begin, end in intervals] for number, intervals in part.items()}


def key(text: str) -> str:
    """A short name of circumstances, from their JSON."""
    return "usual" if text == USUAL else hashlib.sha256(text.encode()).hexdigest()[:16]
