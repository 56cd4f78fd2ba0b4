import pytest

from bijlighar.dlms.cosem import CLASSES, DISCONNECT_CONTROL, PROFILE_GENERIC, attribute_name, method_name
from bijlighar.dlms.errors import LocalProtocolError


def test_the_classes_of_indian_meters_are_known():
    assert sorted(CLASSES) == [1, 3, 4, 7, 8, 15, 40, 64, 70, 71]
    assert all(known.attributes[1] == "logical_name" for known in CLASSES.values())


@pytest.mark.parametrize(
    ("class_id", "attribute", "name"),
    [
        (1, 2, "value"),
        (3, 3, "scaler_unit"),
        (4, 5, "capture_time"),
        (7, 3, "capture_objects"),
        (7, 8, "profile_entries"),
        (8, 2, "time"),
        (15, 7, "secret"),
        (40, 7, "repetition_delay"),
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
    with pytest.raises(LocalProtocolError):
        PROFILE_GENERIC.method("erase")


def test_names_for_people_fall_back_to_numbers():
    assert attribute_name(7, 2) == "Profile generic.buffer"
    assert attribute_name(7, 99) == "Profile generic.99"
    assert attribute_name(9999, 2) == "class 9999 attribute 2"
    assert method_name(70, 1) == "Disconnect control.remote_disconnect"
    assert method_name(9999, 2) == "class 9999 method 2"
