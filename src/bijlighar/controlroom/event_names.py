"""Names of events for people, out of the meter's model; a code that the model does not know stays a number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EventName:
    """A name in English and Hindi, and a severity ("info" when unknown)."""

    name_en: str
    name_hi: str
    severity: str = "info"


LOGS = {
    0: "voltage",
    1: "current",
    2: "power",
    3: "transaction",
    4: "other",
    5: "non-rollover",
    6: "control",
}
"""Event logs of IS 15959 by the fifth group of their OBIS code, 0.0.99.98.E.255."""


def event_name(model: str, code: int) -> EventName:  # noqa: ARG001
    """The name of an event code of a meter model."""
    return EventName(name_en=f"Event {code}", name_hi=f"घटना {code}")
