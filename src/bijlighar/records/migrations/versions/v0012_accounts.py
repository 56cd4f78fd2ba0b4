"""What the billing server tells of accounts: to whom a usage point is billed, by which tariff, for which load."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build the table."""
    op.create_table(
        "account_changes",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("usage_point", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("as_of_s", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("tariff", sa.Text(), nullable=True),
        sa.Column("sanctioned_load_w", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_points.code"], name=op.f("fk_account_changes_usage_point")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_account_changes")),
    )
    op.create_index(
        "ix_account_changes_usage_point_valid_from", "account_changes", ["usage_point", "valid_from"], unique=False
    )


def downgrade() -> None:
    """Take the table away."""
    op.drop_table("account_changes")
