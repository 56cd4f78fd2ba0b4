"""Image transfer against a meter that is a few values: whole, resumed anywhere, and refused in every way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError
from bijlighar.dlms.image_transfer import Image, ImageRefused, ImageStatus, Transferred, activate, status, transfer
from bijlighar.dlms.procedure import Invoke, Read, Wait
from bijlighar.dlms.xdlms import ActionResult, DataAccessResult

IMAGE = Image(identifier=b"FW-2.1", octets=bytes(range(256)) * 5)
BLOCK = 100
DENIED = DataAccessResult.READ_WRITE_DENIED


class Meter:
    """Class 18 in a meter. ``read`` and ``act`` replace an answer; ``loses`` blocks that do not stay at first."""

    def __init__(self, *, read=None, act=None, loses=(), busy=0):
        self.read, self.act = read or {}, act or {}
        self.loses = set(loses)
        self.busy = busy
        self.status, self.identifier, self.size = ImageStatus.NOT_INITIATED, b"", 0
        self.blocks, self.taken = {}, []

    @property
    def count(self):
        return -(-self.size // BLOCK)

    def answer(self, step):
        if isinstance(step, Wait):
            assert step.duration_s > 0
            return None
        return self.attribute(step.ref.attribute) if isinstance(step, Read) else self.method(step)

    def attribute(self, number):
        if number in self.read:
            return self.read[number]
        if number == 6 and self.status in (ImageStatus.VERIFYING, ImageStatus.ACTIVATING):
            self.busy -= 1
            if self.busy < 0:
                self.status = ImageStatus(self.status + 1)
        held = [number in self.blocks for number in range(self.count)]
        info = [axdr.u32(self.size), axdr.octets(self.identifier), axdr.octets(b"")]
        return axdr.encode(
            {
                2: axdr.u32(BLOCK),
                3: axdr.bits("".join("1" if block else "0" for block in held)),
                4: axdr.u32(held.index(False) if False in held else self.count),
                5: axdr.boolean(True),
                6: axdr.enum(self.status),
                7: axdr.array([axdr.structure(info)]),
            }[number]
        )

    def method(self, step):
        number = step.ref.method
        if number in self.act:
            return self.act[number]
        if number == 1:
            self.identifier, self.size = axdr.plain(step.parameter)
            self.blocks, self.status = {}, ImageStatus.INITIATED
        elif number == 2:
            block, octets = axdr.plain(step.parameter)
            self.taken.append(block)
            if block in self.loses:
                self.loses.discard(block)
            else:
                self.blocks[block] = octets
        else:
            self.status = ImageStatus.VERIFYING if number == 3 else ImageStatus.ACTIVATING
            return ActionResult.TEMPORARY_FAILURE if self.busy else ActionResult.SUCCESS
        return ActionResult.SUCCESS


class Cut(Exception):
    """The connection was lost."""


def run(procedure, meter, steps=None):
    answer = None
    try:
        while True:
            step = procedure.send(answer)
            if steps is not None:
                if steps == 0:
                    raise Cut
                steps -= 1
            answer = meter.answer(step)
    except StopIteration as end:
        return end.value


def octets_of(meter):
    return b"".join(meter.blocks[number] for number in sorted(meter.blocks))


@pytest.mark.parametrize("busy", [0, 3])
def test_an_image_arrives_whole_and_is_activated_apart(busy):
    meter = Meter(busy=busy)
    assert run(transfer(IMAGE, resume=False), meter) == Transferred(blocks=13, blocks_sent=13)
    assert octets_of(meter) == IMAGE.octets
    assert meter.status is ImageStatus.VERIFIED
    meter.busy = busy
    run(activate(), meter)
    assert run(status(), meter) is ImageStatus.ACTIVATED


@pytest.mark.parametrize("steps", range(26))
def test_a_transfer_cut_anywhere_is_taken_up_where_it_was_left(steps):
    meter = Meter()
    with pytest.raises(Cut):
        run(transfer(IMAGE, resume=False), meter, steps=min(steps, 21))
    before = len(meter.taken)
    result = run(transfer(IMAGE, resume=True), meter)
    assert octets_of(meter) == IMAGE.octets
    assert result.blocks_sent == 13 - before
    assert sorted(meter.taken) == list(range(13))


def test_what_is_verified_already_is_not_sent_again():
    meter = Meter()
    run(transfer(IMAGE, resume=False), meter)
    assert run(transfer(IMAGE, resume=True), meter) == Transferred(blocks=13, blocks_sent=0)
    run(transfer(IMAGE, resume=False), meter)
    assert len(meter.taken) == 26


def test_another_image_left_verified_is_replaced():
    meter = Meter()
    run(transfer(Image(identifier=b"old", octets=b"1" * 300), resume=False), meter)
    assert run(transfer(IMAGE, resume=True), meter).blocks_sent == 13
    assert meter.identifier == b"FW-2.1"


@given(st.sets(st.integers(0, 12)))
def test_blocks_that_do_not_stay_are_brought_again(loses):
    meter = Meter(loses=loses)
    run(transfer(IMAGE, resume=False), meter)
    assert octets_of(meter) == IMAGE.octets
    assert sorted(meter.taken) == sorted([*range(13), *loses])


def test_a_meter_without_a_bitmap_gets_all_from_the_first_missing_block():
    meter = Meter(read={3: DENIED})
    assert run(transfer(IMAGE, resume=False), meter).blocks_sent == 13


REFUSALS = [
    ({"read": {5: axdr.encode(axdr.boolean(False))}}, "not enabled"),
    ({"read": {5: DENIED}}, "READ_WRITE_DENIED"),
    ({"read": {2: DENIED}}, "attribute 2"),
    ({"read": {4: axdr.encode(axdr.u32(0))}}, "did not stay"),
    ({"read": {6: axdr.encode(axdr.enum(4))}}, "VERIFICATION_FAILED"),
    (
        {
            "read": {
                7: axdr.encode(axdr.array([axdr.structure([axdr.u32(1), axdr.octets(b""), axdr.octets(b"")])]))
            }
        },
        "another",
    ),
    ({"act": {1: ActionResult.READ_WRITE_DENIED}}, "initiate"),
    ({"act": {2: ActionResult.HARDWARE_FAULT}}, "block 0"),
    ({"act": {3: ActionResult.OTHER_REASON}}, "verify"),
    ({"busy": 100}, "still VERIFYING"),
]


@pytest.mark.parametrize(("fault", "words"), REFUSALS)
def test_a_meter_that_does_not_go_on_is_told_as_such(fault, words):
    with pytest.raises(ImageRefused, match=words):
        run(transfer(IMAGE, resume=False), Meter(**fault))


@pytest.mark.parametrize(
    "read",
    [
        {2: axdr.encode(axdr.u32(0))},
        {2: axdr.encode(axdr.u32(1 << 20))},
        {2: axdr.encode(axdr.u8(1))},
        {3: axdr.encode(axdr.u8(1))},
        {4: b"\x06\x00"},
        {6: axdr.encode(axdr.enum(9))},
        {7: axdr.encode(axdr.u8(1))},
        {7: axdr.encode(axdr.array([axdr.u8(1)]))},
    ],
)
def test_values_that_make_no_sense_are_the_meters_fault(read):
    with pytest.raises(RemoteProtocolError):
        run(transfer(IMAGE, resume=False), Meter(read=read))


def test_nothing_is_activated_that_was_not_verified():
    for found in set(ImageStatus) - {ImageStatus.VERIFIED}:
        meter = Meter()
        meter.status, meter.busy = found, 100
        with pytest.raises(ImageRefused, match="no verified image"):
            run(activate(), meter)
    meter = Meter(act={4: ActionResult.READ_WRITE_DENIED})
    meter.status = ImageStatus.VERIFIED
    with pytest.raises(ImageRefused, match="READ_WRITE_DENIED"):
        run(activate(), meter)


def test_an_image_out_of_bounds_is_our_fault():
    for identifier, octets in ((b"", b"1"), (bytes(65), b"1"), (b"1", b""), (b"1", bytes((1 << 24) + 1))):
        with pytest.raises(LocalProtocolError):
            Image(identifier=identifier, octets=octets)


def test_every_step_is_a_read_or_an_invocation_of_class_18():
    procedure = transfer(IMAGE, resume=False)
    meter, answer = Meter(), None
    try:
        while True:
            step = procedure.send(answer)
            if not isinstance(step, Wait):
                assert isinstance(step, (Read, Invoke))
                assert step.ref.class_id == 18
            answer = meter.answer(step)
    except StopIteration:
        pass
