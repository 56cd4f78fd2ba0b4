"""Sending what is due through a door: at least once, in batches, patient while the billing server is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bijlighar.cim.billing import Acknowledgement, Delivery
from bijlighar.operations.billing_exchange.intake import take_answers
from bijlighar.records import Records

BATCH = 500
"""Statements of one message: some 250 kB, seconds of a slow billing server's time."""
ANSWER_WITHIN_S = 3_600
"""A statement that was taken but not answered within an hour is sent again under the same key."""
FIRST_RETRY_S = 60
LONGEST_RETRY_S = 6 * 3_600

_log = structlog.get_logger("billing")


class BillingServerAway(Exception):
    """The billing server cannot be reached or does not serve. ``reason`` is one short sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BillingDoor(Protocol):
    """How statements leave. ``send`` returns what the billing server answers at once; the rest comes later."""

    def send(self, deliveries: Sequence[Delivery]) -> Sequence[Acknowledgement]:
        """Raises BillingServerAway when it is not sure that all were taken."""


@dataclass(kw_only=True)
class Delivered:
    """What was done: statements sent, answered at once, and why it stopped ("" when nothing was left)."""

    sent: int = 0
    answered: int = 0
    stopped: str = ""


def deliver_due(records: Records, door: BillingDoor, *, now_s: int) -> Delivered:
    """Send everything that is due. A billing server that is away is asked again later. Raises Unavailable."""
    done = Delivered()
    while batch := records.deliveries.due(now_s, BATCH):
        keys = [each.key for each in batch]
        try:
            answers = door.send(batch)
        except BillingServerAway as away:
            tries = max(each.attempts for each in batch)
            wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(tries, 16))
            records.deliveries.tried(keys, now_s=now_s, next_try_s=now_s + wait_s, fault=away.reason)
            _log.warning("billing server away", reason=away.reason, waiting=len(keys), again_in_s=wait_s)
            done.stopped = away.reason
            break
        records.deliveries.tried(keys, now_s=now_s, next_try_s=now_s + ANSWER_WITHIN_S)
        done.sent += len(keys)
        if answers:
            done.answered += len(take_answers(records, answers, now_s=now_s).taken)
    return done
