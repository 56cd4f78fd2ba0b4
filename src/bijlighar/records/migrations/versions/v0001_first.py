"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQUENCES = ("registry", "manifest", "landing epoch", "audit")

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Build every table and start the sequences at 0."""
    _registry()
    _meter_side()
    _readings()
    _signing_in()
    _field_trials()
    _audit_is_only_added_to()
    rows = [{"name": name, "value": 0} for name in SEQUENCES]
    op.bulk_insert(sa.table("sequences", sa.column("name"), sa.column("value")), rows)


def _registry() -> None:
    """Where supply comes from and where it is measured."""
    _divisions()
    _substations()
    _feeders()
    _transformers()
    _usage_points()
    _meters()
    _installations()


def _divisions() -> None:
    op.create_table(
        "divisions",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_hi", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_divisions")),
    )


def _substations() -> None:
    op.create_table(
        "substations",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("division", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["division"], ["divisions.code"], name=op.f("fk_substations_division")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_substations")),
    )
    op.create_index(op.f("ix_substations_division"), "substations", ["division"], unique=False)


def _feeders() -> None:
    op.create_table(
        "feeders",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("substation", sa.Text(), nullable=False),
        sa.Column("limit_a", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["substation"], ["substations.code"], name=op.f("fk_feeders_substation")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_feeders")),
    )
    op.create_index(op.f("ix_feeders_substation"), "feeders", ["substation"], unique=False)


def _transformers() -> None:
    op.create_table(
        "transformers",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("feeder", sa.Text(), nullable=False),
        sa.Column("rating_kva", sa.Integer(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["feeder"], ["feeders.code"], name=op.f("fk_transformers_feeder")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_transformers")),
    )
    op.create_index(op.f("ix_transformers_feeder"), "transformers", ["feeder"], unique=False)


def _usage_points() -> None:
    op.create_table(
        "usage_points",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("transformer", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("sanctioned_load_w", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["transformer"], ["transformers.code"], name=op.f("fk_usage_points_transformer")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_usage_points")),
    )
    op.create_index(op.f("ix_usage_points_transformer"), "usage_points", ["transformer"], unique=False)


def _meters() -> None:
    op.create_table(
        "meters",
        sa.Column("meter_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("system_title", sa.LargeBinary(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("communication_group", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("meter_id", name=op.f("pk_meters")),
        sa.UniqueConstraint("serial", name=op.f("uq_meters_serial")),
        sa.UniqueConstraint("system_title", name=op.f("uq_meters_system_title")),
    )


def _installations() -> None:
    op.create_table(
        "installations",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("usage_point", sa.Text(), nullable=False),
        sa.Column("installed_s", sa.BigInteger(), nullable=False),
        sa.Column("removed_s", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_installations_meter_id")),
        sa.ForeignKeyConstraint(["usage_point"], ["usage_points.code"], name=op.f("fk_installations_usage_point")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_installations")),
    )
    op.create_index(op.f("ix_installations_meter_id"), "installations", ["meter_id"], unique=False)
    op.create_index(op.f("ix_installations_usage_point"), "installations", ["usage_point"], unique=False)
    op.create_index(
        "uq_installations_meter_in_service",
        "installations",
        ["meter_id"],
        unique=True,
        sqlite_where=sa.text("removed_s IS NULL"),
        postgresql_where=sa.text("removed_s IS NULL"),
    )
    op.create_index(
        "uq_installations_usage_point_in_service",
        "installations",
        ["usage_point"],
        unique=True,
        sqlite_where=sa.text("removed_s IS NULL"),
        postgresql_where=sa.text("removed_s IS NULL"),
    )


def _meter_side() -> None:
    """What the head-end keeps of a meter."""
    _sealed_keys()
    _counters()
    _layouts()
    _nameplates()
    _jobs()


def _sealed_keys() -> None:
    op.create_table(
        "sealed_keys",
        sa.Column("meter_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("kept_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_sealed_keys_meter_id")),
        sa.PrimaryKeyConstraint("meter_id", name=op.f("pk_sealed_keys")),
    )


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("meter_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("client_address", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_counters_meter_id")),
        sa.PrimaryKeyConstraint("meter_id", "client_address", name=op.f("pk_counters")),
    )


def _layouts() -> None:
    op.create_table(
        "layouts",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("layout", sa.LargeBinary(), nullable=False),
        sa.Column("kept_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "firmware", "profile", name=op.f("pk_layouts")),
    )


def _nameplates() -> None:
    op.create_table(
        "nameplates",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("manufacturer", sa.Text(), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("meter_type", sa.Integer(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("current_rating", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("read_s", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_nameplates_meter_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_nameplates")),
    )
    op.create_index("ix_nameplates_meter_id_number", "nameplates", ["meter_id", "number"], unique=False)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=True),
        sa.Column("end_s", sa.BigInteger(), nullable=True),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_jobs_meter_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_meter_id_asked_ms", "jobs", ["meter_id", "asked_ms"], unique=False)
    op.create_index("ix_jobs_state_asked_ms", "jobs", ["state", "asked_ms"], unique=False)


def _readings() -> None:
    """The manifest of reading segments."""
    _sequences()
    _segments()


def _sequences() -> None:
    op.create_table(
        "sequences",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequences")),
    )


def _segments() -> None:
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period_s", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("start_min_s", sa.BigInteger(), nullable=False),
        sa.Column("start_max_s", sa.BigInteger(), nullable=False),
        sa.Column("meter_min", sa.Integer(), nullable=False),
        sa.Column("meter_max", sa.Integer(), nullable=False),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("landed_s", sa.BigInteger(), nullable=False),
        sa.Column("landing_order", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("retired_generation", sa.BigInteger(), nullable=True),
        sa.Column("retired_s", sa.BigInteger(), nullable=True),
        sa.Column("lost_s", sa.BigInteger(), nullable=True),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_segments")),
        sa.UniqueConstraint("file", name=op.f("uq_segments_file")),
    )
    op.create_index("ix_segments_generation", "segments", ["generation"], unique=False)
    op.create_index("ix_segments_kind_day", "segments", ["kind", "day"], unique=False)
    op.create_index(
        "ix_segments_kind_live_start",
        "segments",
        ["kind", "retired_generation", "start_max_s", "start_min_s"],
        unique=False,
    )


def _signing_in() -> None:
    """People, their web sessions, audit, dated settings."""
    _people()
    _web_sessions()
    _audit()
    _settings()


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_hi", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("changed_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_people")),
    )


def _web_sessions() -> None:
    op.create_table(
        "web_sessions",
        sa.Column("id_hash", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_web_sessions")),
    )
    op.create_index(op.f("ix_web_sessions_expires_ms"), "web_sessions", ["expires_ms"], unique=False)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)


def _settings() -> None:
    op.create_table(
        "settings",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("valid_from_s", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_settings")),
    )
    op.create_index("ix_settings_key_valid_from_s", "settings", ["key", "valid_from_s"], unique=False)


def _field_trials() -> None:
    """Field trials and their checks."""
    _trials()
    _trial_meters()
    _trial_checks()


def _trials() -> None:
    op.create_table(
        "trials",
        sa.Column("trial_id", _ROW_NUMBER, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_hi", sa.Text(), nullable=False),
        sa.Column("division", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("started_s", sa.BigInteger(), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trial_id", name=op.f("pk_trials")),
        sa.UniqueConstraint("name", name=op.f("uq_trials_name")),
    )


def _trial_meters() -> None:
    op.create_table(
        "trial_meters",
        sa.Column("trial_id", _ROW_NUMBER, nullable=False),
        sa.Column("meter_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_trial_meters_meter_id")),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.trial_id"], name=op.f("fk_trial_meters_trial_id")),
        sa.PrimaryKeyConstraint("trial_id", "meter_id", name=op.f("pk_trial_meters")),
    )


def _trial_checks() -> None:
    op.create_table(
        "trial_checks",
        sa.Column("number", _ROW_NUMBER, nullable=False),
        sa.Column("trial_id", _ROW_NUMBER, nullable=False),
        sa.Column("meter_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("compared", sa.BigInteger(), nullable=False),
        sa.Column("wrong", sa.BigInteger(), nullable=False),
        sa.Column("examples", sa.Text(), nullable=False),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["meter_id"], ["meters.meter_id"], name=op.f("fk_trial_checks_meter_id")),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.trial_id"], name=op.f("fk_trial_checks_trial_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_trial_checks")),
        sa.UniqueConstraint(
            "trial_id", "meter_id", "kind", "at_s", name=op.f("uq_trial_checks_trial_id_meter_id_kind_at_s")
        ),
    )
    op.create_index("ix_trial_checks_trial_id_at_s", "trial_checks", ["trial_id", "at_s"], unique=False)


def _audit_is_only_added_to() -> None:
    """The database itself refuses to change or remove an audit entry, whoever asks."""
    said = "the audit log is only added to"
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{event.lower()} BEFORE {event} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{said}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{said}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to()"
    )
