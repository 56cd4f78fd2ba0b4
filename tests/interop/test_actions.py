"""Long ACTIONs with foreign peers, in both directions: parameters and answers in blocks, images, new keys.

Our client invokes methods of pydlms' meter; the clients of pydlms and of gurux invoke those of our meter's side.
All of it over the wrapper and over HDLC.
"""

import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import ActionDone, AssociationOpened, Mechanism, Released
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.image_transfer import Image, ImageStatus, activate, status, transfer
from bijlighar.dlms.key_transfer import KeyId, transfer_method, transfer_parameter
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import ActionResult, MethodRef
from interop import foreign
from interop.conversation import conversation
from interop.our_meter import ECHO, MASTER_KEY, SECURITY_SETUP, TITLE, our_meter
from interop.processes import foreign_meter, gurux_reads, pydlms_reads
from interop.test_foreign_meter import COUNTER, settings

pytestmark = pytest.mark.interop

LONG = bytes(range(256)) * 5
IMAGE = Image(identifier=b"FW-2.1", octets=LONG)
NEW_KEYS = {KeyId.UNICAST_ENCRYPTION: bytes(range(200, 216)), KeyId.AUTHENTICATION: bytes(range(50, 66))}
METHOD = MethodRef(ECHO[0], Obis.parse(ECHO[1]), ECHO[2])
FIRST_BLOCK, NEXT_BLOCK = b"\xc3\x04", b"\xc3\x02"
MECHANISMS = pytest.mark.parametrize("mechanism", [Mechanism.LLS, Mechanism.HLS_AES, Mechanism.HLS_GMAC])
WINDOWS = pytest.mark.parametrize("window", [0, 1, 3])
"""0: TCP wrapper, else HDLC with so many frames before an answer."""
CLIENTS = pytest.mark.parametrize("reads", [pydlms_reads, gurux_reads], ids=["pydlms", "gurux"])


def line_of(window, octets=128):
    if not window:
        return None
    return HdlcSettings(send_octets=octets, receive_octets=octets, send_window=window, receive_window=window)


def pydlms_meter(folder, window, **more):
    description = foreign.description(counter=COUNTER, hdlc_window=window) | more
    description["echo"] = {"class": ECHO[0], "obis": ECHO[1], "method": ECHO[2]}
    description["security_setup"] = {"obis": SECURITY_SETUP, "master_key": MASTER_KEY.hex()}
    return foreign_meter(description, folder)


def talking(meter, window, mechanism=Mechanism.HLS_GMAC):
    return conversation(settings(mechanism, hdlc=line_of(window)), meter.port)


@WINDOWS
@MECHANISMS
def test_a_long_parameter_goes_and_a_long_answer_comes_in_blocks(tmp_path, mechanism, window):
    with pydlms_meter(tmp_path, window) as meter, talking(meter, window, mechanism) as line:
        assert isinstance(line.open(), AssociationOpened)
        done = line.action(METHOD, axdr.octets(LONG))
        assert isinstance(done, ActionDone)
        assert done.result is ActionResult.SUCCESS
        assert axdr.decode(done.octets) == axdr.octets(LONG)
        assert isinstance(line.release(), Released)
    assert any(request.startswith(FIRST_BLOCK) for request in meter.requests)
    assert sum(request.startswith(NEXT_BLOCK) for request in meter.requests) >= len(LONG) // 256


@WINDOWS
def test_an_image_arrives_whole_at_a_foreign_meter_that_loses_blocks(tmp_path, window):
    losing = {"block_size": 100, "drop_blocks": [2, 9]}
    with pydlms_meter(tmp_path, window, image=losing) as meter, talking(meter, window) as line:
        assert isinstance(line.open(), AssociationOpened)
        assert line.run(transfer(IMAGE, resume=False)).blocks_sent == 15
        assert line.run(status()) is ImageStatus.VERIFIED
        line.run(activate())
        assert isinstance(line.release(), Released)
    assert meter.told["image"] == IMAGE.octets.hex()
    assert meter.told["activated"]


def test_a_transfer_that_was_cut_is_taken_up_at_a_foreign_meter(tmp_path):
    with pydlms_meter(tmp_path, 0, image={"block_size": 100}) as meter:
        for number, steps in ((1, 9), (2, None)):
            first = settings(Mechanism.HLS_GMAC, invocation_counter=1000 * number)
            with conversation(first, meter.port) as line:
                assert isinstance(line.open(), AssociationOpened)
                procedure = transfer(IMAGE, resume=number > 1)
                done = line.run(procedure if steps is None else first_steps(procedure, steps))
    assert 0 < done.blocks_sent < done.blocks == 13
    assert sorted(meter.told["received"]) == list(range(13))


def first_steps(procedure, count):
    """The first steps of a procedure; then the line is lost."""
    outcome = None
    for _ in range(count):
        outcome = yield procedure.send(outcome)


def test_new_keys_are_unwrapped_by_a_foreign_meter(tmp_path):
    with pydlms_meter(tmp_path, 0) as meter, conversation(settings(Mechanism.HLS_GMAC), meter.port) as line:
        assert isinstance(line.open(), AssociationOpened)
        method = transfer_method(Obis.parse(SECURITY_SETUP))
        done = line.action(method, transfer_parameter(NEW_KEYS, MASTER_KEY))
        assert done.result is ActionResult.SUCCESS
    assert meter.told["keys"] == {str(int(number)): key.hex() for number, key in NEW_KEYS.items()}


def asked(meter, mechanism, window, **more):
    client_address, secret = {
        Mechanism.LLS: (foreign.READER, foreign.PASSWORD),
        Mechanism.HLS_AES: (foreign.FIRMWARE, foreign.HLS_SECRET),
        Mechanism.HLS_GMAC: (foreign.SETTING, b""),
    }[mechanism]
    line = {"hdlc": {"octets": 128, "window": window}} if window else {}
    return {
        "host": "127.0.0.1",
        "port": meter.port,
        "client_address": client_address,
        "mechanism": int(mechanism),
        "secret": secret.hex(),
        "ciphered": True,
        "system_title": b"GRX00001".hex(),
        "meter_title": TITLE.hex(),
        "encryption_key": foreign.ENCRYPTION_KEY.hex(),
        "authentication_key": foreign.AUTHENTICATION_KEY.hex(),
        "invocation_counter": 10,
        "max_pdu": 256,
        "attributes": [],
        "profiles": [],
        "object_list": False,
        **line,
        **more,
    }


def window_for(reads, window):
    """Gurux counts one frame an answer, so it gets no window above one."""
    return min(window, 1) if reads is gurux_reads else window


@CLIENTS
@WINDOWS
@MECHANISMS
def test_foreign_clients_give_long_parameters_and_get_long_answers(tmp_path, reads, mechanism, window):
    window = window_for(reads, window)
    actions = [[*ECHO, octets.hex()] for octets in (b"short", LONG)]
    with our_meter(line_of(window)) as meter:
        told = reads(asked(meter, mechanism, window, actions=actions), tmp_path)
    assert told["returned"] == [b"short".hex(), LONG.hex()]
    assert meter.longest == len(LONG) + 4


@CLIENTS
@WINDOWS
def test_foreign_clients_bring_an_image_to_our_meter(tmp_path, reads, window):
    window = window_for(reads, window)
    image = {"octets": LONG.hex(), "identifier": b"FW-2.1".hex()}
    with our_meter(line_of(window)) as meter:
        told = reads(asked(meter, Mechanism.HLS_GMAC, window, image=image), tmp_path)
    assert told["image"]["sent"] == 13
    assert b"".join(meter.image.blocks[number] for number in range(13)) == LONG
    assert meter.image.identifier == b"FW-2.1"
    assert meter.image.status in (ImageStatus.ACTIVATING, ImageStatus.ACTIVATED)


@CLIENTS
def test_our_meter_unwraps_the_keys_of_foreign_clients(tmp_path, reads):
    new = {str(int(number)): key.hex() for number, key in NEW_KEYS.items()}
    more = {"new_keys": new, "setup": SECURITY_SETUP, "master_key": MASTER_KEY.hex()}
    with our_meter() as meter:
        reads(asked(meter, Mechanism.HLS_GMAC, 0, **more), tmp_path)
    assert meter.keys == NEW_KEYS
