import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms.errors import Malformed, NotAuthentic, RemoteProtocolError, SuiteNotSupported
from bijlighar.dlms.notification import (
    DataNotification,
    decode_notification,
    encode_notification,
    open_push,
    seal_push,
    sender_title,
)
from bijlighar.dlms.security import SecurityControl
from dlms.wire import CLIENT_TITLE, METER_TITLE, material

NOTIFICATIONS = st.builds(
    DataNotification,
    invoke_id=st.integers(0, 0xFFFFFFFF),
    instant=st.none() | st.binary(min_size=12, max_size=12),
    octets=st.binary(min_size=1, max_size=300),
)
ALERT = DataNotification(invoke_id=1, instant=None, octets=b"\x02\x01\x11\x05")


@given(NOTIFICATIONS)
def test_a_plain_notification_comes_back(notification):
    assert decode_notification(encode_notification(notification)) == notification


@given(NOTIFICATIONS, st.integers(0, 0xFFFFFFFF), st.sampled_from([0x10, 0x20, 0x30]))
def test_a_ciphered_push_comes_back_with_its_sender_and_counter(notification, counter, protection):
    apdu = seal_push(notification, material(METER_TITLE), counter, SecurityControl(protection))
    assert sender_title(apdu) == METER_TITLE
    push = open_push(apdu, material(METER_TITLE), SecurityControl(protection))
    assert (push.system_title, push.counter, push.control) == (METER_TITLE, counter, protection)
    assert push.notification == notification


def test_the_octets_are_those_of_the_standard():
    instant = bytes.fromhex("07E9071703081E18FF014A00")
    notification = DataNotification(invoke_id=0xC0000001, instant=instant, octets=b"\x00")
    assert encode_notification(notification).hex().upper() == "0FC00000010C07E9071703081E18FF014A0000"
    assert encode_notification(ALERT).hex().upper() == "0F000000010002011105"


def test_a_bit_flipped_anywhere_is_refused():
    apdu = seal_push(ALERT, material(METER_TITLE), 9)
    for bit in range(8 * len(apdu)):
        forged = bytearray(apdu)
        forged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            open_push(bytes(forged), material(METER_TITLE))


def test_a_push_cut_anywhere_is_refused():
    apdu = seal_push(ALERT, material(METER_TITLE), 9)
    for size in range(len(apdu)):
        with pytest.raises(RemoteProtocolError):
            open_push(apdu[:size], material(METER_TITLE))


def test_less_protection_and_other_suites_are_refused():
    apdu = bytearray(seal_push(ALERT, material(METER_TITLE), 9, SecurityControl.ENCRYPTED))
    with pytest.raises(NotAuthentic):
        open_push(bytes(apdu), material(METER_TITLE))
    apdu[11] |= 1
    with pytest.raises(SuiteNotSupported):
        open_push(bytes(apdu), material(METER_TITLE))


def test_a_push_of_another_meter_is_refused():
    with pytest.raises(NotAuthentic):
        open_push(seal_push(ALERT, material(METER_TITLE), 9), material(CLIENT_TITLE))


@pytest.mark.parametrize("octets", ["0F0000000105112233445566", "0F00000001", "0F0000000100", "C40000000100AA"])
def test_what_is_no_notification_is_refused(octets):
    with pytest.raises(RemoteProtocolError):
        decode_notification(bytes.fromhex(octets))
    with pytest.raises(Malformed):
        sender_title(bytes.fromhex(octets))
