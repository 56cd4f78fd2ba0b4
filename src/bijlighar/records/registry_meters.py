"""Keeping the sheet of meters: numbers for new ones, titles that change hands, and who hangs where from now on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from bijlighar.records import tables
from bijlighar.records.database import insert_columns
from bijlighar.records.registry_csv import CheckedSheet
from bijlighar.records.registry_pieces import NAMED, Columns, SheetCounts, named, pieces, sorted_rows, update_rows

_meters, _stays = tables.meters, tables.installations


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A meter that took the place of another."""

    usage_point: str
    removed: str
    installed: str


@dataclass(slots=True)
class _Moves:
    """Meters that come to a usage point: which meter, to where, and from where (None: from nowhere)."""

    serials: list[str]
    meter_ids: list[int]
    to: list[str]
    leaving: list[int]
    """Numbers of those of them that leave another usage point."""


class MeterKeeping:
    """Keeps one sheet inside one transaction."""

    def __init__(self, connection: Connection, counts: SheetCounts, at_s: int) -> None:
        self._connection = connection
        self._counts = counts
        self._at_s = at_s
        self._next_id = int(connection.execute(select(func.max(_meters.c.meter_id))).scalar() or 0) + 1
        self.replacements: list[Replacement] = []

    def keep(self, sheet: CheckedSheet) -> None:
        """Keep all rows; meters that lose their place are told in ``replacements``."""
        if self._next_id > 1:
            for columns in pieces(sheet):
                self._park_titles(columns)
        moves = _Moves([], [], [], [])
        for columns in pieces(sheet):
            self._keep(columns, moves)
        self._install(moves)

    def _park_titles(self, columns: Columns) -> None:
        """Free the titles of meters that get another, so that two meters may exchange theirs."""
        wanted = dict(zip(columns["serial"], columns["system_title"], strict=True))
        query = select(_meters.c.serial, _meters.c.system_title).where(named(_meters.c.serial))
        rows = self._connection.execute(query, {NAMED: list(wanted)})
        given_up = [serial for serial, title in rows if wanted[serial] != title]
        if given_up:
            statement = update(_meters).where(_meters.c.serial == bindparam("key"))
            parked = [{"key": serial, "parked": f"parked {serial}".encode()} for serial in given_up]
            self._connection.execute(statement.values(system_title=bindparam("parked")), parked)

    def _keep(self, columns: Columns, moves: _Moves) -> None:
        columns = {"communication_group" if name == "group" else name: v for name, v in columns.items()}
        to = columns.pop("usage_point")
        places = self._places(columns["serial"])
        counted = SheetCounts()
        added, changed = sorted_rows(self._connection, _meters, "serial", columns, counted)
        numbers = {serial: number for number, serial in enumerate(added["serial"], start=self._next_id)}
        self._next_id += len(numbers)
        insert_columns(self._connection, _meters, {"meter_id": list(numbers.values()), **added})
        update_rows(self._connection, _meters, "serial", changed)
        altered = {row["serial"] for row in changed}
        for serial, place in zip(columns["serial"], to, strict=True):
            number, before = places.get(serial, (0, None))
            if before == place:
                continue
            moves.serials.append(serial)
            moves.meter_ids.append(numbers.get(serial) or number)
            moves.to.append(place)
            if before is not None:
                moves.leaving.append(number)
            if serial not in numbers:
                altered.add(serial)
        self._counts.added += len(numbers)
        self._counts.changed += len(altered)
        self._counts.unchanged += len(to) - len(numbers) - len(altered)

    def _places(self, serials: Sequence[str]) -> dict[str, tuple[int, str | None]]:
        """Number and usage point of the meters that are known; None for one that is out of service."""
        if self._next_id == 1:
            return {}
        in_service = (_stays.c.meter_id == _meters.c.meter_id) & _stays.c.removed_s.is_(None)
        query = select(_meters.c.serial, _meters.c.meter_id, _stays.c.usage_point)
        query = query.join_from(_meters, _stays, in_service, isouter=True).where(named(_meters.c.serial))
        rows = self._connection.execute(query, {NAMED: serials})
        return {serial: (number, place) for serial, number, place in rows}

    def _install(self, moves: _Moves) -> None:
        """Close the stays that end, then open the new ones."""
        ending = set(moves.leaving) | self._displaced(moves)
        if ending:
            closing = update(_stays).where(_stays.c.meter_id == bindparam("meter"), _stays.c.removed_s.is_(None))
            self._connection.execute(
                closing.values(removed_s=self._at_s), [{"meter": number} for number in sorted(ending)]
            )
        count = len(moves.to)
        opened: Columns = {
            "meter_id": moves.meter_ids,
            "usage_point": moves.to,
            "installed_s": [self._at_s] * count,
            "removed_s": [None] * count,
        }
        insert_columns(self._connection, _stays, opened)

    def _displaced(self, moves: _Moves) -> set[int]:
        """Meters whose place is taken and that get no other; they are told."""
        if self._connection.execute(select(_stays.c.number).limit(1)).first() is None:
            return set()
        moving, displaced = set(moves.meter_ids), set[int]()
        query = select(_stays.c.usage_point, _stays.c.meter_id, _meters.c.serial).join_from(_stays, _meters)
        query = query.where(_stays.c.removed_s.is_(None), named(_stays.c.usage_point))
        taking = dict(zip(moves.to, moves.serials, strict=True))
        for first in range(0, len(moves.to), PLACES_AT_ONCE):
            places = moves.to[first : first + PLACES_AT_ONCE]
            for place, number, serial in self._connection.execute(query, {NAMED: places}):
                if number not in moving:
                    displaced.add(number)
                    replaced = Replacement(usage_point=place, removed=serial, installed=taking[place])
                    self.replacements.append(replaced)
        return displaced


PLACES_AT_ONCE = 5_000
"""Usage points named in one statement; both kinds of database take more than 30,000."""
