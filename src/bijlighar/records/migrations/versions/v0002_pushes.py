"""What meters push: which counters were accepted, and what was refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build both tables."""
    op.create_table(
        "push_windows",
        sa.Column("system_title", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("system_title", "key_id", name=op.f("pk_push_windows")),
    )
    op.create_table(
        "refused_pushes",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("received_s", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("system_title", sa.LargeBinary(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=True),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_refused_pushes")),
    )
    op.create_index("ix_refused_pushes_received_s", "refused_pushes", ["received_s"], unique=False)
