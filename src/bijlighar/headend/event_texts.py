"""What the numbers of a meter model's event logs mean, for floors that do not speak DLMS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from bijlighar.dlms.model import ModelRefused
from bijlighar.dlms.models import load_model, model_names
from bijlighar.headend.push_status import STATUS_LOG, codes_of

KNOWN_MODELS = 256
"""Models kept in memory; a utility has a dozen."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EventText:
    """Name in English and Hindi; severity "normal", "high" or "critical"."""

    name_en: str
    name_hi: str
    severity: str


@lru_cache(maxsize=KNOWN_MODELS)
def status_texts(model: str) -> Mapping[int, EventText]:
    """Texts of rows from the event status word of a push, ``event_log`` STATUS_LOG; empty as ``event_texts``.

    A bit whose event has a code of its own is named as that event.
    """
    known = event_texts(model)
    if not known:
        return {}
    bits, found = load_model(model).esw_bits, {}
    for bit, code in codes_of(load_model(model)).items():
        own = EventText(name_en=bits[bit].name_en, name_hi=bits[bit].name_hi, severity="normal")
        found[code] = own if code == bit else known[code]
    return found


@lru_cache(maxsize=KNOWN_MODELS)
def event_texts(model: str) -> Mapping[int, EventText]:
    """Texts by event code of a meter model; empty when the model is not known."""
    if model not in model_names():
        return {}
    try:
        codes = load_model(model).event_codes
    except ModelRefused:
        return {}
    return {
        code: EventText(name_en=event.name_en, name_hi=event.name_hi, severity=event.severity.value)
        for code, event in codes.items()
    }
