"""One push after the other: what is admitted, what is refused and why, and that nothing else can happen."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms import axdr
from bijlighar.dlms.association import Ciphering
from bijlighar.dlms.errors import ProtocolError
from bijlighar.dlms.security import SecurityControl
from bijlighar.headend.alarms import Alarms
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.metrics import Metrics
from bijlighar.headend.push_intake import PushIntake, read_head
from bijlighar.headend.push_refusals import KEPT_AT_ONCE, MOST_EVIDENCE_OCTETS, QUIET_S, Refusals
from bijlighar.headend.push_senders import NO_COUNTER, Senders
from bijlighar.headend.push_windows import Windows

from .doubles import FixedClock
from .fakes import KEYS
from .harness import serial_of, title_of
from .listening import D1, alert, block, blocks, body, plain, sealed, snapshot
from .meters import NOON_S, stamp

ORIGIN = SimpleNamespace(peer="tcp 10.1.2.3:4059")
OTHER_KEYS = replace(KEYS, encryption_key=b"AnotherEncrypKey")


class Bench:
    """An intake with meters 1 to 3, and what came of it."""

    def __init__(self, model=D1, keys=KEYS, most_gathered=1_000):
        self.clock = FixedClock(float(NOON_S))
        self.metrics = Metrics()
        self.alarms = Alarms(self.metrics, self.clock.now)
        self.refusals = Refusals(self.alarms, self.metrics)
        meters = {
            n: SimpleNamespace(meter_id=n, system_title=title_of(n), serial=serial_of(n)) for n in range(1, 4)
        }
        fleet = SimpleNamespace(meters=meters, model=lambda _: model, keys=lambda _: keys)
        self.windows = Windows()
        self.senders = Senders(fleet, self.windows)
        self.senders.fleet_changed()
        self.flushed = []
        self.intake = PushIntake(
            self.senders,
            self.refusals,
            self.metrics,
            now=self.clock.now,
            flush=lambda gathering: self.flushed.append((gathering.push.name, list(gathering.entries))),
            most_gathered=most_gathered,
        )

    def take(self, apdu):
        return self.intake.take(apdu, ORIGIN)

    def reasons(self):
        return [refused.reason for refused in self.refusals.waiting]

    def buffers(self):
        """(push, meter, counter, buffer) of all that was admitted."""
        self.intake.flush_all()
        return [
            (name, s.meter_id, counter, buffer)
            for name, entries in self.flushed
            for s, counter, _, buffer in entries
        ]


def row_of(octets):
    """The buffer with one row that a push's structure stands for."""
    _, count, _, end = read_head(plain(octets))
    cells = plain(octets)[end:]
    return b"\x01\x01\x02" + axdr.encode_length(count - 2) + cells


def test_a_row_becomes_a_buffer_of_one_row_whatever_came_before_it():
    bench = Bench()
    pushes = [snapshot(), block(), snapshot(NOON_S + 1), snapshot(NOON_S + 2), block()]
    for counter, octets in enumerate(pushes):
        assert bench.take(sealed(1, counter, octets))
    found = {(name, counter): buffer for name, _, counter, buffer in bench.buffers()}
    names = ["instantaneous", "block-load", "instantaneous", "instantaneous", "block-load"]
    assert found == {(name, n): row_of(pushes[n]) for n, name in enumerate(names)}
    assert all(axdr.decode(buffer) for buffer in found.values())


def test_a_whole_buffer_and_an_alert_are_taken_as_they_stand():
    bench = Bench()
    bench.take(sealed(2, 0, blocks([NOON_S, NOON_S + 1800])))
    bench.take(sealed(2, 1, alert(85)))
    (_, _, _, buffer), (_, _, _, word) = bench.buffers()
    assert len(axdr.decode(buffer).value) == 2
    assert word.startswith(axdr.encode(stamp(NOON_S)))


def test_a_notification_with_a_date_time_says_the_same():
    bench = Bench()
    instant = axdr.encode(stamp(NOON_S))[2:]
    for counter, when in enumerate([None, instant, instant, None]):
        assert bench.take(sealed(1, counter, snapshot(), instant=when))
    assert {buffer for *_, buffer in bench.buffers()} == {row_of(snapshot())}


def test_many_of_one_kind_are_handed_over_at_once():
    bench = Bench(most_gathered=3)
    for counter in range(7):
        bench.take(sealed(1, counter, snapshot()))
    assert [len(entries) for _, entries in bench.flushed] == [3, 3]
    assert len(bench.buffers()) == 7


@pytest.mark.parametrize(
    ("apdu", "reason", "meter"),
    [
        (sealed(1, 5, snapshot(), keys=OTHER_KEYS), "not-authentic", 1),
        (sealed(99, 5, snapshot()), "unknown-sender", None),
        (sealed(1, 5, snapshot(), protection=SecurityControl.ENCRYPTED), "unprotected", 1),
        (sealed(1, 5, snapshot(), protection=SecurityControl.AUTHENTICATED), "unprotected", 1),
        (sealed(1, 5, snapshot())[:-1], "not-authentic", 1),
        (sealed(1, 5, snapshot()) + b"\0", "not-authentic", 1),
        (plain(snapshot()), "unprotected", None),
        (b"", "unprotected", None),
        (b"\xdb\x08" + title_of(1), "unprotected", None),
        (sealed(1, 5, b"\x02\x03\x09\x01a\x09\x06\x00\x00\x19\x63\x00\xff\x00"), "not-understood", 1),
        (sealed(1, 5, body("alert", [stamp(NOON_S)])), "not-understood", 1),
        (sealed(1, 5, axdr.encode(axdr.u8(1))), "not-understood", 1),
    ],
    ids=str,
)
def test_what_is_refused_is_kept_with_its_reason_and_told(apdu, reason, meter):
    bench = Bench()
    assert not bench.take(apdu)
    (kept,) = bench.refusals.waiting
    assert (kept.reason, kept.meter_id, kept.peer, kept.octets) == (reason, meter, ORIGIN.peer, apdu)
    bench.refusals.tell(float(NOON_S))
    (alarm,) = bench.alarms.standing
    assert reason in alarm.detail
    assert bench.buffers() == []
    assert bench.take(sealed(1, 6, snapshot())), "nobody else is troubled, and no counter was used up"


def test_doubles_are_dropped_reuse_and_replays_refused():
    bench = Bench()
    first = sealed(1, 100, snapshot())
    assert bench.take(first)
    assert bench.take(first)
    assert not bench.take(sealed(1, 100, snapshot(NOON_S + 1)))
    assert bench.take(sealed(1, 37, snapshot()))
    assert not bench.take(sealed(1, 36, snapshot()))
    assert bench.take(sealed(2, 36, snapshot())), "each sender has its own window"
    assert (bench.intake.accepted, bench.intake.duplicates) == (3, 1)
    assert bench.reasons() == ["counter-reused", "replayed"]


def test_a_forgery_never_moves_the_window():
    bench = Bench()
    bench.take(sealed(1, 10, snapshot()))
    assert not bench.take(sealed(1, 4_000_000_000, snapshot(), keys=OTHER_KEYS))
    assert bench.take(sealed(1, 11, snapshot()))


def test_new_keys_have_a_new_window_and_the_old_one_stays_where_it_was():
    bench = Bench()
    bench.take(sealed(1, 10, snapshot()))
    bench.senders.fleet_changed()
    assert not bench.take(sealed(1, 10, block()))
    other = Bench(keys=OTHER_KEYS)
    other.senders._windows = bench.windows
    assert other.take(sealed(1, 10, block(), keys=OTHER_KEYS))


def test_a_meter_without_keys_for_pushing_is_no_sender():
    bench = Bench(keys=MeterKeys(reader_secret=b"secret01"))
    assert not bench.take(sealed(1, 10, snapshot()))
    assert bench.reasons() == ["unknown-sender"]


NOTHING = SecurityControl(0)


def unciphered_model(ciphering=Ciphering.NONE, protection=NOTHING):
    access = replace(D1.associations["push"], ciphering=ciphering, protection=protection)
    return replace(D1, associations={**D1.associations, "push": access})


def test_an_unciphered_push_is_heard_only_where_the_model_says_so():
    bench = Bench(model=unciphered_model())
    assert bench.take(plain(body("alert", [stamp(NOON_S), axdr.bits("1" * 128)], serial_of(2).encode())))
    assert bench.take(plain(body("alert", [stamp(NOON_S), axdr.bits("1" * 128)], title_of(3))))
    assert not bench.take(plain(body("alert", [stamp(NOON_S), axdr.bits("1" * 128)], b"nobody")))
    assert bench.take(sealed(1, 1, snapshot())), "protected ones are heard too"
    assert [(name, meter, counter) for name, meter, counter, _ in bench.buffers()] == [
        ("alert", 2, NO_COUNTER),
        ("alert", 3, NO_COUNTER),
        ("instantaneous", 1, 1),
    ]
    assert bench.reasons() == ["unprotected"]


def test_a_model_may_ask_for_encryption_alone():
    bench = Bench(model=unciphered_model(Ciphering.GENERAL_GLO, SecurityControl.ENCRYPTED))
    assert bench.take(sealed(1, 1, snapshot(), protection=SecurityControl.ENCRYPTED))
    assert not bench.take(sealed(1, 2, snapshot(), protection=SecurityControl.AUTHENTICATED))
    assert not bench.take(plain(snapshot()))
    assert bench.buffers()[0][3] == row_of(snapshot())


def test_evidence_is_bounded_and_an_alarm_ends_after_an_hour():
    bench = Bench()
    apdu = sealed(99, 1, b"\0" * 4_000)
    for _ in range(KEPT_AT_ONCE + 50):
        bench.take(apdu)
    assert len(bench.refusals.waiting) == KEPT_AT_ONCE
    assert {len(kept.octets) for kept in bench.refusals.waiting} == {MOST_EVIDENCE_OCTETS}
    bench.refusals.tell(float(NOON_S))
    assert [alarm.code for alarm in bench.alarms.standing] == ["push-forged"]
    assert str(KEPT_AT_ONCE + 50) in bench.alarms.standing[0].detail
    bench.clock.instant_s += 10
    bench.take(apdu)
    assert len(bench.refusals.waiting) == KEPT_AT_ONCE + 1
    bench.refusals.tell(NOON_S + 11.0)
    bench.refusals.tell(NOON_S + QUIET_S + 10.0)
    assert [alarm.code for alarm in bench.alarms.standing] == ["push-forged"]
    bench.refusals.tell(NOON_S + QUIET_S + 11.0)
    assert bench.alarms.standing == ()


def test_an_attack_is_told_once_also_when_the_clock_jumps_right_behind_it():
    bench = Bench()
    bench.take(sealed(99, 1, snapshot()))
    bench.refusals.tell(NOON_S + QUIET_S + 1.0)
    assert [alarm.code for alarm in bench.alarms.standing] == ["push-forged"]
    bench.refusals.tell(NOON_S + QUIET_S + 2.0)
    assert bench.alarms.standing == ()


_SHARED = Bench()
_GOOD = sealed(1, 7, snapshot())


@settings(max_examples=400)
@given(octets=st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"\xdb\x08" + title_of(1) + tail))
def test_no_octets_are_ever_admitted_or_break_the_intake(octets):
    assert not _SHARED.take(octets)
    assert _SHARED.intake.accepted == 0


@settings(max_examples=400)
@given(at=st.integers(0, len(_GOOD) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(at, bit):
    flipped = _GOOD[:at] + bytes([_GOOD[at] ^ 1 << bit]) + _GOOD[at + 1 :]
    assert not _SHARED.take(flipped)
    assert _SHARED.intake.accepted == 0


@settings(max_examples=300)
@given(octets=st.binary(max_size=80))
def test_the_head_is_read_or_refused(octets):
    try:
        begin, count, obis, end = read_head(b"\x0f\0\0\0\1\0" + octets)
    except ProtocolError:
        return
    assert begin == 6
    assert count >= 3
    assert len(obis) == 6
    assert end < 6 + len(octets)


@settings(max_examples=200)
@given(octets=st.binary(max_size=80))
def test_a_verified_push_of_any_content_is_gathered_or_refused(octets):
    bench = Bench()
    taken = bench.take(sealed(1, 1, octets))
    assert taken == bool(bench.buffers())
    assert bench.reasons() == ([] if taken else ["not-understood"])
