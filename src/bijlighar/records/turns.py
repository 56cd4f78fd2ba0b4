"""Turns: first come, first served, among the threads of a process.

SQLite lets whoever asks at the right moment write next; among threads that write all the time one may wait until
its patience ends. Threads that stand in line before they ask do not contend.
"""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A line before something that one thread at a time may have. Usable from many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        """Threads in line."""
        return len(self._waiting)

    def take(self, within_s: float) -> bool:
        """Wait for one's turn; False when it did not come within ``within_s`` seconds. Not to be nested."""
        turn = threading.Event()
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            self._waiting.append(turn)
        if turn.wait(within_s):
            return True
        with self._guard:
            if turn.is_set():  # it came just now
                return True
            self._waiting.remove(turn)
            return False

    def give(self) -> None:
        """The next in line has it."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
