"""What a conformance check is and what it finds: its sentence, its clause, the octets that went and came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from bijlighar.headend.conformance.bench import Bench


class Verdict(StrEnum):
    """How a check ended. NOT_APPLICABLE: the meter or its model has not what is to be checked."""

    PASSED = "pass"
    FAILED = "fail"
    NOT_APPLICABLE = "not applicable"


class Failed(Exception):
    """The meter did not do what the clause says. ``reason`` is one sentence, without any secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Silent(Failed):
    """No whole answer came in time, so the meter may not be there at all."""


class NotApplicable(Exception):
    """There is nothing to check here. ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One frame each way, as on the line; ``sent`` without secrets, ``received`` b"" where nothing came.

    ``sent_plain`` and ``received_plain`` the same deciphered, b"" where nothing was ciphered.
    """

    sent: bytes
    received: bytes
    sent_plain: bytes = b""
    received_plain: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. ``name`` a sentence; ``exchanges`` the last ones of the check, in order."""

    name: str
    clause: str
    verdict: Verdict
    detail: str
    exchanges: tuple[Exchange, ...]


Act: TypeAlias = Callable[["Bench"], Awaitable[str]]
"""Looks at the meter and says what it saw; raises Failed, NotApplicable or RemoteProtocolError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. ``name`` is that of its function, read as a sentence."""

    name: str
    clause: str
    act: Act


class Chapter(list[Check]):
    """Checks of one subject, in the order in which they are made. ``standard`` is where the clauses stand."""

    def __init__(self, standard: str) -> None:
        super().__init__()
        self.standard = standard

    def check(self, clause: str) -> Callable[[Act], Act]:
        """Make a check of a function whose name is a sentence."""

        def listed(act: Act) -> Act:
            name = getattr(act, "__name__", "").strip("_").replace("_", " ")
            self.append(Check(name=name, clause=f"{self.standard}, {clause}", act=act))
            return act

        return listed
