"""Where meters stand behind a gateway: network id and physical address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: nobody stood behind a gateway before."""
    op.add_column("meters", sa.Column("gateway_address", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the column away again."""
    op.drop_column("meters", "gateway_address")
