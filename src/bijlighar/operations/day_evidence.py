"""What the records know about the meters of a day, gathered once for all buckets.

Nothing is guessed: what the records do not hold stays unknown, and the rules that need it are silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.network import Meter, UsagePoint, UsagePointKind
from bijlighar.cim.period import KOLKATA, Period, civil_day
from bijlighar.cim.readings import MISSING
from bijlighar.mdm import Sealed, SlotFlag
from bijlighar.mdm.estimation import EstimationRule
from bijlighar.mdm.measurements import Bill, KeptEstimates, cells, covered
from bijlighar.mdm.outages import (
    CONNECTED,
    DISCONNECTED,
    POWER_FAILED,
    POWER_RESTORED,
    Spans,
    seconds_in_slots,
    spans,
)
from bijlighar.mdm.validation import Evidence, Limits, LimitsRow, limits_on
from bijlighar.operations.day_meters import MeterColumns, meter_columns
from bijlighar.operations.day_registers import (
    ENERGY_CHANNELS,
    NO_REGISTERS,
    Registers,
    prorated,
    registers_at,
)
from bijlighar.operations.day_service import spans_of, stays
from bijlighar.operations.estimation_order import EVERYBODY, MeterOrders, orders_on
from bijlighar.records import Records
from bijlighar.records.blocks_file import sealed_of
from bijlighar.records.blocks_manifest import BlockFile
from bijlighar.records.pinned_files import DayRecords

LIMITS_KEY = "validation.limits"
"""Setting whose dated values name the limits that differ from the defaults."""

RESOLUTION_WH = 10
"""Step of the energy registers of meters after IS 15959 (scaler +1); a finer one is judged as coarse as this."""

LOOKBACK = timedelta(days=35)
"""Events further back are not asked for: as far as meters are read back after silence."""

USUAL_DAYS = (28, 7)
"""The usual use is the mean between two midnight registers so many days apart: four weeks, else one."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DayKnowledge:
    """What is known of a day beside its blocks.

    ``orders``              of the rules of estimation; ``prorated`` only where an order uses it
    ``transformer_meters``  numbers of the meters of transformers
    """

    day: date
    period: Period
    limits: Limits
    before: Registers
    after: Registers
    earlier: dict[int, Registers]
    outages: Spans
    relay_open: Spans
    clock_meter_id: NDArray[np.int32]
    clock_offset_s: NDArray[np.float64]
    meters: MeterColumns
    replaced: frozenset[int]
    in_service: Spans
    bills: dict[int, list[Bill]]
    orders: MeterOrders = EVERYBODY
    prorated: Registers = NO_REGISTERS
    transformer_meters: frozenset[int] = frozenset()

    def bills_of(self, meter_id: NDArray[np.int32]) -> list[Bill]:
        """Bills of these meters that touch the day."""
        return [bill for meter in meter_id.tolist() for bill in self.bills.get(meter, ())]


def gather(records: Records, day: date, zone: ZoneInfo = KOLKATA) -> DayKnowledge:
    """Ask the records. Raises UnknownLimit and OrderRefused for a wrong setting, SegmentDamaged, Unavailable."""
    period = civil_day(day, zone)
    points = {point.code: point for point in records.registry.usage_points()}
    meters = records.registry.meters()
    every_stay = stays(records.registry.installations())
    load_w = _loads_w(records, day, meters, points)
    rows = [
        LimitsRow(valid_from_s=setting.valid_from_s, changes=setting.value)
        for setting in records.settings.history(LIMITS_KEY)
    ]
    clock_meter_id, clock_offset_s = _clocks(records, period)
    bills: dict[int, list[Bill]] = {}
    for bill in records.edits.bills(period):
        bills.setdefault(bill.meter_id, []).append(bill)
    orders = orders_on(records, period.start_s, meters)
    return DayKnowledge(
        day=day,
        period=period,
        limits=limits_on(period.start_s, rows),
        before=registers_at(records, period.start_s),
        after=registers_at(records, period.end_s),
        earlier={
            days: registers_at(records, civil_day(day - timedelta(days=days), zone).start_s) for days in USUAL_DAYS
        },
        outages=_spans(records, period, POWER_FAILED, POWER_RESTORED),
        relay_open=_spans(records, period, DISCONNECTED, CONNECTED),
        clock_meter_id=clock_meter_id,
        clock_offset_s=clock_offset_s,
        meters=meter_columns(records, period, meters, every_stay, load_w),
        replaced=frozenset(stay.meter_id for stay in every_stay if stay.start_s in period or stay.end_s in period),
        in_service=spans_of(every_stay, period),
        bills=bills,
        orders=orders,
        prorated=prorated(records, day, zone) if orders.uses(EstimationRule.SCALAR_PRORATION) else NO_REGISTERS,
        transformer_meters=frozenset(
            meter.meter_id for meter in meters if points[meter.usage_point].kind is UsagePointKind.TRANSFORMER
        ),
    )


def _loads_w(
    records: Records, day: date, meters: Sequence[Meter], points: Mapping[str, UsagePoint]
) -> dict[int, int]:
    """Sanctioned load by meter: the billing server's word, else the registry's."""
    told = {code: each.sanctioned_load_w for code, each in records.accounts.on(day).items()}
    return {
        meter.meter_id: told.get(meter.usage_point) or points[meter.usage_point].sanctioned_load_w
        for meter in meters
    }


def usual_daily_wh(known: DayKnowledge, meter_id: NDArray[np.int32]) -> tuple[NDArray[np.float64], Integers]:
    """Mean use of a day before this one, NaN where not known, and the days it was taken from."""
    usual = np.full(len(meter_id), np.nan)
    days_used = np.zeros(len(meter_id), dtype=np.int64)
    at_start = known.before.of(meter_id, "import_wh")
    for days in USUAL_DAYS:
        then = known.earlier[days].of(meter_id, "import_wh")
        good = (then != MISSING) & (at_start != MISSING) & (at_start >= then) & (days_used == 0)
        usual[good] = (at_start[good] - then[good]) / days
        days_used[good] = days
    return usual, days_used


def evidence_of(
    known: DayKnowledge,
    sealed: Sealed,
    *,
    zero_slots_before: Integers | None = None,
    estimated_days: Integers | None = None,
    estimates: KeptEstimates | None = None,
) -> Evidence:
    """The evidence for one block."""
    blocks = sealed.blocks
    meters = blocks.meter_id
    numbers = meters.tolist()
    usual, days = usual_daily_wh(known, meters)
    return Evidence(
        blocks=blocks,
        resolution_wh=np.full(len(meters), RESOLUTION_WH),
        absent=seconds_in_slots(known.in_service, meters, known.period, blocks.period_s) == 0,
        outage_s=seconds_in_slots(known.outages, meters, known.period, blocks.period_s),
        relay_open=seconds_in_slots(known.relay_open, meters, known.period, blocks.period_s) >= blocks.period_s,
        registers_before={channel: known.before.of(meters, channel) for channel in ENERGY_CHANNELS},
        registers_after={channel: known.after.of(meters, channel) for channel in ENERGY_CHANNELS},
        replaced=np.array([number in known.replaced for number in numbers], dtype=bool),
        usual_daily_wh=usual,
        usual_days=days,
        zero_slots_before=zero_slots_before,
        estimated_days=estimated_days,
        final_before=_final_before(sealed, estimates),
        billed=covered(blocks, known.bills_of(meters)),
        clock_offset_s=_aligned(meters, known.clock_meter_id, known.clock_offset_s, np.nan),
        **known.meters.of(meters),
    )


def aligned_day(
    records: DayRecords, day: date, like: BlockFile, meter_id: NDArray[np.int32], channel: str
) -> Integers | None:
    """int64[meter, slot] of another day for these meters, or None when that day of the bucket is not sealed.

    A meter that stood in another bucket then is MISSING. Raises BlockDamaged, Unavailable.
    """
    for file in records.blocks.day(day):
        if (file.bucket, file.period_s) == (like.bucket, like.period_s):
            columns = records.blocks.read(file, day, [channel])
            blocks = sealed_of(columns, civil_day(day)).blocks
            values = np.full((len(meter_id), blocks.slots), MISSING, dtype=np.int64)
            _, mine, its = np.intersect1d(meter_id, blocks.meter_id, assume_unique=True, return_indices=True)
            values[mine] = blocks.channel(channel)[its]
            return values
    return None


def _aligned(
    meter_id: NDArray[np.int32],
    known_id: NDArray[np.int32],
    values: NDArray[np.generic],
    nothing: float = MISSING,
) -> NDArray:  # type: ignore[type-arg]  # of the values' own type
    result = np.full(len(meter_id), nothing, dtype=values.dtype)
    if len(known_id):
        place = np.minimum(np.searchsorted(known_id, meter_id), len(known_id) - 1)
        known = known_id[place] == meter_id
        result[known] = values[place[known]]
    return result


def _spans(records: Records, period: Period, begins: int, ends: int) -> Spans:
    """Spans that touch the day; what has not ended lasts as far as events are known."""
    asked = Period(start_s=period.start_s - int(LOOKBACK.total_seconds()), end_s=period.end_s + 7 * 86_400)
    events = records.readings.table(ProfileKind.EVENT, None, asked, ["event_code"])
    return spans(
        events.meter_id,
        events.start_s,
        events.channels["event_code"],
        begins=begins,
        ends=ends,
        until_s=period.end_s,
    )


def _clocks(records: Records, period: Period) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The last offset of each meter's clock that was read on the day, in seconds."""
    contacts = records.readings.contact_columns(period)
    read = np.flatnonzero(contacts.clock_offset_ms != MISSING)[::-1]  # the last first
    meters, place = np.unique(contacts.meter_id[read], return_index=True)
    return meters, contacts.clock_offset_ms[read[place]] / 1000.0


def _final_before(sealed: Sealed, estimates: KeptEstimates | None) -> Integers:
    """What was final until a reading came: the version before a correction, or the estimate in its place."""
    blocks, older = sealed.blocks, sealed.older
    before = np.full(blocks.received_s.shape, MISSING, dtype=np.int64)
    if estimates is not None:
        row, slot = cells(blocks, estimates.meter_id, estimates.start_s)
        mine = np.flatnonzero((row >= 0) & (estimates.value != MISSING))
        before[row[mine], slot[mine]] = estimates.value[mine]
    first_version = np.searchsorted(older.meter_id, older.meter_id) == np.arange(len(older))
    newest = older.only(first_version)
    row = np.searchsorted(blocks.meter_id, newest.meter_id)
    value = newest.channel("import_wh")
    corrected = (blocks.flags[row] & SlotFlag.CORRECTED != 0) & (value != MISSING)
    before[row] = np.where(corrected, value, before[row])
    return before
