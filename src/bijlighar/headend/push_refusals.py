"""Pushes that were not accepted: counted, kept as evidence within bounds, and told as alarms.

Anybody who reaches the listener can send rubbish, so evidence is rationed: a burst of KEPT_AT_ONCE, then
KEPT_A_SECOND; what goes beyond is counted and not kept. An alarm stands for QUIET_S after its last cause, and
every cause is told at least once, also when the clock jumps right behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum

from bijlighar.cim.exchange import RefusedPush
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.metrics import Metrics

KEPT_AT_ONCE = 5_000
"""A feeder's worth of forged pushes and more; some megabyte."""
KEPT_A_SECOND = 1.0
"""86,400 a day at most, some 20 MB."""
MOST_WAITING = 10_000
"""Refusals that wait for a store that is away."""
MOST_EVIDENCE_OCTETS = 2_048
"""Of a longer push the beginning is kept."""
QUIET_S = 3_600
"""Without another one for an hour of the utility's clock an attack has ended."""


class Reason(StrEnum):
    """Why a push was refused."""

    NOT_AUTHENTIC = "not-authentic"  # the tag is not the meter's
    UNKNOWN_SENDER = "unknown-sender"  # no meter has this title, or it has no keys
    UNPROTECTED = "unprotected"  # unciphered, or less protected than the model says
    REPLAYED = "replayed"  # its counter lies below the window
    COUNTER_REUSED = "counter-reused"  # its counter came with other octets before
    NOT_UNDERSTOOD = "not-understood"  # verified, but its content follows no known form
    TOO_MANY = "too-many"  # unciphered, and more than a meter says
    BROKEN_BLOCKS = "broken-blocks"  # general blocks that did not come whole, once each and in order


_ALARM = {
    Reason.NOT_AUTHENTIC: "push-forged",
    Reason.UNKNOWN_SENDER: "push-forged",
    Reason.UNPROTECTED: "push-forged",
    Reason.REPLAYED: "push-replayed",
    Reason.COUNTER_REUSED: "push-replayed",
    Reason.NOT_UNDERSTOOD: "push-not-understood",
    Reason.TOO_MANY: "push-forged",
    Reason.BROKEN_BLOCKS: "push-not-understood",
}


class Refusals:
    """On the event loop. ``waiting`` is to be kept in the store by somebody who may wait for it.

    ``alarm_of`` a reason its alarm's code, ``count`` takes each reason, ``noun`` for people: greetings of meters
    that dial in have others than pushes.
    """

    def __init__(
        self,
        alarms: Alarms,
        metrics: Metrics,
        *,
        alarm_of: Mapping[Reason, str] = _ALARM,
        count: Callable[[str], None] | None = None,
        noun: str = "pushes",
    ) -> None:
        self._alarms = alarms
        self._alarm_of = alarm_of
        self._count = count or metrics.push
        self._noun = noun
        self._counts: Counter[str] = Counter()
        self._last: dict[str, RefusedPush] = {}
        self._told: dict[str, RefusedPush] = {}
        self._budget = float(KEPT_AT_ONCE)
        self._filled_s: float | None = None
        self.waiting: list[RefusedPush] = []

    def add(self, refused: RefusedPush, now_s: float) -> None:
        """One more."""
        reason = Reason(refused.reason)
        self._count(reason.value)
        code = self._alarm_of[reason]
        self._counts[code] += 1
        self._last[code] = refused
        since_s = 0.0 if self._filled_s is None else max(0.0, now_s - self._filled_s)
        self._filled_s = now_s
        self._budget = min(KEPT_AT_ONCE, self._budget + since_s * KEPT_A_SECOND)
        if self._budget >= 1 and len(self.waiting) < MOST_WAITING:
            self._budget -= 1
            self.waiting.append(replace(refused, octets=refused.octets[:MOST_EVIDENCE_OCTETS]))

    def tell(self, now_s: float) -> None:
        """Set the alarms, and end those that are over."""
        for code, last in list(self._last.items()):
            if now_s - last.received_s > QUIET_S and self._told.get(code) is last:
                self._alarms.set(code, None)
                del self._last[code], self._counts[code], self._told[code]
                continue
            self._told[code] = last
            who = "an unknown meter" if last.meter_id is None else f"meter {last.meter_id}"
            title = last.system_title.hex().upper() or "none"
            whence = f"the last from {last.peer}: {last.reason}, {who}, title {title}"
            self._alarms.set(code, f"{self._counts[code]} {self._noun} refused, {whence}")
