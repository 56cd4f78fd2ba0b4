"""Which communication groups this head-end may read now, and for how long it may believe so.

The model (docs/decisions/0008-leases.md): every head-end counts up a beat in the records once a second. It counts
its tenure from the moment *before* it asked for its last good renewal; others count from the moment *after* they
first saw that beat. Each uses its own steady clock, so that only the rate of the two clocks matters, not what they
show: a wall clock may jump as it likes. A holder that is not renewed stops beginning visits, then cuts its visits
short, and only after that may another head-end end its life and take its groups.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bijlighar.cim.exchange import Board, Deposed, LeaseLost, Member, Unavailable
from bijlighar.headend.ports import Leases
from bijlighar.headend.shares import to_give, to_take

_log = structlog.get_logger("headend")

SLOW_ROUND_S = 2.0
"""Between two looks at the board, when the second still says something of the time between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenureSettings:
    """Seconds of a steady clock.

    ``renew_s``  between renewals: one small transaction
    ``fresh_s``  after the last good renewal no visit begins: three renewals were missed, something is wrong
    ``held_s``   then visits are cut short: more than the 5 s that a renewal may wait for another writer
    ``taken_s``  a beat that stood still for so long is ended by whoever sees it: 4 s more than ``held_s``, for an
                 event loop that stalls, for cutting short, and for clocks that differ by a thousandth
    """

    renew_s: float = 1.0
    fresh_s: float = 4.0
    held_s: float = 8.0
    taken_s: float = 12.0

    def __post_init__(self) -> None:
        if not 0 < self.renew_s < self.fresh_s < self.held_s < self.taken_s:
            raise ValueError(f"a tenure that cannot be: {self}")


class Beats:
    """Since when each beat has stood still, as seen from here. Pure: ``now`` is an argument."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = float("-inf")

    def look(self, members: tuple[Member, ...], now: float, settings: TenureSettings) -> list[Member]:
        """Take in one look at the board; those whose life may be ended: known to be gone, or still for too long.

        After a time without looking everybody's time begins anew: a beat may have moved meanwhile and stopped.
        """
        blind = now - self._looked > settings.renew_s + SLOW_ROUND_S
        self._looked = now
        before, self._seen = self._seen, {}
        for member in members:
            beat, since = before.get(member.life, (member.beat - 1, now))
            self._seen[member.life] = (member.beat, now if blind or beat != member.beat else since)
        return [
            member for member in members if member.gone or now - self._seen[member.life][1] >= settings.taken_s
        ]


class Tenure:
    """On the event loop, except ``claim``, which any thread may ask.

    ``leases`` None: this head-end is alone and holds every group, for ever.
    ``idle``  whether no visit of a group is under way or waits for its landing
    """

    def __init__(
        self,
        leases: Leases | None,
        *,
        owner: str,
        settings: TenureSettings,
        in_thread: Callable[..., Awaitable[Any]],
        steady: Callable[[], float],
        meters: Callable[[], Mapping[str, int]],
        idle: Callable[[str], bool],
    ) -> None:
        self._leases = leases
        self._owner = owner
        self._settings = settings
        self._in_thread = in_thread
        self._steady = steady
        self._meters = meters
        self._idle = idle
        self._beats = Beats()
        self._board = Board(members=(), leases={})
        self._renewed_at = float("-inf")
        self.life: str | None = None
        self.epochs: dict[str, int] = {}
        """Group → epoch of what is held."""
        self.leaving: set[str] = set()
        """Held groups that are being handed over: no visit begins there."""
        self.unheld = 0
        """Groups that nobody held at the last look."""

    @property
    def fresh(self) -> bool:
        """Whether visits may begin."""
        return self._leases is None or self._steady() - self._renewed_at < self._settings.fresh_s

    @property
    def lapsed(self) -> bool:
        """Whether another head-end may soon hold what this one held: every visit must end now."""
        return self._leases is not None and self._steady() - self._renewed_at >= self._settings.held_s

    def may_begin(self, group: str) -> bool:
        """Whether a visit to a meter of this group may begin."""
        return group in self.epochs and group not in self.leaving and self.fresh

    def claim(self, group: str) -> tuple[str, int]:
        """Life and epoch under which counters of this group are reserved. Raises LeaseLost."""
        life, epoch = self.life, self.epochs.get(group)
        if epoch is None:
            raise LeaseLost(group)
        return life or "", epoch

    async def round(self) -> None:
        """Renew, hand over what is idle, and take what is free. Raises Unavailable; then all stays as it is."""
        if self._leases is None:
            visited = [group for group in self.epochs if not self._idle(group)]  # its last meter may have left
            self.epochs = dict.fromkeys([*self._meters(), *visited], 0)
            return
        try:
            await self._renew(self._leases)
        except Deposed:
            _log.warning("the leases of this head-end have passed to others", owner=self._owner, life=self.life)
            self.life, self.epochs, self.leaving = None, {}, set()
            await self._renew(self._leases)

    async def leave(self) -> None:
        """Give everything back at once. When the store is away, others will find the beat standing still."""
        life, self.life, self.epochs = self.life, None, {}
        self.leaving.clear()
        if self._leases is None or life is None:
            return
        try:
            await self._in_thread(self._leases.leave, life)
        except Unavailable as error:
            _log.warning("leases not given back", cause=error.reason)

    async def _renew(self, leases: Leases) -> None:
        if self.life is None:
            self.life = await self._in_thread(leases.join, self._owner)
        released = [group for group in self.leaving if self._idle(group)]
        begun = self._steady()
        for group in released:  # from the moment the store is asked it may be another's
            self.epochs.pop(group, None)
        self._note(await self._in_thread(leases.renew, self.life, released), begun)
        board, ended, wanted = self._plan(self._board)
        if ended or wanted:
            begun = self._steady()
            board = await self._in_thread(leases.take, self.life, ended, wanted)
            self._note(board, begun)
            if ended:
                _log.warning("ended the life of", owners=[member.owner for member in ended])

    def _plan(self, board: Board) -> tuple[Board, list[Member], dict[str, int]]:
        assert self.life is not None
        meters = self._meters()
        ended = self._beats.look(board.members, self._steady(), self._settings)
        ended = [member for member in ended if member.life != self.life]
        self.leaving = to_give(board, self.life, meters, ended)
        return board, ended, to_take(board, self.life, meters, ended)

    def _note(self, board: Board, begun: float) -> None:
        self._board = board
        self._renewed_at = begun
        held = {group: lease.epoch for group, lease in board.leases.items() if lease.life == self.life}
        gained, lost = held.keys() - self.epochs.keys(), self.epochs.keys() - held.keys()
        if gained or lost:
            _log.info("leases", owner=self._owner, holds=len(held), gained=len(gained), lost=len(lost))
        self.epochs = held
        self.leaving &= held.keys()
        holders = {member.life for member in board.members}
        self.unheld = sum(
            group not in board.leases or board.leases[group].life not in holders for group in self._meters()
        )
