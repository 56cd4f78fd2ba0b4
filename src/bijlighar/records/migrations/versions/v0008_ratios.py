"""Transformer ratios and registers of installations, the digits of a meter's register, ratios on nameplates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what stands already tells nothing of them."""
    op.add_column("meters", sa.Column("register_digits", sa.Integer(), nullable=True))
    for name in ("ct_primary", "ct_secondary", "pt_primary", "pt_secondary"):
        op.add_column("installations", sa.Column(name, sa.Integer(), nullable=True))
    for name in ("opening_wh", "closing_wh"):
        op.add_column("installations", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in ("ct_ratio", "pt_ratio"):
        op.add_column("nameplates", sa.Column(name, sa.Integer(), nullable=True))
