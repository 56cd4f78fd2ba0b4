"""The tables of the link to the billing server; conventions and metadata as in ``tables``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from bijlighar.records.tables import RowNumber, metadata


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


billing_deliveries = Table(
    "billing_deliveries",
    metadata,
    Column("key", Text, primary_key=True),
    Column("usage_point", Text, ForeignKey("usage_points.code"), nullable=False),
    _text("first_day"),
    _text("last_day"),
    Column("revision", Integer, nullable=False),
    _text("content"),
    _text("sha256"),
    _text("state"),
    _text("reason"),
    Column("attempts", Integer, nullable=False),
    _number("next_try_s"),
    _number("created_s"),
    _number("tried_s", nullable=True),
    _number("answered_s", nullable=True),
    _text("bill_reference", nullable=True),
    _number("billed_wh", nullable=True),
    _number("amount_paise", nullable=True),
    UniqueConstraint("usage_point", "first_day", "last_day", "revision", name="uq_billing_deliveries_revision"),
    Index("ix_billing_deliveries_state_next_try_s", "state", "next_try_s"),
    Index("ix_billing_deliveries_first_day_last_day", "first_day", "last_day"),
)

billing_messages = Table(
    "billing_messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    _text("kind"),
    _text("sha256"),
    Column("taken", Integer, nullable=False),
    _number("received_s"),
)

billing_refused_rows = Table(
    "billing_refused_rows",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("message_id", Text, ForeignKey("billing_messages.message_id"), nullable=False),
    Column("row", Integer, nullable=False),
    _text("reason"),
    _text("content"),
    Index("ix_billing_refused_rows_message_id", "message_id"),
)

dues = Table(
    "dues",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("usage_point", Text, ForeignKey("usage_points.code"), nullable=False),
    _number("amount_paise"),
    _text("due_day", nullable=True),
    _number("as_of_s"),
    _text("reference"),
    _text("message_id"),
    Index("ix_dues_usage_point_as_of_s", "usage_point", "as_of_s"),
)

payments = Table(
    "payments",
    metadata,
    Column("payment_id", Text, primary_key=True),
    Column("usage_point", Text, ForeignKey("usage_points.code"), nullable=False),
    _number("amount_paise"),
    _number("paid_s"),
    _text("message_id"),
    Index("ix_payments_usage_point_paid_s", "usage_point", "paid_s"),
)

account_changes = Table(
    "account_changes",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("usage_point", Text, ForeignKey("usage_points.code"), nullable=False),
    _text("valid_from"),
    _number("as_of_s"),
    _text("account", nullable=True),
    _text("name", nullable=True),
    _text("tariff", nullable=True),
    _number("sanctioned_load_w", nullable=True),
    _text("status", nullable=True),
    _text("message_id"),
    _number("received_s"),
    Index("ix_account_changes_usage_point_valid_from", "usage_point", "valid_from"),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _text("first_day"),
    _text("last_day"),
    _number("made_s"),
    Column("usage_points", Integer, nullable=False),
    Column("billed", Integer, nullable=False),
    Column("explained", Integer, nullable=False),
    Column("unexplained", Integer, nullable=False),
    _text("content"),
    Index("ix_reconciliations_last_day", "last_day"),
)

link_decisions = Table(
    "link_decisions",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _number("decided_s"),
    _text("verdict"),
    _text("decided_by"),
    _text("reason"),
    _text("content"),
)
