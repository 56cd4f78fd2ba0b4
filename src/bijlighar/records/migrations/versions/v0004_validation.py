"""Validation exceptions, and how far each day has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build the tables."""
    op.create_table(
        "validation_exceptions",
        sa.Column("exception_id", _ROW_NUMBER, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Integer(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("period_s", sa.Integer(), nullable=False),
        sa.Column("first_slot", sa.Integer(), nullable=False),
        sa.Column("end_slot", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("measured", sa.Float(), nullable=False),
        sa.Column("held_against", sa.Float(), nullable=False),
        sa.Column("found_s", sa.BigInteger(), nullable=False),
        sa.Column("judged_s", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolved_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_validation_exceptions_meter_id")),
        sa.PrimaryKeyConstraint("exception_id", name=op.f("pk_validation_exceptions")),
        sa.UniqueConstraint(
            "day", "meter_id", "rule", "period_s", "first_slot", name="uq_validation_exceptions_place"
        ),
    )
    op.create_index("ix_validation_exceptions_state_day", "validation_exceptions", ["state", "day"])
    op.create_index("ix_validation_exceptions_meter_id_day", "validation_exceptions", ["meter_id", "day"])
    op.create_table(
        "day_progress",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("blocks", sa.Text(), nullable=False),
        sa.Column("done_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "step", name=op.f("pk_day_progress")),
    )
