"""The city that is read: its records as after long service, and what its meters truly hold of the day.

Every meter has been read before: nameplates and used invocation counters stand in the records, so a visit is what
it is on any other day, and not a first contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch
from bijlighar.dlms.model import Stamp
from bijlighar.dlms.models import load_model
from bijlighar.headend.associating import READER
from bijlighar.headend.keys import Keyring
from bijlighar.operations.registry_import import import_registry
from bijlighar.records import Records, tables
from bijlighar.records.database import Database, sqlite_url
from meterlab import identity, registry, truth
from meterlab.calendar import DAY_S, SLOT_S, day_of, midnight_s
from meterlab.lab import Lab, build
from meterlab.plans import exponent_of
from meterlab.quantities import FLOATS
from meterlab.selection import Asked
from meterlab.town import Town

RING: Final = Keyring(bytes(range(32)))
"""Seals the test keys of virtual meters, which anybody can derive."""

SEED: Final = 1
DAY: Final = day_of(1_763_800_000)
"""22 November 2025 in Kanpur."""

START_S: Final = midnight_s(DAY + 1) + 60
"""The town's time when reading begins: the day is over, and no other block is complete for 14 minutes."""

_USED_COUNTERS: Final = 1_000
_BLOCK_LOAD: Final = "block-load"
_HOMES_AT_ONCE: Final = 8_192
_ROWS_AT_ONCE: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Slots that should be held, are, are not, stand twice or are nobody's; values compared, and wrong ones."""

    expected: int
    landed: int
    missing: int
    surplus: int
    values: int
    wrong: int

    @property
    def lost(self) -> int:
        """What is not there as the meters hold it."""
        return self.missing + self.surplus + self.wrong


def slots_of(town: Town) -> NDArray[np.int64]:
    """How many blocks of the day each meter holds, ``int64[meter]``."""
    by_model = [DAY_S // (load_model(name).profiles[_BLOCK_LOAD].period_s or SLOT_S) for name in town.models]
    of_model = np.asarray(by_model, np.int64)
    if town.model is None:
        return np.asarray(np.where(np.arange(len(town)) < town.consumers, of_model[0], of_model[1]))
    return np.asarray(of_model[town.model])


def enrol(town: Town, folder: Path, port: int) -> None:
    """Records of this town in ``folder``."""
    registry.write(town, folder / "sheets", port)
    with Records(None, folder, now=lambda: float(START_S)) as records:
        report = import_registry(records, folder / "sheets", RING)
        if report.error_count:
            raise RuntimeError(f"the city was not taken in: {report.errors[0]}")
    database = Database(sqlite_url(folder / "records.db"))
    try:
        _has_been_read(town, database)
    finally:
        database.close()


def _has_been_read(town: Town, database: Database) -> None:
    """Nameplates and used invocation counters, as years of reading leave them."""
    categories = {name: load_model(name).category for name in town.models}
    clients = {name: load_model(name).associations[READER].client_address for name in town.models}
    read_s = START_S - DAY_S
    for first in range(0, len(town), _ROWS_AT_ONCE):
        nameplates: list[dict[str, Any]] = []
        counters: list[dict[str, Any]] = []
        for meter in range(first, min(first + _ROWS_AT_ONCE, len(town))):
            model, serial = town.model_name(meter), identity.serial(town.seed, meter)
            nameplates.append(_nameplate(meter + 1, serial, categories[model], read_s))
            counters.append({"meter_id": meter + 1, "client_address": clients[model], "next": _USED_COUNTERS})
        with database.write() as connection:
            connection.execute(insert(tables.nameplates), nameplates)
            connection.execute(insert(tables.counters), counters)


def _nameplate(meter_id: int, serial: str, category: str, read_s: int) -> dict[str, Any]:
    return {
        "meter_id": meter_id,
        "serial": serial,
        "device_id": identity.FLAG.decode() + serial,
        "manufacturer": identity.MAKER,
        "firmware": identity.FIRMWARE,
        "meter_type": None,
        "category": category,
        "current_rating": "",
        "year": identity.MADE_IN,
        "read_s": read_s,
        "confirmed_s": read_s,
    }


def compare(town: Town, folder: Path, sample: Sequence[int]) -> Compared:
    """What is durable of the day against what meterlab holds.

    Every slot of every meter, the imported energy of every home, and all columns of the meters in ``sample``.
    """
    period = Period(start_s=midnight_s(DAY), end_s=midnight_s(DAY + 1))
    lab = build(town, now_s=float(START_S))
    slots = slots_of(town)
    landed = found = values = wrong = 0
    with Records(None, folder, now=lambda: float(START_S)) as records:
        for of_day in np.unique(slots).tolist():
            batch = records.readings.table(
                ProfileKind.BLOCK_LOAD, None, period, ["import_wh"], period_s=DAY_S // of_day
            )
            landed += len(batch)
            found += _different_slots(batch, slots, of_day)
            if of_day == DAY_S // SLOT_S:
                values, wrong = _import_of_homes(batch, lab)
        for meter in sample:
            counted, differing = _all_columns(records, lab, meter, period)
            values, wrong = values + counted, wrong + differing
    expected = int(slots.sum())
    return Compared(
        expected=expected,
        landed=landed,
        missing=expected - found,
        surplus=landed - found,
        values=values,
        wrong=wrong,
    )


def _different_slots(batch: ReadingBatch, slots: NDArray[np.int64], of_day: int) -> int:
    """Slots held of meters that have ``of_day`` of them, each counted once."""
    meter = batch.meter_id.astype(np.int64) - 1
    slot = (batch.start_s - midnight_s(DAY)) // (DAY_S // of_day)
    ours = slots[meter] == of_day
    return len(np.unique(meter[ours] * of_day + slot[ours]))


def _import_of_homes(batch: ReadingBatch, lab: Lab) -> tuple[int, int]:
    """Values compared and values that differ: the imported energy of homes, as their meters round it."""
    registers, consumers = lab.objects.source.registers, lab.town.consumers
    edges_s = midnight_s(DAY) + np.arange(DAY_S // SLOT_S + 1) * SLOT_S
    counted = differing = 0
    order = np.argsort(batch.meter_id, kind="stable")
    ordered = batch.meter_id[order].astype(np.int64) - 1
    for first in range(0, consumers, _HOMES_AT_ONCE):
        homes = np.arange(first, min(first + _HOMES_AT_ONCE, consumers))
        begin_wh = np.asarray([registers.start_wh(home) for home in homes.tolist()])[:, None]
        coarser = np.asarray([_coarser(lab, home) for home in homes.tolist()])[:, None]
        energy = np.diff((registers.homes_wh(homes, edges_s) + begin_wh) // coarser, axis=1) * coarser
        rows = order[slice(*np.searchsorted(ordered, [first, homes[-1] + 1]).tolist())]
        slot = (batch.start_s[rows] - edges_s[0]) // SLOT_S
        truly = energy[batch.meter_id[rows] - 1 - first, slot]
        counted += len(rows)
        differing += int((batch.channels["import_wh"][rows] != truly).sum())
    return counted, differing


def _coarser(lab: Lab, home: int) -> int:
    """Watt-hours in which a home's meter tells its energy."""
    columns = lab.objects.plan(home).model.profiles[_BLOCK_LOAD].columns
    column = next(column for column in columns if column.name == "block-import")
    return 1 if column.type in FLOATS else 10 ** exponent_of(column)


def _all_columns(records: Records, lab: Lab, meter: int, period: Period) -> tuple[int, int]:
    """Values compared and values that differ: all columns of one meter."""
    plan = lab.objects.plan(meter)
    profile = plan.model.profiles[_BLOCK_LOAD]
    period_s = profile.period_s or SLOT_S
    later_s = period_s * (plan.model.stamp is Stamp.END)
    asked = Asked(
        columns=profile.columns, begin_s=period.start_s + later_s, end_s=period.end_s - period_s + later_s
    )
    table = lab.objects.profiles.table(meter, plan, profile, asked, float(START_S))
    batch = records.readings.table(ProfileKind.BLOCK_LOAD, [meter + 1], period, period_s=period_s)
    row_of = {start_s: row for row, start_s in enumerate(batch.start_s.tolist())}
    counted = differing = 0
    for column, cells in zip(table.columns, table.cells, strict=True):
        if column.name == "clock":
            continue
        held = batch.channels[truth.channel(column.name)]
        for stamp_s, cell in zip(table.stamps_s.tolist(), cells.tolist(), strict=True):
            row = row_of.get(stamp_s - later_s)
            counted += 1
            differing += row is None or int(held[row]) != truth.in_stored_unit(column, cell)
    return counted, differing
