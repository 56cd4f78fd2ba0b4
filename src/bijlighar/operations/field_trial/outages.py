"""Hours in which a whole communication group was silent: the tower's fault, not any meter's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.period import Period

MINIMUM_METERS = 3
"""Fewer meters silent together may be chance: two marginal links fail at once every few days."""

SILENT_SHARE = 0.8
"""Share of the group's tried meters that had no answer at all, for the group to count as silent."""

BUCKET_S = 900
"""Contacts are judged in quarter hours: the shortest block length, so every meter is tried once or more."""

_UNREACHED = (Outcome.NO_ANSWER, Outcome.HUNG, Outcome.RESET)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutage:
    """A communication group silent in a period; ``meters`` had no answer in it."""

    group: str
    period: Period
    meters: int


def group_outages(contacts: Sequence[Contact], groups: Mapping[int, str]) -> list[GroupOutage]:
    """Outages of communication groups, adjacent quarter hours joined, ordered by group and time."""
    silent = _silent_buckets(contacts, groups)
    outages: list[GroupOutage] = []
    for (group, bucket), meters in sorted(silent.items()):
        period = Period(start_s=bucket * BUCKET_S, end_s=(bucket + 1) * BUCKET_S)
        last = outages[-1] if outages else None
        if last is not None and last.group == group and period.start_s - last.period.end_s <= BUCKET_S:
            joined = Period(start_s=last.period.start_s, end_s=period.end_s)
            outages[-1] = GroupOutage(group=group, period=joined, meters=max(last.meters, meters))
        else:
            outages.append(GroupOutage(group=group, period=period, meters=meters))
    return outages


def excused(contact: Contact, group: str, outages: Sequence[GroupOutage]) -> bool:
    """True when the contact failed while its whole group was silent."""
    if contact.outcome not in _UNREACHED:
        return False
    instant_s = contact.started_ms // 1000
    return any(outage.group == group and instant_s in outage.period for outage in outages)


def _silent_buckets(contacts: Sequence[Contact], groups: Mapping[int, str]) -> dict[tuple[str, int], int]:
    tried: dict[tuple[str, int], set[int]] = defaultdict(set)
    heard: dict[tuple[str, int], set[int]] = defaultdict(set)
    for contact in contacts:
        group = groups.get(contact.meter_id)
        if not group:
            continue
        key = (group, contact.started_ms // 1000 // BUCKET_S)
        tried[key].add(contact.meter_id)
        if contact.outcome not in _UNREACHED:
            heard[key].add(contact.meter_id)
    return {
        key: len(meters - heard[key])
        for key, meters in tried.items()
        if len(meters) >= MINIMUM_METERS and len(meters - heard[key]) >= SILENT_SHARE * len(meters)
    }
