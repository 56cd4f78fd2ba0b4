"""Checks of load profiles: columns, rows, stamps, and selective access (class 7, IEC 62056-6-2).

Rows are those of yesterday by the utility's day: enough to see a make's faults, and quickly read over any radio.
"""

from __future__ import annotations

from typing import Final

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.model import Profile, Quirk
from bijlighar.dlms.profile import SCALER_ATTRIBUTE, capture_objects_from_octets, scaler_from_octets
from bijlighar.dlms.xdlms import AttributeRef, EntrySelection, RangeSelection
from bijlighar.headend.conformance.bench import Bench, Wish
from bijlighar.headend.conformance.rows import Rows, rows_of
from bijlighar.headend.conformance.talk import Talk, declared, named, word
from bijlighar.headend.conformance.verdicts import Chapter, Failed, NotApplicable

PROFILES: Final = Chapter("IEC 62056-6-2, class 7")
DAY_S: Final = 86_400
_BLOCKS, _DAYS = "block-load", "daily"
_READ_WHOLE: Final = ("instantaneous", "daily", "nameplate")
"""Profiles short enough to be read whole."""
_SCALED_CLASSES: Final = (3, 4, 5)
_FIRST_IN_FIRST_OUT: Final = 1
_ENTRIES: Final = (2, 4)
_AHEAD_S: Final = 10 * DAY_S
_ALL_COLUMNS: Final = 0


def yesterday_s(bench: Bench) -> int:
    """When yesterday began, by the utility's day."""
    offset_s = bench.model.default_offset_min * 60
    return (int(bench.now()) + offset_s) // DAY_S * DAY_S - offset_s - DAY_S


def _profile(bench: Bench, name: str) -> Profile:
    profile = bench.model.profiles.get(name)
    if profile is None:
        raise NotApplicable(f"the model has no {name} profile")
    return profile


def _buffer(profile: Profile, attribute: int = 2) -> AttributeRef:
    return AttributeRef(7, profile.obis, attribute)


def _range(bench: Bench, first_s: int, last_s: int) -> RangeSelection:
    sign, offset_min = bench.model.deviation_sign, bench.model.default_offset_min
    return RangeSelection(
        start=encode_instant(first_s, sign, offset_min), end=encode_instant(last_s, sign, offset_min)
    )


def _clock_column(profile: Profile) -> int | None:
    return profile.layout.clock_column


async def _rows(talk: Talk, profile: Profile, selection: RangeSelection | EntrySelection | None = None) -> Rows:
    return rows_of(await talk.value(_buffer(profile), selection), _clock_column(profile))


async def _yesterday(bench: Bench, talk: Talk) -> Rows:
    """The blocks of yesterday; the whole buffer from a make that knows no range."""
    blocks = _profile(bench, _BLOCKS)
    if bench.has(Quirk.NO_RANGE):
        return await _rows(talk, blocks)
    begin_s = yesterday_s(bench)
    return await _rows(talk, blocks, _range(bench, begin_s, begin_s + DAY_S - 1))


def _stamps(bench: Bench, rows: Rows, period_s: int | None) -> list[int]:
    """Stamps as they came. Raises Failed for a null clock that the model does not declare."""
    step_s = None
    if bench.has(Quirk.NULL_CLOCKS) and period_s is not None:
        step_s = -period_s if bench.model.newest_first else period_s
    return rows.stamps_s(bench.model.deviation_sign, bench.model.default_offset_min, step_s)


def _some(rows: Rows, least: int = 1) -> Rows:
    if len(rows) < least:
        raise NotApplicable(f"{len(rows)} rows of yesterday are too few to see it")
    return rows


async def _each(bench: Bench, talk: Talk) -> list[tuple[Profile, Rows]]:
    """The profiles that are short, and yesterday's blocks."""
    found = [(_profile(bench, _BLOCKS), await _yesterday(bench, talk))] if _BLOCKS in bench.model.profiles else []
    for name in _READ_WHOLE:
        profile = bench.model.profiles.get(name)
        if profile is not None:
            found.append((profile, await _rows(talk, profile)))
    return found


@PROFILES.check("capture_objects")
async def _every_row_has_as_many_cells_as_there_are_capture_objects(bench: Bench) -> str:
    seen = []
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for profile, rows in await _each(bench, talk):
            columns = len(profile.columns)
            if not bench.has(Quirk.CAPTURE_OBJECTS_REFUSED):
                columns = len(capture_objects_from_octets(await talk.value(_buffer(profile, 3))))
            wrong = rows.widths() - {columns}
            if wrong:
                raise Failed(f"{profile.name}: {columns} capture objects, rows of {sorted(rows.widths())} cells")
            seen.append(f"{profile.name} {columns}")
    return "columns: " + ", ".join(seen)


@PROFILES.check("capture_objects")
async def _the_columns_are_those_that_the_model_lists(bench: Bench) -> str:
    declared(bench.has(Quirk.CAPTURE_OBJECTS_REFUSED), "the model says that attribute 3 is refused")
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for profile in bench.model.profiles.values():
            told = capture_objects_from_octets(await talk.value(_buffer(profile, 3)))
            listed = profile.layout.capture_objects
            if told != listed:
                raise Failed(f"{profile.name}: the meter tells {len(told)} columns, not the model's {len(listed)}")
    return f"{len(bench.model.profiles)} profiles"


@PROFILES.check("buffer")
async def _no_cell_is_null_but_where_the_model_says_so(bench: Bench) -> str:
    count = 0
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for profile, rows in await _each(bench, talk):
            allowed = _clock_column(profile) if bench.has(Quirk.NULL_CLOCKS) else None
            nulls = [(row, column) for row, column in rows.nulls() if column != allowed or row == 0]
            if nulls:
                row, column = nulls[0]
                raise Failed(
                    f"{profile.name}: {len(nulls)} cells are null, first row {row + 1} column {column + 1}"
                )
            count += sum(len(row) for row in rows.cells)
    return f"{count} cells"


@PROFILES.check("buffer")
async def _a_profile_holds_no_more_rows_than_it_has_room_for(bench: Bench) -> str:
    seen = []
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for profile, rows in await _each(bench, talk):
            if len(rows) > profile.depth:
                raise Failed(f"{profile.name}: {len(rows)} rows, {profile.depth} are kept")
            seen.append(f"{profile.name} {len(rows)} of {profile.depth}")
    return ", ".join(seen)


@PROFILES.check("scaler_unit of what is captured")
async def _every_number_of_a_register_has_its_scaler(bench: Bench) -> str:
    wanted = {
        column.column.obis: column.column.class_id
        for profile in bench.model.profiles.values()
        for column in profile.columns
        if column.column.class_id in _SCALED_CLASSES and column.scaler is not None
    }
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for obis, class_id in wanted.items():
            scaler = AttributeRef(class_id, obis, SCALER_ATTRIBUTE)
            scaler_from_octets(await talk.value(scaler))
    return f"{len(wanted)} registers"


@PROFILES.check("scaler profile (IS 15959)")
async def _the_scaler_profile_has_a_scaler_for_each_of_its_columns(bench: Bench) -> str:
    declared(bench.has(Quirk.SCALERS_REFUSED), "the model says that scaler profiles are refused")
    profiles = [profile for profile in bench.model.profiles.values() if profile.scaler_obis is not None]
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        for profile in profiles:
            assert profile.scaler_obis is not None, "chosen so"
            columns = capture_objects_from_octets(await talk.value(AttributeRef(7, profile.scaler_obis, 3)))
            rows = rows_of(await talk.value(AttributeRef(7, profile.scaler_obis, 2)), None)
            if len(rows) != 1 or rows.widths() != {len(columns)}:
                raise Failed(
                    f"{profile.name}: {len(rows)} rows of {sorted(rows.widths())} for {len(columns)} columns"
                )
            for cell in rows.cells[0]:
                scaler_from_octets(axdr.encode(cell))
    return f"{len(profiles)} scaler profiles"


@PROFILES.check("capture_period")
async def _stamps_stand_on_the_capture_period(bench: Bench) -> str:
    blocks = _profile(bench, _BLOCKS)
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        period = axdr.plain(axdr.decode(await talk.value(_buffer(blocks, 4))))
        rows = _some(await _yesterday(bench, talk), 2)
    if not isinstance(period, int) or period <= 0:
        raise Failed(f"the capture period is {period!r}")
    if blocks.period_s not in (None, period):
        raise Failed(f"the capture period is {period} s, {blocks.period_s} s in the model")
    stamps = _stamps(bench, rows, period)
    offset_s = bench.model.default_offset_min * 60
    off = [stamp for stamp in stamps if (stamp + offset_s) % period]
    if off:
        raise Failed(f"{len(off)} of {len(stamps)} stamps stand between the periods of {period} s")
    return f"{len(stamps)} stamps, {period} s apart"


@PROFILES.check("sort_method")
async def _rows_come_in_the_order_that_the_model_says(bench: Bench) -> str:
    blocks = _profile(bench, _BLOCKS)
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        rows = _some(await _yesterday(bench, talk), 2)
    stamps = _stamps(bench, rows, blocks.period_s)
    newest_first = bench.model.newest_first
    if stamps != sorted(set(stamps), reverse=newest_first):
        raise Failed(f"the stamps do not {'fall' if newest_first else 'grow'} from row to row")
    return f"{len(stamps)} rows, {'newest' if newest_first else 'oldest'} first"


@PROFILES.check("selective access by range")
async def _a_range_brings_the_rows_inside_it_and_no_others(bench: Bench) -> str:
    declared(bench.has(Quirk.NO_RANGE), "the model says that the make knows no range")
    blocks, begin_s = _profile(bench, _BLOCKS), yesterday_s(bench)
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        whole = _some(await _yesterday(bench, talk), 6)
        stamps = _stamps(bench, whole, blocks.period_s)
        outside = [stamp for stamp in stamps if not begin_s <= stamp < begin_s + DAY_S]
        if outside:
            raise Failed(f"{len(outside)} of {len(stamps)} rows lie outside the day that was asked for")
        if bench.has(Quirk.RANGE_BY_DAY):
            return f"{len(stamps)} rows of one day; the model says that ranges are whole days"
        inner = sorted(stamps)[len(stamps) // 3 : 2 * len(stamps) // 3]
        part = await _rows(talk, blocks, _range(bench, inner[0], inner[-1]))
    found = _stamps(bench, part, blocks.period_s)
    if sorted(found) != inner:
        raise Failed(f"{len(found)} rows came, {len(inner)} lie in the range, both ends taken in")
    return f"{len(inner)} of {len(stamps)} rows"


@PROFILES.check("selective access by range")
async def _a_range_without_rows_is_an_empty_array_and_no_error(bench: Bench) -> str:
    declared(bench.has(Quirk.NO_RANGE), "the model says that the make knows no range")
    begin_s = yesterday_s(bench) + _AHEAD_S
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        answer = await talk.get(_buffer(_profile(bench, _BLOCKS)), _range(bench, begin_s, begin_s + DAY_S - 1))
    if answer.value is None:
        raise Failed(f"a range in the future is answered by {word(answer.result)}")
    rows = rows_of(answer.value, None)
    if len(rows):
        raise Failed(f"{len(rows)} rows came from a day that has not been")
    return "no rows of a day to come"


@PROFILES.check("selective access by entry")
async def _entries_asked_for_by_number_come_and_no_others(bench: Bench) -> str:
    days = _profile(bench, _DAYS)
    first, last = _ENTRIES
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        method = axdr.plain(axdr.decode(await talk.value(_buffer(days, 5))))
        whole = _some(await _rows(talk, days), last + 1)
        part = await _rows(talk, days, EntrySelection(first=first, last=last))
    oldest_is_first = method == _FIRST_IN_FIRST_OUT
    every = sorted(_stamps(bench, whole, days.period_s), reverse=not oldest_is_first)
    found = sorted(_stamps(bench, part, days.period_s), reverse=not oldest_is_first)
    if found != every[first - 1 : last]:
        raise Failed(f"entries {first} to {last} brought {len(found)} rows, not those of these numbers")
    return f"entries {first} to {last} of {len(every)}, sort method {method!r}"


@PROFILES.check("selective access by entry")
async def _columns_asked_for_by_number_come_and_no_others(bench: Bench) -> str:
    days = _profile(bench, _DAYS)
    selection = EntrySelection(first=1, last=2, first_column=2, last_column=3)
    async with bench.open(Wish(role=bench.reading_role)) as talk:
        whole = await _rows(talk, days, EntrySelection(first=1, last=2, first_column=1, last_column=_ALL_COLUMNS))
        part = await _rows(talk, days, selection)
    _some(whole)
    if [row[1:3] for row in whole.cells] != list(part.cells):
        raise Failed(f"columns 2 to 3 of {named(_buffer(days))} brought rows of {sorted(part.widths())} cells")
    return f"columns 2 to 3 of {min(whole.widths())}"
