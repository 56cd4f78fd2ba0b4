"""What a meter answers: GET, SET and ACTION on every object of its model, by the rights of the association."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import decode_instant
from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.model import Profile, Quantity, Quirk, Rights
from bijlighar.dlms.profile import capture_objects_to_octets, scaler_to_octets
from bijlighar.dlms.xdlms import ActionResult, AttributeRef, DataAccessResult, MethodRef, Selection
from meterlab import associations, relay, rows
from meterlab.at_instants import Instants, at_instants
from meterlab.calendar import SLOT_S, day_of, month_of_day
from meterlab.distortions import Distortion
from meterlab.events import CLOCK_SET, last_code
from meterlab.nameplate import NAMES, Nameplate
from meterlab.over_blocks import Blocks, over_blocks
from meterlab.over_months import Months, over_months
from meterlab.plans import INSTANT_TYPE, PROFILE_CLASS, ModelPlan, exponent_of
from meterlab.profiles import Profiles, Table
from meterlab.quantities import Series, Source, wire
from meterlab.registers import instants
from meterlab.selection import asked
from meterlab.state import State

CLOCK_CLASS, DATA_CLASS = 8, 1
_BUFFER, _CAPTURE_OBJECTS, _CAPTURE_PERIOD, _SORT_METHOD, _SORT_OBJECT, _IN_USE, _ENTRIES = range(2, 9)
_EVENT_CODE = "event-code-"
_FIRST_IN_FIRST_OUT = 1
_SCALER, _STATUS = 3, 4
_NO_OBJECT = axdr.structure([axdr.u16(0), axdr.octets(bytes(6)), axdr.i8(0), axdr.u16(0)])

Answer = bytes | DataAccessResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the meter, the association by its name in the model, and when (town time)."""

    meter: int
    association: str
    now_s: float


class Objects:
    """The objects of all meters of a town."""

    def __init__(self, source: Source, plans: dict[str, ModelPlan]) -> None:
        self.source = source
        self.state: State = source.state
        self.profiles = Profiles(source)
        self.distortions: dict[int, Distortion] = {}
        self._plans = plans

    def plan(self, meter: int) -> ModelPlan:
        """The plan of a meter's model."""
        return self._plans[self.source.town.model_name(meter)]

    def rights(self, caller: Caller, class_id: int, obis: bytes) -> Rights | None:
        """What the caller may do with an object; None for an object that the meter has not."""
        return self.plan(caller.meter).rights_of(caller.association, class_id, obis)

    def get(self, caller: Caller, ref: AttributeRef, selection: Selection | None) -> Answer:
        """The octets of an attribute, or why not."""
        obis = ref.obis.octets
        rights = self.rights(caller, ref.class_id, obis)
        if rights is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if ref.attribute not in rights.read:
            return DataAccessResult.READ_WRITE_DENIED
        if ref.attribute == 1:
            return axdr.encode(axdr.octets(obis))
        if ref.class_id == PROFILE_CLASS:
            return self._get_profile(caller, obis, ref.attribute, selection)
        value = self._value(caller, ref)
        return DataAccessResult.OBJECT_UNAVAILABLE if value is None else value

    def _value(self, caller: Caller, ref: AttributeRef) -> bytes | None:
        obis, meter = ref.obis.octets, caller.meter
        if ref.class_id == CLOCK_CLASS:
            return self._clock(caller, ref.attribute)
        special: axdr.Data | None = None
        if (ref.class_id, obis) == relay.DISCONNECT_CONTROL:
            special = relay.read_control(self.state, meter, ref.attribute)
        elif (ref.class_id, obis) == relay.LIMITER:
            special = relay.read_limiter(self.state, meter, ref.attribute)
        elif ref.class_id != DATA_CLASS or obis not in self.plan(meter).quantities:
            special = associations.read(self, caller, ref)
        return self._quantity(caller, ref) if special is None else axdr.encode(special)

    def _clock(self, caller: Caller, attribute: int) -> bytes | None:
        plan = self.plan(caller.meter)
        if attribute == 2:
            shown = np.asarray([int(self.state.clock_s(caller.meter, caller.now_s))])
            return b"\x09\x0c" + rows.instants(shown, plan.deviation_min).tobytes()
        never = axdr.octets(b"\xff" * 9 + b"\x80\x00\xff")
        value = {
            3: axdr.i16(plan.deviation_min),
            4: axdr.u8(0),
            5: never,
            6: never,
            7: axdr.i8(0),
            8: axdr.boolean(False),
            9: axdr.enum(1),
        }.get(attribute)
        return None if value is None else axdr.encode(value)

    def _quantity(self, caller: Caller, ref: AttributeRef) -> bytes | None:
        """Attribute 2 (or what the model captures) of a quantity's own object, or its scaler."""
        found = self.plan(caller.meter).quantities.get(ref.obis.octets, {})
        quantity = found.get(ref.attribute)
        if quantity is not None:
            return self._cell(caller, quantity)
        scaler = next((q.scaler for q in found.values() if q.scaler), None)
        if ref.attribute == _SCALER and scaler is not None:
            return scaler_to_octets(scaler)
        return axdr.encode(axdr.null()) if ref.attribute == _STATUS else None

    def _cell(self, caller: Caller, quantity: Quantity) -> bytes | None:
        if quantity.name in NAMES:
            plate = self.nameplate(caller.meter).cell(quantity)
            return None if plate is None else axdr.encode(plate)
        value = self._now(caller, quantity.name)
        if value is None:
            return None
        kind = rows.INSTANT if quantity.type == INSTANT_TYPE else quantity.type
        column = rows.Column(kind=kind, values=wire(value, exponent_of(quantity), quantity.type))
        return rows.cell(column, self.plan(caller.meter).deviation_min)

    def _now(self, caller: Caller, name: str) -> Series | None:
        """A quantity now: of the last block that ended, the last billing, the last entry of a log."""
        meter, now = caller.meter, np.asarray([int(caller.now_s)])
        value = at_instants(Instants(self.source, meter, now), name)
        if value is not None:
            return value
        if name.startswith(_EVENT_CODE):
            code = last_code(self.state, meter, name.removeprefix(_EVENT_CODE), int(caller.now_s))
            return Series(values=np.asarray([code]))
        period_s = self.plan(meter).model.profiles["block-load"].period_s or SLOT_S
        blocks = Blocks(self.source, meter, instants(int(now[0]) - period_s, int(now[0]), period_s), period_s)
        value = over_blocks(blocks, name)
        if value is None:
            month = np.asarray([month_of_day(day_of(caller.now_s))])
            value = over_months(Months(self.source, meter, month), name)
        return value

    def nameplate(self, meter: int) -> Nameplate:
        """What stands on a meter."""
        return Nameplate.of(self.state, meter, self.plan(meter).model.category)

    def _get_profile(self, caller: Caller, obis: bytes, attribute: int, selection: Selection | None) -> Answer:
        plan = self.plan(caller.meter)
        profile = plan.by_obis.get(obis)
        if attribute == _CAPTURE_OBJECTS and profile and Quirk.CAPTURE_OBJECTS_REFUSED in plan.model.quirks:
            return DataAccessResult.READ_WRITE_DENIED
        if profile is None and Quirk.SCALERS_REFUSED in plan.model.quirks:
            return DataAccessResult.READ_WRITE_DENIED
        if profile is None:
            return _scaler_profile(plan.by_scaler_obis[obis], attribute)
        if attribute == _BUFFER:
            return self._buffer(caller, profile, selection)
        if attribute == _CAPTURE_OBJECTS:
            return capture_objects_to_octets(profile.layout.capture_objects)
        return axdr.encode(
            {
                _CAPTURE_PERIOD: axdr.u32(profile.period_s or 0),
                _SORT_METHOD: axdr.enum(_FIRST_IN_FIRST_OUT),
                _SORT_OBJECT: _NO_OBJECT,
                _IN_USE: axdr.u32(profile.depth),
                _ENTRIES: axdr.u32(profile.depth),
            }[attribute]
        )

    def _buffer(self, caller: Caller, profile: Profile, selection: Selection | None) -> Answer:
        plan = self.plan(caller.meter)
        if profile.name == "nameplate":
            cells = [self.nameplate(caller.meter).cell(column) or axdr.null() for column in profile.columns]
            return axdr.encode(axdr.array([axdr.structure(cells)]))
        try:
            table = self.table(caller, profile, selection)
        except RemoteProtocolError:
            return DataAccessResult.TYPE_UNMATCHED
        distorted = self.distortions.get(caller.meter)
        if distorted is not None:
            return distorted(table.encoded(), plan.deviation_min)
        if profile.period_s and table.first_is_clock and Quirk.NULL_CLOCKS in plan.model.quirks:
            step_s = -profile.period_s if plan.model.newest_first else profile.period_s
            return rows.buffer_with_null_clocks(table.encoded(), plan.deviation_min, step_s)
        return rows.buffer(table.encoded(), plan.deviation_min)

    def table(self, caller: Caller, profile: Profile, selection: Selection | None) -> Table:
        """The rows of a profile as numbers. Raises RemoteProtocolError for a selection that means nothing."""
        plan = self.plan(caller.meter)
        return self.profiles.table(caller.meter, plan, profile, asked(plan, profile, selection), caller.now_s)

    def set(self, caller: Caller, ref: AttributeRef, value: axdr.Data) -> DataAccessResult:
        """Write an attribute, or say why not."""
        key = (ref.class_id, ref.obis.octets)
        rights = self.rights(caller, *key)
        if rights is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if ref.attribute not in rights.write:
            return DataAccessResult.READ_WRITE_DENIED
        if ref.class_id == CLOCK_CLASS:
            return self._set_clock(caller, value)
        if key == relay.DISCONNECT_CONTROL:
            return relay.write_control(self.state, caller.meter, ref.attribute, value)
        if key == relay.LIMITER:
            return relay.write_limiter(self.state, caller.meter, ref.attribute, value, caller.now_s)
        return DataAccessResult.OTHER_REASON

    def _set_clock(self, caller: Caller, value: axdr.Data) -> DataAccessResult:
        sign = self.plan(caller.meter).model.deviation_sign
        if not isinstance(value.value, bytes):
            return DataAccessResult.TYPE_UNMATCHED
        try:
            shown_s = decode_instant(value.value, sign)
        except RemoteProtocolError:
            shown_s = None
        if shown_s is None:
            return DataAccessResult.TYPE_UNMATCHED
        self.state.set_clock(caller.meter, shown_s, caller.now_s)
        self.state.programmed(caller.meter, caller.now_s, CLOCK_SET)
        return DataAccessResult.SUCCESS

    def act(self, caller: Caller, ref: MethodRef) -> ActionResult:
        """Invoke a method, or say why not."""
        key = (ref.class_id, ref.obis.octets)
        rights = self.rights(caller, *key)
        if rights is None:
            return ActionResult.OBJECT_UNDEFINED
        if ref.method not in rights.invoke:
            return ActionResult.READ_WRITE_DENIED
        if key == relay.DISCONNECT_CONTROL:
            return relay.invoke(self.state, caller.meter, ref.method, caller.now_s)
        return ActionResult.OTHER_REASON


def _scaler_profile(profile: Profile, attribute: int) -> Answer:
    """A scaler profile has one row, and the scaler attributes as its columns."""
    captures, row = profile.layout.scaler_profile()
    if attribute == _BUFFER:
        return row
    if attribute == _CAPTURE_OBJECTS:
        return captures
    return axdr.encode(axdr.u32(0 if attribute == _CAPTURE_PERIOD else 1))
