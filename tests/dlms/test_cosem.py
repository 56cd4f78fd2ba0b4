import pytest

from bijlighar.dlms.axdr import Tag
from bijlighar.dlms.cosem import CLASSES, DISCONNECT_CONTROL, PROFILE_GENERIC, Access, attribute_name, method_name
from bijlighar.dlms.errors import LocalProtocolError


def test_the_classes_of_indian_meters_are_known():
    assert sorted(CLASSES) == [1, 3, 4, 5, 7, 8, 9, 15, 18, 20, 22, 40, 41, 45, 64, 70, 71]
    assert all(known.attributes[1] == "logical_name" for known in CLASSES.values())


@pytest.mark.parametrize(
    ("class_id", "attribute", "name"),
    [
        (1, 2, "value"),
        (3, 3, "scaler_unit"),
        (4, 5, "capture_time"),
        (5, 4, "scaler_unit"),
        (5, 8, "period"),
        (7, 3, "capture_objects"),
        (7, 8, "profile_entries"),
        (8, 2, "time"),
        (15, 7, "secret"),
        (9, 2, "scripts"),
        (18, 4, "image_first_not_transferred_block_number"),
        (18, 7, "image_to_activate_info"),
        (20, 10, "activate_passive_calendar_time"),
        (22, 4, "execution_time"),
        (40, 7, "repetition_delay"),
        (41, 6, "inactivity_time_out"),
        (45, 2, "apn"),
        (64, 5, "server_system_title"),
        (70, 4, "control_mode"),
        (71, 5, "threshold_emergency"),
        (71, 11, "actions"),
    ],
)
def test_attributes_stand_where_the_standard_puts_them(class_id, attribute, name):
    assert CLASSES[class_id].attributes[attribute] == name
    assert CLASSES[class_id].attribute(name) == attribute


def test_methods_stand_where_the_standard_puts_them():
    assert DISCONNECT_CONTROL.method("remote_reconnect") == 2
    assert CLASSES[15].method("reply_to_hls_authentication") == 1
    assert CLASSES[64].method("global_key_transfer") == 2
    assert CLASSES[18].method("image_activate") == 4
    assert CLASSES[5].method("next_period") == 2
    assert CLASSES[20].method("activate_passive_calendar") == 1
    with pytest.raises(LocalProtocolError):
        PROFILE_GENERIC.method("erase")


def test_names_for_people_fall_back_to_numbers():
    assert attribute_name(7, 2) == "Profile generic.buffer"
    assert attribute_name(7, 99) == "Profile generic.99"
    assert attribute_name(9999, 2) == "class 9999 attribute 2"
    assert method_name(70, 1) == "Disconnect control.remote_disconnect"
    assert method_name(9999, 2) == "class 9999 method 2"


def test_every_attribute_has_its_type_and_access_and_every_method_its_parameter():
    words = {tag.name.lower().replace("_", "-") for tag in Tag} | {"any"}
    for known in CLASSES.values():
        assert set(known.types) == set(known.access) == set(known.attributes)
        assert set(known.parameters) == set(known.methods)
        assert set(known.types.values()) | set(known.parameters.values()) <= words
    assert CLASSES[15].access[7] is Access.WRITE
    assert CLASSES[70].access[4] is Access.READ_WRITE
    assert CLASSES[70].access[2] is Access.READ
    assert CLASSES[70].parameters[1] == "integer"
