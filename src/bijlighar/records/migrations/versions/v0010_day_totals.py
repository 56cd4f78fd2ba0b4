"""Totals of civil days by scope, for the day's report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_NUMBERS = (
    *("meters", "consumers", "meters_whole", "slots_expected", "slots_held", "slots_known", "slots_estimated"),
    *("import_wh", "export_wh", "estimated_wh", "own_peaks_w", "voltage_slots", "voltage_low", "voltage_high"),
    *("transformers", "transformers_told", "lines_slots", "lines_supplied_wh", "lines_lost_wh"),
    *("feeders_told", "feeders_slots", "feeders_supplied_wh", "feeders_lost_wh"),
    *("interruptions", "interrupted", "interrupted_s", "contacts", "contacts_succeeded"),
)
_EXTREMES = ("peak_w", "peak_s", "least_mv", "most_mv")


def upgrade() -> None:
    """Build the table."""
    op.create_table(
        "day_totals",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _NUMBERS),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in _EXTREMES),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("curve", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "scope", "code", name=op.f("pk_day_totals")),
    )
    op.create_index("ix_day_totals_scope_parent_day", "day_totals", ["scope", "parent", "day"], unique=False)


def downgrade() -> None:
    """Take the table away again."""
    op.drop_table("day_totals")
