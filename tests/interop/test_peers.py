"""The two foreign programs understand each other: what they disagree on with us is then ours or a named defect."""

from datetime import timedelta

import pytest

from interop import foreign
from interop.processes import foreign_meter, gurux_reads

pytestmark = pytest.mark.interop

SECRETS = {
    foreign.READER: (foreign.LLS, foreign.PASSWORD),
    foreign.FIRMWARE: (foreign.HLS_AES, foreign.HLS_SECRET),
    foreign.SETTING: (foreign.HLS_GMAC, b""),
}


def shifted(row):
    """A row's time as the simulator compares it with a range whose deviation is open: the row's is added to it."""
    return (foreign.stamp(row).replace(tzinfo=None) + timedelta(minutes=foreign.OFFSET_MIN)).isoformat()


@pytest.mark.parametrize("client_address", SECRETS)
def test_gurux_reads_the_simulator_of_pydlms(tmp_path, client_address):
    mechanism, secret = SECRETS[client_address]
    with foreign_meter(foreign.description(counter="0.0.43.1.2.255"), tmp_path) as meter:
        wanted = {
            "host": "127.0.0.1",
            "port": meter.port,
            "client_address": client_address,
            "mechanism": mechanism,
            "secret": secret.hex(),
            "ciphered": True,
            "system_title": b"GRX00001".hex(),
            "encryption_key": foreign.ENCRYPTION_KEY.hex(),
            "authentication_key": foreign.AUTHENTICATION_KEY.hex(),
            "invocation_counter": 1,
            "max_pdu": 1024,
            "attributes": [[3, foreign.REGISTER[0], 2]],
            "profiles": [{"obis": "1.0.99.1.0.255", "from": shifted(12), "to": shifted(17)}],
            "object_list": True,
        }
        read = gurux_reads(wanted, tmp_path)
    assert read["attributes"] == [1_234_560]
    [profile] = read["profiles"]
    assert profile["rows"] == [
        [foreign.stamp(row).replace(tzinfo=None).isoformat(), *foreign.counts(row).values()]
        for row in range(12, 18)
    ]
    assert [7, "1.0.99.1.0.255"] in read["objects"]
