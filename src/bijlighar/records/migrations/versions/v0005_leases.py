"""Leases of communication groups, and the lives of the head-ends that hold them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build both tables and number lives from 1."""
    op.create_table(
        "headends",
        sa.Column("life", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("joined_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("life", name=op.f("pk_headends")),
    )
    op.create_table(
        "leases",
        sa.Column("communication_group", sa.Text(), nullable=False),
        sa.Column("life", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("communication_group", name=op.f("pk_leases")),
    )
    op.create_index(op.f("ix_leases_life"), "leases", ["life"], unique=False)
    op.bulk_insert(
        sa.table("sequences", sa.column("name"), sa.column("value")),
        [{"name": "lives", "value": 0}],
    )
