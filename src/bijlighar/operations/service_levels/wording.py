"""Faults as sentences, in English and in Hindi: what was seen, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import KOLKATA, Period
from bijlighar.mdm.service_levels.faults import Cause, Fault, Scope

MOST_PERIODS = 3
"""More periods than that are counted, not listed."""

_OUTCOMES: dict[Outcome, tuple[str, str]] = {
    Outcome.NO_ANSWER: ("no answer", "कोई उत्तर नहीं"),
    Outcome.HUNG: ("connected, then silent", "जुड़कर मौन"),
    Outcome.RESET: ("broke off in the middle", "बीच में टूटा"),
    Outcome.REFUSED: ("association refused", "मीटर ने मना किया"),
    Outcome.NOT_AUTHENTIC: ("key or counter not accepted", "कुंजी या काउंटर अस्वीकृत"),
    Outcome.PROTOCOL: ("answers against the protocol", "प्रोटोकॉल के विरुद्ध उत्तर"),
    Outcome.WRONG_METER: ("another meter answers", "दूसरा मीटर उत्तर देता है"),
    Outcome.INCOMPLETE: ("incomplete answers", "अधूरे उत्तर"),
}
_SCOPES: dict[Scope, tuple[str, str]] = {
    Scope.TOWER: ("Tower", "टावर"),
    Scope.FEEDER: ("Feeder", "फीडर"),
    Scope.TRANSFORMER: ("Transformer", "ट्रांसफार्मर"),
}
_SENTENCES: dict[Cause, tuple[str, str]] = {
    Cause.HEAD_END_LINE: (
        (
            "Nothing was heard of any tower in {periods}: {meters} meters at once, so the head-end's own line "
            "and not the meters."
        ),
        (
            "{periods} में किसी टावर से कुछ नहीं सुना गया: एक साथ {meters} मीटर, इसलिए दोष हेड-एंड की अपनी लाइन का है, "
            "मीटरों का नहीं।"
        ),
    ),
    Cause.TOWER_OUTAGE: (
        (
            "Tower {name} was silent in {periods}: {meters} of its {of} meters in the same hours, so the tower, "
            "not the meters."
        ),
        (
            "टावर {name} {periods} में मौन रहा: उसके {of} में से {meters} मीटर उन्हीं घंटों में, इसलिए दोष टावर का है, "
            "मीटरों का नहीं।"
        ),
    ),
    Cause.NO_SUPPLY: (
        (
            "{scope} {name} was silent in {periods}: {meters} of its {of} meters as one, so most likely no "
            "supply; the power logs of {confirmed} meters say so."
        ),
        (
            "{scope} {name} {periods} में मौन रहा: उसके {of} में से {meters} मीटर एक साथ, इसलिए संभवतः आपूर्ति बंद थी; "
            "{confirmed} मीटरों के पावर लॉग यही बताते हैं।"
        ),
    ),
    Cause.MAKE_FAULT: (
        (
            "{meters} of {of} meters of make {name} fail in one way ({outcome}) on {towers} towers; of other "
            "makes {elsewhere:.1%} do. So the make, not the place."
        ),
        (
            "निर्माता {name} के {of} में से {meters} मीटर {towers} टावरों पर एक ही तरह विफल ({outcome}); अन्य निर्माताओं में "
            "{elsewhere:.1%}। इसलिए दोष निर्माता का है, स्थान का नहीं।"
        ),
    ),
    Cause.KEYS_REFUSED: (
        (
            "Meter {name} is reached and refuses ({outcome}) in {failed} of {tried} half hours: check its keys, "
            "password and counter."
        ),
        (
            "मीटर {name} तक पहुँच है पर {tried} में से {failed} आधे घंटों में उसने मना किया ({outcome}): कुंजी, पासवर्ड "
            "और काउंटर जाँचें।"
        ),
    ),
    Cause.WRONG_METER: (
        (
            "At the address of meter {name} another meter answers, in {failed} of {tried} half hours: compare the "
            "registry with what is installed."
        ),
        "मीटर {name} के पते पर {tried} में से {failed} आधे घंटों में दूसरा मीटर उत्तर देता है: पंजी को स्थापित मीटर से मिलाएँ।",
    ),
    Cause.ODD_ANSWERS: (
        (
            "Meter {name} answers, but not as it should ({outcome}) in {failed} of {tried} half hours: look at "
            "its model and firmware."
        ),
        "मीटर {name} उत्तर देता है, पर {tried} में से {failed} आधे घंटों में ठीक नहीं ({outcome}): उसका मॉडल और फर्मवेयर देखें।",
    ),
    Cause.WEAK_SIGNAL: (
        "Meter {name} has a weak signal ({signal:.0f} dBm) and was not reached in {failed} of {tried} half hours.",
        "मीटर {name} का सिग्नल कमज़ोर है ({signal:.0f} dBm); {tried} में से {failed} आधे घंटों में संपर्क नहीं हुआ।",
    ),
    Cause.NEVER_HEARD: (
        (
            "Meter {name} was not heard once in {tried} half hours, while others on its tower were: meter, modem "
            "or its supply."
        ),
        (
            "मीटर {name} {tried} आधे घंटों में एक बार भी नहीं सुना गया, जबकि उसके टावर के अन्य मीटर सुने गए: मीटर, मोडेम "
            "या उसकी आपूर्ति।"
        ),
    ),
    Cause.UNSTEADY: (
        (
            "Meter {name} comes and goes: not reached in {failed} of {tried} half hours ({outcome}); its tower is "
            "in order."
        ),
        "मीटर {name} कभी मिलता है कभी नहीं: {tried} में से {failed} आधे घंटों में संपर्क नहीं ({outcome}), जबकि टावर ठीक है।",
    ),
    Cause.WRONG_CLOCK: (
        "The clock of meter {name} is {clock:+.0f} s off: its rows stand at wrong times.",
        "मीटर {name} की घड़ी {clock:+.0f} सेकंड गलत है: उसकी पंक्तियाँ गलत समय पर हैं।",
    ),
}


def sentences(fault: Fault, name: str) -> tuple[str, str]:
    """A fault in English and in Hindi; ``name`` of what it concerns."""
    english, hindi = _SENTENCES[fault.cause]
    return _filled(english, fault, name, 0), _filled(hindi, fault, name, 1)


def _filled(sentence: str, fault: Fault, name: str, language: int) -> str:
    return sentence.format(
        name=name,
        scope=_SCOPES[fault.scope][language] if fault.scope in _SCOPES else "",
        periods=_periods(fault.periods, language),
        meters=fault.meters,
        of=fault.of,
        confirmed=fault.confirmed,
        outcome="" if fault.outcome is None else _OUTCOMES[fault.outcome][language],
        towers=fault.towers,
        elsewhere=fault.elsewhere,
        tried=fault.tried,
        failed=fault.failed,
        signal=fault.signal_dbm or 0.0,
        clock=(fault.clock_offset_ms or 0) / 1000,
    )


def _periods(periods: Sequence[Period], language: int) -> str:
    told = ", ".join(_period(period) for period in periods[:MOST_PERIODS])
    more = len(periods) - MOST_PERIODS
    return told if more <= 0 else f"{told} " + (f"and {more} more", f"और {more} बार")[language]


def _period(period: Period) -> str:
    start, end = (datetime.fromtimestamp(each, KOLKATA) for each in (period.start_s, period.end_s))
    same_day = start.date() == end.date()
    return f"{start:%d-%m-%Y %H:%M}–" + (f"{end:%H:%M}" if same_day else f"{end:%d-%m-%Y %H:%M}")
