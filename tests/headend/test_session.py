import asyncio
import socket
import time
from dataclasses import replace

import pytest
import uvloop

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms import axdr
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef, MethodRef
from bijlighar.gate.warrant import SupplyAction, WarrantRefused, sign
from bijlighar.headend.script import Act, Get, ReadRefused, Set, WrongMeter
from bijlighar.headend.session import TimeLimits, converse

from .fakes import KEYS, TITLE, FakeMeter, reader, setter

SERIAL = AttributeRef(1, Obis.parse("0.0.96.1.0.255"), 2)
PROFILE = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 2)
CLOCK = AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2)
ABSENT = AttributeRef(1, Obis.parse("0.0.96.1.9.255"), 2)
LONG = axdr.encode(axdr.array([axdr.u32(n) for n in range(1000)]))
OBJECTS = {SERIAL: axdr.encode(axdr.visible("KP000001")), PROFILE: LONG}
PATIENT = TimeLimits()
SHORT = TimeLimits(answer_s=0.3)
"""For meters that hang. Whoever answers has the time that the product gives, on a busy machine too."""
NOW_S = 1_781_000_000.0
GATE_KEY = b"gate key of the tests, 32 octets"


def read(*refs):
    answers = []
    for ref in refs:
        answer = yield Get(ref)
        answers.append(answer)
    return answers


async def talk(meter, script, association=None, *, limits=PATIENT, title=TITLE, warrant_key=None):
    return await converse(
        meter.host,
        meter.port,
        association or reader(),
        script,
        limits=limits,
        expected_title=title,
        warrant_key=warrant_key,
        now=lambda: NOW_S,
    )


def run(meter, script, association=None, **options):
    async def main():
        async with meter:
            return await talk(meter, script, association, **options)

    return uvloop.run(main())


def test_a_session_reads_what_its_script_asks_and_releases():
    end = run(FakeMeter(objects=OBJECTS), read(SERIAL, PROFILE))
    assert (end.outcome, end.detail) == (Outcome.OK, "")
    assert end.value == [OBJECTS[SERIAL], LONG]
    assert end.connected
    assert end.opened
    assert end.latency_ms is not None
    assert end.octets_received > len(LONG) > end.octets_sent > 0
    assert end.next_counter > 1


def test_the_setting_association_proves_itself_with_hls():
    end = run(FakeMeter(objects=OBJECTS), read(SERIAL), setter())
    assert end.value == [OBJECTS[SERIAL]]


def test_a_refused_read_reaches_the_script_which_may_go_on():
    def script():
        try:
            yield Get(ABSENT)
        except ReadRefused as refusal:
            return refusal.result, (yield Get(SERIAL))

    end = run(FakeMeter(objects=OBJECTS), script())
    assert end.value == ("object-undefined", OBJECTS[SERIAL])


def test_a_refusal_that_the_script_does_not_expect_ends_incomplete():
    end = run(FakeMeter(objects=OBJECTS), read(ABSENT))
    assert end.outcome is Outcome.INCOMPLETE
    assert "0.0.96.1.9.255/2 refused: object-undefined" in end.detail
    assert end.value is None


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meter = FakeMeter()
    meter.host, meter.port = "127.0.0.1", port
    end = uvloop.run(talk(meter, read(SERIAL)))
    assert end.outcome is Outcome.NO_ANSWER
    assert end.latency_ms is None
    assert not end.connected


def test_a_meter_that_hangs_at_once_or_in_mid_conversation_is_hung():
    at_once = run(FakeMeter(hang_after=0), read(SERIAL), limits=SHORT)
    assert at_once.outcome is Outcome.HUNG
    assert at_once.detail == "silent for 0.3 s while associating"
    later = run(FakeMeter(objects=OBJECTS, hang_after=2), read(SERIAL, PROFILE), limits=SHORT)
    assert later.outcome is Outcome.HUNG
    assert "silent for 0.3 s at get 7/1.0.99.1.0.255/2" in later.detail
    assert later.opened


def test_a_meter_that_drips_is_found_although_it_never_stops_sending():
    end = run(FakeMeter(objects=OBJECTS, drip_after=1), read(SERIAL), limits=SHORT)
    assert end.outcome is Outcome.HUNG
    assert "dripping" in end.detail


def test_a_whole_visit_has_its_limit_even_when_every_answer_comes_in_time():
    def forever():
        while True:
            yield Get(SERIAL)

    limits = TimeLimits(visit_s=0.5)
    end = run(FakeMeter(objects=OBJECTS, late_s=0.02), forever(), limits=limits)
    assert end.outcome is Outcome.HUNG
    assert end.detail == "not finished after 0.5 s"


def test_slow_blocks_are_not_taken_for_a_drip():
    end = run(FakeMeter(objects=OBJECTS, late_s=0.2), read(PROFILE), limits=TimeLimits(answer_s=1.0))
    assert end.outcome is Outcome.OK
    assert end.latency_ms > 1_000


def test_a_head_end_that_stood_still_itself_blames_no_meter():
    def stall(number, octets):
        time.sleep(3 * SHORT.answer_s)  # the head-end lives in the same loop: neither side runs meanwhile
        return octets

    end = run(FakeMeter(objects=OBJECTS, mangle=stall, late_s=0.05), read(SERIAL), limits=SHORT)
    assert (end.outcome, end.detail) == (Outcome.OK, "")


def test_a_late_answer_is_never_taken_for_the_answer_to_a_later_question():
    async def main():
        async with FakeMeter(objects=OBJECTS, late_s=1.0) as meter:
            late = await talk(meter, read(SERIAL), limits=SHORT)
            await meter.until(lambda: meter.open_now == 0)
            meter.late_s = 0.0
            return late, await talk(meter, read(PROFILE), reader(counter=600))

    late, good = uvloop.run(main())
    assert late.outcome is Outcome.HUNG
    assert good.value == [LONG]


def test_a_reset_in_mid_block_is_told_as_such():
    end = run(FakeMeter(objects=OBJECTS, reset_after=3), read(PROFILE))
    assert end.outcome is Outcome.RESET
    assert "connection lost at get 7/1.0.99.1.0.255/2" in end.detail


def test_a_wrong_secret_is_refused_and_wrong_keys_are_not_authentic():
    keys = replace(KEYS, reader_secret=b"othersec")
    end = run(FakeMeter(objects=OBJECTS, keys=keys), read(SERIAL))
    assert end.outcome is Outcome.REFUSED
    assert not end.opened
    other = replace(KEYS, encryption_key=bytes(16))
    end = run(FakeMeter(objects=OBJECTS, keys=other), read(SERIAL))
    assert end.outcome in (Outcome.REFUSED, Outcome.NOT_AUTHENTIC)


def test_another_system_title_is_the_wrong_meter_whatever_its_keys():
    end = run(FakeMeter(objects=OBJECTS, title=b"KPS00002"), read(SERIAL))
    assert end.outcome is Outcome.WRONG_METER
    assert TITLE.hex() in end.detail
    assert end.value is None


def test_a_script_that_finds_another_serial_ends_as_the_wrong_meter():
    def script():
        yield Get(SERIAL)
        raise WrongMeter("KP000001", "KP000002")

    end = run(FakeMeter(objects=OBJECTS), script())
    assert end.outcome is Outcome.WRONG_METER
    assert end.detail == "expected meter KP000001, found KP000002"


@pytest.mark.parametrize(
    ("mangle", "outcomes"),
    [
        pytest.param(
            lambda n, o: o if n < 1 else o[:8] + b"\xc4" + o[9:], {Outcome.NOT_AUTHENTIC}, id="wrongly tagged"
        ),
        pytest.param(
            lambda n, o: o if n < 1 else o[:-1] + bytes([o[-1] ^ 1]), {Outcome.NOT_AUTHENTIC}, id="forged"
        ),
        pytest.param(
            lambda n, o: o if n < 1 else o[:6] + b"\x00\x04" + o[8:12], {Outcome.PROTOCOL}, id="truncated"
        ),
        pytest.param(
            lambda n, o: o if n < 1 else o[:6] + b"\xff\xff" + bytes(65535), {Outcome.PROTOCOL}, id="oversized"
        ),
        pytest.param(lambda *_: b"GET / HTTP/1.1\r\n\r\n", {Outcome.PROTOCOL}, id="garbage"),
        pytest.param(lambda n, o: o if n < 1 else bytes(2_000_000), {Outcome.PROTOCOL}, id="never ending"),
    ],
)
def test_bad_frames_end_with_their_cause(mangle, outcomes):
    end = run(FakeMeter(objects=OBJECTS, mangle=mangle), read(SERIAL))
    assert end.outcome in outcomes
    assert end.detail


def test_a_replayed_frame_is_not_authentic():
    kept = []

    def replay(number, octets):
        kept.append(octets)
        return kept[1] if number == 2 else octets

    end = run(FakeMeter(objects=OBJECTS, mangle=replay), read(SERIAL, SERIAL))
    assert end.outcome is Outcome.NOT_AUTHENTIC


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_stream_may_be_cut_anywhere(size):
    end = run(FakeMeter(objects=OBJECTS, piece_octets=size), read(SERIAL, PROFILE))
    assert end.value == [OBJECTS[SERIAL], LONG]


def test_counters_that_run_out_end_the_visit_and_are_never_used_again():
    end = run(FakeMeter(objects=OBJECTS), read(SERIAL, PROFILE), reader(counter=1, left=3))
    assert end.outcome is Outcome.INCOMPLETE
    assert "counter" in end.detail
    assert end.next_counter == 4


def test_a_set_of_the_clock_goes_through():
    def script():
        yield Set(CLOCK, axdr.octets(bytes(12)))

    meter = FakeMeter(objects=OBJECTS)
    assert run(meter, script(), setter()).outcome is Outcome.OK
    assert meter.written == [(CLOCK, axdr.encode(axdr.octets(bytes(12))))]


def test_a_disconnect_without_warrant_never_reaches_the_meter_and_with_one_does():
    relay = MethodRef(70, Obis.parse("0.0.96.3.10.255"), 1)

    def script(warrant=None):
        yield Act(relay, axdr.i8(0), warrant)

    meter = FakeMeter(objects=OBJECTS)
    with pytest.raises(WarrantRefused):
        run(meter, script(), setter(), warrant_key=GATE_KEY)
    assert meter.acted == []
    action = SupplyAction(
        service="action", class_id=70, obis=relay.obis.octets, index=1, payload=axdr.encode(axdr.i8(0))
    )
    warrant = sign(key=GATE_KEY, order_id="O-1", system_title=TITLE, action=action, not_after_s=int(NOW_S) + 60)
    assert run(meter, script(warrant), setter(counter=600), warrant_key=GATE_KEY).outcome is Outcome.OK
    assert len(meter.acted) == 1


def test_a_cancelled_conversation_closes_its_connection():
    async def main():
        async with FakeMeter(hang_after=0) as meter:
            task = asyncio.create_task(talk(meter, read(SERIAL)))
            await meter.until(lambda: meter.open_now == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await meter.until(lambda: meter.open_now == 0)

    uvloop.run(main())
