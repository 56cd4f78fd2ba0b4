"""What keeps doubles and floods of unciphered pushes out, for models that let their meters push so.

Such a push has no counter and proves nothing: whoever reaches the listener can make one up, and no memory can tell
a replay from a meter that says the same once more. What is done instead:

* A push whose content was heard before is a double and dropped, whatever its invoke-id: within a day where it has
  a true stamp of its own, else within minutes, for a second last gasp of a meter without a clock must be heard.
* What is forgotten meanwhile, or was heard before a restart, lands on the row that is there: meter, stamp, log and
  code make an event's row, meter and start any other.
* A meter has a budget of pushes, so that made-up ones with ever new stamps fill no disk.
* Nothing follows of any push but that the meter itself is asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from hashlib import blake2b
from typing import Final

STAMPED_S: Final = 86_400.0
"""Older news than a day is no alarm, so by then only the row matters, and that is the same one."""
UNSTAMPED_S: Final = 600.0
"""A meter repeats three times, a minute apart (IS 15959, push setup); supply that fails again within ten minutes
is one outage."""
MOST_REMEMBERED: Final = 200_000
"""Pushes; some 35 MB. A fleet that pushes more in ten minutes ciphers."""
BUDGET: Final = 240.0
"""Pushes of one meter at once: a day of quarter hours, half hours and alerts, after an outage of the listener."""
BUDGET_A_SECOND: Final = 1 / 60
"""And so many more with time: ten times what a meter says in a day."""
_FINGERPRINT_OCTETS: Final = 12


class Heard(Enum):
    """What an unciphered push turned out to be."""

    NEW = auto()
    DOUBLE = auto()
    TOO_MANY = auto()


class Repeats:
    """On the event loop. ``now`` is the utility's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until_s: OrderedDict[bytes, float] = OrderedDict()
        self._budgets: dict[int, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._until_s)

    def judge(self, meter_id: int, content: bytes, *, stamped: bool) -> Heard:
        """Judge a push by what it says, and remember it when it is new."""
        now_s, key = self._now(), _key(meter_id, content)
        if self._until_s.get(key, now_s) > now_s:
            return Heard.DOUBLE
        if not self._pays(meter_id, now_s):
            return Heard.TOO_MANY
        self._until_s[key] = now_s + (STAMPED_S if stamped else UNSTAMPED_S)
        self._until_s.move_to_end(key)
        while len(self._until_s) > MOST_REMEMBERED:
            self._until_s.popitem(last=False)
        return Heard.NEW

    def forget(self, meter_id: int, content: bytes) -> None:
        """It was lost after all: the meter's repetition is heard."""
        self._until_s.pop(_key(meter_id, content), None)

    def _pays(self, meter_id: int, now_s: float) -> bool:
        left, at_s = self._budgets.get(meter_id, (BUDGET, now_s))
        left = min(BUDGET, left + max(0.0, now_s - at_s) * BUDGET_A_SECOND)
        self._budgets[meter_id] = (max(0.0, left - 1), now_s)
        return left >= 1


def _key(meter_id: int, content: bytes) -> bytes:
    return blake2b(content, digest_size=_FINGERPRINT_OCTETS, key=meter_id.to_bytes(8, "big")).digest()
