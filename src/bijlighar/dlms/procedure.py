"""Steps of procedures that take several requests: what to ask next, without asking it.

A procedure is a generator: it yields steps and is sent what became of each. It knows no association and no clock,
so whoever runs it decides whether each step may be taken: all of these procedures change a meter.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from bijlighar.dlms.axdr import Data
from bijlighar.dlms.xdlms import ActionResult, AttributeRef, DataAccessResult, MethodRef

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read:
    """Read one attribute; send its raw A-XDR octets or the DataAccessResult."""

    ref: AttributeRef


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke one method; send the ActionResult."""

    ref: MethodRef
    parameter: Data


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass, in seconds; send None."""

    duration_s: float


Step: TypeAlias = Read | Invoke | Wait
Outcome: TypeAlias = bytes | DataAccessResult | ActionResult | None
Procedure: TypeAlias = Generator[Step, Outcome, T]
