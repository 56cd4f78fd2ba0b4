"""Findings of a trial as sentences, in English and in Hindi. One template a finding, the same fields in both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bijlighar.cim.period import KOLKATA


class FindingCode(StrEnum):
    """What can be found wrong in a trial."""

    BAD_METER = "bad-meter"
    TOWER_OUTAGE = "tower-outage"
    DRIFTING_CLOCK = "drifting-clock"
    WRONG_CLOCK = "wrong-clock"
    GAPS = "gaps"
    SLOW = "slow"
    WRONG_VALUES = "wrong-values"
    REGISTER_SUM = "register-sum"
    NEVER_HEARD = "never-heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found, in words. ``meter_id`` None when it concerns no single meter."""

    code: FindingCode
    detail_en: str
    detail_hi: str
    meter_id: int | None = None


_SENTENCES: dict[FindingCode, tuple[str, str]] = {
    FindingCode.BAD_METER: (
        "{name} ({serial}) answers badly: {ok} of {tried} sessions succeeded ({rate:.1%}); its tower is in order.",
        "{name} ({serial}) ठीक से उत्तर नहीं दे रहा: {tried} में से {ok} सत्र सफल ({rate:.1%}), जबकि टावर ठीक है।",
    ),
    FindingCode.TOWER_OUTAGE: (
        "{group} was silent from {start} to {end}: {meters} meters at once, so the tower and not the meters.",
        "{group} {start} से {end} तक मौन रहा: एक साथ {meters} मीटर, इसलिए दोष टावर का है, मीटरों का नहीं।",
    ),
    FindingCode.DRIFTING_CLOCK: (
        "The clock of {name} ({serial}) drifts {drift:+.1f} s a day; times set: {jumps}.",
        "{name} ({serial}) की घड़ी प्रतिदिन {drift:+.1f} सेकंड खिसकती है; उसे {jumps} बार मिलाया गया।",
    ),
    FindingCode.WRONG_CLOCK: (
        "The clock of {name} ({serial}) is {offset:+.0f} s off.",
        "{name} ({serial}) की घड़ी {offset:+.0f} सेकंड गलत है।",
    ),
    FindingCode.GAPS: (
        "{name} ({serial}) lacks {slots} blocks in {gaps} gaps; most often: {cause}.",
        "{name} ({serial}) के {gaps} अंतरालों में {slots} ब्लॉक नहीं हैं; मुख्य कारण: {cause_hi}।",
    ),
    FindingCode.SLOW: (
        "{name} ({serial}) is slow: nine of ten sessions within {latency:.1f} s.",
        "{name} ({serial}) धीमा है: दस में नौ सत्र {latency:.1f} सेकंड में।",
    ),
    FindingCode.WRONG_VALUES: (
        "{wrong} of {compared} stored values of {name} ({serial}) differ from what the meter holds.",
        "{name} ({serial}) के {compared} में से {wrong} संग्रहीत मान मीटर के मान से भिन्न हैं।",
    ),
    FindingCode.REGISTER_SUM: (
        "On {days} days the blocks of {name} ({serial}) do not sum to its midnight registers.",
        "{days} दिन {name} ({serial}) के ब्लॉकों का योग मध्यरात्रि रजिस्टर के अंतर से मेल नहीं खाता।",
    ),
    FindingCode.NEVER_HEARD: (
        "{name} ({serial}) has never answered in {tried} tries.",
        "{name} ({serial}) ने {tried} प्रयासों में एक बार भी उत्तर नहीं दिया।",
    ),
}

CAUSES: dict[str, tuple[str, str]] = {
    "power-cut": ("no supply, says the meter's power log", "मीटर के पावर लॉग के अनुसार आपूर्ति बंद थी"),
    "tower-outage": ("the tower is silent", "टावर मौन है"),
    "not-reached": ("not reached since", "तब से संपर्क नहीं हुआ"),
    "absent-in-meter": ("the meter does not hold these rows", "मीटर में ये पंक्तियाँ नहीं हैं"),
}
"""Causes of gaps in words, English and Hindi."""


def finding(code: FindingCode, meter_id: int | None = None, **facts: object) -> Finding:
    """A finding in both languages. Raises KeyError when a sentence's fact is missing."""
    english, hindi = _SENTENCES[code]
    return Finding(
        code=code, meter_id=meter_id, detail_en=english.format(**facts), detail_hi=hindi.format(**facts)
    )


def local_time(instant_s: int) -> str:
    """Date and time in Indian Standard Time, as both languages write it here."""
    return datetime.fromtimestamp(instant_s, KOLKATA).strftime("%d-%m-%Y %H:%M")
