"""Usage points that consumers may see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the table."""
    op.create_table(
        "consumer_points",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("usage_point", sa.Text(), nullable=False),
        sa.Column("since_s", sa.BigInteger(), nullable=False),
        sa.Column("tied_by", sa.Text(), nullable=False),
        sa.Column("tied_s", sa.BigInteger(), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.name"], name=op.f("fk_consumer_points_person")),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_points.code"], name=op.f("fk_consumer_points_usage_point")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_consumer_points")),
    )
    op.create_index(op.f("ix_consumer_points_usage_point"), "consumer_points", ["usage_point"])
    standing = sa.text("ended_s IS NULL")
    op.create_index(
        "uq_consumer_points_standing",
        "consumer_points",
        ["person", "usage_point"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("consumer_points")
