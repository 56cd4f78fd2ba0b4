"""What crosses between metering and billing: determinants of a usage point, answers to them, dues and payments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageStatement:
    """Determinants of one usage point for civil days, both inclusive, as they are sent to the billing server.

    ``meters`` serials of the meters that hung there; energies in Wh and VAh with ratios applied, None where not
    known; ``demand_start_s`` begin of the half hour of the greatest demand; ``band_wh`` by time-of-day band;
    ``basis`` "registers" or "blocks"; ``determined_s`` the state of the readings that was taken.
    """

    usage_point: str
    first_day: date
    last_day: date
    meters: tuple[str, ...]
    import_wh: int
    import_vah: int | None
    export_wh: int | None
    export_vah: int | None
    demand_w: int | None
    demand_start_s: int | None
    power_factor_milli: int | None
    band_wh: tuple[int, ...]
    basis: str
    expected_slots: int
    missing_slots: int
    estimated_slots: int
    estimated_wh: int
    determined_s: int


class DeliveryState(StrEnum):
    """Where a statement stands on its way to the billing server."""

    HELD = "held"  # not to be billed as it is; a reason says why
    WAITING = "waiting"  # to be sent, or sent and not answered
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"  # the billing server will not bill it; a reason says why
    SUPERSEDED = "superseded"  # a newer revision stands before this one was acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A statement and how far it has come. ``key`` names it for both sides: the same key is the same statement.

    ``revision`` counts from 1 for each usage point and period; ``tried_s``, ``answered_s`` epoch seconds or None.
    """

    key: str
    statement: UsageStatement
    revision: int
    state: DeliveryState
    reason: str
    attempts: int
    created_s: int
    tried_s: int | None
    answered_s: int | None
    bill_reference: str | None
    billed_wh: int | None
    amount_paise: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The billing server's answer to a delivery: billed under ``bill_reference``, or refused with a ``reason``.

    ``billed_wh`` active energy that it billed, ``amount_paise`` the bill without taxes and arrears, or None.
    """

    key: str
    accepted: bool
    bill_reference: str = ""
    billed_wh: int | None = None
    amount_paise: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dues:
    """What a usage point owes as of an instant. Negative: a credit. ``due_day`` None: none is set."""

    usage_point: str
    amount_paise: int
    due_day: date | None
    as_of_s: int
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment that the billing server has booked. ``payment_id`` names it: the same id is the same payment."""

    payment_id: str
    usage_point: str
    amount_paise: int
    paid_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRefused:
    """A row of a message that was kept apart: ``row`` counted from 1, ``content`` as it came."""

    row: int
    reason: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a message. ``repeated``: it had been taken in before, and nothing was done again."""

    message_id: str
    taken: int
    refused: tuple[RowRefused, ...]
    repeated: bool = False
