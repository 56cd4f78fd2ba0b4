"""Names of events for people, out of the meter's model; a code that the model does not know stays a number."""

from __future__ import annotations

from bijlighar.headend.event_texts import EventText, event_texts, status_texts
from bijlighar.headend.push_status import STATUS_LOG

LOGS = {
    0: "voltage",
    1: "current",
    2: "power",
    3: "transaction",
    4: "other",
    5: "non-rollover",
    6: "control",
    STATUS_LOG: "status-word",
}
"""Event logs of IS 15959 by the fifth group of their OBIS code, 0.0.99.98.E.255; and what meters push at once."""


def event_name(model: str, code: int, log: int = 0) -> EventText:
    """The name of an event code of a meter model; severity "info" for a code that it does not know.

    ``log`` matters for STATUS_LOG, whose rows may bear the number of a bit.
    """
    known = (status_texts(model) if log == STATUS_LOG else event_texts(model)).get(code)
    return known or EventText(name_en=f"Event {code}", name_hi=f"घटना {code}", severity="info")
