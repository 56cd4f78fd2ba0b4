"""What the sheet of meters tells of an installation: transformers before the meter, registers read on the spot.

An empty cell tells nothing and changes nothing. Transformers that were not told before hold for the whole stay;
other transformers than before end the stay, and another begins, so that each bill counts with its own ratio. A
meter that takes another's place has its transformers too, unless the sheet tells others: they stay on the wall.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from bijlighar.records import tables
from bijlighar.records.registry_csv import ROW, CheckedSheet, Faults
from bijlighar.records.registry_pieces import NAMED, Columns, named
from bijlighar.records.registry_sheets import RATIO_COLUMNS, REGISTER_COLUMNS

_stays = tables.installations

Ratio = tuple[int | None, int | None, int | None, int | None]
"""Primary and secondary side of the current transformers, then of the voltage transformers; None: not told."""

NO_RATIO: Ratio = (None, None, None, None)

PLACES_AT_ONCE = 5_000
"""Usage points named in one statement; both kinds of database take more than 30,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayTold:
    """What a row tells. ``closing_wh`` is the last reading of the meter that stood there before."""

    ratio: Ratio = NO_RATIO
    opening_wh: int | None = None
    closing_wh: int | None = None


def told_of(columns: Columns) -> list[StayTold]:
    """Take what is told of installations out of the columns."""
    ratios = zip(*(columns.pop(name) for name in RATIO_COLUMNS), strict=True)
    registers = zip(*(columns.pop(name) for name in REGISTER_COLUMNS), strict=True)
    nothing = StayTold()
    return [
        nothing
        if ratio == NO_RATIO and opening is None and closing is None
        else StayTold(ratio=ratio, opening_wh=opening, closing_wh=closing)
        for ratio, (opening, closing) in zip(ratios, registers, strict=True)
    ]


def merged(told: Ratio, kept: Ratio) -> Ratio:
    """Pair by pair: what is told, else what is kept."""
    current = told[:2] if told[0] is not None else kept[:2]
    voltage = told[2:] if told[2] is not None else kept[2:]
    return (*current, *voltage)


def are_others(ratio: Ratio, kept: Ratio) -> bool:
    """Whether transformers were told before and are others now."""
    return any(kept[at] is not None and ratio[at : at + 2] != kept[at : at + 2] for at in (0, 2))


def check_pairs(sheet: CheckedSheet, faults: Faults) -> None:
    """Both sides of a transformer are told, or none."""
    for batch in sheet.batches:
        for one, other in (RATIO_COLUMNS[:2], RATIO_COLUMNS[2:]):
            if batch[one].null_count == batch[other].null_count == batch.num_rows:
                continue
            for row, pair in enumerate(zip(batch[one].to_pylist(), batch[other].to_pylist(), strict=True)):
                if (pair[0] is None) != (pair[1] is None):
                    lacking = one if pair[0] is None else other
                    told = other if pair[0] is None else one
                    number = batch[ROW][row].as_py()
                    faults.add(sheet.file, number, lacking, f"is empty, but {told} is not")


def fill_in(connection: Connection, rows: Sequence[dict[str, int | None]]) -> None:
    """Tell more of stays that go on; each row names its ``meter``."""
    if rows:
        names = (*RATIO_COLUMNS, "opening_wh")
        statement = update(_stays).where(_stays.c.meter_id == bindparam("meter"), _stays.c.removed_s.is_(None))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in names}), rows)


def close(connection: Connection, readings: dict[str, int]) -> tuple[set[str], set[str]]:
    """Keep the last readings of the meters that left usage points, by usage point.

    Returns the places where that changed something, and those where no meter stood before.
    """
    last: dict[str, tuple[int, int | None]] = {}
    query = select(_stays.c.usage_point, _stays.c.number, _stays.c.closing_wh).order_by(_stays.c.removed_s)
    query = query.where(_stays.c.removed_s.is_not(None), named(_stays.c.usage_point))
    for places in in_parts(list(readings)):
        for place, number, kept in connection.execute(query, {NAMED: places}):
            last[place] = (number, kept)
    changed = {place for place, (_, kept) in last.items() if kept != readings[place]}
    if changed:
        statement = update(_stays).where(_stays.c.number == bindparam("stay"))
        rows = [{"stay": last[place][0], "read": readings[place]} for place in sorted(changed)]
        connection.execute(statement.values(closing_wh=bindparam("read")), rows)
    return changed, readings.keys() - last.keys()


def in_parts(places: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many at once as a statement may name."""
    for first in range(0, len(places), PLACES_AT_ONCE):
        yield places[first : first + PLACES_AT_ONCE]
