"""Objects that belong to the conversation itself: associations, security setups, counters, names and periods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bijlighar.dlms import axdr
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.association.settings import CONFORMANCE_OF
from bijlighar.dlms.model import Rights
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef
from meterlab import identity
from meterlab.plans import ObjectKey
from meterlab.state import CLIENTS

if TYPE_CHECKING:
    from meterlab.objects import Caller, Objects

ASSOCIATION_CLASS, SECURITY_CLASS, DATA_CLASS, PUSH_CLASS = 15, 64, 1, 40
_LOGICAL_DEVICE_NAME = Obis.parse("0.0.42.0.0.255").octets
_DEMAND_PERIOD = Obis.parse("1.0.0.8.0.255").octets
_STATUS_WORD = Obis.parse("0.0.94.91.18.255").octets
_STATUS_FILTER = Obis.parse("0.0.94.91.26.255").octets
_RELAY_TIME_ACTIVE = Obis.parse("1.0.96.128.25.255").octets
_RELAY_TIME_PASSIVE = Obis.parse("1.0.96.128.30.255").octets
_RELAY_TIME = axdr.structure([axdr.u32(120), axdr.u32(300), axdr.u8(4)])
"""Reconnection after overload: interval and lockout in seconds, tries; the factory's values."""

_COUNTERS = bytes([0, 0, 43, 1])
_DEMAND_PERIOD_S = 1800
_STATUS_BITS = 128
_FILTERED = {3, 4, 11, 51, *range(81, 88)}
_CONTEXT = bytes.fromhex("608574050801")
_MECHANISM = bytes.fromhex("608574050802")
_CIPHERED, _PLAIN = 3, 1
_ASSOCIATED = 2
_POLICY_BOTH = 3
_XDLMS_VERSION = 6
MAX_PDU_OCTETS = 1024
"""What fielded meters can receive."""


def read(objects: Objects, caller: Caller, ref: AttributeRef) -> axdr.Data | None:
    """An attribute above 1 of such an object, or None."""
    obis = ref.obis.octets
    if ref.class_id == ASSOCIATION_CLASS:
        return _association(objects, caller, ref.attribute)
    if ref.class_id == SECURITY_CLASS:
        return _security(objects, caller, ref.attribute)
    if ref.class_id == PUSH_CLASS:
        return _push(ref.attribute)
    if ref.class_id != DATA_CLASS or ref.attribute != 2:
        return None
    if obis[:4] == _COUNTERS:
        return _counter(objects, caller.meter, obis[4])
    if obis in objects.plan(caller.meter).by_period_obis:
        return axdr.u32(objects.plan(caller.meter).by_period_obis[obis].period_s or 0)
    if obis == _LOGICAL_DEVICE_NAME:
        return axdr.octets(identity.system_title(objects.state.town.seed, caller.meter).hex().upper().encode())
    return {
        _RELAY_TIME_ACTIVE: _RELAY_TIME,
        _RELAY_TIME_PASSIVE: _RELAY_TIME,
        _DEMAND_PERIOD: axdr.u16(_DEMAND_PERIOD_S),
        _STATUS_WORD: axdr.bits("0" * _STATUS_BITS),
        _STATUS_FILTER: axdr.bits("".join("1" if bit in _FILTERED else "0" for bit in range(_STATUS_BITS))),
    }.get(obis)


def _counter(objects: Objects, meter: int, number: int) -> axdr.Data | None:
    """The highest invocation counter that the meter accepted; 0.0.43.1.n belongs to the n-th client."""
    if not 1 <= number <= len(CLIENTS):
        return None
    return axdr.u32(max(0, int(objects.state.next_received[meter, number - 1]) - 1))


def _association(objects: Objects, caller: Caller, attribute: int) -> axdr.Data | None:
    association = objects.plan(caller.meter).model.associations[caller.association]
    ciphered = association.ciphering.value != "none"
    if attribute == 2:
        return object_list(objects, caller)
    return {
        3: axdr.structure([axdr.i8(association.client_address), axdr.u16(1)]),
        4: axdr.octets(_CONTEXT + bytes([_CIPHERED if ciphered else _PLAIN])),
        5: _xdlms_context(),
        6: axdr.octets(_MECHANISM + bytes([association.mechanism])),
        8: axdr.enum(_ASSOCIATED),
    }.get(attribute)


def _xdlms_context() -> axdr.Data:
    """Conformance, PDU sizes, version, quality of service, and no ciphering information."""
    conformance = f"{int(CONFORMANCE_OF[Ciphering.GENERAL_GLO]):024b}"
    return axdr.structure(
        [
            axdr.bits(conformance),
            axdr.u16(MAX_PDU_OCTETS),
            axdr.u16(MAX_PDU_OCTETS),
            axdr.u8(_XDLMS_VERSION),
            axdr.i8(0),
            axdr.octets(b""),
        ]
    )


def _push(attribute: int) -> axdr.Data | None:
    """A push setup as it leaves the factory: nothing is pushed anywhere."""
    return {
        2: axdr.array([]),
        3: axdr.structure([axdr.enum(0), axdr.octets(b""), axdr.enum(0)]),
        4: axdr.array([]),
        5: axdr.u16(0),
        6: axdr.u8(3),
        7: axdr.u16(60),
    }.get(attribute)


def _security(objects: Objects, caller: Caller, attribute: int) -> axdr.Data | None:
    return {
        2: axdr.enum(_POLICY_BOTH),
        3: axdr.enum(0),
        4: axdr.octets(b""),
        5: axdr.octets(identity.system_title(objects.state.town.seed, caller.meter)),
    }.get(attribute)


def object_list(objects: Objects, caller: Caller) -> axdr.Data:
    """Attribute 2 of the current association: every object that this client may use, and how."""
    entries = []
    for class_id, obis in sorted(objects.plan(caller.meter).rights):
        rights = objects.rights(caller, class_id, obis)
        if rights is not None and (rights.read or rights.invoke):
            entries.append(_entry((class_id, obis), rights))
    return axdr.array(entries)


def _entry(key: ObjectKey, rights: Rights) -> axdr.Data:
    attributes = [
        axdr.structure([axdr.i8(number), axdr.enum(_mode(rights, number)), axdr.null()])
        for number in sorted(rights.read | rights.write)
    ]
    methods = [axdr.structure([axdr.i8(number), axdr.boolean(True)]) for number in sorted(rights.invoke)]
    access = axdr.structure([axdr.array(attributes), axdr.array(methods)])
    return axdr.structure([axdr.u16(key[0]), axdr.u8(0), axdr.octets(key[1]), access])


def _mode(rights: Rights, attribute: int) -> int:
    """1 read only, 2 write only, 3 both."""
    return (attribute in rights.read) + 2 * (attribute in rights.write)
