"""A conformance suite of our own: what a meter does, clause by clause, against what it should do.

It runs against any meter of a known model, real or virtual. It reads, associates and tries what must be refused;
it never writes, and invokes nothing but the proof of an association: a meter is after it as it was before, its
invocation counters apart. One wrong password, one wrong proof and one opening without its mechanism are tried a
run, which some makes count.

A clause is named by its standard and its service or class, not by a number that differs from edition to edition.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bijlighar.dlms.errors import RemoteProtocolError
from bijlighar.dlms.hdlc import HdlcSettings
from bijlighar.dlms.model import MeterModel
from bijlighar.headend.associating import passing_title
from bijlighar.headend.conformance.bench import Bench
from bijlighar.headend.conformance.clock import CLOCK
from bijlighar.headend.conformance.hdlc import HDLC
from bijlighar.headend.conformance.opening import OPENING
from bijlighar.headend.conformance.profiles import PROFILES
from bijlighar.headend.conformance.security import SECURITY
from bijlighar.headend.conformance.services import OBJECTS, SERVICES
from bijlighar.headend.conformance.verdicts import Check, Failed, Finding, NotApplicable, Silent, Verdict
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.session import TimeLimits

__all__ = [
    "CHECKS",
    "HDLC_CHECKS",
    "Bench",
    "Check",
    "Finding",
    "Report",
    "Verdict",
    "bench_of",
    "checks_of",
    "conform",
]

CHECKS: Final[tuple[Check, ...]] = (*OPENING, *SECURITY, *SERVICES, *OBJECTS, *CLOCK, *PROFILES)
"""Every check, in the order in which they are made."""
HDLC_CHECKS: Final[tuple[Check, ...]] = (*HDLC, *CHECKS)
"""Those of a meter that is reached over HDLC."""
MOST_SILENT: Final = 3
"""Checks in a row without any answer, after which the rest is left alone: the meter is not there."""
LIMITS: Final = TimeLimits(connect_s=15.0, answer_s=10.0)
"""A refusal may be silence, so silence is waited for less long than when a meter is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a meter came to. ``findings`` one for each check, in order."""

    findings: tuple[Finding, ...]

    def count(self, verdict: Verdict) -> int:
        """How many checks ended so."""
        return sum(finding.verdict is verdict for finding in self.findings)

    @property
    def conforms(self) -> bool:
        """Whether nothing failed and something was seen."""
        return not self.count(Verdict.FAILED) and self.count(Verdict.PASSED) > 0


def bench_of(
    host: str,
    port: int,
    model: MeterModel,
    keys: MeterKeys,
    *,
    now: Callable[[], float],
    serial: str | None = None,
    first_counter: int = 1,
    limits: TimeLimits = LIMITS,
    draw: Callable[[int], bytes] = secrets.token_bytes,
    hdlc: HdlcSettings | None = None,
) -> Bench:
    """The meter at an address, put on a bench. ``serial`` what it should show, None = not known.

    ``first_counter`` the invocation counter to begin with where the public client is not told one; ``hdlc`` how it
    is reached when not by TCP wrapper.
    """
    return Bench(
        host=host,
        port=port,
        model=model,
        keys=keys,
        limits=limits,
        now=now,
        draw=draw,
        own_title=passing_title(draw),
        serial=serial,
        first_counter=first_counter,
        hdlc=hdlc,
    )


def checks_of(bench: Bench) -> tuple[Check, ...]:
    """The checks that a meter on this bench is to pass."""
    return CHECKS if bench.hdlc is None else HDLC_CHECKS


async def conform(
    bench: Bench, *, checks: Sequence[Check] | None = None, tell: Callable[[Finding], None] = lambda _: None
) -> Report:
    """Make every check, or those named; ``tell`` is called with each finding.

    Raises only what our own code did wrong.
    """
    findings: list[Finding] = []
    silent = 0
    for check in checks_of(bench) if checks is None else checks:
        if silent >= MOST_SILENT:
            finding = _finding(bench, check, Verdict.NOT_APPLICABLE, "not tried: the meter answers nothing")
        else:
            finding, was_silent = await _made(bench, check)
            silent = silent + 1 if was_silent else 0
        findings.append(finding)
        tell(finding)
    return Report(findings=tuple(findings))


async def _made(bench: Bench, check: Check) -> tuple[Finding, bool]:
    """One check, and whether the meter was silent."""
    bench.record.clear()
    try:
        return _finding(bench, check, Verdict.PASSED, await check.act(bench)), False
    except NotApplicable as reason:
        return _finding(bench, check, Verdict.NOT_APPLICABLE, reason.reason), False
    except Failed as fault:
        return _finding(bench, check, Verdict.FAILED, fault.reason), isinstance(fault, Silent)
    except RemoteProtocolError as fault:
        detail = f"{type(fault).__name__}: {fault.reason}"
        return _finding(bench, check, Verdict.FAILED, detail), False


def _finding(bench: Bench, check: Check, verdict: Verdict, detail: str) -> Finding:
    exchanges = bench.record.exchanges if verdict is not Verdict.NOT_APPLICABLE else ()
    return Finding(name=check.name, clause=check.clause, verdict=verdict, detail=detail, exchanges=exchanges)
