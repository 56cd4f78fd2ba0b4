"""The table of legal moves, exhaustively: every role, state and move."""

import itertools

import pytest

from bijlighar.dlms.association.machine import Machine
from bijlighar.dlms.association.states import TRANSITIONS, Move, Role, State
from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError

EVERY = list(itertools.product(Role, State, Move))


def path_to(role, target):
    """The shortest list of moves from IDLE."""
    paths = {State.IDLE: []}
    waiting = [State.IDLE]
    while waiting:
        state = waiting.pop(0)
        for move, following in TRANSITIONS[role][state].items():
            if following not in paths:
                paths[following] = [*paths[state], move]
                waiting.append(following)
    return paths.get(target)


def machine_in(role, state):
    machine = Machine(TRANSITIONS[role])
    if state is State.FAILED:
        machine.fail(RemoteProtocolError("seeded"))
    else:
        for move in path_to(role, state):
            machine.own(move)
    assert machine.state is state
    return machine


@pytest.mark.parametrize("role", Role)
def test_every_state_has_its_row_and_can_be_reached(role):
    assert set(TRANSITIONS[role]) == set(State)
    assert [state for state in State if state is not State.FAILED and path_to(role, state) is None] == []


@pytest.mark.parametrize(("role", "state", "move"), EVERY)
def test_a_legal_move_goes_where_the_table_says_and_any_other_ends_it(role, state, move):
    following = TRANSITIONS[role][state].get(move)
    for make, fault in (("own", LocalProtocolError), ("peer", RemoteProtocolError)):
        machine = machine_in(role, state)
        assert machine.allows(move) is (following is not None)
        if following is not None:
            getattr(machine, make)(move)
            assert machine.state is following
            continue
        with pytest.raises(fault, match=move.name):
            getattr(machine, make)(move)
        assert machine.state is State.FAILED
        assert machine.fault is not None


@pytest.mark.parametrize("role", Role)
def test_nothing_leads_out_of_closed_and_failed(role):
    for state in (State.CLOSED, State.FAILED):
        assert set(TRANSITIONS[role][state].values()) == {state}


def test_the_first_fault_stays():
    machine = machine_in(Role.CLIENT, State.OPEN)
    first, second = RemoteProtocolError("first"), RemoteProtocolError("second")
    machine.fail(first)
    machine.fail(second)
    assert machine.fault is first


@pytest.mark.parametrize(("role", "state"), list(itertools.product(Role, State)))
def test_a_lost_connection_ends_every_state(role, state):
    machine = machine_in(role, state)
    machine.lose_connection("lost")
    assert machine.state in (State.CLOSED, State.FAILED)
    assert (machine.state is State.FAILED) == (machine.fault is not None)
