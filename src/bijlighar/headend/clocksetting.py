"""Setting a meter's clock: measured first, never by more than one block without leave, proven by reading back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bijlighar.dlms import axdr
from bijlighar.dlms.clock import encode_instant
from bijlighar.dlms.model import MeterModel
from bijlighar.dlms.xdlms import CLOCK_TIME
from bijlighar.headend.reading import read_clock
from bijlighar.headend.script import Script, Set


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLimits:
    """Seconds. Validation practice: warn above one minute, set above two; see docs for the sources.

    ``jump_s``     a larger step would skip or double a whole block
    ``allow_jump`` whether such a step may be made nevertheless; it is then told in the contact
    ``verify_s``   how near the clock must be when it is read back
    """

    warn_s: float = 60.0
    set_s: float = 120.0
    jump_s: float = 1800.0
    allow_jump: bool = False
    verify_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSetting:
    """How a setting went. Offsets in milliseconds, meter minus ours; ``after_ms`` None when nothing was set."""

    before_ms: int | None
    after_ms: int | None
    word: str

    @property
    def succeeded(self) -> bool:
        """Whether the clock was set and read back as it should be."""
        return self.word == "set"


def set_clock(
    model: MeterModel, now: Callable[[], float], limits: ClockLimits, may: Callable[[], bool] = lambda: True
) -> Script[ClockSetting]:
    """Measure, set when it is needed and allowed, read back. Raises ReadRefused when the meter will not.

    ``may`` is asked last of all, for our own clock may have been set meanwhile.
    """
    before = yield from read_clock(model, now)
    before_ms = None if before is None else before.offset_ms
    if before is not None and before_ms is not None:
        if not before.surely_beyond(limits.set_s):
            return ClockSetting(before_ms=before_ms, after_ms=None, word="near enough")
        if abs(before_ms) > limits.jump_s * 1000 and not limits.allow_jump:
            return ClockSetting(before_ms=before_ms, after_ms=None, word="too far to set without leave")
    if not may():
        return ClockSetting(before_ms=before_ms, after_ms=None, word="not set, for our own is in doubt")
    octets = encode_instant(round(now()), model.deviation_sign, model.default_offset_min)
    yield Set(CLOCK_TIME, axdr.octets(octets))
    after = yield from read_clock(model, now)
    near = after is not None and not after.surely_beyond(limits.verify_s)
    return ClockSetting(
        before_ms=before_ms,
        after_ms=None if after is None else after.offset_ms,
        word="set" if near else "not as it was set",
    )
