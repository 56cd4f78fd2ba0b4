"""Invocation counters in use: blocks reserved in the store, handed out to visits, never handed out again.

A number of a block that was not used is lost, which is harmless; a number used twice under one key would be fatal.
So a visit takes the whole rest of its meter's block away and puts back what it did not use only when it has ended
in good order; a crash skips the block.
"""

from __future__ import annotations

from dataclasses import dataclass

from bijlighar.headend.ports import Counters

BLOCK = 1_000
"""Numbers reserved at once: some twenty ordinary visits for one durable write."""
LEAST_FOR_A_VISIT = 400
"""A full backfill of 35 days takes about 110 blocks of a kilobyte; two of those, and the rest of a visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """``count`` numbers from ``first`` on, ours alone. ``fresh``: reserved from a counter never used before."""

    first: int
    count: int
    fresh: bool


class CounterBook:
    """Blocks by meter and client address. ``take`` blocks when it must ask the store; raises Unavailable then."""

    def __init__(self, store: Counters) -> None:
        self._store = store
        self._rest: dict[tuple[int, int], tuple[int, int]] = {}
        self.reserved = 0
        """Numbers reserved since the start, for the metrics."""

    def ready(self, meter_id: int, client_address: int) -> bool:
        """Whether ``take`` will not have to ask the store."""
        first, end = self._rest.get((meter_id, client_address), (0, 0))
        return end - first >= LEAST_FOR_A_VISIT

    def take(self, meter_id: int, client_address: int) -> Reserved:
        """Numbers for one visit; reserves a new block when too few are left."""
        first, end = self._rest.pop((meter_id, client_address), (0, 0))
        if end - first >= LEAST_FOR_A_VISIT:
            return Reserved(first=first, count=end - first, fresh=False)
        return self._reserve(meter_id, client_address, at_least=0)

    def take_above(self, meter_id: int, client_address: int, meters_own: int) -> Reserved:
        """Numbers above the newest one that the meter says it has accepted."""
        self._rest.pop((meter_id, client_address), None)
        return self._reserve(meter_id, client_address, at_least=meters_own + 1)

    def put_back(self, meter_id: int, client_address: int, reserved: Reserved, next_counter: int) -> None:
        """The visit has ended and will never again use a number; those from ``next_counter`` on are free."""
        end = reserved.first + reserved.count
        if reserved.first <= next_counter < end:
            self._rest[meter_id, client_address] = (next_counter, end)

    def _reserve(self, meter_id: int, client_address: int, at_least: int) -> Reserved:
        first = self._store.reserve(meter_id, client_address, BLOCK, at_least)
        self.reserved += BLOCK
        return Reserved(first=first, count=BLOCK, fresh=first == 0)
