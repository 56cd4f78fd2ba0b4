"""What the billing server says of whom a usage point is billed to: account, name, tariff, load, whether at all.

Master data comes in parts and from several sources. A change tells what it tells from a day on; of the rest, what
held before goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class AccountStatus(StrEnum):
    """Whether a usage point is billed."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # for now nothing is billed; what is used is still told
    CLOSED = "closed"  # nobody is billed any more


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What holds for a usage point from a civil day on; None: not told.

    ``as_of_s`` when the billing server said so; ``tariff`` a code; ``sanctioned_load_w`` in watts.
    """

    usage_point: str
    valid_from: date
    as_of_s: int
    account: str | None = None
    name: str | None = None
    tariff: str | None = None
    sanctioned_load_w: int | None = None
    status: AccountStatus | None = None


TERMS = ("account", "name", "tariff", "sanctioned_load_w", "status")
"""What a change may tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What holds on a day, put together from changes; None: never told. ``since`` first day of the newest one."""

    usage_point: str
    since: date
    account: str | None
    name: str | None
    tariff: str | None
    sanctioned_load_w: int | None
    status: AccountStatus


def account_on(changes: Iterable[AccountChange], day: date) -> Account | None:
    """What changes of one usage point come to on a day; None when none holds yet.

    Of two changes the one that begins later holds, of two that begin on one day the one that was said later, and
    of two that were said at the same time the one further down. Nobody is suspended who was not said to be.
    """
    held = sorted(
        (each for each in changes if each.valid_from <= day), key=lambda each: (each.valid_from, each.as_of_s)
    )
    if not held:
        return None
    told: dict[str, object] = dict.fromkeys(TERMS)
    for each in held:
        told |= {name: value for name in TERMS if (value := getattr(each, name)) is not None}
    told["status"] = told["status"] or AccountStatus.ACTIVE
    return Account(usage_point=held[0].usage_point, since=held[-1].valid_from, **told)  # type: ignore[arg-type]
