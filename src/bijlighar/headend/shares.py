"""Who should hold which communication group: a pure plan that every head-end makes for itself from the same board.

The load of a head-end is the number of meters in its groups. Free groups go to whoever has least; who has more
than its share gives groups away for as long as that makes the two more alike. Each gift brings the loads closer,
so giving ends; nobody gives below its share, so two givers cannot flood a newcomer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bijlighar.cim.exchange import Board, Lease, Member

TOLERANCE = 0.05
"""A twentieth above the share is even enough: a hand-over costs a look at what is held of every meter."""
_FREE = Lease(life=None, epoch=0)


def to_take(board: Board, life: str, meters: Mapping[str, int], ended: Collection[Member]) -> dict[str, int]:
    """Free groups that fall to ``life``, with their epochs. ``meters`` by group; ``ended`` count no more."""
    over = {member.life for member in ended}
    loads = _loads(board, meters, over)
    if life not in loads:
        return {}
    free = [group for group in meters if _holder(board, group) is None or _holder(board, group) in over]
    mine: dict[str, int] = {}
    for group in sorted(free, key=lambda group: (-meters[group], group)):
        least = min(loads, key=lambda one: (loads[one], one))
        loads[least] += meters[group]
        if least == life:
            mine[group] = board.leases.get(group, _FREE).epoch
    return mine


def to_give(board: Board, life: str, meters: Mapping[str, int], ended: Collection[Member]) -> set[str]:
    """Groups that ``life`` should hand over: more than its share, or no longer of the registry."""
    held = {group for group, lease in board.leases.items() if lease.life == life}
    given = {group for group in held if group not in meters}
    loads = _loads(board, meters, {member.life for member in ended})
    others = [one for one in loads if one != life]
    if life not in loads or not others:
        return given
    share = sum(meters.values()) / len(loads)
    rest = sorted(held - given, key=lambda group: (-meters[group], group))
    for group in rest:  # the largest first: a group too large for the excess of now is too large for any later one
        if loads[life] <= share * (1 + TOLERANCE):
            break
        least = min(others, key=lambda one: (loads[one], one))
        excess, gap = loads[life] - share, loads[life] - loads[least]
        if meters[group] / 2 <= excess and meters[group] < gap:
            given.add(group)
            loads[life] -= meters[group]
            loads[least] += meters[group]
    return given


def _holder(board: Board, group: str) -> str | None:
    return board.leases.get(group, _FREE).life


def _loads(board: Board, meters: Mapping[str, int], over: Collection[str]) -> dict[str, int]:
    """Meters by life, of those that have not ended."""
    loads = {member.life: 0 for member in board.members if member.life not in over}
    for group, lease in board.leases.items():
        if lease.life in loads:
            loads[lease.life] += meters.get(group, 0)
    return loads
