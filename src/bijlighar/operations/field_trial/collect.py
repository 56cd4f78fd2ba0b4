"""Gathers the evidence of a trial from records. No judgement here."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period, civil_date, civil_day
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.operations.field_trial.define import limits_of
from bijlighar.operations.field_trial.evidence import Comparison, RegisterSums, TrialEvidence, TrialMeter
from bijlighar.operations.field_trial.limits import register_tolerance_wh
from bijlighar.records import Records
from bijlighar.records.trials import Trial

DEFAULT_PERIOD_S = 1800
"""Block length of consumer meters (IS 15959) until a meter's own rows tell another."""

DUE_AFTER_S = 2 * 3600
"""A block is expected two hours after its end: it is read every half hour and tried again after a failure."""

POWER_FAILED, POWER_RESTORED = 101, 102
"""Event codes of the power log (IS 15959 event table)."""

DAY_S = 86_400


def collect(records: Records, trial: Trial, now_s: float) -> TrialEvidence:
    """The evidence at ``now_s``. Raises Unavailable and SegmentDamaged as the records do."""
    due_s = int(now_s) - DUE_AFTER_S
    data = Period(
        start_s=trial.started_s, end_s=max(trial.started_s, due_s // DEFAULT_PERIOD_S * DEFAULT_PERIOD_S)
    )
    whole = Period(start_s=trial.started_s, end_s=int(now_s) + 1)
    members = set(trial.meters)
    contacts = [
        contact
        for contact in records.readings.contacts(whole)
        if contact.meter_id in members and contact.outcome is not Outcome.STOPPED
    ]
    blocks = {meter_id: _blocks(records, meter_id, whole) for meter_id in trial.meters}
    daily = records.readings.table(ProfileKind.DAILY, trial.meters, whole, ["import_wh"])
    return TrialEvidence(
        name=trial.name,
        name_hi=trial.name_hi,
        division=trial.division,
        place=trial.place,
        now_s=int(now_s),
        data=data,
        started_s=min((c.started_ms // 1000 for c in contacts), default=None),
        meters=[_member(records, meter_id, blocks[meter_id].period_s) for meter_id in trial.meters],
        contacts=contacts,
        held={meter_id: np.unique(batch.start_s) for meter_id, batch in blocks.items()},
        power_cuts=power_cuts(
            records.readings.table(ProfileKind.EVENT, trial.meters, whole, ["event_code"]), whole
        ),
        comparisons=_comparisons(records, trial),
        register_sums={
            meter_id: register_sums(batch, _of_meter(daily, meter_id)) for meter_id, batch in blocks.items()
        },
        limits=limits_of(trial),
    )


def _blocks(records: Records, meter_id: int, period: Period) -> ReadingBatch:
    return records.readings.rows(ProfileKind.BLOCK_LOAD, meter_id, period, ["import_wh"])


def _member(records: Records, meter_id: int, period_s: int) -> TrialMeter:
    place = records.registry.place(meter_id)
    return TrialMeter(
        meter_id=meter_id,
        serial=place.meter.serial if place else str(meter_id),
        name=place.usage_point.name if place else str(meter_id),
        group=place.meter.group if place else "",
        period_s=period_s or DEFAULT_PERIOD_S,
    )


def power_cuts(events: ReadingBatch, whole: Period) -> dict[int, list[Period]]:
    """Periods without supply by meter, from events 101 and 102; an open one lasts to the end of ``whole``."""
    cuts: dict[int, list[Period]] = defaultdict(list)
    failed_s: dict[int, int] = {}
    order = np.lexsort((events.start_s, events.meter_id))
    codes = events.channels["event_code"]
    for row in order.tolist():
        meter_id, at_s, code = int(events.meter_id[row]), int(events.start_s[row]), int(codes[row])
        if code == POWER_FAILED:
            failed_s.setdefault(meter_id, at_s)
        elif code == POWER_RESTORED:
            start_s = failed_s.pop(meter_id, whole.start_s)
            cuts[meter_id].append(Period(start_s=min(start_s, at_s), end_s=at_s))
    for meter_id, at_s in failed_s.items():
        cuts[meter_id].append(Period(start_s=at_s, end_s=max(at_s, whole.end_s)))
    return dict(cuts)


def register_sums(blocks: ReadingBatch, daily: ReadingBatch) -> RegisterSums:
    """Compare one meter's blocks with its midnight registers, on days with all blocks and both midnights."""
    if not blocks.period_s:
        return RegisterSums(days_compared=0, days_off=0)
    registers = {
        int(start_s): int(value)
        for start_s, value in zip(daily.start_s, daily.channels["import_wh"], strict=True)
        if value != MISSING
    }
    compared = off = 0
    energy_wh = blocks.channels["import_wh"]
    for start_s, register_wh in registers.items():
        day = civil_day(civil_date(start_s))
        if day.start_s != start_s or day.end_s not in registers:
            continue
        within = (blocks.start_s >= start_s) & (blocks.start_s < day.end_s) & (energy_wh != MISSING)
        slots = int(np.count_nonzero(within))
        if slots != DAY_S // blocks.period_s:
            continue
        difference_wh = registers[day.end_s] - register_wh
        compared += 1
        off += abs(int(energy_wh[within].sum()) - difference_wh) > register_tolerance_wh(difference_wh, slots)
    return RegisterSums(days_compared=compared, days_off=off)


def _of_meter(batch: ReadingBatch, meter_id: int) -> ReadingBatch:
    return picked(batch, batch.meter_id == meter_id)


def picked(batch: ReadingBatch, rows: NDArray[np.bool_]) -> ReadingBatch:
    """The rows of a batch where ``rows`` is true."""
    return ReadingBatch(
        kind=batch.kind,
        period_s=batch.period_s,
        meter_id=batch.meter_id[rows],
        start_s=batch.start_s[rows],
        received_s=batch.received_s[rows],
        channels={name: column[rows] for name, column in batch.channels.items()},
    )


def _comparisons(records: Records, trial: Trial) -> dict[int, Comparison]:
    found: dict[int, Comparison] = {}
    for check in records.trials.latest_checks(trial.trial_id):
        before = found.get(check.meter_id)
        texts = tuple(_sentence(example) for example in check.examples)
        found[check.meter_id] = Comparison(
            compared=check.compared + (before.compared if before else 0),
            wrong=check.wrong + (before.wrong if before else 0),
            at_s=max(check.at_s, before.at_s if before else 0),
            examples=(before.examples if before else ()) + texts,
        )
    return found


def _sentence(example: object) -> str:
    return ", ".join(f"{key} {value}" for key, value in dict(example).items()) if isinstance(example, dict) else ""
