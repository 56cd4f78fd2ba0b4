"""Which move is legal in which state, for both roles: one table.

A move is named after what is said. Each move is one role's own (a fault in it is the caller's) and the other's to
hear (a fault in it is the peer's). A state is named after what has been said last and not been answered.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NoReturn

from bijlighar.dlms.errors import LocalProtocolError, RemoteProtocolError


class Role(Enum):
    """Client: asks, here the head-end. Server: answers, here the meter."""

    CLIENT = "client"
    SERVER = "server"


class State(IntEnum):
    """Where an association stands."""

    IDLE = 0
    ASSOCIATING = 1
    CHALLENGED = 2
    PROVING = 3
    OPEN = 4
    GETTING = 5
    BETWEEN_BLOCKS = 6
    SETTING = 7
    ACTING = 8
    RELEASING = 9
    CLOSED = 10
    FAILED = 11
    SETTING_BLOCKS = 12
    BETWEEN_SET_BLOCKS = 13
    ACTING_BLOCKS = 14
    BETWEEN_ACT_BLOCKS = 15
    BETWEEN_ANSWER_BLOCKS = 16


class Move(IntEnum):
    """What one side says to the other."""

    ASSOCIATE = 0
    ACCEPT = 1
    CHALLENGE = 2
    REFUSE = 3
    PROVE = 4
    ACCEPT_PROOF = 5
    REFUSE_PROOF = 6
    GET = 7
    ANSWER_GET = 8
    GIVE_BLOCK = 9
    GET_NEXT = 10
    SET = 11
    ANSWER_SET = 12
    ACT = 13
    ANSWER_ACT = 14
    RELEASE = 15
    ANSWER_RELEASE = 16
    REPORT_EXCEPTION = 17
    NOTIFY = 18
    LOSE_CONNECTION = 19
    SET_BLOCK = 20
    TAKE_SET_BLOCK = 21
    ACT_BLOCK = 22
    TAKE_ACT_BLOCK = 23
    GIVE_ANSWER_BLOCK = 24
    ANSWER_NEXT = 25


_ASKING = {
    Move.ASSOCIATE,
    Move.PROVE,
    Move.GET,
    Move.GET_NEXT,
    Move.SET,
    Move.SET_BLOCK,
    Move.ACT,
    Move.ACT_BLOCK,
    Move.ANSWER_NEXT,
    Move.RELEASE,
}
OWN_MOVES = {
    Role.CLIENT: frozenset(_ASKING | {Move.LOSE_CONNECTION}),
    Role.SERVER: frozenset(set(Move) - _ASKING),
}
"""What each role says, or is told by its caller; the rest it hears from its peer."""

Moves = dict[State, dict[Move, State]]
"""One role's part of the table."""

_ANEW: dict[Move, State] = {
    Move.GET: State.GETTING,
    Move.SET: State.SETTING,
    Move.SET_BLOCK: State.SETTING_BLOCKS,
    Move.ACT: State.ACTING,
    Move.ACT_BLOCK: State.ACTING_BLOCKS,
    Move.RELEASE: State.RELEASING,
    Move.LOSE_CONNECTION: State.CLOSED,
}
"""A client that drops something long may ask for something else."""

TRANSITIONS: dict[Role, Moves] = {
    Role.CLIENT: {
        State.IDLE: {
            Move.ASSOCIATE: State.ASSOCIATING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.ASSOCIATING: {
            Move.ACCEPT: State.OPEN,
            Move.CHALLENGE: State.CHALLENGED,
            Move.REFUSE: State.CLOSED,
            Move.REPORT_EXCEPTION: State.CLOSED,
        },
        State.CHALLENGED: {Move.PROVE: State.PROVING},
        State.PROVING: {
            Move.ACCEPT_PROOF: State.OPEN,
            Move.REFUSE_PROOF: State.CLOSED,
            Move.REPORT_EXCEPTION: State.CLOSED,
        },
        State.OPEN: {
            Move.GET: State.GETTING,
            Move.SET: State.SETTING,
            Move.SET_BLOCK: State.SETTING_BLOCKS,
            Move.ACT: State.ACTING,
            Move.ACT_BLOCK: State.ACTING_BLOCKS,
            Move.RELEASE: State.RELEASING,
            Move.NOTIFY: State.OPEN,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.GETTING: {
            Move.ANSWER_GET: State.OPEN,
            Move.GIVE_BLOCK: State.BETWEEN_BLOCKS,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.GETTING,
        },
        State.BETWEEN_BLOCKS: {Move.GET_NEXT: State.GETTING},
        State.SETTING: {
            Move.ANSWER_SET: State.OPEN,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.SETTING,
        },
        State.SETTING_BLOCKS: {
            Move.TAKE_SET_BLOCK: State.BETWEEN_SET_BLOCKS,
            Move.ANSWER_SET: State.OPEN,  # the meter gives a long writing up
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.SETTING_BLOCKS,
        },
        State.BETWEEN_SET_BLOCKS: {Move.SET_BLOCK: State.SETTING_BLOCKS, Move.SET: State.SETTING},
        State.ACTING: {
            Move.ANSWER_ACT: State.OPEN,
            Move.GIVE_ANSWER_BLOCK: State.BETWEEN_ANSWER_BLOCKS,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.ACTING,
        },
        State.ACTING_BLOCKS: {
            Move.TAKE_ACT_BLOCK: State.BETWEEN_ACT_BLOCKS,
            Move.ANSWER_ACT: State.OPEN,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.ACTING_BLOCKS,
        },
        State.BETWEEN_ACT_BLOCKS: {Move.ACT_BLOCK: State.ACTING_BLOCKS, Move.ACT: State.ACTING},
        State.BETWEEN_ANSWER_BLOCKS: {Move.ANSWER_NEXT: State.ACTING},
        State.RELEASING: {
            Move.ANSWER_RELEASE: State.CLOSED,
            Move.REPORT_EXCEPTION: State.CLOSED,
            Move.NOTIFY: State.RELEASING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.CLOSED: {Move.LOSE_CONNECTION: State.CLOSED},
        State.FAILED: {Move.LOSE_CONNECTION: State.FAILED},
    },
    Role.SERVER: {
        State.IDLE: {
            Move.ASSOCIATE: State.ASSOCIATING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.ASSOCIATING: {
            Move.ACCEPT: State.OPEN,
            Move.CHALLENGE: State.CHALLENGED,
            Move.REFUSE: State.CLOSED,
        },
        State.CHALLENGED: {
            Move.PROVE: State.PROVING,
            Move.RELEASE: State.RELEASING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.PROVING: {
            Move.ACCEPT_PROOF: State.OPEN,
            Move.REFUSE_PROOF: State.CLOSED,
        },
        State.OPEN: {
            Move.GET: State.GETTING,
            Move.SET: State.SETTING,
            Move.SET_BLOCK: State.SETTING_BLOCKS,
            Move.ACT: State.ACTING,
            Move.ACT_BLOCK: State.ACTING_BLOCKS,
            Move.RELEASE: State.RELEASING,
            Move.NOTIFY: State.OPEN,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.GETTING: {
            Move.ANSWER_GET: State.OPEN,
            Move.GIVE_BLOCK: State.BETWEEN_BLOCKS,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.GETTING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.BETWEEN_BLOCKS: {
            Move.GET_NEXT: State.GETTING,
            Move.NOTIFY: State.BETWEEN_BLOCKS,
            **_ANEW,
        },
        State.SETTING: {
            Move.ANSWER_SET: State.OPEN,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.SETTING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.SETTING_BLOCKS: {Move.TAKE_SET_BLOCK: State.BETWEEN_SET_BLOCKS, Move.ANSWER_SET: State.OPEN},
        State.BETWEEN_SET_BLOCKS: {Move.NOTIFY: State.BETWEEN_SET_BLOCKS, **_ANEW},
        State.ACTING: {
            Move.ANSWER_ACT: State.OPEN,
            Move.GIVE_ANSWER_BLOCK: State.BETWEEN_ANSWER_BLOCKS,
            Move.REPORT_EXCEPTION: State.OPEN,
            Move.NOTIFY: State.ACTING,
            Move.LOSE_CONNECTION: State.CLOSED,
        },
        State.ACTING_BLOCKS: {Move.TAKE_ACT_BLOCK: State.BETWEEN_ACT_BLOCKS, Move.ANSWER_ACT: State.OPEN},
        State.BETWEEN_ACT_BLOCKS: {Move.NOTIFY: State.BETWEEN_ACT_BLOCKS, **_ANEW},
        State.BETWEEN_ANSWER_BLOCKS: {
            Move.ANSWER_NEXT: State.ACTING,
            Move.NOTIFY: State.BETWEEN_ANSWER_BLOCKS,
            **_ANEW,
        },
        State.RELEASING: {Move.ANSWER_RELEASE: State.CLOSED},
        State.CLOSED: {Move.LOSE_CONNECTION: State.CLOSED},
        State.FAILED: {Move.LOSE_CONNECTION: State.FAILED},
    },
}
"""Role → state → move → state. What is not written here is refused; a client without an answer that loses its
connection has failed, a server has only lost its client."""


class Row(dict[Move, "Row"]):
    """What may be said in one ``state``, by its moves: ``row[move]`` is the row of the state that follows.

    A move that is not legal raises: LocalProtocolError when it is our own, RemoteProtocolError when it is the
    peer's. This is the whole machine: an association keeps the row it stands in.
    """

    __slots__ = ("_own", "state")

    def __init__(self, state: State, own: frozenset[Move]) -> None:
        super().__init__()
        self.state = state
        self._own = own

    def __missing__(self, move: Move) -> NoReturn:
        if move in self._own:
            raise LocalProtocolError(f"{move.name} is not possible while {self.state.name}")
        raise RemoteProtocolError(f"the peer's {move.name} is not possible while {self.state.name}")


def rows(role: Role) -> dict[State, Row]:
    """The table of ``role`` as rows that lead to each other."""
    own = OWN_MOVES[role]
    linked = {state: Row(state, own) for state in State}
    for state, moves in TRANSITIONS[role].items():
        linked[state].update({move: linked[following] for move, following in moves.items()})
    return linked
