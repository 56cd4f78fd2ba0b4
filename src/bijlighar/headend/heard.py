"""The newest invocation counter that each meter has used, by association: what a recorded session is known by.

Under low-level security the client sends no challenge that the meter would have to answer, so whoever stands
between could play yesterday's session of the meter again, with true tags. A meter's counter only grows under one
key, so a visit whose first counter is not above the last of the visit before is refused
(``dlms.errors.CounterWentBack``).

Kept in memory, 24 octets a meter and association. What was heard is forgotten after a day, or when the meter has
another title or other keys: a meter that was repaired and counts anew comes back by itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable

NOT_HEARD = -1
FORGOTTEN_S = 86_400
"""By the utility's clock, either way: one that was set must not keep a meter out for ever."""


class HeardCounters:
    """On the event loop. ``meter_id`` is dense from 1."""

    def __init__(self) -> None:
        self._columns: dict[str, tuple[array[int], array[int], array[int]]] = {}

    def of(self, meter_id: int, association: str, identity: Hashable, now_s: float) -> int:
        """What was heard of this meter, which is known by ``identity`` (title and keys); NOT_HEARD for nothing."""
        columns = self._columns.get(association)
        if columns is None or meter_id >= len(columns[0]):
            return NOT_HEARD
        counters, heard_s, identities = columns
        fresh = abs(now_s - heard_s[meter_id]) <= FORGOTTEN_S
        return counters[meter_id] if fresh and identities[meter_id] == hash(identity) else NOT_HEARD

    def note(self, meter_id: int, association: str, identity: Hashable, now_s: float, counter: int) -> None:
        """The meter has proven to use ``counter``."""
        counters, heard_s, identities = self._columns.setdefault(association, (array("q"), array("q"), array("q")))
        if meter_id >= len(counters):
            more = max(meter_id + 1, 2 * len(counters)) - len(counters)
            counters.extend([NOT_HEARD] * more)
            heard_s.extend([0] * more)
            identities.extend([0] * more)
        counters[meter_id] = counter
        heard_s[meter_id] = int(now_s)
        identities[meter_id] = hash(identity)
