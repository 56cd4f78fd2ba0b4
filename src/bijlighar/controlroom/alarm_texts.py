"""Details of alarms in Hindi.

Head-ends and records tell an alarm's detail as one English sentence, for logs and for people. The sentences are
few: each stands here with its Hindi, facts in it taken over as they are. What is not known stays English.
"""

from __future__ import annotations

import re

_REASONS = {
    "the disk of the readings is full": "रीडिंग की डिस्क भर गई है",
    "the disk quota of the readings is used up": "रीडिंग का डिस्क कोटा समाप्त है",
    "the disk of the readings takes no file of this size": "रीडिंग की डिस्क इस आकार की फ़ाइल नहीं लेती",
    "the disk of the readings is read-only": "रीडिंग की डिस्क पर लिखा नहीं जा सकता",
    "the folder of the readings may not be used": "रीडिंग के फ़ोल्डर के उपयोग की अनुमति नहीं है",
    "the disk of the readings answers with an error": "रीडिंग की डिस्क त्रुटि दे रही है",
    "the shared disk of the readings went away": "रीडिंग की साझा डिस्क हट गई",
    "too many files are open": "बहुत अधिक फ़ाइलें खुली हैं",
    "the records database does not serve now": "अभिलेख डेटाबेस अभी सेवा नहीं दे रहा",
    "the records database cannot be reached": "अभिलेख डेटाबेस तक पहुँच नहीं है",
    "all connections to the records database are in use": "अभिलेख डेटाबेस के सभी संयोजन व्यस्त हैं",
    "the records database is locked by another writer": "अभिलेख डेटाबेस पर दूसरे लेखक का ताला है",
    "the disk of the records database is full": "अभिलेख डेटाबेस की डिस्क भर गई है",
    "the disk of the records database answers with an error": "अभिलेख डेटाबेस की डिस्क त्रुटि दे रही है",
    "the records database cannot be opened": "अभिलेख डेटाबेस खुल नहीं रहा",
    "the records database is read-only": "अभिलेख डेटाबेस पर लिखा नहीं जा सकता",
    "has no keys": "की कुंजियाँ नहीं हैं",
    "the file is missing": "फ़ाइल नहीं है",
    "the file's content is not what was written": "फ़ाइल की सामग्री वह नहीं जो लिखी गई थी",
    "an unknown meter": "अज्ञात मीटर",
    "not-authentic": "प्रामाणिक नहीं",
    "unknown-sender": "अज्ञात प्रेषक",
    "unprotected": "असुरक्षित",
    "replayed": "दोहराया गया",
    "counter-reused": "काउंटर फिर प्रयुक्त",
    "not-understood": "समझा नहीं गया",
    "too-many": "बहुत अधिक",
    "broken-blocks": "टूटे ब्लॉक",
}
"""What may stand within a sentence."""

_SENTENCES = {
    "no head-end has spoken yet": "अब तक किसी हेड-एंड ने कुछ नहीं बताया",
    "head-end {} has not spoken; its meters are not read": "हेड-एंड {} ने कुछ नहीं बताया; उसके मीटर नहीं पढ़े जा रहे",
    "nothing is stored: {}": "कुछ भी सहेजा नहीं जा रहा: {}",
    "readings cannot be stored: {}": "रीडिंग सहेजी नहीं जा सकतीं: {}",
    "readings wait for the store, no new visits begin": "रीडिंग भंडार की प्रतीक्षा में हैं, नए संपर्क शुरू नहीं होते",
    "no invocation counters: {}": "इनवोकेशन काउंटर नहीं मिले: {}",
    "on-demand reads cannot be taken: {}": "माँगी गई रीडिंग नहीं ली जा सकतीं: {}",
    "the registry cannot be read: {}": "पंजी पढ़ी नहीं जा सकती: {}",
    "{} meters cannot be read, one {}": "{} मीटर पढ़े नहीं जा सकते, उनमें एक {}",
    "leases are not renewed: {}": "पट्टे नवीनीकृत नहीं हो रहे: {}",
    "meters wait until it is known what is held of them: {}": "मीटर रुके हैं जब तक यह पता न चले कि उनका क्या सहेजा है: {}",
    "what is held cannot be looked up: {}": "क्या सहेजा है यह देखा नहीं जा सकता: {}",
    "no head-end reads {} groups": "{} समूहों को कोई हेड-एंड नहीं पढ़ रहा",
    "most meters' clocks are {} s off: it is rather this machine's; none is set": (
        "अधिकतर मीटरों की घड़ियाँ {} सेकंड अलग हैं: दोष इस मशीन की घड़ी का लगता है; कोई घड़ी नहीं मिलाई जा रही"
    ),
    "this machine's clock was set by {} s; no meter is set before some agree": (
        "इस मशीन की घड़ी {} सेकंड बदली गई; कुछ मीटरों के मेल खाने तक कोई घड़ी नहीं मिलाई जाएगी"
    ),
    "{} pushes refused, the last from {}: {}, {}, title {}": ("{} पुश अस्वीकृत, अंतिम {} से: {}, {}, सिस्टम टाइटल {}"),
    "{} greetings refused, the last from {}: {}, {}, title {}": (
        "{} अभिवादन अस्वीकृत, अंतिम {} से: {}, {}, सिस्टम टाइटल {}"
    ),
    "{} meters have no host, and no dial_in_address is set at which they could call": (
        "{} मीटरों का कोई पता नहीं, और dial_in_address तय नहीं जहाँ वे कॉल कर सकें"
    ),
    "{} meters answered with a counter from before, the last of them meter {}": (
        "{} मीटरों ने पहले के काउंटर से उत्तर दिया, उनमें अंतिम मीटर {}"
    ),
    "{} rows of {} in {}: {}": "{} पंक्तियाँ ({}) फ़ाइल {} में: {}",
    "{} was never acknowledged and cannot be read": "{} की पावती कभी नहीं दी गई और वह पढ़ी नहीं जा सकती",
}
"""English with {} for each fact, and the Hindi with as many in the same order. The narrower ones first."""


def _matcher(sentence: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(re.escape(part) for part in sentence.split("{}")), re.DOTALL)


_MATCHERS = [(_matcher(english), hindi) for english, hindi in _SENTENCES.items()]


def in_hindi(detail: str) -> str:
    """The sentence in Hindi; "" where it is not known."""
    for matcher, hindi in _MATCHERS:
        found = matcher.fullmatch(detail)
        if found is not None:
            return hindi.format(*(_fact(each) for each in found.groups()))
    return _REASONS.get(detail, "")


def _fact(told: str) -> str:
    if (meter := re.fullmatch(r"meter (\d+)", told)) is not None:
        return f"मीटर {meter[1]}"
    return _REASONS.get(told, told)
