"""The table of legal moves, exhaustively: every role, state and move."""

import itertools

import pytest

from bijlighar.dlms.association.states import OWN_MOVES, TRANSITIONS, Move, Role, State, rows
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


@pytest.mark.parametrize("role", Role)
def test_every_state_has_its_row_and_can_be_reached(role):
    assert set(TRANSITIONS[role]) == set(State)
    assert [state for state in State if state is not State.FAILED and path_to(role, state) is None] == []


@pytest.mark.parametrize(("role", "state", "move"), EVERY)
def test_a_legal_move_goes_where_the_table_says_and_any_other_is_somebodys_fault(role, state, move):
    row = rows(role)[state]
    assert row.state is state
    following = TRANSITIONS[role][state].get(move)
    if following is not None:
        assert row[move].state is following
        return
    with pytest.raises(LocalProtocolError if move in OWN_MOVES[role] else RemoteProtocolError, match=move.name):
        row[move]


def test_each_move_is_said_by_one_role_and_heard_by_the_other():
    client, server = OWN_MOVES[Role.CLIENT], OWN_MOVES[Role.SERVER]
    assert client | server == set(Move)
    assert client & server == {Move.LOSE_CONNECTION}


@pytest.mark.parametrize("role", Role)
def test_nothing_leads_out_of_closed_and_failed(role):
    for state in (State.CLOSED, State.FAILED):
        assert set(TRANSITIONS[role][state].values()) == {state}
