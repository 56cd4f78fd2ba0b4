import ast
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bijlighar.headend
from bijlighar.dlms import axdr
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.xdlms import AttributeRef, MethodRef
from bijlighar.gate.warrant import SupplyAction, WarrantRefused, sign
from bijlighar.headend.guard import ACTION, SET, UNWARRANTED, Guard

GATE_KEY = b"gate key of the tests, 32 octets"
TITLE = b"KPS00001"
NOW_S = 1_781_000_000.0
RELAY = Obis.parse("0.0.96.3.10.255")

obises = st.binary(min_size=6, max_size=6).map(Obis)
classes = st.sampled_from([1, 3, 7, 8, 9, 15, 18, 20, 22, 40, 64, 70, 71, 111, 112]) | st.integers(0, 0xFFFF)
members = st.integers(-128, 127)
values = st.sampled_from([axdr.null(), axdr.i8(0), axdr.u32(5000), axdr.octets(b"\x00" * 12), axdr.boolean(False)])


class Queue:
    """Keeps what a guard lets through."""

    def __init__(self):
        self.sent = []

    def set(self, ref, value):
        self.sent.append((SET, ref, value))

    def action(self, ref, parameter):
        self.sent.append((ACTION, ref, parameter))


def guarded(key=GATE_KEY, title=TITLE):
    queue = Queue()
    return queue, Guard(queue, system_title=title, warrant_key=key, now=lambda: NOW_S)


def disconnect(**changes):
    action = SupplyAction(service=ACTION, class_id=70, obis=RELAY.octets, index=1, payload=axdr.encode(axdr.i8(0)))
    fields = {"order_id": "O-1", "system_title": TITLE, "action": action, "not_after_s": int(NOW_S) + 60}
    return sign(key=GATE_KEY, **{**fields, **changes})


def test_the_whitelist_is_what_was_agreed_and_no_more():
    clock, association = bytes([0, 0, 1, 0, 0, 255]), bytes([0, 0, 40, 0, 0, 255])
    assert {(SET, 8, clock, 2), (ACTION, 15, association, 1)} == UNWARRANTED


def test_clock_and_hls_reply_go_without_a_warrant():
    queue, guard = guarded(key=None)
    guard.set(AttributeRef(8, Obis.parse("0.0.1.0.0.255"), 2), axdr.octets(bytes(12)))
    guard.action(MethodRef(15, Obis.parse("0.0.40.0.0.255"), 1), axdr.octets(bytes(16)))
    assert [service for service, _, _ in queue.sent] == [SET, ACTION]


@given(classes, obises, members, values, st.booleans())
def test_nothing_off_the_whitelist_passes_without_a_warrant(class_id, obis, member, value, with_key):
    queue, guard = guarded(key=GATE_KEY if with_key else None)
    if (SET, class_id, obis.octets, member) not in UNWARRANTED:
        with pytest.raises(WarrantRefused):
            guard.set(AttributeRef(class_id, obis, member), value)
    if (ACTION, class_id, obis.octets, member) not in UNWARRANTED:
        with pytest.raises(WarrantRefused):
            guard.action(MethodRef(class_id, obis, member), value)
    assert queue.sent == []


@given(st.integers(0, 0xFFFF), members)
def test_even_the_whitelisted_objects_are_closed_but_for_one_member(class_id, member):
    queue, guard = guarded()
    clock, association = Obis.parse("0.0.1.0.0.255"), Obis.parse("0.0.40.0.0.255")
    if (class_id, member) != (8, 2):
        with pytest.raises(WarrantRefused):
            guard.set(AttributeRef(class_id, clock, member), axdr.null())
    if (class_id, member) != (15, 1):
        with pytest.raises(WarrantRefused):
            guard.action(MethodRef(class_id, association, member), axdr.null())
    with pytest.raises(WarrantRefused):
        guard.action(MethodRef(8, clock, 2))
    assert queue.sent == []


@given(classes, obises, st.integers(0, 127), values)
def test_a_warrant_for_exactly_these_octets_passes(class_id, obis, member, value):
    queue, guard = guarded()
    payload = axdr.encode(value)
    for service in (SET, ACTION):
        action = SupplyAction(service=service, class_id=class_id, obis=obis.octets, index=member, payload=payload)
        warrant = sign(key=GATE_KEY, order_id="O-2", system_title=TITLE, action=action, not_after_s=int(NOW_S))
        if service == SET:
            guard.set(AttributeRef(class_id, obis, member), value, warrant)
        else:
            guard.action(MethodRef(class_id, obis, member), value, warrant)
    assert [octets for _, _, octets in queue.sent] == [payload, payload]


@pytest.mark.parametrize(
    "warrant",
    [
        disconnect(not_after_s=int(NOW_S) - 1),
        disconnect(system_title=b"KPS00002"),
        disconnect(action=replace(disconnect().action, index=2)),
        disconnect(action=replace(disconnect().action, service=SET)),
        disconnect(action=replace(disconnect().action, class_id=71)),
        disconnect(action=replace(disconnect().action, payload=b"")),
        disconnect(action=replace(disconnect().action, payload=axdr.encode(axdr.i8(1)))),
        disconnect(action=replace(disconnect().action, obis=bytes(6))),
        replace(disconnect(), order_id="O-9"),
        replace(disconnect(), not_after_s=int(NOW_S) + 61),
        replace(disconnect(), signature=bytes(32)),
        replace(disconnect(), signature=b""),
    ],
)
def test_a_mutated_or_foreign_warrant_is_refused(warrant):
    queue, guard = guarded()
    with pytest.raises(WarrantRefused):
        guard.action(MethodRef(70, RELAY, 1), axdr.i8(0), warrant)
    assert queue.sent == []


@given(st.integers(0, 255))
def test_one_changed_bit_of_the_signature_is_refused(bit):
    warrant = disconnect()
    octets = bytearray(warrant.signature)
    octets[bit // 8] ^= 1 << bit % 8
    queue, guard = guarded()
    with pytest.raises(WarrantRefused, match="signature"):
        guard.action(MethodRef(70, RELAY, 1), axdr.i8(0), replace(warrant, signature=bytes(octets)))
    assert queue.sent == []


def test_another_gates_key_and_a_meter_that_proved_no_title_refuse_a_good_warrant():
    for queue, guard in (guarded(key=bytes(32)), guarded(title=b"")):
        with pytest.raises(WarrantRefused):
            guard.action(MethodRef(70, RELAY, 1), axdr.i8(0), disconnect())
        assert queue.sent == []
    queue, guard = guarded()
    guard.action(MethodRef(70, RELAY, 1), axdr.i8(0), disconnect())
    assert len(queue.sent) == 1


WORDS_OF_OTHERS = {
    ("alarms.py", "set"),
    ("dialled.py", "set"),
    ("dispatch.py", "set"),
    ("doors.py", "set"),
    ("holding.py", "set"),
    ("own_clock.py", "set"),
    ("service.py", "set"),
    ("metrics.py", "set"),
    ("push_listener.py", "set"),
    ("push_refusals.py", "set"),
}  # alarms, events and gauges also know ``set``


def test_only_the_guard_sends_a_set_or_an_action():
    """No module of the head-end calls .set or .action of an association, nor builds such a request itself."""
    offenders = []
    for path in sorted(Path(bijlighar.headend.__file__).parent.rglob("*.py")):
        if path.name == "guard.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("set", "action"):
                owner = ast.unparse(node.value)
                guarded_call = owner == "self._guarding()" and path.name == "session.py"
                other = (path.name, node.attr) in WORDS_OF_OTHERS and "association" not in owner
                if not guarded_call and not other:
                    offenders.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {alias.name for alias in node.names}
                if names & {"SetRequest", "ActionRequest", "getattr"}:
                    offenders.append(f"{path.name}:{node.lineno} imports {names}")
    assert offenders == []
