"""What a session is asked to do, as a generator: it yields requests and is sent the answers.

A script knows no socket and waits for nothing, so the same script runs over a connection, over a fake wire in a
test, or in a simulation. A refused read is thrown into the script as ``ReadRefused``; a script that does not catch
it ends the session.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from bijlighar.dlms import axdr
from bijlighar.dlms.xdlms import AttributeRef, EntrySelection, MethodRef, RangeSelection
from bijlighar.gate.warrant import Warrant

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Get:
    """Read one attribute; the answer is its A-XDR octets."""

    ref: AttributeRef
    selection: RangeSelection | EntrySelection | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """Write one attribute, past the guard; the answer is empty when the meter accepted."""

    ref: AttributeRef
    value: axdr.Data
    warrant: Warrant | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Invoke one method, past the guard; the answer is the returned A-XDR octets, or empty."""

    ref: MethodRef
    parameter: axdr.Data | None = None
    warrant: Warrant | None = None


Request: TypeAlias = Get | Set | Act
Script: TypeAlias = Generator[Request, bytes, T]


class ReadRefused(Exception):
    """The meter answered a request with an error. ``result`` is its own word for it."""

    def __init__(self, what: str, result: str) -> None:
        super().__init__(f"{what} refused: {result}")
        self.what = what
        self.result = result


class WrongMeter(Exception):
    """Another meter answers at this address. ``expected`` and ``found`` are serials or system titles."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected meter {expected}, found {found}")
        self.expected = expected
        self.found = found
