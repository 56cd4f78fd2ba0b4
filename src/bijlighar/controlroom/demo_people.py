"""The people of a demo. Made only by ``bijlighar demo``, which listens on this machine alone."""

from __future__ import annotations

from bijlighar.controlroom.roles import Role

DEMO_PEOPLE = {
    "supervisor": ("supervisor-demo", "Shift supervisor", "पाली पर्यवेक्षक", Role.SUPERVISOR),
    "operator": ("operator-demo", "Control room operator", "नियंत्रण कक्ष परिचालक", Role.OPERATOR),
    "admin": ("admin-demo-1", "Administrator", "प्रशासक", Role.ADMINISTRATOR),
    "consumer": ("consumer-demo", "Consumer of one home", "एक घर के उपभोक्ता", Role.CONSUMER),
}
"""Name → password, names shown, role. Who sees most stands first."""
