"""One round of the billing link: close the periods that are due, send, hold both sides together.

A period is due when its days have been estimated, which is a day after its end; it is closed again when the
readings of one of its days have changed since. Which periods are made is the dated setting ``billing.cycle``:
"monthly" (calendar months), "daily" (every day, as a trial wants it), or "none".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from bijlighar.cim.billing import DeliveryState
from bijlighar.cim.period import KOLKATA, civil_date
from bijlighar.operations.billing_exchange.delivering import BillingDoor, Delivered, deliver_due
from bijlighar.operations.billing_exchange.reconciling import reconcile
from bijlighar.operations.billing_exchange.statements import close_period
from bijlighar.records import Records
from bijlighar.records.day_progress import DayStep, Done, combined

CYCLE_KEY = "billing.cycle"
CYCLES = ("monthly", "daily", "none")
DAYS_BACK = 7
"""Days that are closed anew when late readings change them; months are closed anew until the next one ends."""

_log = structlog.get_logger("billing")


class UnknownCycle(ValueError):
    """The setting names no cycle. ``value``."""

    def __init__(self, value: object) -> None:
        super().__init__(f"{CYCLE_KEY}: {value!r} is none of {', '.join(CYCLES)}")
        self.value = value


@dataclass(kw_only=True)
class BillingRound:
    """What was done."""

    closed: list[tuple[date, date]] = field(default_factory=list)
    delivered: Delivered | None = None
    reconciled: list[tuple[date, date]] = field(default_factory=list)


def billing_round(
    records: Records,
    door: BillingDoor | None,
    *,
    now_s: int,
    tariffs: Path | None = None,
    zone: ZoneInfo = KOLKATA,
) -> BillingRound:
    """Do what is due. ``door`` None: the billing server fetches. Raises UnknownCycle, Unavailable."""
    done = BillingRound()
    cycle = cycle_of(records, now_s)
    for first, last in due_periods(cycle, civil_date(now_s, zone)):
        seen = _seen(records, first, last)
        if seen is None:
            continue
        step = DayStep.STATED if cycle == "daily" else DayStep.MONTH_STATED
        before = records.day_progress.done(last).get(step)
        if before is None or before.blocks != seen:
            offered = close_period(records, first, last, now_s=now_s, tariffs=tariffs, zone=zone)
            records.day_progress.put(last, step, Done(blocks=seen, done_s=now_s))
            done.closed.append((first, last))
            _log.info("period closed", first=first.isoformat(), last=last.isoformat(), new=offered.new)
    if door is not None:
        done.delivered = deliver_due(records, door, now_s=now_s)
    for first, last in due_periods(cycle, civil_date(now_s, zone)):
        if _seen(records, first, last) is not None:
            reconcile(records, first, last, now_s=now_s, tariffs=tariffs, zone=zone)
            done.reconciled.append((first, last))
    return done


def cycle_of(records: Records, now_s: int) -> str:
    """The cycle in force; monthly when nothing is set. Raises UnknownCycle."""
    setting = records.settings.setting(CYCLE_KEY, now_s)
    cycle = CYCLES[0] if setting is None else setting.value
    if cycle not in CYCLES:
        raise UnknownCycle(cycle)
    return str(cycle)


def due_periods(cycle: str, today: date) -> Iterator[tuple[date, date]]:
    """First and last days of the periods that may be closed by now, the oldest first."""
    if cycle == "daily":
        for ago in range(DAYS_BACK, 0, -1):
            day = today - timedelta(days=ago)
            yield day, day
    elif cycle == "monthly":
        last = today.replace(day=1) - timedelta(days=1)
        yield last.replace(day=1), last


def waiting(records: Records) -> int:
    """Statements that the billing server has not answered."""
    return records.deliveries.counts().get(DeliveryState.WAITING, 0)


_READ = (DayStep.ESTIMATED, DayStep.VALIDATED)


def _seen(records: Records, first: date, last: date) -> str | None:
    """What the period's days were estimated on; None while its last day has not been."""
    days = [first + timedelta(days=ago) for ago in range((last - first).days + 1)]
    done = [records.day_progress.done(day) for day in days]
    if DayStep.ESTIMATED not in done[-1] or DayStep.VALIDATED not in done[-1]:
        return None
    return combined([each[step].blocks for each in done for step in sorted(each) if step in _READ])
