"""The way between head-end and meter: how long an answer takes, and which tries come to nothing.

Delays are seconds of the wall, outages are town time. A meter's channel is of Gilbert and Elliott's kind: ten
minutes are good or bad as a whole, and in a bad ten minutes nine tries in ten fail, so that a quick second try
rarely helps. Everything follows from the seed, the town's time and the number of the try.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

import numpy as np

from meterlab import draws
from meterlab.town import Town


class RadioKind(StrEnum):
    """Kinds of radio."""

    NONE = "none"
    LTE = "lte"
    GPRS = "gprs"


class Fate(Enum):
    """What becomes of a try."""

    GOES_THROUGH = "goes through"
    RESET = "reset"  # the connection is torn down at once
    SILENCE = "silence"  # the connection stands and nothing comes


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Round trip: median and 99th percentile in seconds; ``wake_s`` more before the first answer after idling."""

    median_s: float
    p99_s: float
    wake_s: tuple[float, float]


LATENCIES = {
    RadioKind.LTE: Latency(median_s=0.120, p99_s=2.0, wake_s=(1.0, 3.0)),
    RadioKind.GPRS: Latency(median_s=0.700, p99_s=6.0, wake_s=(1.0, 3.0)),
}
"""Assumed, after Keysight 2017."""

FAILING_SHARE = ((0.02, 0.60), (0.10, 0.10), (1.0, 0.005))
"""Up to this share of the meters, this share of tries fails: 2 % bad, 8 % marginal, the rest good."""

_P99 = 2.326
_BIN_S = 600
_FAILS_IN_BAD_BIN = 0.9
_SILENT_SHARE = 0.3
"""Of the failed tries these are never answered; the others are reset, which costs a reader no time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A tower is silent during ``[begin_s, end_s)`` of town time; ``meters`` None = all."""

    begin_s: int
    end_s: int
    meters: frozenset[int] | None = None


@dataclass(eq=False)
class Radio:
    """The radio of all meters. ``scale`` multiplies delays; ``failing`` float64[meter]: share of failed tries.

    ``silent_hours`` by meter the share of town hours in which it never answers; ``unlucky`` by meter the share of
    tries that fail each by itself, whatever its channel.
    """

    town: Town
    kind: RadioKind = RadioKind.NONE
    scale: float = 1.0
    outages: list[Outage] = field(default_factory=list)
    silent_hours: dict[int, float] = field(default_factory=dict)
    unlucky: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        meters = np.arange(len(self.town))
        self.tries = np.zeros(len(self.town), np.uint32)
        self.failing = np.zeros(len(self.town))
        if self.kind is not RadioKind.NONE:
            drawn = draws.uniform(self.town.seed, "channel", meters)
            bounds = [share for share, _ in FAILING_SHARE]
            rates = np.asarray([rate for _, rate in FAILING_SHARE])
            self.failing = rates[np.searchsorted(bounds, drawn, side="right")]
        self._answers = 0

    @property
    def is_instant(self) -> bool:
        """Whether answers leave at once."""
        return self.scale == 0 or self.kind not in LATENCIES

    def fate(self, meter: int, now_s: float) -> Fate:
        """What becomes of the next try to reach a meter."""
        self.tries[meter] += 1
        if self._out_of_reach(meter, now_s):
            return Fate.RESET
        if not self._fails(meter, now_s):
            return Fate.GOES_THROUGH
        silent = draws.uniform(self.town.seed, "silent", meter, int(self.tries[meter]))[0] < _SILENT_SHARE
        return Fate.SILENCE if silent else Fate.RESET

    def _out_of_reach(self, meter: int, now_s: float) -> bool:
        for outage in self.outages:
            if outage.begin_s <= now_s < outage.end_s and (outage.meters is None or meter in outage.meters):
                return True
        share = self.silent_hours.get(meter, 0.0)
        return share > 0 and draws.uniform(self.town.seed, "silent-hour", meter, int(now_s // 3600))[0] < share

    def _fails(self, meter: int, now_s: float) -> bool:
        rate = self.unlucky.get(meter, float(self.failing[meter]))
        if rate <= 0:
            return False
        drawn = draws.uniform(self.town.seed, "try", meter, int(self.tries[meter]))[0]
        if meter in self.unlucky:
            return bool(drawn < rate)
        bad = draws.uniform(self.town.seed, "channel-bin", meter, int(now_s // _BIN_S))[0] < rate
        chance = _FAILS_IN_BAD_BIN if bad else rate * (1 - _FAILS_IN_BAD_BIN) / (1 - rate)
        return bool(drawn < chance)

    def delay_s(self, meter: int, *, woken: bool) -> float:
        """Seconds of the wall before the next answer leaves; ``woken``: the first one of a connection."""
        latency = LATENCIES.get(self.kind)
        if latency is None or self.is_instant:
            return 0.0
        self._answers += 1
        sigma = np.log(latency.p99_s / latency.median_s) / _P99
        delay = latency.median_s * np.exp(sigma * draws.normal(self.town.seed, "delay", meter, self._answers)[0])
        if woken:
            delay += np.interp(
                draws.uniform(self.town.seed, "wake", meter, self._answers)[0], [0, 1], latency.wake_s
            )
        return float(delay) * self.scale
