"""Names of events for people, out of the meter's model; a code that the model does not know stays a number."""

from __future__ import annotations

from bijlighar.headend.event_texts import LOGS, EventText, event_texts, status_texts
from bijlighar.headend.push_status import STATUS_LOG

__all__ = ["LOGS", "event_name"]


def event_name(model: str, code: int, log: int = 0) -> EventText:
    """The name of an event code of a meter model; severity "info" for a code that it does not know.

    ``log`` matters for STATUS_LOG, whose rows may bear the number of a bit.
    """
    known = (status_texts(model) if log == STATUS_LOG else event_texts(model)).get(code)
    return known or EventText(name_en=f"Event {code}", name_hi=f"घटना {code}", severity="info")
