"""The usual visit answers octet for octet what the general machine answers, or leaves it to that."""

import numpy as np
import pytest

from bijlighar.dlms import axdr
from bijlighar.dlms.association import (
    NEED_DATA,
    AssociationOpened,
    ClientAssociation,
    ClientSettings,
    GetSucceeded,
    Released,
)
from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.models import load_model, model_names
from bijlighar.dlms.obis import Obis
from bijlighar.dlms.security import SecurityMaterial
from bijlighar.dlms.xdlms import CLOCK_TIME, AttributeRef, EntrySelection, MethodRef, RangeSelection
from meterlab import distortions, identity, rows
from meterlab.answering import answer
from meterlab.calendar import DAY_S, SLOT_S, day_of, midnight_s
from meterlab.lab import build, town_named
from meterlab.makes import Share
from meterlab.objects import Caller
from meterlab.questions import Questions, clock_octets
from meterlab.usual import Usual, UsualVisit

SEED, NOW = 1, 1_763_900_000  # 2025-11-23 17:43:20 in Kolkata
YESTERDAY = day_of(NOW) - 1
BLOCK_LOAD = AttributeRef(7, Obis.parse("1.0.99.1.0.255"), 2)
RELAY = Obis.parse("0.0.96.3.10.255")
MODELS = [name for name in model_names() if load_model(name).category != "D4"]


def lab_of(model, consumers=40):
    lab = build(town_named("mohalla", SEED, consumers, [Share(model=model)]), now_s=NOW)
    lab.prepare(NOW)
    return lab


def client(lab, meter, role, counter=1):
    access = lab.objects.plan(meter).model.associations[role]
    keys = identity.keys(SEED, meter)
    own = SecurityMaterial(
        system_title=b"HESBIJLI", encryption_key=keys.encryption, authentication_key=keys.authentication
    )
    secret = {"reader": keys.reader_secret, "setting": keys.setting_secret}.get(role)
    return ClientAssociation(
        ClientSettings(
            client_address=access.client_address,
            mechanism=access.mechanism,
            ciphering=access.ciphering,
            protection=access.protection,
            secret=secret,
            own=None if role == "public" else own,
            invocation_counter=counter,
            counters_left=1000,
            challenge=bytes(range(16)),
        )
    )


def days_range(model, day, first=0, last=48):
    """The blocks of a day as they are stamped."""
    later_s = SLOT_S if model.stamp.name == "END" else 0
    begin_s = midnight_s(day) + first * SLOT_S + later_s
    end_s = midnight_s(day) + (last - 1) * SLOT_S + later_s
    sign = model.deviation_sign
    return RangeSelection(start=encode_instant(begin_s, sign), end=encode_instant(end_s, sign))


def ask_all(association, say, questions):
    """Open, ask each question, release; the answers' octets or failures."""
    association.open()
    answers, waiting = [], list(questions)
    while True:
        event = association.next_event()
        if event is NEED_DATA:
            association.receive_data(say(association.data_to_send()))
        elif isinstance(event, Released):
            return answers
        else:
            if not isinstance(event, AssociationOpened):
                answers.append(event.octets if isinstance(event, GetSucceeded) else event)
            if waiting:
                association.get(*waiting.pop(0))
            else:
                association.release()


def questions_of(model):
    asked = [(CLOCK_TIME, None), (BLOCK_LOAD, days_range(model, YESTERDAY)), (BLOCK_LOAD, None)]
    asked += [
        (BLOCK_LOAD, days_range(model, YESTERDAY, 3, 9)),
        (BLOCK_LOAD, days_range(model, YESTERDAY + 1, 0, 40)),
    ]
    asked += [(BLOCK_LOAD, EntrySelection(first=2, last=5)), (AttributeRef(7, BLOCK_LOAD.obis, 3), None)]
    asked += [
        (AttributeRef(7, model.profiles["daily"].obis, 2), None),
        (AttributeRef(3, BLOCK_LOAD.obis, 2), None),
    ]
    asked += [(AttributeRef(70, RELAY, 2), None), (AttributeRef(1, Obis.parse("0.0.43.1.2.255"), 2), None)]
    return asked


@pytest.mark.parametrize("role", ["public", "reader", "setting"])
@pytest.mark.parametrize("model", MODELS)
def test_the_general_machine_would_have_said_the_same(model, role):
    lab = lab_of(model)
    usual = Usual(lab)
    for meter in (0, 7, 8):
        visit, said = UsualVisit(usual, meter), []

        def say(octets, visit=visit, said=said):
            said.append(visit.hear(octets, NOW))
            return said[-1]

        ask_all(client(lab, meter, role), say, questions_of(load_model(model)))
        assert visit.closed
        machine, general = visit.fresh_machine(), []
        for data, now_s in visit.heard:
            machine.receive_data(data)
            while (event := machine.next_event()) is not NEED_DATA:
                answer(lab, meter, machine, event, now_s)
            general.append(machine.data_to_send())
        assert said == general


@pytest.mark.parametrize("model", MODELS)
def test_counters_stand_as_the_general_machine_leaves_them(model):
    lab = lab_of(model)
    visit = UsualVisit(Usual(lab), 3)
    ask_all(client(lab, 3, "reader", 77), lambda octets: visit.hear(octets, NOW), [(CLOCK_TIME, None)])
    visit.keep_counters()
    machine = visit.general_machine()
    assert lab.state.sent[3] == machine.next_invocation_counter
    assert lab.state.next_received[3, 1] == machine.last_accepted_counter + 1 == 80


def test_what_is_not_usual_is_left_to_the_general_machine_which_goes_on_where_the_visit_stood():
    lab = lab_of("is15959-d1")
    visit = UsualVisit(Usual(lab), 5)
    association = client(lab, 5, "setting")
    association.open()
    machine, events = None, []
    while not any(type(event).__name__ == "ActionDone" for event in events):
        event = association.next_event()
        if event is not NEED_DATA:
            events.append(event)
            if isinstance(event, AssociationOpened):
                association.get(CLOCK_TIME)
            elif isinstance(event, GetSucceeded):
                association.action(MethodRef(70, RELAY, 1), axdr.i8(0))
            continue
        octets = association.data_to_send()
        heard = visit.hear(octets, NOW)
        if heard is None:
            visit.heard.pop()
            machine = visit.general_machine()
            machine.receive_data(octets)
            while (request := machine.next_event()) is not NEED_DATA:
                answer(lab, 5, machine, request, NOW)
            heard = machine.data_to_send()
        association.receive_data(heard)
    assert machine is not None
    assert events[-1].result.name == "SUCCESS"
    assert lab.state.control_state[5] == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda octets: octets[:-1],
        lambda octets: octets + octets,
        lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]),
        lambda octets: octets[:8] + b"\x62" + octets[9:],
        lambda octets: octets[:3] + b"\x55" + octets[4:],
        lambda octets: b"\x00\x02" + octets[2:],
    ],
)
def test_octets_that_are_cut_doubled_or_changed_are_not_usual(damage):
    lab = lab_of("is15959-d1")
    association = client(lab, 2, "reader")
    association.open()
    assert UsualVisit(Usual(lab), 2).hear(damage(association.data_to_send()), NOW) is None


def test_an_old_counter_and_a_wrong_password_are_not_usual():
    lab = lab_of("is15959-d1")
    lab.state.next_received[2, 1] = 50
    association = client(lab, 2, "reader", 49)
    association.open()
    assert UsualVisit(Usual(lab), 2).hear(association.data_to_send(), NOW) is None
    association = client(lab, 1, "reader")
    association.open()
    assert UsualVisit(Usual(lab), 3).hear(association.data_to_send(), NOW) is None


def general_octets(lab, meter, selection):
    caller = Caller(meter=meter, association="reader", now_s=NOW)
    return lab.objects.get(caller, BLOCK_LOAD, selection)


@pytest.mark.parametrize("model", MODELS)
def test_a_sheet_says_what_the_objects_say(model):
    lab = lab_of(model)
    plan, questions = lab.objects.plan(0), Questions(lab)
    for first, last in ((0, 48), (0, 47), (5, 6), (40, 48), (20, 68), (47, 49), (48, 83)):
        selection = days_range(plan.model, YESTERDAY, first, last)
        sheet = questions._sheet(plan, plan.model.profiles["block-load"], selection)
        for meter in range(0, 40, 9):
            if sheet is not None:
                assert sheet.octets(meter) == general_octets(lab, meter, selection)
        assert (sheet is not None) == (plan.model.category == "D1")


def test_the_usual_day_of_a_home_has_a_sheet_and_a_disturbed_one_has_not():
    lab = lab_of("is15959-d1")
    plan, questions = lab.objects.plan(0), Questions(lab)
    profile = plan.model.profiles["block-load"]
    sheet = questions._sheet(plan, profile, days_range(plan.model, YESTERDAY))
    assert sheet is not None
    assert questions._sheets.octets(sheet, 0, profile, NOW) is not None
    midnight = midnight_s(YESTERDAY) + DAY_S
    offset_s = lab.state.clock_s(0, midnight) - midnight
    assert questions._sheets.octets(sheet, 0, profile, midnight - offset_s - 1) is None, "too fresh"
    assert questions._sheets.octets(sheet, 0, profile, midnight - offset_s + 1) is not None
    assert questions._sheets.octets(sheet, 40, profile, NOW) is None, "a transformer"
    lab.state.interruptions.relay_opened(1, NOW - DAY_S)
    lab.state.clock_jumps[2] = [(NOW - DAY_S, 7200)]
    lab.objects.distortions[3] = distortions.oversized
    assert [questions._sheets.octets(sheet, meter, profile, NOW) is None for meter in range(5)] == [
        *(False, True, True, True),
        False,
    ]


def test_the_quick_clock_is_the_clock():
    for shown_s in (NOW, NOW + 40_000, 1_709_231_399, 1_767_205_799, 946_665_000):
        for deviation_min in (330, -330):
            shown = rows.instants(np.asarray([shown_s]), deviation_min).tobytes()
            assert clock_octets(shown_s + 0.7, deviation_min) == b"\x09\x0c" + shown
