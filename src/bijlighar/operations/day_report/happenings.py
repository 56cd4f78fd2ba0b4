"""What happened to each meter on a day beside its blocks: events, interruptions, visits. Read piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.headend.event_texts import LOGS, event_texts
from bijlighar.headend.push_status import STATUS_LOG
from bijlighar.mdm.outages import POWER_FAILED, POWER_RESTORED, Spans, spans
from bijlighar.operations.day_report.network import CONSUMER, DayNetwork
from bijlighar.operations.service_levels.collect import CUTS_BACK_S
from bijlighar.records import Records

SEVERITIES = ("info", "normal", "high", "critical")
UNKNOWN_LOG = "other"
KINDS = tuple(name for log, name in LOGS.items() if log != STATUS_LOG)
CLASSES = tuple(f"{kind}/{severity}" for kind in KINDS for severity in SEVERITIES)
"""Events are told by the log they stand in and by the severity that their meter's model gives them."""

_OUTCOMES = tuple(Outcome)
_OK, _STOPPED = _OUTCOMES.index(Outcome.OK), _OUTCOMES.index(Outcome.STOPPED)

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Happenings:
    """By meter number, int64[meter number].

    ``event_meter`` and ``event_class`` one for each event of the day: meter, place in CLASSES. ``cuts``: when
    meters had no supply, cut to the day. Interruptions are those of consumers that began on the day.
    """

    event_meter: Integers
    event_class: Integers
    cuts: Spans
    interruptions: Integers
    interrupted: Integers
    interrupted_s: Integers
    contacts: Integers
    contacts_succeeded: Integers


def happenings(records: Records, network: DayNetwork, day: Period) -> Happenings:
    """Ask the records. Raises SegmentDamaged, Unavailable."""
    size = len(network.kind)
    meter, at_s, code, log = _events(records, Period(start_s=day.start_s - CUTS_BACK_S, end_s=day.end_s), size)
    counted = (at_s >= day.start_s) & (log != STATUS_LOG)  # the log itself will say what was pushed at once
    counted &= network.kind[meter] >= 0
    every = spans(meter.astype(np.int32), at_s, code, begins=POWER_FAILED, ends=POWER_RESTORED, until_s=day.end_s)
    fresh = (every.start_s >= day.start_s) & (network.kind[every.meter_id] == CONSUMER)
    began = np.bincount(every.meter_id[fresh], minlength=size)
    cuts = _clipped(every, day)
    mine = network.kind[cuts.meter_id] == CONSUMER
    own = cuts.meter_id[mine]
    off_s = np.bincount(own, weights=(cuts.end_s - cuts.start_s)[mine], minlength=size)
    contacts, succeeded = _contacts(records, day, size)
    return Happenings(
        event_meter=meter[counted],
        event_class=_classes(network, meter[counted], code[counted], log[counted]),
        cuts=cuts,
        interruptions=began.astype(np.int64),
        interrupted=(off_s > 0).astype(np.int64),
        interrupted_s=off_s.astype(np.int64),
        contacts=contacts,
        contacts_succeeded=succeeded,
    )


def _events(records: Records, period: Period, size: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Meter, instant, code and log of each event once, however often it was read."""
    parts: list[tuple[Integers, ...]] = []
    for piece in records.pieces.rows(ProfileKind.EVENT, period, ["event_code", "event_log"]):
        if not {"event_code", "event_log"} <= piece.channels.keys():
            continue
        mine = (piece.start_s >= period.start_s) & (piece.start_s < period.end_s) & (piece.meter_id < size)
        columns = (piece.meter_id, piece.start_s, piece.channels["event_code"], piece.channels["event_log"])
        parts.append(tuple(column[mine].astype(np.int64) for column in columns))
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing, nothing
    meter, at_s, code, log = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((log, code, at_s, meter))
    fresh = np.ones(len(order), dtype=bool)
    again = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (meter, at_s, code, log):
        again &= column[order[1:]] == column[order[:-1]]
    fresh[1:] = ~again
    chosen = order[fresh]
    return meter[chosen], at_s[chosen], code[chosen], log[chosen]


def _clipped(told: Spans, day: Period) -> Spans:
    start_s, end_s = np.maximum(told.start_s, day.start_s), np.minimum(told.end_s, day.end_s)
    some = end_s > start_s
    return Spans(meter_id=told.meter_id[some], start_s=start_s[some], end_s=end_s[some])


def _classes(network: DayNetwork, meter: Integers, code: Integers, log: Integers) -> Integers:
    names = {log: name for log, name in LOGS.items() if log != STATUS_LOG}
    kind = np.full(max(names) + 1, KINDS.index(UNKNOWN_LOG), dtype=np.int64)
    for number, name in names.items():
        kind[number] = KINDS.index(name)
    known = (log >= 0) & (log < len(kind))
    severity = np.zeros(len(meter), dtype=np.int64)
    model = network.model[meter] if len(meter) else np.zeros(0, dtype=np.int32)
    for place in np.unique(model).tolist():
        texts = event_texts(network.models[place])
        of_model = np.flatnonzero(model == place)
        for each in np.unique(code[of_model]).tolist():
            if each in texts:
                mine = of_model[code[of_model] == each]
                severity[mine] = SEVERITIES.index(texts[each].severity)
    place_of_kind = np.where(known, kind[np.where(known, log, 0)], KINDS.index(UNKNOWN_LOG))
    return np.asarray(place_of_kind * len(SEVERITIES) + severity, dtype=np.int64)


def _contacts(records: Records, day: Period, size: int) -> tuple[Integers, Integers]:
    """Visits tried, and those that succeeded, by meter. One that we stopped says nothing of the meter."""
    tried, succeeded = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    for piece in records.pieces.contacts(day):
        mine = (piece.started_s >= day.start_s) & (piece.started_s < day.end_s) & (piece.meter_id < size)
        mine &= piece.outcome != _STOPPED
        tried += np.bincount(piece.meter_id[mine], minlength=size)
        succeeded += np.bincount(piece.meter_id[mine & (piece.outcome == _OK)], minlength=size)
    return tried, succeeded
