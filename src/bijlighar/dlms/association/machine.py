"""The state of one association: makes the moves of the table and remembers the fault that ended it."""

from __future__ import annotations

from bijlighar.dlms.association.states import Move, Moves, State
from bijlighar.dlms.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

_IDLE = State.IDLE


class Machine:
    """Begins in IDLE and follows ``moves``, one role's part of TRANSITIONS.

    ``state`` is where it stands; ``fault`` what ended it, if anything did.
    """

    __slots__ = ("_moves", "_row", "fault", "state")

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self.state = _IDLE
        self._row = moves[_IDLE]
        self.fault: ProtocolError | None = None

    def own(self, move: Move) -> None:
        """Make a move of ours. Raises LocalProtocolError when it is not legal now; then all is over."""
        state = self._row.get(move)
        if state is None:
            fault = LocalProtocolError(f"{move.name} is not possible while {self.state.name}")
            self.fail(fault)
            raise fault
        self.state = state
        self._row = self._moves[state]

    def peer(self, move: Move) -> None:
        """Follow a move of the peer's. Raises RemoteProtocolError when it is not legal now; then all is over."""
        state = self._row.get(move)
        if state is None:
            fault = RemoteProtocolError(f"the peer's {move.name} is not possible while {self.state.name}")
            self.fail(fault)
            raise fault
        self.state = state
        self._row = self._moves[state]

    def allows(self, move: Move) -> bool:
        """Whether ``move`` is legal now."""
        return move in self._row

    def fail(self, fault: ProtocolError) -> None:
        """It is over; the first fault stays."""
        if self.fault is None:
            self.fault = fault
        self.state = State.FAILED
        self._row = self._moves[State.FAILED]

    def lose_connection(self, reason: str) -> None:
        """The connection is gone: closed when nothing was awaited, failed otherwise."""
        if self.allows(Move.LOSE_CONNECTION):
            self.own(Move.LOSE_CONNECTION)
        else:
            self.fail(RemoteProtocolError(reason))
