"""Who of the utility looked at a household's use: an entry of the audit log that the household itself can read.

Digital Personal Data Protection Act 2023: personal data are opened for a purpose, and the person may know by whom.
One entry a person, meter and hour, so that a page that asks again every few seconds does not flood the log.
"""

from __future__ import annotations

from collections import OrderedDict

from bijlighar.cim.network import UsagePointKind
from bijlighar.controlroom.registry_index import MeterPlace
from bijlighar.controlroom.roles import Role
from bijlighar.controlroom.room import ControlRoom
from bijlighar.records.people import Person

LOOKED = "looked-at-use"
HOUR_S = 3_600
MOST_REMEMBERED = 100_000
"""Looks remembered so as not to be written twice; beyond it, or after a restart, one may be written once more."""

PURPOSES = {
    Role.SUPERVISOR: "supply",
    Role.OPERATOR: "supply",
    Role.CREDIT_OFFICER: "billing",
    Role.BILLING_SYSTEM: "billing",
    Role.REVENUE_INSPECTOR: "revenue-protection",
    Role.STORE_KEEPER: "installation",
    Role.INSTALLER: "installation",
    Role.ADMINISTRATOR: "administration",
    Role.VIEWER: "supply",
}
"""What a role opens a household's use for, unless the person says otherwise; the first that fits counts."""


def subject_of(usage_point: str) -> str:
    """The audit log's subject for a usage point."""
    return f"usage-point:{usage_point}"


def purpose_of(person: Person) -> str:
    """The purpose that goes with a person's work."""
    return next((purpose for role, purpose in PURPOSES.items() if role.value in person.roles), "not told")


class UseLooks:
    """Remembers what was written. Lives on the event loop."""

    def __init__(self) -> None:
        self._written: OrderedDict[tuple[str, int, int, str], None] = OrderedDict()

    async def looked(self, room: ControlRoom, person: Person, place: MeterPlace, why: str) -> None:
        """Put on record that a person opens a household's use; durable before return. Raises Unavailable."""
        if place.point is None or place.point.kind is not UsagePointKind.CONSUMER:
            return
        reason = why.strip() or purpose_of(person)
        key = (person.name, place.meter.meter_id, int(room.now()) // HOUR_S, reason)
        if key in self._written:
            return
        self._written[key] = None
        try:
            await room.audit(
                who=person.name,
                what=LOOKED,
                subject=subject_of(place.point.code),
                detail={"why": reason, "roles": list(person.roles), "serial": place.meter.serial},
            )
        except BaseException:
            self._written.pop(key, None)
            raise
        while len(self._written) > MOST_REMEMBERED:
            self._written.popitem(last=False)
