"""Field trials: which meters, since when, under which limits, and every comparison with the meters' own rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exc, insert, select, update

from bijlighar.cim.channels import ProfileKind
from bijlighar.records import tables
from bijlighar.records.counters import UnknownMeter
from bijlighar.records.database import Database, upsert

_kept = tables.trials
_members = tables.trial_meters
_checks = tables.trial_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A field trial. ``limits`` by code, in the units that ``operations.field_trial`` tells.

    ``trial_id`` is 0 until the trial is kept; ``ended_s`` None while it runs.
    """

    name: str
    name_hi: str = ""
    division: str = ""
    place: str = ""
    started_s: int
    ended_s: int | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    meters: tuple[int, ...] = ()
    trial_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCheck:
    """Kept values of one meter and kind compared with what the meter itself holds.

    ``compared`` and ``wrong`` count values; ``examples`` tells some wrong ones, as JSON can say it.
    """

    trial_id: int
    meter_id: int
    kind: ProfileKind
    compared: int
    wrong: int
    examples: Sequence[Mapping[str, Any]] = ()
    at_s: int


class UnknownTrial(Exception):
    """No such trial is kept."""

    def __init__(self, trial_id: int) -> None:
        super().__init__(f"trial {trial_id} is not known")
        self.trial_id = trial_id


class Trials:
    """Keeps trials and their checks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, trial: Trial) -> Trial:
        """Keep a trial under its name; newest wins. Returns it with its number. Raises UnknownMeter."""
        names = ("name", "name_hi", "division", "place", "started_s", "ended_s")
        values = {name: getattr(trial, name) for name in names} | {"limits": json.dumps(dict(trial.limits))}
        try:
            with self._database.write() as connection:
                found = connection.execute(select(_kept.c.trial_id).where(_kept.c.name == trial.name)).scalar()
                if found is None:
                    found = connection.execute(
                        insert(_kept).values(values).returning(_kept.c.trial_id)
                    ).scalar_one()
                else:
                    connection.execute(update(_kept).where(_kept.c.trial_id == found).values(values))
                connection.execute(delete(_members).where(_members.c.trial_id == found))
                rows = [{"trial_id": found, "meter_id": meter_id} for meter_id in dict.fromkeys(trial.meters)]
                upsert(connection, _members, rows)
                return _find(connection, found)
        except exc.IntegrityError as refusal:
            raise UnknownMeter(f"of trial {trial.name}") from refusal

    def get(self, trial_id: int) -> Trial:
        """One trial. Raises UnknownTrial, Unavailable."""
        with self._database.read() as connection:
            return _find(connection, trial_id)

    def all(self) -> list[Trial]:
        """Every trial, newest start first."""
        query = select(_kept.c.trial_id).order_by(_kept.c.started_s.desc(), _kept.c.trial_id.desc())
        with self._database.read() as connection:
            return [_find(connection, trial_id) for trial_id in connection.execute(query).scalars().all()]

    def current(self) -> Trial | None:
        """The running trial that began last, or None."""
        running = [trial for trial in self.all() if trial.ended_s is None]
        return running[0] if running else None

    def put_checks(self, checks: Sequence[TrialCheck]) -> None:
        """Keep checks; all or none. Raises UnknownTrial, Unavailable."""
        rows = [
            {
                "trial_id": check.trial_id,
                "meter_id": check.meter_id,
                "kind": check.kind.value,
                "compared": check.compared,
                "wrong": check.wrong,
                "examples": json.dumps(list(check.examples), ensure_ascii=False),
                "at_s": check.at_s,
            }
            for check in checks
        ]
        if not rows:
            return
        try:
            with self._database.write() as connection:
                connection.execute(insert(_checks), rows)
        except exc.IntegrityError as refusal:
            raise UnknownTrial(checks[0].trial_id) from refusal

    def checks(self, trial_id: int) -> list[TrialCheck]:
        """Every check of a trial, oldest first."""
        query = select(_checks).where(_checks.c.trial_id == trial_id).order_by(_checks.c.number)
        with self._database.read() as connection:
            return [_check(row) for row in connection.execute(query).mappings()]

    def latest_checks(self, trial_id: int) -> list[TrialCheck]:
        """The newest check of each meter and kind, by meter and kind."""
        newest = {(check.meter_id, check.kind): check for check in self.checks(trial_id)}
        return [newest[key] for key in sorted(newest)]


def _find(connection: Connection, trial_id: int) -> Trial:
    row = connection.execute(select(_kept).where(_kept.c.trial_id == trial_id)).mappings().first()
    if row is None:
        raise UnknownTrial(trial_id)
    query = select(_members.c.meter_id).where(_members.c.trial_id == trial_id).order_by(_members.c.meter_id)
    meters = tuple(connection.execute(query).scalars())
    return Trial(meters=meters, **{**row, "limits": json.loads(row["limits"])})


def _check(row: RowMapping) -> TrialCheck:
    values = {name: value for name, value in row.items() if name not in ("number", "kind", "examples")}
    return TrialCheck(kind=ProfileKind(row["kind"]), examples=json.loads(row["examples"]), **values)
