"""The tables of sealed day blocks, of edits and of bills; conventions and metadata as in ``tables``."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from bijlighar.records.tables import RowNumber, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _instant(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _meter() -> Column[int]:
    return Column("meter_id", Integer, ForeignKey("meters.meter_id"), nullable=False)


blocks = Table(
    "blocks",
    metadata,
    Column("block_id", Text, primary_key=True),
    _text("kind"),
    Column("period_s", Integer, nullable=False),
    Column("bucket", Integer, nullable=False),
    _text("first_day"),
    _text("last_day"),
    Column("file", Text, nullable=False, unique=True),
    Column("rows", BigInteger, nullable=False),
    Column("meter_min", Integer, nullable=False),
    Column("meter_max", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    _text("sha256"),
    _text("steps"),
    _instant("sealed_s"),
    Column("segments_generation", BigInteger, nullable=False),
    Column("network_version", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("retired_generation", BigInteger),
    _instant("retired_s", nullable=True),
    Index("ix_blocks_kind_live_day", "kind", "retired_generation", "last_day", "first_day"),
)

bucket_places = Table(
    "bucket_places",
    metadata,
    Column("transformer", Text, primary_key=True),
    Column("bucket", Integer, nullable=False),
)

edits = Table(
    "edits",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _meter(),
    _instant("start_s"),
    Column("period_s", Integer, nullable=False),
    _text("channel"),
    Column("value", BigInteger),
    _text("reason"),
    _text("made_by"),
    _instant("made_s"),
    Index("ix_edits_meter_id_start_s", "meter_id", "start_s"),
)

bills = Table(
    "bills",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _meter(),
    _instant("start_s"),
    _instant("end_s"),
    _text("reference"),
    _instant("billed_s"),
    Index("ix_bills_meter_id_start_s", "meter_id", "start_s"),
)
