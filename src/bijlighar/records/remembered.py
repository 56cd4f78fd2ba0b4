"""A bounded memory of what was read from segments: a segment never changes, so a copy is as good as the file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Remembered(Generic[Thing]):
    """Things by name, up to ``limit_octets`` by ``octets_of``; the longest unused go first. For many threads."""

    def __init__(self, limit_octets: int, octets_of: Callable[[Thing], int]) -> None:
        self._limit_octets = limit_octets
        self._octets_of = octets_of
        self._lock = threading.Lock()
        self._things: OrderedDict[str, Thing] = OrderedDict()
        self._octets = 0

    def get(self, name: str, read: Callable[[], Thing]) -> Thing:
        """The thing of that name, read when it is not remembered. Raises what ``read`` raises."""
        with self._lock:
            if name in self._things:
                self._things.move_to_end(name)
                return self._things[name]
        thing = read()
        self._keep(name, thing)
        return thing

    def _keep(self, name: str, thing: Thing) -> None:
        with self._lock:
            if name in self._things:
                return
            self._things[name] = thing
            self._octets += self._octets_of(thing)
            while self._octets > self._limit_octets:
                _, oldest = self._things.popitem(last=False)
                self._octets -= self._octets_of(oldest)
