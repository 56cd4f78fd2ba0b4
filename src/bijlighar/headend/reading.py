"""The reading script: what one visit to one meter asks, bundled in one association.

The order is: the clock, who it is when that is not known, then each profile that was ordered. Whatever has been
read is in ``Gathered`` at once, so that a connection which breaks later costs only what was not yet read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.exchange import Nameplate
from bijlighar.cim.network import Meter
from bijlighar.cim.period import Period
from bijlighar.dlms import axdr
from bijlighar.dlms.clock import DeviationSign, decode_instant, encode_instant
from bijlighar.dlms.errors import Malformed
from bijlighar.dlms.model import MeterModel, Quirk
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import CLOCK_TIME, AttributeRef, RangeSelection
from bijlighar.headend.coverage import CIVIL_OFFSET_S
from bijlighar.headend.identity import read_nameplate, read_serial
from bijlighar.headend.layouts import BUFFER, PROFILE_CLASS, KeptLayout, LayoutBook, read_layout
from bijlighar.headend.script import Get, ReadRefused, Script

_SIGNAL = AttributeRef(3, Obis.parse("0.1.96.12.5.255"), 2)
_PLAUSIBLE_SIGNAL_DBM = range(-150, 1)
_DAY_S = 86_400
_DATE_TIME, _DATE_TIME_OCTETS = b"\x09\x0c", 14
CLOCK_UNSET = "clock is not set"
"""The remark of a visit to a meter without the time."""

KIND_OF: dict[str, ProfileKind] = {
    "instantaneous": ProfileKind.INSTANTANEOUS,
    "block-load": ProfileKind.BLOCK_LOAD,
    "daily": ProfileKind.DAILY,
    "billing": ProfileKind.BILLING,
}
"""Profiles of a model by the kind that their rows have; every ``event-…`` profile has EVENT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One profile to read. ``ranges``: what of it, by the rows' start; None stands for the whole buffer."""

    profile: str
    ranges: tuple[Period | None, ...] = (None,)

    @property
    def kind(self) -> ProfileKind:
        """The kind of its rows."""
        return KIND_OF.get(self.profile, ProfileKind.EVENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRead:
    """The answer to one range: A-XDR octets of the buffer and what is needed to understand them."""

    order: Order
    asked: Period | None
    layout: KeptLayout
    octets: bytes
    received_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """Meter's clock minus ours and half the round trip, by which that may be wrong; both in milliseconds."""

    offset_ms: int
    doubt_ms: int

    @property
    def told_ms(self) -> int | None:
        """The offset when it is worth telling: an answer a minute on its way says little of a clock."""
        return self.offset_ms if self.doubt_ms <= MOST_DOUBT_MS else None

    def surely_beyond(self, limit_s: float) -> bool:
        """Whether the clock is further off than ``limit_s`` however the round trip was shared."""
        return abs(self.offset_ms) - self.doubt_ms > limit_s * 1000


MOST_DOUBT_MS = 30_000
"""Half the round trip. On real meters a time-out comes first; a town that runs fast shows longer ones."""


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What a visit has brought so far.

    ``finished`` profiles of which every range was answered; ``refused`` those that the meter would not give, and
    why; ``remarks`` oddities for the contact's detail; ``whole`` once everything was asked.
    """

    clock: ClockReading | None = None
    signal_dbm: int | None = None
    nameplate: Nameplate | None = None
    new_layouts: dict[str, KeptLayout] = field(default_factory=dict)
    reads: list[ProfileRead] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    whole: bool = False

    @property
    def clock_offset_ms(self) -> int | None:
        """Meter's clock minus ours, when it was read well enough to tell."""
        return None if self.clock is None else self.clock.told_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One visit's task.

    ``serial``        as in the registry; None takes any meter (reading without a registry)
    ``firmware``      as last known, None before first contact: then the nameplate is read
    ``want_nameplate``, ``want_signal``, ``verify_serial`` ask for more than the orders
    ``may_set_clock`` whether the clock may be set when it is too far off, asked when it is to be set
    ``jumps``         of our own clock, as they were when the visit began
    ``on_read``       called with each answer as it comes
    """

    meter: Meter
    serial: str | None
    model: MeterModel
    firmware: str | None
    orders: tuple[Order, ...]
    layouts: LayoutBook
    now: Callable[[], float]
    want_nameplate: bool = False
    want_signal: bool = True
    verify_serial: bool = False
    may_set_clock: Callable[[], bool] = lambda: True
    jumps: int = 0
    on_read: Callable[[ProfileRead], None] | None = None


def read_meter(errand: Errand, gathered: Gathered) -> Script[None]:
    """The whole visit. Raises WrongMeter before anything is read that could be stored."""
    gathered.clock = yield from read_clock(errand.model, errand.now, gathered)
    firmware = errand.firmware
    if firmware is None or errand.want_nameplate:
        gathered.nameplate = yield from read_nameplate(
            errand.model, errand.meter.meter_id, errand.serial, int(errand.now())
        )
        firmware = gathered.nameplate.firmware
    elif errand.verify_serial and errand.serial is not None:
        yield from read_serial(errand.serial)
    if errand.want_signal:
        gathered.signal_dbm = yield from _read_signal()
    for order in errand.orders:
        try:
            yield from _read_profile(errand, firmware, order, gathered)
            gathered.finished.add(order.profile)
        except ReadRefused as refusal:
            gathered.refused[order.profile] = refusal.result
    gathered.whole = True


def _read_profile(errand: Errand, firmware: str, order: Order, gathered: Gathered) -> Script[None]:
    model = errand.model
    layout = errand.layouts.find(model.name, firmware, order.profile)
    if layout is None:
        layout = yield from read_layout(model, order.profile)
        errand.layouts.remember(model.name, firmware, order.profile, layout)
        gathered.new_layouts[order.profile] = layout
    buffer = AttributeRef(PROFILE_CLASS, model.profiles[order.profile].obis, BUFFER)
    for asked in order.ranges:
        span = asked or _all_of_it(order, layout, model, errand.now())
        questions = [None] if span is None else selections(order.kind, span, layout, model)
        for number, selection in enumerate(questions, start=1):
            octets = yield Get(buffer, selection)
            read = ProfileRead(
                order=order,
                asked=asked if number == len(questions) else None,
                layout=layout,
                octets=octets,
                received_s=int(errand.now()),
            )
            gathered.reads.append(read)
            if errand.on_read is not None:
                errand.on_read(read)


def _all_of_it(order: Order, layout: KeptLayout, model: MeterModel, now_s: float) -> Period | None:
    """The whole buffer as a range, for a make that would answer the question without range with one day only."""
    if order.kind is not ProfileKind.BLOCK_LOAD or Quirk.CUT_BY_DAY not in model.quirks:
        return None
    end_s = int(now_s) + _DAY_S  # the meter's clock may be ahead, or its stamps
    kept_s = model.profiles[order.profile].depth * layout.period_s
    return Period(start_s=end_s - kept_s - 2 * _DAY_S, end_s=end_s)


def selections(
    kind: ProfileKind, asked: Period, layout: KeptLayout, model: MeterModel
) -> list[RangeSelection | None]:
    """Rows that start in ``asked``, as ranges of the meter's stamps with both ends taken in.

    Blocks and midnights are asked for by their exact stamps, because some meters compare whole minutes only.
    What a make cannot do is worked around: None asks for the whole buffer.
    """
    if Quirk.NO_RANGE in model.quirks:
        return [None]
    first_s, last_s = _stamps(kind, asked, layout)
    if last_s < first_s:
        return []
    offset_s = 60 * model.default_offset_min
    if Quirk.RANGE_BY_DAY in model.quirks:
        first_s = (first_s + offset_s) // _DAY_S * _DAY_S - offset_s
        last_s = -(-(last_s + 1 + offset_s) // _DAY_S) * _DAY_S - offset_s - 1
    if Quirk.EMPTY_RANGE_IGNORED in model.quirks and first_s == last_s:
        first_s -= 1
    pieces = [(first_s, last_s)]
    if Quirk.CUT_BY_DAY in model.quirks and kind is ProfileKind.BLOCK_LOAD:
        pieces = _by_day(first_s, last_s, offset_s)
    sign, offset_min = model.deviation_sign, model.default_offset_min
    return [_selection(start_s, end_s, sign, offset_min) for start_s, end_s in pieces]


@lru_cache(maxsize=1_024)
def _selection(start_s: int, end_s: int, sign: DeviationSign, offset_min: int) -> RangeSelection:
    """Most of a city are asked for the same range."""
    return RangeSelection(
        start=encode_instant(start_s, sign, offset_min), end=encode_instant(end_s, sign, offset_min)
    )


def _stamps(kind: ProfileKind, asked: Period, layout: KeptLayout) -> tuple[int, int]:
    """First and last stamp of the rows that start in ``asked``."""
    period_s = layout.period_s
    if not period_s or kind not in (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY):
        return asked.start_s, asked.end_s - 1
    shift_s = period_s if kind is ProfileKind.BLOCK_LOAD and layout.stamps_end else 0
    first_s = -(-(asked.start_s + CIVIL_OFFSET_S) // period_s) * period_s - CIVIL_OFFSET_S
    last_s = (asked.end_s - 1 + CIVIL_OFFSET_S) // period_s * period_s - CIVIL_OFFSET_S
    return first_s + shift_s, last_s + shift_s


def _by_day(first_s: int, last_s: int, offset_s: int) -> list[tuple[int, int]]:
    """The range cut at local midnights; a midnight belongs to the day that it begins."""
    pieces = []
    while first_s <= last_s:
        midnight_s = ((first_s + offset_s) // _DAY_S + 1) * _DAY_S - offset_s
        pieces.append((first_s, min(last_s, midnight_s - 1)))
        first_s = midnight_s
    return pieces


def read_clock(
    model: MeterModel, now: Callable[[], float], gathered: Gathered | None = None
) -> Script[ClockReading | None]:
    """Meter's clock minus ours, corrected by half the round trip; None when it will not tell."""
    asked_s = now()
    try:
        octets = yield Get(CLOCK_TIME)
    except ReadRefused as refusal:
        if gathered is not None:
            gathered.remarks.append(f"clock {refusal.result}")
        return None
    heard_s = now()
    meter_s = _instant(octets, model)
    if meter_s is None:
        if gathered is not None:
            gathered.remarks.append(CLOCK_UNSET)
        return None
    return ClockReading(
        offset_ms=round((meter_s - (asked_s + heard_s) / 2) * 1000), doubt_ms=round((heard_s - asked_s) / 2 * 1000)
    )


def _instant(octets: bytes, model: MeterModel) -> int | None:
    """The clock's time, None when it is not set or names no instant: a meter like that can still be read."""
    if len(octets) == _DATE_TIME_OCTETS and octets[:2] == _DATE_TIME:  # as nearly every clock answers
        value: object = octets[2:]
    else:
        value = axdr.decode(octets).value
    if not isinstance(value, bytes):
        raise Malformed("the clock holds no date-time")
    try:
        return decode_instant(value, model.deviation_sign, model.default_offset_min)
    except Malformed:
        return None


def _read_signal() -> Script[int | None]:
    try:
        value = axdr.plain(axdr.decode((yield Get(_SIGNAL))))
    except ReadRefused:
        return None
    return value if isinstance(value, int) and value in _PLAUSIBLE_SIGNAL_DBM else None
