"""The tables of the records database, as SQLAlchemy Core metadata.

Instants are integers: ``*_s`` epoch seconds UTC, ``*_ms`` epoch milliseconds UTC. Structured values are JSON text.
Nothing here is particular to one database. Each column is told in docs/objects.md; the migrations build exactly
this, which a test compares.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""A row number that the database counts up. SQLite counts only what it calls INTEGER."""


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _instant(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


sequences = Table(
    "sequences",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# -- registry ----------------------------------------------------------------------------------------------------

divisions = Table(
    "divisions",
    metadata,
    Column("code", Text, primary_key=True),
    _text("name"),
    _text("name_hi"),
)

substations = Table(
    "substations",
    metadata,
    Column("code", Text, primary_key=True),
    _text("name"),
    Column("division", Text, ForeignKey("divisions.code"), nullable=False, index=True),
)

feeders = Table(
    "feeders",
    metadata,
    Column("code", Text, primary_key=True),
    _text("name"),
    Column("substation", Text, ForeignKey("substations.code"), nullable=False, index=True),
    Column("limit_a", Integer, nullable=False),
)

transformers = Table(
    "transformers",
    metadata,
    Column("code", Text, primary_key=True),
    _text("name"),
    Column("feeder", Text, ForeignKey("feeders.code"), nullable=False, index=True),
    Column("rating_kva", Integer, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
)

usage_points = Table(
    "usage_points",
    metadata,
    Column("code", Text, primary_key=True),
    _text("kind"),
    _text("name"),
    Column("transformer", Text, ForeignKey("transformers.code"), nullable=False, index=True),
    _text("phase"),
    Column("sanctioned_load_w", BigInteger, nullable=False),
    _text("address"),
    Column("latitude", Float),
    Column("longitude", Float),
)

meters = Table(
    "meters",
    metadata,
    Column("meter_id", Integer, primary_key=True, autoincrement=False),
    Column("serial", Text, nullable=False, unique=True),
    Column("system_title", LargeBinary, nullable=False, unique=True),
    _text("category"),
    _text("model"),
    _text("host"),
    Column("port", Integer, nullable=False),
    _text("communication_group"),
    _text("maker"),
    Column("register_digits", Integer),
    Column("gateway_address", Text),
)

installations = Table(
    "installations",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("meter_id", Integer, ForeignKey("meters.meter_id"), nullable=False, index=True),
    Column("usage_point", Text, ForeignKey("usage_points.code"), nullable=False, index=True),
    _instant("installed_s"),
    _instant("removed_s", nullable=True),
    Column("ct_primary", Integer),
    Column("ct_secondary", Integer),
    Column("pt_primary", Integer),
    Column("pt_secondary", Integer),
    Column("opening_wh", BigInteger),
    Column("closing_wh", BigInteger),
)
_IN_SERVICE = text("removed_s IS NULL")
Index(
    "uq_installations_meter_in_service",
    installations.c.meter_id,
    unique=True,
    sqlite_where=_IN_SERVICE,
    postgresql_where=_IN_SERVICE,
)
Index(
    "uq_installations_usage_point_in_service",
    installations.c.usage_point,
    unique=True,
    sqlite_where=_IN_SERVICE,
    postgresql_where=_IN_SERVICE,
)

# -- what the head-end keeps of a meter ---------------------------------------------------------------------------


def _meter() -> Column[int]:
    return Column("meter_id", Integer, ForeignKey("meters.meter_id"), nullable=False)


sealed_keys = Table(
    "sealed_keys",
    metadata,
    Column("meter_id", Integer, ForeignKey("meters.meter_id"), primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
    _instant("kept_s"),
)

counters = Table(
    "counters",
    metadata,
    Column("meter_id", Integer, ForeignKey("meters.meter_id"), primary_key=True, autoincrement=False),
    Column("client_address", Integer, primary_key=True, autoincrement=False),
    Column("next", BigInteger, nullable=False),
)

headends = Table(
    "headends",
    metadata,
    Column("life", Text, primary_key=True),
    _text("owner"),
    _text("place"),
    Column("beat", BigInteger, nullable=False),
    _instant("joined_s"),
)

leases = Table(
    "leases",
    metadata,
    Column("communication_group", Text, primary_key=True),
    Column("life", Text, index=True),
    Column("epoch", BigInteger, nullable=False),
)

layouts = Table(
    "layouts",
    metadata,
    Column("model", Text, primary_key=True),
    Column("firmware", Text, primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("layout", LargeBinary, nullable=False),
    _instant("kept_s"),
)

nameplates = Table(
    "nameplates",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _meter(),
    _text("serial"),
    _text("device_id"),
    _text("manufacturer"),
    _text("firmware"),
    Column("meter_type", Integer),
    _text("category"),
    _text("current_rating"),
    Column("year", Integer),
    Column("ct_ratio", Integer),
    Column("pt_ratio", Integer),
    _instant("read_s"),
    _instant("confirmed_s"),
    Index("ix_nameplates_meter_id_number", "meter_id", "number"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Text, primary_key=True),
    _meter(),
    _text("kinds"),
    _instant("start_s", nullable=True),
    _instant("end_s", nullable=True),
    _text("asked_by"),
    _instant("asked_ms"),
    _text("state"),
    Column("rows", BigInteger, nullable=False),
    Column("progress", Float, nullable=False),
    _text("detail"),
    Column("owner", Text),
    _instant("lease_until_ms", nullable=True),
    Column("claims", Integer, nullable=False),
    _instant("changed_ms"),
    Index("ix_jobs_state_asked_ms", "state", "asked_ms"),
    Index("ix_jobs_meter_id_asked_ms", "meter_id", "asked_ms"),
)

push_windows = Table(
    "push_windows",
    metadata,
    Column("system_title", LargeBinary, primary_key=True),
    Column("key_id", LargeBinary, primary_key=True),
    Column("highest", BigInteger, nullable=False),
    Column("window", LargeBinary, nullable=False),
)

refused_pushes = Table(
    "refused_pushes",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _instant("received_s"),
    _text("reason"),
    Column("system_title", LargeBinary, nullable=False),
    Column("meter_id", Integer),
    Column("counter", BigInteger),
    _text("peer"),
    Column("octets", LargeBinary, nullable=False),
    Index("ix_refused_pushes_received_s", "received_s"),
)

# -- readings -----------------------------------------------------------------------------------------------------

segments = Table(
    "segments",
    metadata,
    Column("segment_id", Text, primary_key=True),
    _text("kind"),
    Column("period_s", Integer, nullable=False),
    _text("day"),
    Column("file", Text, nullable=False, unique=True),
    Column("rows", BigInteger, nullable=False),
    _instant("start_min_s"),
    _instant("start_max_s"),
    Column("meter_min", Integer, nullable=False),
    Column("meter_max", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    _text("sha256"),
    _instant("landed_s"),
    Column("landing_order", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("retired_generation", BigInteger),
    _instant("retired_s", nullable=True),
    _instant("lost_s", nullable=True),
    Column("lost_reason", Text),
    Index("ix_segments_kind_live_start", "kind", "retired_generation", "start_max_s", "start_min_s"),
    Index("ix_segments_kind_day", "kind", "day"),
    Index("ix_segments_generation", "generation"),
)

# -- people, web sessions, audit, settings, trials ----------------------------------------------------------------

people = Table(
    "people",
    metadata,
    Column("name", Text, primary_key=True),
    _text("display_name"),
    _text("display_name_hi"),
    _text("password_hash"),
    _text("roles"),
    _text("language"),
    Column("disabled", Boolean, nullable=False),
    _instant("changed_s"),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("id_hash", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("expires_ms", BigInteger, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _instant("at_s"),
    _text("who"),
    _text("what"),
    Column("subject", Text, nullable=False, index=True),
    _text("detail"),
    _text("previous_hash"),
    _text("hash"),
)

settings = Table(
    "settings",
    metadata,
    Column("number", RowNumber, primary_key=True),
    _text("key"),
    _text("value"),
    _instant("valid_from_s"),
    _text("changed_by"),
    _instant("changed_s"),
    Index("ix_settings_key_valid_from_s", "key", "valid_from_s"),
)

trials = Table(
    "trials",
    metadata,
    Column("trial_id", RowNumber, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _text("name_hi"),
    _text("division"),
    _text("place"),
    _instant("started_s"),
    _instant("ended_s", nullable=True),
    _text("limits"),
)

trial_meters = Table(
    "trial_meters",
    metadata,
    Column("trial_id", RowNumber, ForeignKey("trials.trial_id"), primary_key=True),
    Column("meter_id", Integer, ForeignKey("meters.meter_id"), primary_key=True, autoincrement=False),
)

trial_checks = Table(
    "trial_checks",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("trial_id", RowNumber, ForeignKey("trials.trial_id"), nullable=False),
    _meter(),
    _text("kind"),
    Column("compared", BigInteger, nullable=False),
    Column("wrong", BigInteger, nullable=False),
    _text("examples"),
    _instant("at_s"),
    Index("ix_trial_checks_trial_id_at_s", "trial_id", "at_s"),
    UniqueConstraint("trial_id", "meter_id", "kind", "at_s"),
)
