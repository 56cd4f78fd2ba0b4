"""The meters of the registry: sealed keys, models, firmware, what is held of them, and so what to order.

``look_up`` and ``look_up_kept`` ask the store and therefore block; everything else works on what is in memory.
What was looked up in another thread counts only from ``apply`` or ``take_in`` on, so that nobody sees half of a
change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import Nameplate, SealedKeys, lease_group
from bijlighar.cim.network import Meter
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch
from bijlighar.dlms.model import MeterModel
from bijlighar.headend.coverage import MOST_SLOTS_A_REQUEST, WINDOW_DAYS, Coverage, SlotKind
from bijlighar.headend.kept import (
    AHEAD_S,
    OVERLAP_S,
    KeptRows,
    Sources,
    backlog,
    last_done,
    look_up_logs,
    look_up_slots,
    recent_of,
    slot_kind,
    window_of,
)
from bijlighar.headend.keys import Keyring, KeysNotOpened, MeterKeys
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.ports import HeldReadings, KeyBox, MeterBook, Nameplates, Past
from bijlighar.headend.reading import Order
from bijlighar.headend.schedule import Task
from bijlighar.headend.seen import SeenRows

SCHEDULED_RANGES, BACKFILL_RANGES = 1, 4
"""Requests of at most ten days in a scheduled visit, and in one that also fills gaps (a whole window)."""

TASKS: dict[ProfileKind, Task] = {
    ProfileKind.INSTANTANEOUS: Task.INSTANTANEOUS,
    ProfileKind.BLOCK_LOAD: Task.BLOCK_LOAD,
    ProfileKind.DAILY: Task.DAILY,
    ProfileKind.BILLING: Task.BILLING,
    ProfileKind.EVENT: Task.EVENT,
    ProfileKind.NAMEPLATE: Task.NAMEPLATE,
}
_EVENT = "event-"
_SLOTTED = {ProfileKind.BLOCK_LOAD: "block-load", ProfileKind.DAILY: "daily"}
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPorts:
    """Where the fleet comes from. ``past`` None: nobody knows when meters were last read."""

    meters: MeterBook
    keys: KeyBox
    held: HeldReadings
    nameplates: Nameplates
    past: Past | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The registry as it was looked up: readable meters, their sealed keys, and why the others are not."""

    version: int
    meters: dict[int, Meter]
    sealed: dict[int, SealedKeys]
    unreadable: dict[int, str]
    firmware: dict[int, str]


class Fleet:
    """All meters that can be read. ``unreadable`` tells of the others: meter_id → why."""

    def __init__(
        self,
        ports: FleetPorts,
        *,
        keyring: Keyring,
        layouts: LayoutBook,
        seen: SeenRows,
        load_model: Callable[[str], MeterModel],
        backfill_days: int = WINDOW_DAYS,
    ) -> None:
        self._ports = ports
        self._days = backfill_days
        self._keyring = keyring
        self._layouts = layouts
        self._seen = seen
        self._load_model = load_model
        self._models: dict[str, MeterModel] = {}
        self._sealed: dict[int, SealedKeys] = {}
        self._coverages: dict[tuple[ProfileKind, int], Coverage] = {}
        self.meters: dict[int, Meter] = {}
        self.groups: dict[int, str] = {}
        """What is leased when a meter is read: its communication group, or a part of those without one."""
        self.group_sizes: Mapping[str, int] = {}
        """Meters by group."""
        self.firmware: dict[int, str] = {}
        self.unreadable: dict[int, str] = {}
        self.version = -1

    def look_up(self) -> Register:
        """Meters, keys and firmware as the store has them now. Raises Unavailable."""
        version = self._ports.meters.version()
        sealed = {keys.meter_id: keys for keys in self._ports.keys.sealed_keys()}
        meters, unreadable = {}, {}
        for meter in self._ports.meters.meters():
            why = self._why_unreadable(meter, sealed)
            if why is None:
                meters[meter.meter_id] = meter
            else:
                unreadable[meter.meter_id] = why
        firmware = self._look_up_firmware(meters.keys() - self.firmware.keys())
        register = Register(
            version=version, meters=meters, sealed=sealed, unreadable=unreadable, firmware=firmware
        )
        self._load_layouts(register)
        return register

    def _look_up_firmware(self, meter_ids: AbstractSet[int]) -> dict[int, str]:
        if not meter_ids:
            return {}
        if self._ports.past is not None:
            known = self._ports.past.firmware()
            return {meter_id: known[meter_id] for meter_id in meter_ids & known.keys()}
        nameplates = map(self._ports.nameplates.nameplate, sorted(meter_ids))
        return {nameplate.meter_id: nameplate.firmware for nameplate in nameplates if nameplate is not None}

    def apply(self, register: Register) -> None:
        """From now on these are the meters."""
        self.meters, self._sealed, self.unreadable = register.meters, register.sealed, register.unreadable
        self.groups = {meter_id: lease_group(meter.group, meter_id) for meter_id, meter in self.meters.items()}
        self.group_sizes = Counter(self.groups.values())
        self.firmware = {**register.firmware, **self.firmware}
        self.version = register.version

    def look_up_kept(self, meter_ids: NDArray[np.int64], now_s: float) -> KeptRows:
        """What the store holds of these meters, and when each task was last done. Raises Unavailable.

        Of very many meters only slots of the last days; ``look_up_older`` follows.
        """
        since_s = recent_of(len(meter_ids), now_s)
        wanted, sources = self._sources(meter_ids)
        window = window_of(now_s, self._days)
        if since_s is None or since_s <= window.start_s:
            since_s, period = None, window
        else:
            period = replace(window, start_s=since_s)
        slots = self._look_up_slots(wanted, sources, period, now_s)
        last_s = last_done(self._ports.past, wanted, now_s)
        if since_s is not None:
            for _, coverage in slots:
                coverage.assume_before(since_s)
        return KeptRows(
            meter_ids=wanted,
            slots=slots,
            logs=look_up_logs(sources, wanted, now_s),
            last_s=last_s,
            backlog=backlog(slots, wanted, last_s, now_s),
            since_s=since_s,
        )

    def look_up_older(self, kept: KeptRows, now_s: float) -> KeptRows:
        """What ``kept`` has left open: slots before the last days. Raises Unavailable."""
        assert kept.since_s is not None
        wanted, sources = self._sources(kept.meter_ids)
        window = window_of(now_s, self._days)
        older = replace(window, start_s=min(window.start_s, kept.since_s), end_s=kept.since_s)
        slots = self._look_up_slots(wanted, sources, older, now_s)
        for _, coverage in slots:
            coverage.assume_from(kept.since_s)
        return replace(kept, slots=slots, logs=[], backlog=backlog(slots, wanted, kept.last_s, now_s))

    def _sources(self, meter_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], Sources]:
        known = np.array([meter_id for meter_id in meter_ids.tolist() if meter_id in self.meters], np.int64)
        everybody = len(known) == len(self.meters)
        return known, Sources(held=self._ports.held, past=self._ports.past, all_meters=everybody)

    def _look_up_slots(
        self, meter_ids: NDArray[np.int64], sources: Sources, period: Period, now_s: float
    ) -> list[tuple[ProfileKind, Coverage]]:
        by_period: dict[tuple[ProfileKind, int], list[int]] = {}
        for kind in _SLOTTED:
            for meter_id in meter_ids.tolist():
                by_period.setdefault((kind, self._period_s(meter_id, kind)), []).append(meter_id)
        return [
            (
                kind,
                look_up_slots(sources, kind, self._slots(kind, period_s), np.array(ids, np.int32), period, now_s),
            )
            for (kind, period_s), ids in by_period.items()
        ]

    def take_in(self, kept: KeptRows, now_s: float) -> None:
        """From now on this counts as held, with what landed meanwhile."""
        for kind, fresh in kept.slots:
            coverage = self._coverages.setdefault((kind, fresh.kind.period_s), fresh)
            if coverage is not fresh:
                coverage.merge(fresh, now_s)
        for kind, meter_id, start_s in kept.logs:
            self._seen.start_from(kind, meter_id, start_s, overlap_s=OVERLAP_S)

    def take_in_older(self, kept: KeptRows, now_s: float) -> None:
        """What ``look_up_older`` found is what is held of that time."""
        assert kept.since_s is not None
        for kind, older in kept.slots:
            coverage = self._coverages.get((kind, older.kind.period_s))
            if coverage is not None:
                coverage.learn_before(older, kept.since_s, now_s)

    def turned_back(self, now_s: float) -> bool:
        """The utility's clock was set back; True when what is held must be looked up again."""
        ahead = [coverage for coverage in self._coverages.values() if coverage.is_ahead(now_s)]
        for coverage in ahead:
            coverage.restart(now_s)
        return bool(ahead)

    def model(self, meter_id: int) -> MeterModel:
        """The model of a readable meter."""
        return self._models[self.meters[meter_id].model]

    def keys(self, meter_id: int) -> MeterKeys:
        """The meter's keys. Raises KeysNotOpened."""
        return self._keyring.unseal(self._sealed[meter_id], self.meters[meter_id].serial)

    def introduced(self, nameplate: Nameplate) -> bool:
        """Take note of a nameplate; True when the firmware is new to us."""
        changed = self.firmware.get(nameplate.meter_id) != nameplate.firmware
        self.firmware[nameplate.meter_id] = nameplate.firmware
        return changed

    def orders(self, meter_id: int, tasks: Iterable[Task], now_s: float) -> tuple[Order, ...]:
        """What to ask for in a scheduled visit: of slots and logs, only what is missing."""
        tasks, model = frozenset(tasks), self.model(meter_id)
        orders: list[Order] = []
        if Task.INSTANTANEOUS in tasks:
            orders.append(Order(profile="instantaneous"))
        if tasks & {Task.BLOCK_LOAD, Task.BACKFILL}:
            most = BACKFILL_RANGES if Task.BACKFILL in tasks else SCHEDULED_RANGES
            orders += self._gaps(ProfileKind.BLOCK_LOAD, meter_id, now_s, most)
        if tasks & {Task.DAILY, Task.BACKFILL}:
            orders += self._gaps(ProfileKind.DAILY, meter_id, now_s, BACKFILL_RANGES)
        if Task.BILLING in tasks:
            orders.append(Order(profile="billing"))
        if Task.EVENT in tasks:
            orders += [self._log(meter_id, name, now_s) for name in model.profiles if name.startswith(_EVENT)]
        return tuple(order for order in orders if order.profile in model.profiles)

    def orders_for(
        self, meter_id: int, kinds: Iterable[ProfileKind], period: Period | None, now_s: float
    ) -> tuple[Order, ...]:
        """What a person asked for: the kinds as named, whole or within ``period``, held or not."""
        orders: list[Order] = []
        for kind in kinds:
            if kind in _SLOTTED:
                asked = period or Period(start_s=int(now_s) - _DAY_S, end_s=int(now_s))
                pieces = _pieces(asked, MOST_SLOTS_A_REQUEST * self._period_s(meter_id, kind))
                orders.append(Order(profile=_SLOTTED[kind], ranges=pieces))
            elif kind is ProfileKind.EVENT:
                names = [name for name in self.model(meter_id).profiles if name.startswith(_EVENT)]
                orders += [Order(profile=name, ranges=(period,)) for name in names]
            elif kind is not ProfileKind.NAMEPLATE:
                orders.append(Order(profile=kind.value))
        return tuple(order for order in orders if order.profile in self.model(meter_id).profiles)

    def hold(self, readings: ReadingBatch, now_s: float) -> None:
        """These rows are durable."""
        if readings.kind in _SLOTTED:
            for (kind, _), coverage in self._coverages.items():
                if kind is readings.kind:
                    coverage.advance(now_s)
                    coverage.hold(readings.meter_id, readings.start_s)
        elif readings.kind in (ProfileKind.EVENT, ProfileKind.BILLING):
            self._seen.note(readings)

    def kept_apart(self, readings: ReadingBatch) -> None:
        """These rows are durable in quarantine."""
        if readings.kind in (ProfileKind.EVENT, ProfileKind.BILLING):
            self._seen.note_apart(readings)

    def answered(self, answers: Iterable[tuple[int, ProfileKind, Period | None, int]]) -> None:
        """Meters have given what they have of the period they were asked for, and it was held.

        ``answers``: meter, kind, period, and when it was received. Of those that came together the first counts:
        what had not settled then may still appear.
        """
        alike: dict[tuple[ProfileKind, Period], list[int]] = {}
        first_s: dict[tuple[ProfileKind, Period], int] = {}
        for meter_id, kind, asked, received_s in answers:
            if kind in _SLOTTED and asked is not None and meter_id in self.meters:
                alike.setdefault((kind, asked), []).append(meter_id)
                first_s[kind, asked] = min(received_s, first_s.get((kind, asked), received_s))
        for (kind, asked), meter_ids in alike.items():
            for coverage, of_period in self._coverages_of(kind, meter_ids, first_s[kind, asked]):
                coverage.answered(of_period, asked, first_s[kind, asked])

    def backlogs(self, meter_ids: Iterable[int], now_s: float) -> set[int]:
        """Of these meters those that lack older slots and have not been asked for them."""
        known = [meter_id for meter_id in meter_ids if meter_id in self.meters]
        late: set[int] = set()
        for kind in _SLOTTED:
            for coverage, of_period in self._coverages_of(kind, known, now_s):
                late.update(coverage.backlogs(now_s, of_period).tolist())
        return late

    def _coverages_of(
        self, kind: ProfileKind, meter_ids: Iterable[int], now_s: float
    ) -> Iterator[tuple[Coverage, NDArray[np.int64]]]:
        """Meters by the coverage that watches them."""
        by_period: dict[int, list[int]] = {}
        for meter_id in meter_ids:
            by_period.setdefault(self._period_s(meter_id, kind), []).append(meter_id)
        for period_s, alike in by_period.items():
            ids = np.array(alike, np.int64)
            yield self._watching(kind, period_s, ids, now_s), ids

    def _why_unreadable(self, meter: Meter, sealed: dict[int, SealedKeys]) -> str | None:
        try:
            if meter.model not in self._models:
                self._models[meter.model] = self._load_model(meter.model)
            self._keyring.unseal(sealed[meter.meter_id], meter.serial)
        except LookupError as error:
            return "has no keys" if meter.model in self._models else str(error)
        except KeysNotOpened as error:
            return str(error)
        return None

    def _load_layouts(self, register: Register) -> None:
        firmware = {**register.firmware, **self.firmware}
        used = {(meter.model, firmware.get(meter.meter_id)) for meter in register.meters.values()}
        for model, version in used:
            if version is not None:
                self._layouts.load(model, version, list(self._models[model].profiles))

    def _period_s(self, meter_id: int, kind: ProfileKind) -> int:
        profile, meter = _SLOTTED[kind], self.meters[meter_id]
        layout = self._layouts.find(meter.model, self.firmware.get(meter_id, ""), profile)
        if layout is not None and layout.period_s:
            return layout.period_s
        default = self.model(meter_id).profiles.get(profile)
        return (default.period_s if default else None) or (_DAY_S if kind is ProfileKind.DAILY else 1800)

    def _slots(self, kind: ProfileKind, period_s: int) -> SlotKind:
        return slot_kind(kind, period_s, self._days)

    def _watching(self, kind: ProfileKind, period_s: int, meter_ids: NDArray[np.int64], now_s: float) -> Coverage:
        """The coverage of these meters, each named once; who is not watched yet is from now on."""
        coverage = self._coverages.get((kind, period_s))
        if coverage is None:
            coverage = Coverage(meter_ids.astype(np.int32), self._slots(kind, period_s), now_s)
            self._coverages[kind, period_s] = coverage
        coverage.add_meters(meter_ids.astype(np.int32))
        coverage.advance(now_s)
        return coverage

    def _coverage(self, kind: ProfileKind, meter_id: int, now_s: float) -> Coverage:
        coverage = self._coverages.get((kind, self._period_s(meter_id, kind)))
        if coverage is None or meter_id not in coverage:
            return self._watching(kind, self._period_s(meter_id, kind), np.array([meter_id]), now_s)
        coverage.advance(now_s)
        return coverage

    def _gaps(self, kind: ProfileKind, meter_id: int, now_s: float, most: int) -> list[Order]:
        ranges = self._coverage(kind, meter_id, now_s).missing_ranges(meter_id, now_s)[:most]
        return [Order(profile=_SLOTTED[kind], ranges=ranges)] if ranges else []

    def _log(self, meter_id: int, profile: str, now_s: float) -> Order:
        log = self.model(meter_id).profiles[profile].obis.octets[4]
        since_s = self._seen.since_s(meter_id, log)
        if since_s is None:
            return Order(profile=profile)
        return Order(profile=profile, ranges=(Period(start_s=since_s, end_s=max(since_s, int(now_s)) + AHEAD_S),))


def _pieces(asked: Period, longest_s: int) -> tuple[Period, ...]:
    """``asked`` in pieces of at most ``longest_s``, oldest first."""
    starts = range(asked.start_s, asked.end_s, longest_s)
    return tuple(replace(asked, start_s=s, end_s=min(s + longest_s, asked.end_s)) for s in starts)
