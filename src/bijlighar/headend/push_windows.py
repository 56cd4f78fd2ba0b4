"""The counter windows of pushes, twice: as received, and as durable.

The order that neither loses a push nor lets one in twice: a push is judged by the *received* windows as it comes
in, on the event loop. Its rows wait for their landing, and with them the fact that its counter was used. The
landing thread applies that fact to the *landed* windows and hands those to ``Landing.land``, which commits rows
and windows in one transaction; only then is the push told to anybody. A process killed before that commit has
neither: the meter's repetition is new again. Killed after it, both: a replay is a duplicate or lies below the
window. The received windows are never written, for they are ahead of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import structlog

from bijlighar.cim.exchange import PushWindow
from bijlighar.dlms.window import CounterWindow

_log = structlog.get_logger("headend")

WindowKey = tuple[bytes, bytes]
"""System title and key id."""

_KEY_ID_OCTETS = 8


def key_id_of(encryption_key: bytes, authentication_key: bytes) -> bytes:
    """Eight octets that tell a meter's keys apart. One-way: 128 random bits cannot be searched for."""
    material = encryption_key + authentication_key
    return blake2b(material, digest_size=_KEY_ID_OCTETS, person=b"bijlighar push").digest()


class Windows:
    """Windows by sender and key. For one thread."""

    def __init__(self) -> None:
        self._windows: dict[WindowKey, CounterWindow] = {}

    def load(self, kept: Iterable[PushWindow]) -> None:
        """Take over what is durable. A window that cannot be read stays closed up to its newest counter."""
        for row in kept:
            try:
                window = CounterWindow.from_octets(row.highest, row.window)
            except ValueError:
                _log.error("a kept push window cannot be read", system_title=row.system_title.hex())
                window = CounterWindow.closed(row.highest)
            self._windows[row.system_title, row.key_id] = window

    def of(self, key: WindowKey) -> CounterWindow:
        """The window of a sender and key; a new one admits everything."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = CounterWindow()
        return window

    def admitted(self, pushes: Iterable[tuple[WindowKey, int, bytes]]) -> list[PushWindow]:
        """The changed windows after these (key, counter, fingerprint) were admitted, to be made durable."""
        changed: dict[WindowKey, CounterWindow] = {}
        for key, counter, fingerprint in pushes:
            window = changed.get(key)
            if window is None:
                window = changed[key] = self.of(key)
            window.judge(counter, fingerprint)
        return [
            PushWindow(system_title=title, key_id=key_id, highest=window.highest, window=window.to_octets())
            for (title, key_id), window in changed.items()
        ]

    def forget(self, pushes: Iterable[tuple[WindowKey, int, bytes]]) -> None:
        """These pushes never became durable: whoever repeats them is heard."""
        for key, counter, _ in pushes:
            self.of(key).forget(counter)
