"""Scenes of pushes: a feeder that loses supply, long pushes in blocks, senders that double, replay and forge."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bijlighar.dlms.limits import MAX_FRAME_OCTETS, MIN_PDU_OCTETS
from meterlab.push_shares import PushShares
from meterlab.state import State
from meterlab.town import Town


class PushStage(Protocol):
    """What these scenes change."""

    @property
    def town(self) -> Town:
        """The town."""

    @property
    def state(self) -> State:
        """Its meters."""

    @property
    def now_s(self) -> float:
        """Town time at the start."""

    @property
    def push(self) -> PushShares:
        """What becomes of pushes."""


def last_gasp_storm(stage: PushStage, parameters: dict[str, str]) -> None:
    """A feeder loses supply some seconds after the start."""
    feeder = int(parameters["feeder"])
    if not 0 <= feeder < len(stage.town.feeders):
        raise ValueError(f"feeder {feeder} is not one of this town's {len(stage.town.feeders)}, counted from 0")
    begin_s = int(stage.now_s + float(parameters["after"]))
    end_s = begin_s + int(60 * float(parameters["minutes"]))
    for transformer in np.flatnonzero(stage.town.feeder == feeder).tolist():
        stage.state.interruptions.supply_lost(transformer, begin_s, end_s)


def push_duplicates(stage: PushStage, parameters: dict[str, str]) -> None:
    """Many pushes come twice."""
    stage.push.duplicates = float(parameters["share"])


def push_replay(stage: PushStage, parameters: dict[str, str]) -> None:
    """Old pushes are sent again, and counters used a second time."""
    stage.push.replayed = float(parameters["share"])
    stage.push.reused = float(parameters["reused"])


def push_forged(stage: PushStage, parameters: dict[str, str]) -> None:
    """Somebody pushes in the meters' names."""
    stage.push.forged = float(parameters["share"])


def push_blocks(stage: PushStage, parameters: dict[str, str]) -> None:
    """Long pushes come in general blocks."""
    stage.push.in_blocks = float(parameters["share"])
    stage.push.block_octets = int(parameters["octets"])
    if not MIN_PDU_OCTETS <= stage.push.block_octets <= MAX_FRAME_OCTETS:
        raise ValueError(f"blocks have {MIN_PDU_OCTETS} to {MAX_FRAME_OCTETS} octets")
