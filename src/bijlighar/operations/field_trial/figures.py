"""Measured figures of a trial: sessions and kept values, of one meter or of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.operations.field_trial.evidence import TrialEvidence, TrialMeter
from bijlighar.operations.field_trial.outages import GroupOutage, excused


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Contacts tried and how they went; latency in wall-clock ms of the succeeded, None where none was.

    ``excused`` failed while the whole group was silent; ``success_rate`` leaves them out.
    """

    tried: int
    succeeded: int
    excused: int
    success_rate: float | None
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    latency_ms_p99: float | None
    signal_dbm_median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Slots and values kept, and how they compare with the meter's own and with its midnight registers."""

    slots_expected: int
    slots_held: int
    values_compared: int
    values_wrong: int
    register_days_compared: int
    register_days_off: int

    @property
    def share_held(self) -> float | None:
        """Held of expected slots; None when none is expected yet."""
        return self.slots_held / self.slots_expected if self.slots_expected else None


def sessions_of(contacts: Sequence[Contact], excused_count: int) -> Sessions:
    """Figures of these contacts, ``excused_count`` of which are not the meters' fault."""
    succeeded = [c for c in contacts if c.outcome is Outcome.OK]
    latencies = [c.latency_ms for c in succeeded if c.latency_ms is not None]
    signals = [c.signal_dbm for c in contacts if c.signal_dbm is not None]
    judged = len(contacts) - excused_count
    p50, p90, p99 = np.percentile(latencies, [50, 90, 99]).tolist() if latencies else (None, None, None)
    return Sessions(
        tried=len(contacts),
        succeeded=len(succeeded),
        excused=excused_count,
        success_rate=len(succeeded) / judged if judged else None,
        latency_ms_p50=p50,
        latency_ms_p90=p90,
        latency_ms_p99=p99,
        signal_dbm_median=float(np.median(signals)) if signals else None,
    )


def meter_sessions(meter: TrialMeter, contacts: Sequence[Contact], outages: Sequence[GroupOutage]) -> Sessions:
    """Sessions of one meter; failures during its group's outages are excused."""
    return sessions_of(contacts, sum(excused(contact, meter.group, outages) for contact in contacts))


def kept_of(meter: TrialMeter, evidence: TrialEvidence) -> Kept:
    """What is kept of one meter in the evidence's data period."""
    first = -(-evidence.data.start_s // meter.period_s) * meter.period_s
    expected = max(0, (evidence.data.end_s - first) // meter.period_s)
    held = evidence.held.get(meter.meter_id, np.empty(0, np.int64))
    within = held[(held >= first) & (held < first + expected * meter.period_s)]
    comparison = evidence.comparisons.get(meter.meter_id)
    sums = evidence.register_sums.get(meter.meter_id)
    return Kept(
        slots_expected=expected,
        slots_held=len(np.unique(within)),
        values_compared=comparison.compared if comparison else 0,
        values_wrong=comparison.wrong if comparison else 0,
        register_days_compared=sums.days_compared if sums else 0,
        register_days_off=sums.days_off if sums else 0,
    )


def kept_in_all(kept: Iterable[Kept]) -> Kept:
    """The sum over meters."""
    rows = list(kept)
    return Kept(
        slots_expected=sum(row.slots_expected for row in rows),
        slots_held=sum(row.slots_held for row in rows),
        values_compared=sum(row.values_compared for row in rows),
        values_wrong=sum(row.values_wrong for row in rows),
        register_days_compared=sum(row.register_days_compared for row in rows),
        register_days_off=sum(row.register_days_off for row in rows),
    )
