"""The questions of a probe within one association: object list, clock, nameplate, each profile with its scalers.

Everything is read, nothing is written. Each step is a script of its own, so that a meter which hangs up at one
question still answers the others.
"""

from __future__ import annotations

from collections.abc import Callable

from bijlighar.dlms import axdr
from bijlighar.dlms.axdr import Data
from bijlighar.dlms.clock import CosemInstant, DeviationSign, decode_instant
from bijlighar.dlms.errors import Malformed, RemoteProtocolError
from bijlighar.dlms.model import MeterModel, Profile
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.profile import Scaler, capture_objects_from_octets
from bijlighar.dlms.xdlms import CLOCK_TIME, AttributeRef
from bijlighar.headend.identity import read_nameplate
from bijlighar.headend.layouts import BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD, MOST_PERIOD_S, PROFILE_CLASS
from bijlighar.headend.probe.buffers import rows_of, types_of
from bijlighar.headend.probe.findings import Findings, Measured, ProfileFound
from bijlighar.headend.script import Get, ReadRefused, Script

_OBJECT_LIST = AttributeRef(15, Obis.parse("0.0.40.0.0.255"), 2)
_ENTRIES = 8
_MOST_DEPTH = 0xFFFF
_SCALED_CLASSES, _SCALER = (3, 4, 5), 3
_MOST_DECIMALS = 30
_FAR_S = 3600
"""A clock this far off under either sign says nothing about the sign by itself."""
MOVED_BILLING = Obis.parse("0.0.98.1.0.255")
"""Where some makes keep the billing profile; others have it at 1.0.98.1.0.255."""


class Survey:
    """Fills ``findings``. ``guide`` names the profiles to look for; ``tell`` is called with each step's words."""

    def __init__(
        self, findings: Findings, guide: MeterModel, now: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        self.findings = findings
        self.guide = guide
        self.now = now
        self.tell = tell

    def object_list(self) -> Script[None]:
        """Class 15, attribute 2 of the association that is open."""
        try:
            listed = axdr.decode((yield Get(_OBJECT_LIST))).value
        except ReadRefused as refusal:
            self.findings.remarks.append(f"the object list was refused: {refusal.result}")
            return
        for entry in listed if isinstance(listed, tuple) else ():
            class_id, version, name = _fields(entry, 3)
            if isinstance(class_id, int) and isinstance(version, int) and isinstance(name, bytes):
                self.findings.objects[class_id, Obis.from_octets(name)] = version
        self.tell(f"{len(self.findings.objects)} objects listed so far")

    def clock(self) -> Script[None]:
        """The clock beside ours, under both signs of its deviation."""
        asked_s = self.now()
        octets = axdr.decode((yield Get(CLOCK_TIME))).value
        middle_s = (asked_s + self.now()) / 2
        if not isinstance(octets, bytes):
            raise Malformed("the clock holds no date-time")
        offsets = {}
        for sign in DeviationSign:
            instant = decode_instant(octets, sign, self.guide.default_offset_min)
            if instant is None:
                self.findings.clock_sign = Measured(reason="the clock is not set")
                return
            offsets[sign] = round(instant - middle_s)
        deviation_min = CosemInstant.from_octets(octets).deviation_min
        self.findings.clock_sign, self.findings.clock_offset_s = _judge_sign(offsets, deviation_min)
        self.tell(f"clock: {self.findings.clock_sign.reason}")

    def nameplate(self) -> Script[None]:
        """Who answers."""
        self.findings.nameplate = plate = yield from read_nameplate(self.guide, 0, None, int(self.now()))
        self.tell(f"nameplate: {plate.manufacturer}, category {plate.category or '?'}, firmware {plate.firmware}")

    def profile(self, profile: Profile) -> Script[None]:
        """Columns, scalers, period and depth of one profile; its rows too, unless they are read by range later."""
        obis = self._place_of(profile)
        found = ProfileFound(name=profile.name, obis=obis)
        if self.findings.objects and (PROFILE_CLASS, obis) not in self.findings.objects:
            found.refused = "not in the object list"
        self.findings.profiles[profile.name] = found
        yield from self._captures(found)
        if profile.scaler_obis is not None:
            yield from self._scalers(found, profile.scaler_obis)
        found.period_s = yield from self._number(obis, CAPTURE_PERIOD, MOST_PERIOD_S)
        found.depth = yield from self._number(obis, _ENTRIES, _MOST_DEPTH)
        if profile.name != "block-load":
            yield from self._rows(found)
        seen = f"{len(found.captures or found.types) or 'unknown'} columns, {found.rows} rows seen"
        self.tell(f"{profile.name}: {found.refused or seen}")

    def _captures(self, found: ProfileFound) -> Script[None]:
        try:
            listed = yield Get(AttributeRef(PROFILE_CLASS, found.obis, CAPTURE_OBJECTS))
        except ReadRefused as refusal:
            self.tell(f"{found.name}: capture objects refused ({refusal.result})")
            return
        columns = capture_objects_from_octets(listed)
        if not columns or not all(column.class_id and column.attribute > 0 for column in columns):
            self.findings.remarks.append(f"the capture objects of {found.name} name no attributes")
            return
        found.captures = columns

    def _place_of(self, profile: Profile) -> Obis:
        moved = profile.name == "billing" and (PROFILE_CLASS, MOVED_BILLING) in self.findings.objects
        return MOVED_BILLING if moved else profile.obis

    def _rows(self, found: ProfileFound) -> Script[None]:
        try:
            rows = rows_of((yield Get(AttributeRef(PROFILE_CLASS, found.obis, BUFFER))))
        except ReadRefused as refusal:
            found.refused = found.refused or f"its rows were refused: {refusal.result}"
            return
        found.refused, found.rows, found.types = "", len(rows), types_of(rows, found.captures)

    def _scalers(self, found: ProfileFound, obis: Obis) -> Script[None]:
        try:
            listed = yield Get(AttributeRef(PROFILE_CLASS, obis, CAPTURE_OBJECTS))
            row = yield Get(AttributeRef(PROFILE_CLASS, obis, BUFFER))
        except ReadRefused as refusal:
            self.tell(f"{found.name}: scalers refused ({refusal.result}), asking the registers themselves")
            yield from self._scalers_of_registers(found)
            return
        columns, rows = capture_objects_from_octets(listed), rows_of(row)
        if not rows or len(rows[0]) != len(columns):
            raise Malformed(f"the scaler profile of {found.name} does not fit its own columns")
        for column, cell in zip(columns, rows[0], strict=True):
            found.scalers[column.obis] = _scaler(cell)
        found.scaler_lists = listed, row

    def _scalers_of_registers(self, found: ProfileFound) -> Script[None]:
        for column in found.captures or ():
            if column.class_id not in _SCALED_CLASSES or column.is_instant:
                continue
            try:
                octets = yield Get(AttributeRef(column.class_id, column.obis, _SCALER))
                found.scalers[column.obis] = _scaler(axdr.decode(octets))
            except (ReadRefused, RemoteProtocolError):
                self.findings.remarks.append(f"no scaler is told for {column.class_id}/{column.obis}")

    def _number(self, obis: Obis, attribute: int, most: int) -> Script[int | None]:
        try:
            value = axdr.plain(axdr.decode((yield Get(AttributeRef(PROFILE_CLASS, obis, attribute)))))
        except ReadRefused:
            return None
        return value if isinstance(value, int) and 0 < value <= most else None


def _fields(data: Data, count: int) -> tuple[object, ...]:
    """The first values of a structure. Raises Malformed."""
    if not isinstance(data.value, tuple) or len(data.value) < count:
        raise Malformed(f"a structure of {count} or more elements was expected")
    return tuple(element.value for element in data.value[:count])


def _scaler(data: Data) -> Scaler:
    exponent, unit = _fields(data, 2)
    if not isinstance(exponent, int) or not isinstance(unit, int) or abs(exponent) > _MOST_DECIMALS:
        raise Malformed("a scaler and unit was expected")
    return Scaler(exponent=exponent, unit=unit)


def _judge_sign(offsets: dict[DeviationSign, int], deviation_min: int) -> tuple[Measured, int]:
    near = min(offsets, key=lambda sign: abs(offsets[sign]))
    if len(set(offsets.values())) == 1:
        return Measured(reason="the clock leaves its deviation open"), offsets[near]
    other = next(offsets[sign] for sign in offsets if sign is not near)
    told = f"deviation {deviation_min:+d}"
    if abs(offsets[near]) > _FAR_S:
        sign = DeviationSign.INDIAN if deviation_min > 0 else DeviationSign.BLUE_BOOK
        return Measured(value=sign, reason=f"{told}; the clock is {offsets[sign]:+d} s off"), offsets[sign]
    reason = f"{told} puts the clock {offsets[near]:+d} s from ours, the other sign {other:+d} s"
    return Measured(value=near, reason=reason), offsets[near]
