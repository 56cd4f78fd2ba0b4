"""What each step of a day's work has seen of each bucket, so that only those are done again that changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: of days that were done before nothing is known, so they are done once more as a whole."""
    op.add_column("day_progress", sa.Column("buckets", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the column away again."""
    op.drop_column("day_progress", "buckets")
