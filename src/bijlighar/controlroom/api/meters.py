"""The list of meters and one meter's state and curve."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import Nameplate
from bijlighar.cim.period import Period, civil_date, civil_day
from bijlighar.cim.readings import ReadingBatch
from bijlighar.controlroom.api.asking import (
    AnyRequest,
    Limit,
    MeterId,
    Offset,
    Text,
    Why,
    on_record,
    place_of,
    room_of,
)
from bijlighar.controlroom.errors import not_valid
from bijlighar.controlroom.instants import NotAnInstant, iso, parse_day
from bijlighar.controlroom.meter_list import (
    MOST_SEARCH_CHARACTERS,
    SORT_COLUMNS,
    MeterPage,
    MeterQuery,
    MeterRow,
    list_meters,
    meter_row,
    whole,
)
from bijlighar.controlroom.meter_reading import (
    DEFAULT_PERIOD_S,
    Gap,
    Registers,
    Relay,
    Slot,
    curve_of,
    gaps_of,
    instantaneous_of,
    last_days,
    registers_of,
    relay_of,
    row_of,
)
from bijlighar.controlroom.meter_sheet import sheet
from bijlighar.controlroom.roles import Permission
from bijlighar.controlroom.room import BLOCK_LENGTHS_S, ControlRoom
from bijlighar.records.batches import MixedPeriods

GAP_DAYS = 7
"""A meter's page tells the gaps of a week; the field trial tells all of its days."""
_CURVE_CHANNELS = (
    "import_wh",
    "voltage_mv",
    "current_ma",
    *(f"{name}_{phase}_{unit}" for name, unit in (("voltage", "mv"), ("current", "ma")) for phase in "ryb"),
)


class NameplateView(msgspec.Struct, frozen=True, kw_only=True):
    """What the meter says of itself."""

    serial: str
    device_id: str
    manufacturer: str
    firmware: str
    meter_type: int | None
    category: str
    current_rating: str
    year: int | None
    read_at: str | None


class MeterDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One meter: its row of the list and what its page shows besides."""

    meter: MeterRow
    nameplate: NameplateView | None
    registers: Registers
    relay: Relay
    instantaneous: dict[str, Any]
    gaps: list[Gap]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One civil day's blocks; ``previous_day`` None when nothing of it is kept."""

    day: str
    period_s: int
    slots: list[Slot]
    previous_day: list[Slot] | None
    now_w: int | None


async def asked_list(
    q: Annotated[str, QueryParameter(max_length=MOST_SEARCH_CHARACTERS)] = "",
    division: Text = "",
    transformer: Text = "",
    category: Text = "",
    feeder: Text = "",
    tower: Text = "",
    maker: Text = "",
    seen: Annotated[Literal["heard", "late", "silent", "all"], QueryParameter(name="state")] = "all",
    sort: Text = "serial",
    direction: FromQuery[Literal["asc", "desc"]] = "asc",
) -> MeterQuery:
    """Search, filters and order, as the list and its sheet take them. Raises Refusal 400."""
    if sort not in SORT_COLUMNS:
        raise not_valid("sort", f"is none of {', '.join(SORT_COLUMNS)}")
    return MeterQuery(
        q=q,
        division=division,
        transformer=transformer,
        category=category,
        feeder=feeder,
        tower=tower,
        maker=maker,
        state=seen,
        sort=sort,
        descending=direction == "desc",
    )


_ASKED = {"wanted": Provide(asked_list)}


@get("/meters", opt={"needs": Permission.READ_METERS}, dependencies=_ASKED)
async def meters(
    request: AnyRequest, wanted: NamedDependency[MeterQuery], offset: Offset = 0, limit: Limit = 50
) -> MeterPage:
    """Search, filter, sort and page the meters, with what each filter would find."""
    room = room_of(request)
    query = msgspec.structs.replace(wanted, offset=offset, limit=limit)
    return list_meters(room.index, room.live, query, now_s=room.now())


@get("/meters.csv", opt={"needs": Permission.READ_METERS}, dependencies=_ASKED)
async def meters_sheet(request: AnyRequest, wanted: NamedDependency[MeterQuery]) -> Stream:
    """All rows of the list, streamed for a spreadsheet."""
    room = room_of(request)
    day = civil_date(int(room.now()))
    return Stream(
        sheet(room.index, room.live, wanted, now_s=room.now()),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="meters-{day}.csv"'},
    )


@get("/meters/{meter_id:int}", opt={"needs": Permission.READ_METERS})
async def meter(request: AnyRequest, meter_id: MeterId) -> dict[str, Any]:
    """One meter: the row of the list, nameplate, registers, relay, last values, gaps of a week."""
    room, place = room_of(request), place_of(request, meter_id)
    state = int(room.live.states(np.array([meter_id], dtype=np.int32), room.now())[0])
    row = meter_row(place, room.live, state)
    detail = await room.in_thread(_detail, room, row)
    shown: dict[str, Any] = msgspec.to_builtins(detail)
    return {**shown.pop("meter"), **shown}


def _detail(room: ControlRoom, row: MeterRow) -> MeterDetail:
    readings, meter_id = room.records.readings, row.meter_id
    last = readings.last(ProfileKind.INSTANTANEOUS)
    at = row_of(last, meter_id)
    nameplate = room.records.nameplates.nameplate(meter_id)
    newest = blocks(room, meter_id, last_days(0, DEFAULT_PERIOD_S, now_s=room.now()), ())
    period_s = newest.period_s or DEFAULT_PERIOD_S
    week = last_days(GAP_DAYS, period_s, now_s=room.now())
    _, held_s = readings.held(ProfileKind.BLOCK_LOAD, week, [meter_id])
    return MeterDetail(
        meter=row,
        nameplate=None if nameplate is None else _nameplate(nameplate),
        registers=registers_of(last, at),
        relay=relay_of(last, at),
        instantaneous=instantaneous_of(last, at),
        gaps=gaps_of(held_s, week, period_s),
    )


def _nameplate(nameplate: Nameplate) -> NameplateView:
    return NameplateView(
        serial=nameplate.serial,
        device_id=nameplate.device_id,
        manufacturer=nameplate.manufacturer,
        firmware=nameplate.firmware,
        meter_type=nameplate.meter_type,
        category=nameplate.category,
        current_rating=nameplate.current_rating,
        year=nameplate.year,
        read_at=iso(nameplate.read_s),
    )


def blocks(room: ControlRoom, meter_id: int, period: Period, channels: tuple[str, ...]) -> ReadingBatch:
    """Block loads of one meter; where its block length changed within the period, those of the longest block."""
    readings = room.records.readings
    try:
        return readings.rows(ProfileKind.BLOCK_LOAD, meter_id, period, channels)
    except MixedPeriods as mixed:
        chosen = max(length for length in mixed.periods_s if length in BLOCK_LENGTHS_S)
        return readings.rows(ProfileKind.BLOCK_LOAD, meter_id, period, channels, period_s=chosen)


@get("/meters/{meter_id:int}/curve", opt={"needs": Permission.READ_METERS})
async def curve(request: AnyRequest, meter_id: MeterId, day: Text = "today", why: Why = "") -> Curve:
    """One civil day's blocks and the day before; of a household, opened on record."""
    room, place = room_of(request), place_of(request, meter_id)
    try:
        wanted = parse_day(day, now_s=room.now())
    except NotAnInstant as problem:
        raise not_valid("day", str(problem)) from problem
    await on_record(request, place, why)
    return await room.in_thread(_curve, room, meter_id, wanted)


def _curve(room: ControlRoom, meter_id: int, day: date) -> Curve:
    today, before = civil_day(day), civil_day(day - timedelta(days=1))
    both = Period(start_s=before.start_s, end_s=today.end_s)
    batch = blocks(room, meter_id, both, _CURVE_CHANNELS)
    period_s = batch.period_s or DEFAULT_PERIOD_S
    now_s = int(room.now())
    previous = curve_of(batch, before, period_s, now_s)
    kept = any(slot.import_wh is not None for slot in previous)
    is_today = day == civil_date(now_s)
    return Curve(
        day=day.isoformat(),
        period_s=period_s,
        slots=curve_of(batch, today, period_s, now_s),
        previous_day=previous if kept else None,
        now_w=whole(room.live.power_w[meter_id]) if is_today else None,
    )


HANDLERS = (meters, meters_sheet, meter, curve)
