"""Keeping the sheet of meters: numbers for new ones, titles that change hands, and who hangs where from now on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, func, select, update

from bijlighar.records import tables
from bijlighar.records.database import insert_columns
from bijlighar.records.registry_csv import CheckedSheet
from bijlighar.records.registry_pieces import NAMED, Columns, SheetCounts, named, pieces, sorted_rows, update_rows
from bijlighar.records.registry_sheets import RATIO_COLUMNS
from bijlighar.records.registry_stays import (
    Ratio,
    StayTold,
    are_others,
    close,
    fill_in,
    in_parts,
    merged,
    told_of,
)

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
    """Numbers of those of them that leave another usage point, or whose transformers are others from now on."""
    told: list[StayTold]
    """What the sheet tells of each one's new place."""

    def add(self, serial: str, meter_id: int, place: str, tells: StayTold, *, leaves: bool = False) -> None:
        """One more."""
        self.serials.append(serial)
        self.meter_ids.append(meter_id)
        self.to.append(place)
        self.told.append(tells)
        if leaves:
            self.leaving.append(meter_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A meter that is known, and where it hangs: ``usage_point`` None for one that is out of service."""

    meter_id: int
    usage_point: str | None
    ratio: Ratio
    opening_wh: int | None


class MeterKeeping:
    """Keeps one sheet inside one transaction."""

    def __init__(self, connection: Connection, counts: SheetCounts, at_s: int) -> None:
        self._connection = connection
        self._counts = counts
        self._at_s = at_s
        self._next_id = int(connection.execute(select(func.max(_meters.c.meter_id))).scalar() or 0) + 1
        self._filled_in: list[dict[str, int | None]] = []
        self._closing: dict[str, int] = {}
        self._altered_places: set[str] = set()
        self.replacements: list[Replacement] = []
        self.nobody_before: set[str] = set()
        """Usage points that have a last reading of a meter before, but never had one."""

    def keep(self, sheet: CheckedSheet) -> None:
        """Keep all rows; meters that lose their place are told in ``replacements``."""
        if self._next_id > 1:
            for columns in pieces(sheet):
                self._park_titles(columns)
        moves = _Moves([], [], [], [], [])
        for columns in pieces(sheet):
            self._keep(columns, moves)
        self._install(moves)
        fill_in(self._connection, self._filled_in)
        changed, self.nobody_before = close(self._connection, self._closing)
        more = len(changed - self._altered_places)
        self._counts.changed += more
        self._counts.unchanged -= more

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
        to, told = columns.pop("usage_point"), told_of(columns)
        places = self._places(columns["serial"])
        counted = SheetCounts()
        added, changed = sorted_rows(self._connection, _meters, "serial", columns, counted)
        numbers = {serial: number for number, serial in enumerate(added["serial"], start=self._next_id)}
        self._next_id += len(numbers)
        insert_columns(self._connection, _meters, {"meter_id": list(numbers.values()), **added})
        update_rows(self._connection, _meters, "serial", changed)
        altered = {row["serial"] for row in changed}
        for serial, place, tells in zip(columns["serial"], to, told, strict=True):
            known = places.get(serial)
            if known is None:
                moves.add(serial, numbers[serial], place, tells)
            elif self._stay(serial, known, place, tells, moves):
                altered.add(serial)
            if tells.closing_wh is not None:
                self._closing[place] = tells.closing_wh
            if serial in altered or serial in numbers:
                self._altered_places.add(place)
        self._counts.added += len(numbers)
        self._counts.changed += len(altered)
        self._counts.unchanged += len(to) - len(numbers) - len(altered)

    def _stay(self, serial: str, known: _Place, place: str, tells: StayTold, moves: _Moves) -> bool:
        """Whether anything changes for a meter that is known."""
        if known.usage_point != place:
            moves.add(serial, known.meter_id, place, tells, leaves=known.usage_point is not None)
            return True
        ratio = merged(tells.ratio, known.ratio)
        if are_others(ratio, known.ratio):
            moves.add(serial, known.meter_id, place, replace(tells, ratio=ratio), leaves=True)
            return True
        opening_wh = known.opening_wh if tells.opening_wh is None else tells.opening_wh
        if (ratio, opening_wh) == (known.ratio, known.opening_wh):
            return False
        new = dict(zip((f"new_{name}" for name in RATIO_COLUMNS), ratio, strict=True))
        self._filled_in.append({"meter": known.meter_id, "new_opening_wh": opening_wh, **new})
        return True

    def _places(self, serials: Sequence[str]) -> dict[str, _Place]:
        """Where the meters are that are known."""
        if self._next_id == 1:
            return {}
        in_service = (_stays.c.meter_id == _meters.c.meter_id) & _stays.c.removed_s.is_(None)
        query = select(_meters.c.serial, _meters.c.meter_id, _stays.c.usage_point, _stays.c.opening_wh, *_RATIO)
        query = query.join_from(_meters, _stays, in_service, isouter=True).where(named(_meters.c.serial))
        rows = self._connection.execute(query, {NAMED: serials})
        return {
            serial: _Place(meter_id=number, usage_point=place, opening_wh=opening, ratio=(c1, c2, v1, v2))
            for serial, number, place, opening, c1, c2, v1, v2 in rows
        }

    def _install(self, moves: _Moves) -> None:
        """Close the stays that end, then open the new ones."""
        displaced, before = self._displaced(moves)
        ending = set(moves.leaving) | displaced
        if ending:
            closing = update(_stays).where(_stays.c.meter_id == bindparam("meter"), _stays.c.removed_s.is_(None))
            self._connection.execute(
                closing.values(removed_s=self._at_s), [{"meter": number} for number in sorted(ending)]
            )
        count = len(moves.to)
        ratios = [
            merged(tells.ratio, before[place]) if place in before else tells.ratio
            for place, tells in zip(moves.to, moves.told, strict=True)
        ]
        opened: Columns = {
            "meter_id": moves.meter_ids,
            "usage_point": moves.to,
            "installed_s": [self._at_s] * count,
            "removed_s": [None] * count,
            "opening_wh": [tells.opening_wh for tells in moves.told],
            **{name: [ratio[place] for ratio in ratios] for place, name in enumerate(RATIO_COLUMNS)},
        }
        insert_columns(self._connection, _stays, opened)

    def _displaced(self, moves: _Moves) -> tuple[set[int], dict[str, Ratio]]:
        """Meters whose place is taken and that get no other; they are told. And the transformers at each place."""
        if self._connection.execute(select(_stays.c.number).limit(1)).first() is None:
            return set(), {}
        moving, displaced = set(moves.meter_ids), set[int]()
        before: dict[str, Ratio] = {}
        query = select(_stays.c.usage_point, _stays.c.meter_id, _meters.c.serial, *_RATIO)
        query = query.join_from(_stays, _meters).where(_stays.c.removed_s.is_(None), named(_stays.c.usage_point))
        taking = dict(zip(moves.to, moves.serials, strict=True))
        for places in in_parts(moves.to):
            for place, number, serial, *ratio in self._connection.execute(query, {NAMED: places}):
                before[place] = (ratio[0], ratio[1], ratio[2], ratio[3])
                if number not in moving:
                    displaced.add(number)
                    replaced = Replacement(usage_point=place, removed=serial, installed=taking[place])
                    self.replacements.append(replaced)
        return displaced, before


_RATIO = tuple(_stays.c[name] for name in RATIO_COLUMNS)
