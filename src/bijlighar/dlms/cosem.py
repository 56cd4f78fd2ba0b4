"""Interface classes: which attributes and methods a class has, by number (IEC 62056-6-2).

The tables hold the newest version that Indian meters show; a meter of an older version lacks the last entries.
They name things for people and check numbers; they do not decode values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bijlighar.dlms.errors import LocalProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceClass:
    """One class. ``attributes`` and ``methods``: number → name; attribute 1 is always the logical name."""

    class_id: int
    name: str
    attributes: Mapping[int, str]
    methods: Mapping[int, str]

    def attribute(self, name: str) -> int:
        """The number of the attribute with this name. Raises LocalProtocolError."""
        return _number(self.attributes, name, self.name)

    def method(self, name: str) -> int:
        """The number of the method with this name. Raises LocalProtocolError."""
        return _number(self.methods, name, self.name)


def _number(names: Mapping[int, str], name: str, owner: str) -> int:
    for number, candidate in names.items():
        if candidate == name:
            return number
    raise LocalProtocolError(f"{owner} has no {name!r}")


def _class(class_id: int, name: str, attributes: str, methods: str = "") -> InterfaceClass:
    return InterfaceClass(
        class_id=class_id,
        name=name,
        attributes=dict(enumerate(["logical_name", *attributes.split()], 1)),
        methods=dict(enumerate(methods.split(), 1)),
    )


DATA = _class(1, "Data", "value")
REGISTER = _class(3, "Register", "value scaler_unit", "reset")
EXTENDED_REGISTER = _class(4, "Extended register", "value scaler_unit status capture_time", "reset")
PROFILE_GENERIC = _class(
    7,
    "Profile generic",
    "buffer capture_objects capture_period sort_method sort_object entries_in_use profile_entries",
    "reset capture",
)
CLOCK = _class(
    8,
    "Clock",
    "time time_zone status daylight_savings_begin daylight_savings_end daylight_savings_deviation"
    " daylight_savings_enabled clock_base",
    "adjust_to_quarter adjust_to_measuring_period adjust_to_minute adjust_to_preset_time preset_adjusting_time"
    " shift_time",
)
ASSOCIATION_LN = _class(
    15,
    "Association LN",
    "object_list associated_partners_id application_context_name xdlms_context_info"
    " authentication_mechanism_name secret association_status security_setup_reference user_list current_user",
    "reply_to_hls_authentication change_hls_secret add_object remove_object add_user remove_user",
)
PUSH_SETUP = _class(
    40,
    "Push setup",
    "push_object_list send_destination_and_method communication_window randomisation_start_interval"
    " number_of_retries repetition_delay",
    "push",
)
SECURITY_SETUP = _class(
    64,
    "Security setup",
    "security_policy security_suite client_system_title server_system_title",
    "security_activate global_key_transfer",
)
DISCONNECT_CONTROL = _class(
    70, "Disconnect control", "output_state control_state control_mode", "remote_disconnect remote_reconnect"
)
LIMITER = _class(
    71,
    "Limiter",
    "monitored_value threshold_active threshold_normal threshold_emergency min_over_threshold_duration"
    " min_under_threshold_duration emergency_profile emergency_profile_group_id_list"
    " emergency_profile_active actions",
)

CLASSES: Mapping[int, InterfaceClass] = {
    known.class_id: known
    for known in (
        DATA,
        REGISTER,
        EXTENDED_REGISTER,
        PROFILE_GENERIC,
        CLOCK,
        ASSOCIATION_LN,
        PUSH_SETUP,
        SECURITY_SETUP,
        DISCONNECT_CONTROL,
        LIMITER,
    )
}
"""By class id: what this package knows by name."""


def attribute_name(class_id: int, attribute: int) -> str:
    """For people: ``Register.value``; numbers where the name is not known."""
    known = CLASSES.get(class_id)
    if known is None:
        return f"class {class_id} attribute {attribute}"
    return f"{known.name}.{known.attributes.get(attribute, attribute)}"


def method_name(class_id: int, method: int) -> str:
    """For people: ``Disconnect control.remote_disconnect``; numbers where the name is not known."""
    known = CLASSES.get(class_id)
    if known is None:
        return f"class {class_id} method {method}"
    return f"{known.name}.{known.methods.get(method, method)}"
