"""The disconnect control (class 70) and the limiter (class 71) of a meter with a relay.

Which commands a control mode allows is the table of modes in IEC 62056-6-2, class 70. Where a consumer must act to
close the switch, remote reconnection ends in "ready", for a virtual consumer does not act.
"""

from __future__ import annotations

from bijlighar.dlms import axdr
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult
from meterlab.state import ControlState, State

DISCONNECT_CONTROL = (70, Obis.parse("0.0.96.3.10.255").octets)
LIMITER = (71, Obis.parse("0.0.17.0.0.255").octets)
DISCONNECT, RECONNECT = 1, 2
RELAY_OPENED, RELAY_CLOSED = 301, 302
LOAD_LIMIT_SET = 158

_MODES_WITH_DISCONNECT = {1, 2, 3, 4, 5, 6, 7}
_MODES_WITH_DIRECT_RECONNECT = {2, 4, 7}
_ACTIVE_POWER = (3, Obis.parse("1.0.1.7.0.255").octets)
_NO_ACTION = axdr.structure([axdr.octets(bytes(6)), axdr.u16(0)])


def invoke(state: State, meter: int, method: int, now_s: float) -> ActionResult:
    """Remote disconnect (1) or remote reconnect (2)."""
    if method == DISCONNECT:
        return _disconnect(state, meter, now_s)
    if method == RECONNECT:
        return _reconnect(state, meter, now_s)
    return ActionResult.OBJECT_UNDEFINED


def _disconnect(state: State, meter: int, now_s: float) -> ActionResult:
    if int(state.control_mode[meter]) not in _MODES_WITH_DISCONNECT:
        return ActionResult.READ_WRITE_DENIED
    was = state.control_state[meter]
    state.control_state[meter] = ControlState.DISCONNECTED
    if was == ControlState.CONNECTED:
        state.interruptions.relay_opened(meter, int(now_s))
        state.log_event(meter, now_s, RELAY_OPENED, "control")
    return ActionResult.SUCCESS


def _reconnect(state: State, meter: int, now_s: float) -> ActionResult:
    """Refused unless the relay stands disconnected, as fielded meters do."""
    if state.control_state[meter] != ControlState.DISCONNECTED:
        return ActionResult.READ_WRITE_DENIED
    if int(state.control_mode[meter]) not in _MODES_WITH_DIRECT_RECONNECT:
        state.control_state[meter] = ControlState.READY
        return ActionResult.SUCCESS
    state.control_state[meter] = ControlState.CONNECTED
    state.interruptions.relay_closed(meter, int(now_s))
    state.log_event(meter, now_s, RELAY_CLOSED, "control")
    return ActionResult.SUCCESS


def read_control(state: State, meter: int, attribute: int) -> axdr.Data | None:
    """An attribute of the disconnect control, or None."""
    control = ControlState(int(state.control_state[meter]))
    return {
        2: axdr.boolean(control is ControlState.CONNECTED),
        3: axdr.enum(control),
        4: axdr.enum(int(state.control_mode[meter])),
    }.get(attribute)


def write_control(state: State, meter: int, attribute: int, value: axdr.Data) -> DataAccessResult:
    """Only the control mode (4) can be written."""
    mode = value.value
    if attribute != 4 or value.tag is not axdr.Tag.ENUM or not isinstance(mode, int) or not 0 <= mode <= 7:
        return DataAccessResult.TYPE_UNMATCHED
    state.control_mode[meter] = mode
    return DataAccessResult.SUCCESS


def read_limiter(state: State, meter: int, attribute: int) -> axdr.Data | None:
    """An attribute of the limiter, or None. No emergency profile is ever active."""
    profile = axdr.structure([axdr.u16(0), axdr.octets(bytes(12)), axdr.u32(0)])
    return {
        2: axdr.structure([axdr.u16(_ACTIVE_POWER[0]), axdr.octets(_ACTIVE_POWER[1]), axdr.i8(2)]),
        3: axdr.u32(int(state.limit_w[meter])),
        4: axdr.u32(int(state.limit_w[meter])),
        5: axdr.u32(int(state.emergency_w[meter])),
        6: axdr.u32(int(state.over_s[meter])),
        7: axdr.u32(int(state.under_s[meter])),
        8: profile,
        9: axdr.array([]),
        10: axdr.boolean(False),
        11: axdr.structure([_NO_ACTION, _NO_ACTION]),
    }.get(attribute)


def write_limiter(state: State, meter: int, attribute: int, value: axdr.Data, now_s: float) -> DataAccessResult:
    """Thresholds (4, 5) and durations (6, 7)."""
    column = {4: state.limit_w, 5: state.emergency_w, 6: state.over_s, 7: state.under_s}.get(attribute)
    if column is None or value.tag is not axdr.Tag.DOUBLE_LONG_UNSIGNED or not isinstance(value.value, int):
        return DataAccessResult.TYPE_UNMATCHED
    column[meter] = value.value
    state.programmed(meter, now_s, LOAD_LIMIT_SET)
    return DataAccessResult.SUCCESS
