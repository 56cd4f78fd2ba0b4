"""Sealed day blocks: their manifest, where transformers stand, edits and what was billed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build the tables."""
    _blocks()
    op.create_table(
        "bucket_places",
        sa.Column("transformer", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("transformer", name=op.f("pk_bucket_places")),
    )
    _edits()
    _bills()


def _blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column("block_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period_s", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("meter_min", sa.Integer(), nullable=False),
        sa.Column("meter_max", sa.Integer(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("sealed_s", sa.BigInteger(), nullable=False),
        sa.Column("segments_generation", sa.BigInteger(), nullable=False),
        sa.Column("network_version", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("retired_generation", sa.BigInteger(), nullable=True),
        sa.Column("retired_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("block_id", name=op.f("pk_blocks")),
        sa.UniqueConstraint("file", name=op.f("uq_blocks_file")),
    )
    op.create_index(
        "ix_blocks_kind_live_day", "blocks", ["kind", "retired_generation", "last_day", "first_day"], unique=False
    )


def _edits() -> None:
    op.create_table(
        "edits",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("period_s", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_edits_meter_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_edits")),
    )
    op.create_index("ix_edits_meter_id_start_s", "edits", ["meter_id", "start_s"], unique=False)


def _bills() -> None:
    op.create_table(
        "bills",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("billed_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_bills_meter_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_bills")),
    )
    op.create_index("ix_bills_meter_id_start_s", "bills", ["meter_id", "start_s"], unique=False)
