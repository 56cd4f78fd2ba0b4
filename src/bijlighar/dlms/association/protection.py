"""How a client's APDUs are protected: under the global keys, and under a dedicated key once the meter has it."""

from __future__ import annotations

from collections.abc import Callable

from bijlighar.dlms.association.prepared import Prepared
from bijlighar.dlms.association.settings import ClientSettings
from bijlighar.dlms.channel import DEDICATED, SecureChannel


def unchanged(apdu: bytes) -> bytes:
    """Neither sealed nor opened."""
    return apdu


class Protection:
    """``channel`` None = nothing is ciphered nor proven by GMAC; services go through ``seal`` and ``open``."""

    __slots__ = ("_dedicated", "_first_counter", "_general", "_settings", "channel", "open", "seal")

    def __init__(
        self,
        settings: ClientSettings,
        ready: Prepared,
        first_counter: int | None,
        count: int | None,
        heard: int = -1,
    ) -> None:
        self._settings = settings
        self._first_counter = settings.invocation_counter if first_counter is None else first_counter
        self._general = ready.general
        self._dedicated: SecureChannel | None = None
        self.channel: SecureChannel | None = None
        self.seal: Callable[[bytes], bytes] = unchanged
        self.open: Callable[[bytes], bytes] = unchanged
        own = settings.own
        if ready.title is None or own is None:
            return
        left = settings.counters_left if count is None else count
        self.channel = channel = SecureChannel(
            own, settings.meter_title, ready.protection, self._first_counter, left, heard=heard
        )
        if ready.ciphered:
            self.seal = channel.seal_general if ready.general else channel.seal_glo
            self.open = channel.open

    @property
    def next_counter(self) -> int:
        """The first invocation counter that has not been used."""
        if self.channel is None:
            return self._first_counter
        self.join_counters()
        return self.channel.next_counter

    @property
    def last_heard(self) -> int:
        """The newest counter that the meter used under the global key, -1 = none."""
        return -1 if self.channel is None else self.channel.last_accepted

    @property
    def meter_title(self) -> bytes:
        """The meter's system title as far as it is known."""
        return (self._settings.meter_title or b"") if self.channel is None else self.channel.peer_title

    def join_counters(self) -> None:
        """What was used under the dedicated key is used under the global one too."""
        if self.channel is not None and self._dedicated is not None:
            self.channel.go_on_after(self._dedicated)

    def use_dedicated(self) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
        """The meter has the dedicated key: what to seal and open with; pushes may still be under global keys."""
        key, own, channel = self._settings.dedicated_key, self._settings.own, self.channel
        if key is None or own is None or channel is None:
            return self.seal, self.open
        self._dedicated = dedicated = channel.dedicated(key, own.authentication_key)
        self.seal = dedicated.seal_general if self._general else dedicated.seal_glo

        def open_either(apdu: bytes) -> bytes:
            return (dedicated if apdu[0] in DEDICATED else channel).open(apdu)

        self.open = open_either
        return self.seal, self.open
