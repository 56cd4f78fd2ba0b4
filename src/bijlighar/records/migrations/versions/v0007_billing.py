"""The link to the billing server: deliveries, messages, dues, payments, reconciliations, decisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build the tables."""
    _billing_deliveries()
    _billing_messages()
    _billing_refused_rows()
    _dues()
    _payments()
    _reconciliations()
    _link_decisions()


def _billing_deliveries() -> None:
    op.create_table(
        "billing_deliveries",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("usage_point", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_s", sa.BigInteger(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("tried_s", sa.BigInteger(), nullable=True),
        sa.Column("answered_s", sa.BigInteger(), nullable=True),
        sa.Column("bill_reference", sa.Text(), nullable=True),
        sa.Column("billed_wh", sa.BigInteger(), nullable=True),
        sa.Column("amount_paise", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_points.code"], name=op.f("fk_billing_deliveries_usage_point")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_billing_deliveries")),
        sa.UniqueConstraint(
            "usage_point", "first_day", "last_day", "revision", name="uq_billing_deliveries_revision"
        ),
    )
    op.create_index(
        "ix_billing_deliveries_first_day_last_day", "billing_deliveries", ["first_day", "last_day"], unique=False
    )
    op.create_index(
        "ix_billing_deliveries_state_next_try_s", "billing_deliveries", ["state", "next_try_s"], unique=False
    )


def _billing_messages() -> None:
    op.create_table(
        "billing_messages",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_billing_messages")),
    )


def _billing_refused_rows() -> None:
    op.create_table(
        "billing_refused_rows",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["billing_messages.message_id"], name=op.f("fk_billing_refused_rows_message_id")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_billing_refused_rows")),
    )
    op.create_index("ix_billing_refused_rows_message_id", "billing_refused_rows", ["message_id"], unique=False)


def _dues() -> None:
    op.create_table(
        "dues",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("usage_point", sa.Text(), nullable=False),
        sa.Column("amount_paise", sa.BigInteger(), nullable=False),
        sa.Column("due_day", sa.Text(), nullable=True),
        sa.Column("as_of_s", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["usage_point"], ["usage_points.code"], name=op.f("fk_dues_usage_point")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dues")),
    )
    op.create_index("ix_dues_usage_point_as_of_s", "dues", ["usage_point", "as_of_s"], unique=False)


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("usage_point", sa.Text(), nullable=False),
        sa.Column("amount_paise", sa.BigInteger(), nullable=False),
        sa.Column("paid_s", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["usage_point"], ["usage_points.code"], name=op.f("fk_payments_usage_point")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_usage_point_paid_s", "payments", ["usage_point", "paid_s"], unique=False)


def _reconciliations() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.Column("usage_points", sa.Integer(), nullable=False),
        sa.Column("billed", sa.Integer(), nullable=False),
        sa.Column("explained", sa.Integer(), nullable=False),
        sa.Column("unexplained", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_reconciliations")),
    )
    op.create_index("ix_reconciliations_last_day", "reconciliations", ["last_day"], unique=False)


def _link_decisions() -> None:
    op.create_table(
        "link_decisions",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("decided_s", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_link_decisions")),
    )
