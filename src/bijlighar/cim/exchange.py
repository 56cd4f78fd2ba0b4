"""What crosses between the head-end and the records besides readings: nameplates, keys, jobs, leases, counters."""

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
    """What a meter says of itself at first contact. ``read_s`` epoch seconds UTC.

    ``ct_ratio``, ``pt_ratio``  of the transformers in front of it, where it states them (IS 15959 Part 3)
    """

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
    ct_ratio: int | None = None
    pt_ratio: int | None = None


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


class Deposed(Exception):
    """This life of a head-end holds nothing any more: it was silent for too long and others have taken over."""


class LeaseLost(Exception):
    """The communication group of a meter is no longer, or not yet, leased to this head-end."""

    def __init__(self, group: str) -> None:
        super().__init__(f"group {group} is not leased to this head-end")
        self.group = group


LOOSE_GROUPS = 64
"""Meters without a communication group are leased in this many parts, so that 64 head-ends can share them."""


def lease_group(group: str, meter_id: int) -> str:
    """What is leased when a meter of this communication group is read: the group, or one of the parts ``#0`` ….

    ``records.leases.leased_group`` says the same in SQL.
    """
    return group or f"#{meter_id % LOOSE_GROUPS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One life of a head-end process, as the store shows it.

    ``life``  unique for ever; ``owner`` the process's name; ``beat`` counts up with every renewal
    ``gone``  True when its process has certainly ended; False when it lives or nobody here can know
    """

    life: str
    owner: str
    beat: int
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who holds one communication group. ``life`` None: nobody. ``epoch`` grows by one whenever it is taken."""

    life: str | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All members and leases as they were at one moment; a group that was never leased is absent."""

    members: tuple[Member, ...]
    leases: dict[str, Lease]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterWish:
    """Invocation counters wanted for one meter and client, >= ``at_least``, under the lease of its group."""

    meter_id: int
    client_address: int
    group: str
    epoch: int
    at_least: int = 0
