"""Interface classes: attributes and methods by number, with types and usual access (IEC 62056-6-2).

The tables hold the newest version that Indian meters show; a meter of an older version lacks the last entries.
They name things for people and check numbers; they do not decode values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bijlighar.dlms.errors import LocalProtocolError


class Access(Enum):
    """What a setting client may usually do with an attribute; a meter's own object list has the last word."""

    READ = "r"
    READ_WRITE = "rw"
    WRITE = "w"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceClass:
    """One class. ``attributes`` and ``methods``: number → name; attribute 1 is always the logical name.

    ``types`` of the attributes and ``parameters`` of the methods: number → the standard's word for the type, "any"
    where the meter chooses; ``access`` number → what is usual.
    """

    class_id: int
    name: str
    attributes: Mapping[int, str]
    types: Mapping[int, str]
    access: Mapping[int, Access]
    methods: Mapping[int, str]
    parameters: Mapping[int, str]

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
    """Attributes are written ``name:type:access`` from attribute 2 on, methods ``name:type of the parameter``."""
    written = ["logical_name:octet-string:r", *attributes.split()]
    parts = {number: entry.split(":") for number, entry in enumerate(written, 1)}
    invoked = {number: entry.split(":") for number, entry in enumerate(methods.split(), 1)}
    return InterfaceClass(
        class_id=class_id,
        name=name,
        attributes={number: part[0] for number, part in parts.items()},
        types={number: part[1] for number, part in parts.items()},
        access={number: Access(part[2]) for number, part in parts.items()},
        methods={number: part[0] for number, part in invoked.items()},
        parameters={number: part[1] for number, part in invoked.items()},
    )


DATA = _class(1, "Data", "value:any:rw")
REGISTER = _class(3, "Register", "value:any:r scaler_unit:structure:r", "reset:integer")
EXTENDED_REGISTER = _class(
    4,
    "Extended register",
    "value:any:r scaler_unit:structure:r status:any:r capture_time:octet-string:r",
    "reset:integer",
)
DEMAND_REGISTER = _class(
    5,
    "Demand register",
    "current_average_value:any:r last_average_value:any:r scaler_unit:structure:r status:any:r"
    " capture_time:octet-string:r start_time_current:octet-string:r period:double-long-unsigned:rw"
    " number_of_periods:long-unsigned:rw",
    "reset:integer next_period:integer",
)
PROFILE_GENERIC = _class(
    7,
    "Profile generic",
    "buffer:array:r capture_objects:array:r capture_period:double-long-unsigned:rw sort_method:enum:r"
    " sort_object:structure:r entries_in_use:double-long-unsigned:r profile_entries:double-long-unsigned:r",
    "reset:integer capture:integer",
)
CLOCK = _class(
    8,
    "Clock",
    "time:octet-string:rw time_zone:long:rw status:unsigned:r daylight_savings_begin:octet-string:rw"
    " daylight_savings_end:octet-string:rw daylight_savings_deviation:integer:rw"
    " daylight_savings_enabled:boolean:rw clock_base:enum:r",
    "adjust_to_quarter:integer adjust_to_measuring_period:integer adjust_to_minute:integer"
    " adjust_to_preset_time:integer preset_adjusting_time:structure shift_time:long",
)
SCRIPT_TABLE = _class(9, "Script table", "scripts:array:r", "execute:long-unsigned")
ASSOCIATION_LN = _class(
    15,
    "Association LN",
    "object_list:array:r associated_partners_id:structure:r application_context_name:any:r"
    " xdlms_context_info:structure:r authentication_mechanism_name:any:r secret:octet-string:w"
    " association_status:enum:r security_setup_reference:octet-string:r user_list:array:r"
    " current_user:structure:r",
    "reply_to_hls_authentication:octet-string change_hls_secret:octet-string add_object:structure"
    " remove_object:structure add_user:structure remove_user:structure",
)
IMAGE_TRANSFER = _class(
    18,
    "Image transfer",
    "image_block_size:double-long-unsigned:r image_transferred_blocks_status:bit-string:r"
    " image_first_not_transferred_block_number:double-long-unsigned:r image_transfer_enabled:boolean:rw"
    " image_transfer_status:enum:r image_to_activate_info:array:r",
    "image_transfer_initiate:structure image_block_transfer:structure image_verify:integer image_activate:integer",
)
ACTIVITY_CALENDAR = _class(
    20,
    "Activity calendar",
    "calendar_name_active:octet-string:r season_profile_active:array:r week_profile_table_active:array:r"
    " day_profile_table_active:array:r calendar_name_passive:octet-string:rw season_profile_passive:array:rw"
    " week_profile_table_passive:array:rw day_profile_table_passive:array:rw"
    " activate_passive_calendar_time:octet-string:rw",
    "activate_passive_calendar:integer",
)
SINGLE_ACTION_SCHEDULE = _class(
    22, "Single action schedule", "executed_script:structure:r type:enum:r execution_time:array:rw"
)
PUSH_SETUP = _class(
    40,
    "Push setup",
    "push_object_list:array:r send_destination_and_method:structure:rw communication_window:array:rw"
    " randomisation_start_interval:long-unsigned:rw number_of_retries:unsigned:rw"
    " repetition_delay:long-unsigned:rw",
    "push:integer",
)
TCP_UDP_SETUP = _class(
    41,
    "TCP-UDP setup",
    "tcp_udp_port:long-unsigned:rw ip_reference:octet-string:r mss:long-unsigned:r nb_of_sim_conn:unsigned:r"
    " inactivity_time_out:long-unsigned:rw",
)
GPRS_MODEM_SETUP = _class(
    45,
    "GPRS modem setup",
    "apn:octet-string:rw pin_code:long-unsigned:rw quality_of_service:structure:rw",
)
SECURITY_SETUP = _class(
    64,
    "Security setup",
    "security_policy:enum:rw security_suite:enum:r client_system_title:octet-string:r"
    " server_system_title:octet-string:r",
    "security_activate:enum global_key_transfer:array",
)
DISCONNECT_CONTROL = _class(
    70,
    "Disconnect control",
    "output_state:boolean:r control_state:enum:r control_mode:enum:rw",
    "remote_disconnect:integer remote_reconnect:integer",
)
LIMITER = _class(
    71,
    "Limiter",
    "monitored_value:structure:r threshold_active:any:r threshold_normal:any:rw threshold_emergency:any:rw"
    " min_over_threshold_duration:double-long-unsigned:rw min_under_threshold_duration:double-long-unsigned:rw"
    " emergency_profile:structure:rw emergency_profile_group_id_list:array:rw emergency_profile_active:boolean:r"
    " actions:structure:r",
)

CLASSES: Mapping[int, InterfaceClass] = {
    known.class_id: known
    for known in (
        DATA,
        REGISTER,
        EXTENDED_REGISTER,
        DEMAND_REGISTER,
        PROFILE_GENERIC,
        CLOCK,
        SCRIPT_TABLE,
        ASSOCIATION_LN,
        IMAGE_TRANSFER,
        ACTIVITY_CALENDAR,
        SINGLE_ACTION_SCHEDULE,
        PUSH_SETUP,
        TCP_UDP_SETUP,
        GPRS_MODEM_SETUP,
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
