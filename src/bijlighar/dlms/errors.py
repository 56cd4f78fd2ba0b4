"""The faults of a conversation, told apart by whose fault it is.

A ``LocalProtocolError`` is the caller's mistake and a bug to be mended here; a ``RemoteProtocolError`` is the
peer's, or that of somebody who pretends to be the peer. After either of them an association stays failed.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Something that the protocol does not allow. ``reason`` is one sentence and holds no key and no value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LocalProtocolError(ProtocolError):
    """We were about to do what the protocol does not allow."""


class CountersSpent(LocalProtocolError):
    """The reserved invocation counters are used up. ``counter`` is the number that was refused."""

    def __init__(self, counter: int) -> None:
        super().__init__(f"invocation counter {counter} lies beyond the reserved block")
        self.counter = counter


class RemoteProtocolError(ProtocolError):
    """The peer did what the protocol does not allow."""


class Malformed(RemoteProtocolError):
    """The octets follow no known rule."""


class Truncated(RemoteProtocolError):
    """The octets end before what they announced."""


class TooLarge(RemoteProtocolError):
    """Something is longer, deeper or more numerous than the limit that stands for it."""


class NotAuthentic(RemoteProtocolError):
    """The octets are not proven to come from the peer: wrong tag, title, proof, or too little protection."""


class Replayed(RemoteProtocolError):
    """An invocation counter was seen before. ``counter`` what came, ``last_accepted`` the newest that was good."""

    def __init__(self, counter: int, last_accepted: int) -> None:
        super().__init__(f"invocation counter {counter} is not above {last_accepted}")
        self.counter = counter
        self.last_accepted = last_accepted


class CounterWentBack(Replayed):
    """The first counter of an association is not above the last one of an earlier association under the same key.

    Somebody replays what was recorded, or the meter was reset and counts anew.
    """

    def __init__(self, counter: int, last_accepted: int) -> None:
        super().__init__(counter, last_accepted)
        self.reason = f"counter went back: {counter} came after {last_accepted} in an earlier association"
        self.args = (self.reason,)


class StaleReply(RemoteProtocolError):
    """An answer to another question: wrong invoke-id or wrong block number."""


class NotSupported(RemoteProtocolError):
    """A service or form of the standard that this package does not speak (yet)."""


class SuiteNotSupported(NotSupported):
    """The peer uses a security suite other than 0. ``suite`` is its number."""

    def __init__(self, suite: int) -> None:
        super().__init__(f"security suite {suite_name(suite)} is not supported, only suite 0 is")
        self.suite = suite


_SUITE_NAMES = {
    0: "0 (AES-GCM-128)",
    1: "1 (ECDH-ECDSA-AES-GCM-128-SHA-256)",
    2: "2 (ECDH-ECDSA-AES-GCM-256-SHA-384)",
}


def suite_name(suite: int) -> str:
    """Number and name of a security suite, for people."""
    return _SUITE_NAMES.get(suite, f"{suite} (unknown)")
