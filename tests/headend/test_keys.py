import io
import logging
import traceback

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.cim.exchange import SealedKeys
from bijlighar.headend.keys import (
    Keyring,
    KeysNotOpened,
    MasterKeyRefused,
    MeterKeys,
    create_master_key,
)

RING = Keyring(bytes(range(32)))
KEYS = MeterKeys(
    encryption_key=b"EEEEEEEEEEEEEEEE",
    authentication_key=b"AAAAAAAAAAAAAAAA",
    reader_secret=b"RRRRRRRR",
    setting_secret=b"SSSSSSSSSSSSSSSS",
    master_key=b"MMMMMMMMMMMMMMMM",
)
SECRETS = ("EEEE", "AAAA", "RRRR", "SSSS", "MMMM", "45454545", "41414141")


def test_sealed_keys_open_again_and_show_nothing():
    sealed = RING.seal(7, "KP000007", KEYS)
    assert RING.unseal(sealed, "KP000007") == KEYS
    assert b"EEEE" not in sealed.sealed
    assert RING.seal(7, "KP000007", KEYS).sealed != sealed.sealed


@given(st.builds(MeterKeys, encryption_key=st.binary(max_size=40), reader_secret=st.binary(max_size=300)))
def test_keys_of_any_length_come_back(keys):
    assert RING.unseal(RING.seal(1, "x", keys), "x") == keys


@given(st.data())
def test_one_changed_bit_anywhere_and_they_do_not_open(data):
    sealed = bytearray(RING.seal(7, "KP000007", KEYS).sealed)
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(KeysNotOpened):
        RING.unseal(SealedKeys(meter_id=7, sealed=bytes(sealed)), "KP000007")


@pytest.mark.parametrize("cut", [0, 1, 12, 13, 28])
def test_cut_octets_do_not_open(cut):
    sealed = RING.seal(7, "KP000007", KEYS).sealed[:cut]
    with pytest.raises(KeysNotOpened):
        RING.unseal(SealedKeys(meter_id=7, sealed=sealed), "KP000007")


def test_another_serial_or_another_master_key_does_not_open():
    sealed = RING.seal(7, "KP000007", KEYS)
    with pytest.raises(KeysNotOpened):
        RING.unseal(sealed, "KP000008")
    with pytest.raises(KeysNotOpened):
        Keyring(bytes(32)).unseal(sealed, "KP000007")


def test_no_log_traceback_or_repr_shows_a_secret():
    log = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(log), processors=[structlog.processors.JSONRenderer(default=repr)]
    )
    sealed = RING.seal(7, "KP000007", KEYS)
    logger.warning("meter", keys=KEYS, ring=RING, sealed=sealed)
    logging.StreamHandler(log).emit(logging.LogRecord("x", 30, "", 0, "%s %r", (KEYS, KEYS), None))
    try:
        RING.unseal(sealed, "other")
    except KeysNotOpened:
        log.write(traceback.format_exc())
    log.write(f"{KEYS} {KEYS!r} {RING}")
    assert "hidden" in log.getvalue()
    assert not [secret for secret in SECRETS if secret in log.getvalue()]


def test_a_created_master_key_is_private_fresh_and_never_replaced(tmp_path):
    path = tmp_path / "master.key"
    create_master_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = Keyring.load(path, {}).seal(1, "x", KEYS)
    assert Keyring.load(path, {}).unseal(sealed, "x") == KEYS
    with pytest.raises(FileExistsError):
        create_master_key(path)
    create_master_key(tmp_path / "other.key")
    assert (tmp_path / "other.key").read_text() != path.read_text()


def test_the_environment_comes_before_the_file(tmp_path):
    ring = Keyring.load(tmp_path / "absent", {"BIJLIGHAR_MASTER_KEY": bytes(range(32)).hex()})
    assert ring.unseal(RING.seal(1, "x", KEYS), "x") == KEYS


@pytest.mark.parametrize("written", ["", "zz" * 32, "00" * 31, "00" * 33])
def test_a_wrong_master_key_is_refused_without_being_shown(written, tmp_path):
    path = tmp_path / "master.key"
    path.write_text(written)
    path.chmod(0o600)
    for attempt in (
        lambda: Keyring.load(path, {}),
        lambda: Keyring.load(None, {"BIJLIGHAR_MASTER_KEY": written}),
    ):
        with pytest.raises(MasterKeyRefused) as refused:
            attempt()
        assert not written or written not in "".join(traceback.format_exception(refused.value))


def test_a_master_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "master.key"
    create_master_key(path)
    path.chmod(0o640)
    with pytest.raises(MasterKeyRefused, match="0600"):
        Keyring.load(path, {})


def test_no_master_key_at_all_says_what_to_do(tmp_path):
    with pytest.raises(MasterKeyRefused, match="BIJLIGHAR_MASTER_KEY"):
        Keyring.load(None, {})
    with pytest.raises(MasterKeyRefused, match="cannot read"):
        Keyring.load(tmp_path / "absent", {})
