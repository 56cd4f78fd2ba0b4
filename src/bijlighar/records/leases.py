"""Which head-end reads which communication group: leases with a fencing epoch, and counters for the holder only.

A head-end process has a *life*, which ends with the process. It counts its beat up every second, and a life whose
beat stands still for too long is ended by another one. Nothing here looks at a clock: how long is too long each
head-end measures by itself (``headend.tenure``), so no jump of any clock ends or prolongs a lease. Every take is
one transaction that checks what was seen: the beat of the life that is ended and the epoch of the group.

A process that has ended on this machine is known at once, by the kernel's lock on its file (``files.Owner``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Text, case, cast, delete, exc, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bijlighar.cim.exchange import (
    LOOSE_GROUPS,
    Board,
    CounterWish,
    Deposed,
    JobState,
    Lease,
    LeaseLost,
    Member,
)
from bijlighar.records import tables
from bijlighar.records.counters import UnknownMeter, reserve_many
from bijlighar.records.database import Database, hold_sequence, next_number
from bijlighar.records.files import is_alive
from bijlighar.records.keys import NAMED_AT_ONCE

_lives = tables.headends
_leases = tables.leases
_jobs = tables.jobs
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def leased_group() -> ColumnElement[str]:
    """``cim.exchange.lease_group`` of a row of ``meters``."""
    meters = tables.meters
    part = literal("#") + cast(meters.c.meter_id % LOOSE_GROUPS, Text)
    return case((meters.c.communication_group != "", meters.c.communication_group), else_=part)


class Leases:
    """Joins, renews, takes, gives, leaves. ``process`` is the name of this process's lock file in ``owners``.

    Every method may raise Unavailable. Usable from many threads.
    """

    def __init__(self, database: Database, *, process: str, owners: Path, now: Callable[[], float]) -> None:
        self._database = database
        self._process = process
        self._owners = owners
        self._now = now
        self._place = _place(owners)

    def join(self, owner: str) -> str:
        """Begin a life under the name ``owner`` and return it. It holds nothing yet."""
        with self._database.write() as connection:
            life = f"{self._process}.{next_number(connection, 'lives')}"
            row = {"life": life, "owner": owner, "place": self._place, "beat": 0, "joined_s": int(self._now())}
            connection.execute(_lives.insert().values(row))
        return life

    def renew(self, life: str, released: Sequence[str] = ()) -> Board:
        """Count the beat up, give ``released`` groups back, and return how all stands. Raises Deposed."""
        with self._database.write() as connection:
            beaten = update(_lives).where(_lives.c.life == life).values(beat=_lives.c.beat + 1)
            if connection.execute(beaten).rowcount == 0:
                raise Deposed
            for named in _pieces(released):
                mine = (_leases.c.life == life) & _leases.c.communication_group.in_(named)
                connection.execute(update(_leases).where(mine).values(life=None))
            return self._board(connection)

    def take(self, life: str, ended: Sequence[Member], wanted: Mapping[str, int]) -> Board:
        """End lives whose beat still is as seen, take groups nobody holds, and return how all stands.

        ``wanted``: group → epoch as seen, 0 for a group that was never leased. What has changed meanwhile is left
        as it is. Raises Deposed.
        """
        with self._database.write() as connection:
            hold_sequence(connection, "lives")  # one taker at a time
            alive = select(_lives.c.life).where(_lives.c.life == life).with_for_update()
            if connection.execute(alive).first() is None:
                raise Deposed
            for member in ended:
                seen = (_lives.c.life == member.life) & (_lives.c.beat == member.beat)
                if connection.execute(delete(_lives).where(seen)).rowcount:
                    _free(connection, member.life)
            self._take(connection, life, wanted)
            return self._board(connection)

    def leave(self, life: str) -> None:
        """End this life in good order: its groups are free and its unfinished jobs wait as if never claimed."""
        with self._database.write() as connection:
            connection.execute(delete(_lives).where(_lives.c.life == life))
            _free(connection, life)
            unfinished = (_jobs.c.owner == life) & (_jobs.c.state == JobState.RUNNING.value)
            waiting = {"state": JobState.WAITING.value, "owner": None, "claims": _jobs.c.claims - 1}
            connection.execute(update(_jobs).where(unfinished).values(waiting))

    def board(self) -> Board:
        """How all stands."""
        with self._database.read() as connection:
            return self._board(connection)

    def reserve(self, life: str, wishes: Sequence[CounterWish], count: int) -> dict[tuple[int, int], int]:
        """``count`` fresh numbers for each wish in one transaction: (meter, client) → the first of them.

        Durable before return.
        A meter whose counters are used up is left out. Raises LeaseLost, then for none, when one of the groups is
        not held by ``life`` in the epoch of the wish; UnknownMeter.
        """
        epochs = {wish.group: wish.epoch for wish in wishes}
        try:
            with self._database.write() as connection:
                self._check(connection, life, epochs)
                return reserve_many(connection, wishes, count)
        except exc.IntegrityError as refusal:
            named = ", ".join(str(wish.meter_id) for wish in wishes[:10])
            raise UnknownMeter(named) from refusal

    def _check(self, connection: Connection, life: str, epochs: Mapping[str, int]) -> None:
        """Locks the leases until the transaction ends, so that nobody takes one over meanwhile."""
        held: dict[str, int] = {}
        for named in _pieces(list(epochs)):
            mine = (_leases.c.life == life) & _leases.c.communication_group.in_(named)
            query = select(_leases.c.communication_group, _leases.c.epoch).where(mine).with_for_update(read=True)
            held |= {row.communication_group: row.epoch for row in connection.execute(query)}
        for group, epoch in epochs.items():
            if held.get(group) != epoch:
                raise LeaseLost(group)

    def _take(self, connection: Connection, life: str, wanted: Mapping[str, int]) -> None:
        make = sqlite.insert if self._database.is_sqlite else postgresql.insert
        rows = [
            {"communication_group": group, "life": life, "epoch": epoch + 1} for group, epoch in wanted.items()
        ]
        if not rows:
            return
        statement = make(_leases)
        free = _leases.c.life.is_(None) & (_leases.c.epoch == statement.excluded.epoch - 1)
        values = {name: statement.excluded[name] for name in ("life", "epoch")}
        keys = ["communication_group"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values, where=free), rows)

    def _board(self, connection: Connection) -> Board:
        members = tuple(
            Member(life=row.life, owner=row.owner, beat=row.beat, gone=self._gone(row.life, row.place))
            for row in connection.execute(select(_lives).order_by(_lives.c.life))
        )
        leases = {
            row.communication_group: Lease(life=row.life, epoch=row.epoch)
            for row in connection.execute(select(_leases))
        }
        return Board(members=members, leases=leases)

    def _gone(self, life: str, place: str) -> bool:
        process = life.rpartition(".")[0]
        if process == self._process or not place or place != self._place:
            return False
        return not is_alive(self._owners, process)


def _free(connection: Connection, life: str) -> None:
    connection.execute(update(_leases).where(_leases.c.life == life).values(life=None))


def _place(owners: Path) -> str:
    """Names this boot of this machine and this very folder: who has the same sees the kernel's own locks."""
    try:
        found = owners.stat()
        return f"{_BOOT.read_text(encoding='ascii').strip()} {found.st_dev} {found.st_ino}"
    except OSError:
        return ""


def _pieces(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[first : first + NAMED_AT_ONCE] for first in range(0, len(names), NAMED_AT_ONCE)]
