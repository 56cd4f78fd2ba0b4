"""A day's totals from its sealed blocks: bucket by bucket, so that a city needs the memory of a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.day_scope import DayScope
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import DayBlocks, Sealed
from bijlighar.mdm.day_summary import (
    CURVE_S,
    BlockDay,
    GroupTally,
    SumTally,
    fed,
    grouped,
    losses,
    measured,
)
from bijlighar.mdm.day_summary_limits import LimitsRow, VoltageLimits, limits_on
from bijlighar.mdm.measurements import Bill, Edit, Final, KeptEstimates, final_state
from bijlighar.mdm.outages import seconds_in_slots
from bijlighar.operations.day_report.happenings import CLASSES, Happenings, happenings
from bijlighar.operations.day_report.network import CONSUMER, FEEDER, TRANSFORMER, DayNetwork, read_network
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.day_totals import DayTotal

LIMITS_KEY = "day.voltage"
"""Setting whose dated values name the limits of voltage that differ from the defaults."""

ENERGY, EXPORT = "import_wh", "export_wh"
VOLTAGES = ("voltage_mv", "voltage_r_mv", "voltage_y_mv", "voltage_b_mv")
CHANNELS = (ENERGY, EXPORT, *VOLTAGES)

Integers = NDArray[np.int64]


@dataclass(kw_only=True)
class _Work:
    """What is gathered while the buckets pass; groups are transformers, the last for those without a known one."""

    records: Records
    day: date
    period: Period
    network: DayNetwork
    seen: Happenings
    limits: VoltageLimits
    edits: list[Edit]
    bills: list[Bill]
    now_s: int
    places: dict[str, int]
    by_transformer: GroupTally
    by_make: GroupTally
    supply: SumTally
    feeder_supply: SumTally
    transformer_of: NDArray[np.int64]


def limits_of(records: Records, start_s: int) -> VoltageLimits:
    """What holds for a day that starts at ``start_s``. Raises UnknownVoltageLimit, Unavailable."""
    rows = records.settings.history(LIMITS_KEY)
    return limits_on(start_s, [LimitsRow(valid_from_s=row.valid_from_s, changes=row.value) for row in rows])


def total_day(records: Records, day: date, *, now_s: int, zone: ZoneInfo = KOLKATA) -> list[DayTotal]:
    """Compute all totals of a sealed day; nothing is changed.

    Raises UnknownVoltageLimit, BlockDamaged and SegmentDamaged (told once, then repeat the call), Unavailable.
    """
    work = _begun(records, day, now_s, zone)
    for file in records.blocks.day(day):
        _add(work, file)
    return _totals(work)


def keep_totals(records: Records, day: date, *, now_s: int, zone: ZoneInfo = KOLKATA) -> int:
    """Compute them and keep them in place of those before; how many. Raises as ``total_day``."""
    totals = total_day(records, day, now_s=now_s, zone=zone)
    records.day_totals.replace(day, totals)
    return len(totals)


def _begun(records: Records, day: date, now_s: int, zone: ZoneInfo) -> _Work:
    period = civil_day(day, zone)
    network = read_network(records, period)
    slots, groups = period.seconds // CURVE_S, len(network.transformers) + 1
    return _Work(
        records=records,
        day=day,
        period=period,
        network=network,
        seen=happenings(records, network, period),
        limits=limits_of(records, period.start_s),
        edits=records.edits.edits(period),
        bills=records.edits.bills(period),
        now_s=now_s,
        places={code: place for place, code in enumerate(network.transformers)},
        by_transformer=GroupTally(groups, slots),
        by_make=GroupTally(len(network.makes), slots),
        supply=SumTally(groups, slots),
        feeder_supply=SumTally(len(network.feeders), slots),
        transformer_of=np.full(len(network.kind), groups - 1, dtype=np.int64),
    )


def _add(work: _Work, file: BlockFile) -> None:
    columns = work.records.blocks.read(file, work.day, CHANNELS)
    sealed = sealed_of(columns, work.period)
    newest = columns.version == 0
    meters = sealed.blocks.meter_id
    inside = meters < len(work.network.kind)
    mine = np.flatnonzero(inside & (work.network.kind[np.where(inside, meters, 0)] >= 0))
    unknown = len(work.network.transformers)
    codes = columns.transformer[newest].tolist()
    group = np.array([work.places.get(code, unknown) for code in codes], dtype=np.int64)[mine]
    block = _block(work, sealed, file, mine)
    days = measured(block, work.limits)
    numbers = meters[mine]
    work.transformer_of[numbers] = group
    work.by_transformer.add(days, group)
    work.by_make.add(days, work.network.make[numbers].astype(np.int64))
    kind = work.network.kind[numbers]
    work.supply.add(days.net[kind == TRANSFORMER], group[kind == TRANSFORMER])
    feeder = _feeder_of(work.network)[group]
    metered = (kind == FEEDER) & (feeder >= 0)
    work.feeder_supply.add(days.net[metered], feeder[metered])


def _feeder_of(network: DayNetwork) -> Integers:
    return np.append(network.feeder_of, -1)


def _block(work: _Work, sealed: Sealed, file: BlockFile, mine: Integers) -> BlockDay:
    blocks, network = sealed.blocks, work.network
    kept = work.records.estimates.read(work.day, file.bucket, file.period_s).by_channel
    known = set(blocks.meter_id.tolist()) if work.edits else set()
    edits = [edit for edit in work.edits if edit.meter_id in known]
    energy, estimated = _final(work, sealed, ENERGY, kept.get(ENERGY), edits)
    exported = EXPORT in blocks.channels
    export = _final(work, sealed, EXPORT, kept.get(EXPORT), edits)[0] if exported else None
    numbers = blocks.meter_id[mine]
    expected = _in_service(network, numbers, blocks)
    held = blocks.held[mine]
    return BlockDay(
        period_s=file.period_s,
        consumer=network.kind[numbers] == CONSUMER,
        expected=expected,
        dark=_dark(work, numbers, file.period_s),
        held=held,
        energy=_of_place(network, numbers, expected, energy[mine]),
        export=None if export is None else _of_place(network, numbers, expected, export[mine]),
        estimated=estimated[mine],
        voltages=tuple(
            _near(network, numbers, blocks.channels[name][mine]) for name in VOLTAGES if name in blocks.channels
        ),
    )


def _of_place(
    network: DayNetwork, numbers: NDArray[np.int32], expected: NDArray[np.bool_], values: Integers
) -> Integers:
    """As used at the place: ratios applied, without what the meter counted before it came or after it went."""
    times, parts = network.times[numbers, None], network.parts[numbers, None]
    if (times != parts).any():
        values = np.where(values == MISSING, MISSING, np.where(values == MISSING, 0, values) * times // parts)
    return values if expected.all() else np.where(expected, values, MISSING)


def _near(network: DayNetwork, numbers: NDArray[np.int32], volts: Integers) -> Integers:
    far = network.far_voltage[numbers, None]
    return np.where(far, MISSING, volts) if far.any() else volts


def _final(
    work: _Work, sealed: Sealed, channel: str, kept: KeptEstimates | None, edits: list[Edit]
) -> tuple[Integers, NDArray[np.bool_]]:
    """Final values and which of them are estimates. Without estimates and edits they are the newest readings."""
    own = [edit for edit in edits if edit.channel == channel]
    if kept is None and not own:
        values = sealed.blocks.channel(channel)
        return values, np.zeros(values.shape, dtype=bool)
    guessed = set() if kept is None else set(np.unique(kept.meter_id).tolist())
    bills = [bill for bill in work.bills if bill.meter_id in guessed]  # a bill locks estimates, nothing else
    state: Final = final_state(sealed, channel, estimates=kept, edits=own, bills=bills, at_s=work.now_s)
    return state.value, state.estimated


def _in_service(network: DayNetwork, numbers: NDArray[np.int32], blocks: DayBlocks) -> NDArray[np.bool_]:
    begins = blocks.day.start_s + np.arange(blocks.slots, dtype=np.int64) * blocks.period_s
    return np.asarray(
        (begins + blocks.period_s > network.start_s[numbers, None]) & (begins < network.end_s[numbers, None])
    )


def _dark(work: _Work, numbers: NDArray[np.int32], period_s: int) -> NDArray[np.bool_] | None:
    cuts = work.seen.cuts
    if not len(cuts.meter_id) or not len(numbers):
        return None
    return seconds_in_slots(cuts, numbers, work.period, period_s) >= period_s


def _totals(work: _Work) -> list[DayTotal]:
    network, slots = work.network, work.by_transformer.curve.energy.shape[1]
    size = len(network.transformers) + 1
    places = _places(work, size)
    into = {
        DayScope.TRANSFORMER: np.arange(size),
        DayScope.FEEDER: _feeder_of(network),
        DayScope.SUBSTATION: np.append(network.substation_of, -1),
        DayScope.DIVISION: np.append(network.division_of, -1),
        DayScope.UTILITY: np.zeros(size, dtype=np.int64),
    }
    named = _names(network)
    found: list[DayTotal] = []
    for scope, groups in into.items():
        codes, parents = named[scope]
        tally = work.by_transformer.gathered(groups, len(codes)) if scope is not DayScope.TRANSFORMER else None
        some = {name: _grouped(values, groups, len(codes)) for name, values in places.items()}
        events = _events(work, groups[work.transformer_of], len(codes))
        some |= _feeder_losses(work, scope, groups, len(codes), slots)
        found += _rows(work, scope, codes, parents, tally or work.by_transformer, some, events)
    return found + _makes(work)


def _makes(work: _Work) -> list[DayTotal]:
    network, codes = work.network, work.network.makes
    mine = np.flatnonzero(network.kind >= 0)
    make = np.full(len(network.kind), -1, dtype=np.int64)
    make[mine] = network.make[mine]
    some = {name: _grouped(values, make, len(codes)) for name, values in _of_meters(work.seen).items()}
    events = _events(work, make, len(codes))
    return _rows(work, DayScope.MAKE, codes, ("",) * len(codes), work.by_make, some, events)


def _of_meters(seen: Happenings) -> dict[str, Integers]:
    names = ("interruptions", "interrupted", "interrupted_s", "contacts", "contacts_succeeded")
    return {name: getattr(seen, name) for name in names}


def _places(work: _Work, size: int) -> dict[str, Integers]:
    """What adds up by transformer beside the tally: losses of lines, and what happened to its meters."""
    lines = losses(work.supply.whole, work.by_transformer.net.sums())
    there = (work.network.kind >= 0).astype(np.int64)
    return {
        "transformers": (work.by_transformer.counts["meters"] > 0).astype(np.int64),
        "transformers_told": (lines.slots_told > 0).astype(np.int64),
        "lines_slots": lines.slots_told,
        "lines_supplied_wh": lines.supplied_wh,
        "lines_lost_wh": lines.lost_wh,
        **{
            name: grouped(values * there, work.transformer_of, size)
            for name, values in _of_meters(work.seen).items()
        },
    }


def _feeder_losses(work: _Work, scope: DayScope, groups: Integers, size: int, slots: int) -> dict[str, Integers]:
    """Losses of feeders, told of feeders and of what holds them."""
    network = work.network
    names = ("feeders_told", "feeders_slots", "feeders_supplied_wh", "feeders_lost_wh")
    if scope is DayScope.TRANSFORMER or not network.feeders:
        return {name: np.zeros(size, dtype=np.int64) for name in names}
    supplied = work.supply.whole[:-1] if len(network.transformers) else np.zeros((0, slots), dtype=np.int64)
    lost = losses(work.feeder_supply.whole, fed(supplied, network.feeder_of, len(network.feeders)))
    into = np.full(len(network.feeders), -1, dtype=np.int64)
    mine = network.feeder_of >= 0
    into[network.feeder_of[mine]] = groups[:-1][mine]
    values = ((lost.slots_told > 0).astype(np.int64), lost.slots_told, lost.supplied_wh, lost.lost_wh)
    return {name: _grouped(each, into, size) for name, each in zip(names, values, strict=True)}


def _grouped(values: Integers, into: Integers, groups: int) -> Integers:
    mine = into >= 0
    return grouped(values[mine], into[mine], groups)


def _events(work: _Work, group_of: Integers, groups: int) -> Integers:
    """int64[group, class]: events by group; ``group_of`` int64[meter number], negative for none."""
    group = group_of[work.seen.event_meter]
    mine = group >= 0
    place = group[mine] * len(CLASSES) + work.seen.event_class[mine]
    return np.bincount(place, minlength=groups * len(CLASSES)).reshape(groups, len(CLASSES))


def _names(network: DayNetwork) -> dict[DayScope, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Codes of a scope's groups, and what each lies within."""

    def above(into: Integers, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(codes[place] if place >= 0 else "" for place in into.tolist())

    def of_upper(lower: Integers, upper: Integers, codes: tuple[str, ...], size: int) -> tuple[str, ...]:
        found = [""] * size
        for low, high in zip(lower.tolist(), upper.tolist(), strict=True):
            if low >= 0 and high >= 0:
                found[low] = codes[high]
        return tuple(found)

    substations = of_upper(network.feeder_of, network.substation_of, network.substations, len(network.feeders))
    divisions = of_upper(network.substation_of, network.division_of, network.divisions, len(network.substations))
    return {
        DayScope.TRANSFORMER: ((*network.transformers, ""), (*above(network.feeder_of, network.feeders), "")),
        DayScope.FEEDER: (network.feeders, substations),
        DayScope.SUBSTATION: (network.substations, divisions),
        DayScope.DIVISION: (network.divisions, ("",) * len(network.divisions)),
        DayScope.UTILITY: (("",), ("",)),
    }


def _rows(
    work: _Work,
    scope: DayScope,
    codes: tuple[str, ...],
    parents: tuple[str, ...],
    tally: GroupTally,
    more: dict[str, Integers],
    events: Integers,
) -> list[DayTotal]:
    """Totals of the groups that have meters."""
    nothing = np.zeros(len(codes), dtype=np.int64)
    peak_w, place = tally.peaks()
    found = []
    for group in np.flatnonzero(tally.counts["meters"]).tolist():
        numbers = {name: int(values[group]) for name, values in tally.counts.items()}
        numbers |= {name: int(more.get(name, nothing)[group]) for name in _MORE}
        known = int(place[group]) >= 0
        told = int(tally.most_mv[group]) != MISSING
        found.append(
            DayTotal(
                day=work.day,
                scope=scope,
                code=codes[group],
                parent=parents[group],
                made_s=work.now_s,
                numbers=numbers,
                extremes={
                    "peak_w": int(peak_w[group]) if known else None,
                    "peak_s": work.period.start_s + int(place[group]) * CURVE_S if known else None,
                    "least_mv": int(tally.least_mv[group]) if told else None,
                    "most_mv": int(tally.most_mv[group]) if told else None,
                },
                events={CLASSES[each]: int(events[group, each]) for each in np.flatnonzero(events[group])},
                curve={
                    "wh": tally.curve.energy[group].tolist(),
                    "known": tally.curve.known[group].tolist(),
                },
            )
        )
    return found


_MORE = (
    *("transformers", "transformers_told", "lines_slots", "lines_supplied_wh", "lines_lost_wh"),
    *("feeders_told", "feeders_slots", "feeders_supplied_wh", "feeders_lost_wh"),
    *("interruptions", "interrupted", "interrupted_s", "contacts", "contacts_succeeded"),
)
