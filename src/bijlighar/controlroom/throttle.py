"""Throttled sign-in: after some failures a name and an address must wait. Pure: the time comes in as ``now_s``.

A name is held so that one password cannot be guessed from many places, an address so that many names cannot be
tried from one place. Counts live in memory of the one control-room process; a restart forgets them, which costs
an attacker more than it gives.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

ADDRESS_FACTOR = 4
"""An address may stand for several people of one office, so it may fail this many times as often as a name."""

MOST_ENTRIES = 50_000
"""Oldest entries are dropped beyond this, so that invented names cannot fill the memory (about 10 MB)."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float


class SignInThrottle:
    """Counts failures by name and by address.

    ``failures``  how many in a row a name may have before it waits
    ``lock_s``    how long it then waits, in seconds; failures are forgotten as long after the last one
    """

    def __init__(self, *, failures: int, lock_s: float) -> None:
        self._allowed = failures
        self._lock_s = lock_s
        self._entries: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, name: str, address: str, *, now_s: float) -> float:
        """How long this name at this address must still wait; 0 means it may try."""
        return max(
            self._entry_wait_s(_name_key(name), self._allowed, now_s),
            self._entry_wait_s(_address_key(address), self._allowed * ADDRESS_FACTOR, now_s),
        )

    def began(self, name: str, address: str, *, now_s: float) -> None:
        """Count a try as a failure before the password is checked, so that parallel tries gain nothing."""
        for key in (_name_key(name), _address_key(address)):
            entry = self._entries.pop(key, None)
            if entry is None or now_s - entry.last_s >= self._lock_s:
                entry = _Failures(count=0, last_s=now_s)
            entry.count += 1
            entry.last_s = now_s
            self._entries[key] = entry
        while len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the name's failures and take this try back from the address, whose earlier failures stay."""
        self._entries.pop(_name_key(name), None)
        entry = self._entries.get(_address_key(address))
        if entry is not None:
            entry.count = max(0, entry.count - 1)

    def _entry_wait_s(self, key: str, allowed: int, now_s: float) -> float:
        entry = self._entries.get(key)
        if entry is None or entry.count < allowed:
            return 0.0
        return max(0.0, entry.last_s + self._lock_s - now_s)


def _name_key(name: str) -> str:
    return "name:" + name.casefold()


def _address_key(address: str) -> str:
    return "address:" + address
