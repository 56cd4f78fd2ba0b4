"""The tables of validation exceptions and of how far a day has come; conventions and metadata as in ``tables``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from bijlighar.records.tables import RowNumber, metadata

validation_exceptions = Table(
    "validation_exceptions",
    metadata,
    Column("exception_id", RowNumber, primary_key=True),
    Column("day", Text, nullable=False),
    Column("meter_id", Integer, ForeignKey("meters.meter_id"), nullable=False),
    Column("rule", Integer, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("period_s", Integer, nullable=False),
    Column("first_slot", Integer, nullable=False),
    Column("end_slot", Integer, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("measured", Float, nullable=False),
    Column("held_against", Float, nullable=False),
    Column("found_s", BigInteger, nullable=False),
    Column("judged_s", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("resolution", Text),
    Column("reason", Text),
    Column("resolved_by", Text),
    Column("resolved_s", BigInteger),
    UniqueConstraint("day", "meter_id", "rule", "period_s", "first_slot", name="uq_validation_exceptions_place"),
    Index("ix_validation_exceptions_state_day", "state", "day"),
    Index("ix_validation_exceptions_meter_id_day", "meter_id", "day"),
)

day_progress = Table(
    "day_progress",
    metadata,
    Column("day", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("blocks", Text, nullable=False),
    Column("done_s", BigInteger, nullable=False),
    Column("buckets", Text),
)
