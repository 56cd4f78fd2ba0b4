"""The people who may sign in. The password hash is opaque text; hashing belongs to the control room."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import RowMapping, func, select

from bijlighar.records import tables
from bijlighar.records.database import Database, upsert

_kept = tables.people


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person. ``name`` signs in; ``language`` is "en" or "hi"; ``roles`` are the control room's words."""

    name: str
    display_name: str
    display_name_hi: str = ""
    password_hash: str = field(repr=False)
    roles: tuple[str, ...] = ()
    language: str = "en"
    disabled: bool = False


class People:
    """Find and keep people. ``now`` gives epoch seconds."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def find(self, name: str) -> Person | None:
        """The person of that name, disabled ones too, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(_kept).where(_kept.c.name == name)).mappings().first()
        return None if row is None else _person(row)

    def all(self) -> list[Person]:
        """Everybody, by name."""
        with self._database.read() as connection:
            return [_person(row) for row in connection.execute(select(_kept).order_by(_kept.c.name)).mappings()]

    def count(self) -> int:
        """How many people are kept."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(_kept)).scalar_one()

    def put(self, person: Person) -> None:
        """Keep a person; the newest word wins. Raises ValueError without a name."""
        if not person.name.strip():
            raise ValueError("a person needs a name to sign in with")
        row = {
            "name": person.name,
            "display_name": person.display_name,
            "display_name_hi": person.display_name_hi,
            "password_hash": person.password_hash,
            "roles": json.dumps(list(person.roles)),
            "language": person.language,
            "disabled": person.disabled,
            "changed_s": int(self._now()),
        }
        with self._database.write() as connection:
            upsert(connection, _kept, [row])


def _person(row: RowMapping) -> Person:
    values = {name: value for name, value in row.items() if name not in ("roles", "changed_s")}
    return Person(roles=tuple(json.loads(row["roles"])), **values)
