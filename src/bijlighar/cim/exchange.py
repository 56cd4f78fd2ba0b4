"""What crosses between the head-end and the records besides readings: nameplates, sealed keys, read jobs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.period import Period


class Unavailable(Exception):
    """The store cannot serve now: locked, full, or down. ``reason`` is one short English sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKeys:
    """One meter's keys, sealed (AES-256-GCM) under the master key by ``headend.keys``."""

    meter_id: int
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """What a meter says of itself at first contact. ``read_s`` epoch seconds UTC."""

    meter_id: int
    serial: str
    device_id: str
    manufacturer: str
    firmware: str
    meter_type: int | None
    category: str
    current_rating: str
    year: int | None
    read_s: int


class JobState(StrEnum):
    """States of an on-demand read."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadJob:
    """An on-demand read asked for by a person or a program. ``period`` bounds block, daily and event rows."""

    job_id: str
    meter_id: int
    kinds: tuple[ProfileKind, ...]
    period: Period | None
    asked_by: str
    asked_ms: int
    state: JobState = JobState.WAITING
    rows: int = 0
    progress: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushWindow:
    """Which invocation counters of pushes were accepted from one sender under one key.

    ``system_title`` 8 octets; ``key_id`` 8 octets that tell keys apart and none of the key; ``highest`` newest
    counter; ``window`` what is remembered below it, in the head-end's own octets.
    """

    system_title: bytes
    key_id: bytes
    highest: int
    window: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPush:
    """A push that was not accepted, kept as evidence.

    ``received_s`` epoch seconds of the utility's clock; ``reason`` a fixed word; ``system_title`` as it claims,
    empty when it claims none; ``meter_id`` None when no meter has that title; ``counter`` None when there is none;
    ``peer`` where it came from; ``octets`` as received, ciphered.
    """

    received_s: int
    reason: str
    system_title: bytes
    meter_id: int | None
    counter: int | None
    peer: str
    octets: bytes
