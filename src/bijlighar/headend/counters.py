"""Invocation counters in use: blocks reserved in the store, handed out to visits, never handed out again.

A number of a block that was not used is lost, which is harmless; a number used twice under one key would be fatal.
So a visit takes the whole rest of its meter's block away and puts back what it did not use only when it has ended
in good order; a crash skips the block.

Where several head-ends share the meters, a block belongs to the epoch of the group's lease in which it was
reserved, and blocks are reserved for thousands of meters in one transaction, before they are visited. With the
lease the block is gone: whatever was left of it lies below the numbers of the next holder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bijlighar.cim.exchange import CounterWish, LeaseLost
from bijlighar.headend.ports import Counters, Leases

BLOCK = 1_000
"""Numbers reserved at once: some twenty ordinary visits for one durable write."""
LEAST_FOR_A_VISIT = 400
"""A full backfill of 35 days takes about 110 blocks of a kilobyte; two of those, and the rest of a visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """``count`` numbers from ``first`` on, ours alone. ``fresh``: reserved from a counter never used before.

    ``epoch`` of the lease under which they were reserved.
    """

    first: int
    count: int
    fresh: bool
    epoch: int = 0


class Fence(Protocol):
    """Under which lease a meter is read. Any thread may ask."""

    def claim(self, meter_id: int) -> tuple[str, str, int]:
        """Life, group and epoch. Raises LeaseLost."""


class CounterBook:
    """Blocks by meter and client address. ``take`` blocks when it must ask the store; raises Unavailable then.

    With ``leases`` and ``fence`` everything that reserves raises LeaseLost when the meter is another's.
    """

    def __init__(self, store: Counters, *, leases: Leases | None = None, fence: Fence | None = None) -> None:
        self._store = store
        self._leases = leases
        self._fence = fence
        self._rest: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._spent: set[tuple[int, int]] = set()
        self.reserved = 0
        """Numbers reserved since the start, for the metrics."""

    @property
    def in_bulk(self) -> bool:
        """Whether ``stock`` reserves for many meters at once."""
        return self._leases is not None

    def ready(self, meter_id: int, client_address: int) -> bool:
        """Whether ``take`` will not have to ask the store, or asking it in bulk brings nothing."""
        if (meter_id, client_address) in self._spent:
            return True
        first, end, epoch = self._rest.get((meter_id, client_address), (0, 0, 0))
        return end - first >= LEAST_FOR_A_VISIT and epoch == self._epoch(meter_id)

    def stock(self, wanted: Iterable[tuple[int, int]]) -> None:
        """Reserve blocks for (meter, client address), all in one transaction. Raises Unavailable, LeaseLost."""
        assert self._leases is not None
        assert self._fence is not None
        wishes, life = [], ""
        for meter_id, client_address in wanted:
            try:
                life, group, epoch = self._fence.claim(meter_id)
            except LeaseLost:
                continue
            wishes.append(CounterWish(meter_id=meter_id, client_address=client_address, group=group, epoch=epoch))
        if not wishes:
            return
        firsts = self._leases.reserve(life, wishes, BLOCK)
        for wish in wishes:
            named = (wish.meter_id, wish.client_address)
            first = firsts.get(named)
            if first is None:
                self._spent.add(named)
            else:
                self._rest[named] = (first, first + BLOCK, wish.epoch)
                self.reserved += BLOCK

    def take(self, meter_id: int, client_address: int) -> Reserved:
        """Numbers for one visit; reserves a new block when too few are left."""
        first, end, epoch = self._rest.pop((meter_id, client_address), (0, 0, 0))
        if end - first >= LEAST_FOR_A_VISIT and epoch == self._epoch(meter_id):
            return Reserved(first=first, count=end - first, fresh=first == 0, epoch=epoch)
        return self._reserve(meter_id, client_address, at_least=0)

    def above(self, reserved: Reserved, meters_own: int) -> Reserved | None:
        """The rest of ``reserved`` above the newest number that the meter has accepted, when that is enough."""
        first, end = max(reserved.first, meters_own + 1), reserved.first + reserved.count
        if end - first < LEAST_FOR_A_VISIT:
            return None
        return Reserved(first=first, count=end - first, fresh=False, epoch=reserved.epoch)

    def take_above(self, meter_id: int, client_address: int, meters_own: int) -> Reserved:
        """Numbers above the newest one that the meter says it has accepted."""
        self._rest.pop((meter_id, client_address), None)
        return self._reserve(meter_id, client_address, at_least=meters_own + 1)

    def put_back(self, meter_id: int, client_address: int, reserved: Reserved, next_counter: int) -> None:
        """The visit has ended and will never again use a number; those from ``next_counter`` on are free."""
        end = reserved.first + reserved.count
        if reserved.first <= next_counter < end:
            self._rest[meter_id, client_address] = (next_counter, end, reserved.epoch)

    def _epoch(self, meter_id: int) -> int | None:
        """None: the meter is another's."""
        if self._fence is None:
            return 0
        try:
            return self._fence.claim(meter_id)[2]
        except LeaseLost:
            return None

    def _reserve(self, meter_id: int, client_address: int, at_least: int) -> Reserved:
        if self._leases is None or self._fence is None:
            first, epoch = self._store.reserve(meter_id, client_address, BLOCK, at_least), 0
        else:
            life, group, epoch = self._fence.claim(meter_id)
            wish = CounterWish(
                meter_id=meter_id, client_address=client_address, group=group, epoch=epoch, at_least=at_least
            )
            found = self._leases.reserve(life, [wish], BLOCK).get((meter_id, client_address))
            if found is None:
                raise CountersSpentForGood(meter_id)
            first = found
        self.reserved += BLOCK
        return Reserved(first=first, count=BLOCK, fresh=first == 0, epoch=epoch)


class CountersSpentForGood(Exception):
    """No invocation counters are left under the meter's present keys; they must be changed."""

    def __init__(self, meter_id: int) -> None:
        super().__init__(f"meter {meter_id}: invocation counters are used up; change the keys")
        self.meter_id = meter_id
