"""What the head-end needs from outside, as ports. ``records`` implements them; ``operations`` hands them over.

The head-end knows no database. Every method may raise ``Unavailable`` when the store cannot serve now; the
head-end then keeps what it holds, waits and tries again: nothing is acknowledged that is not durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.exchange import (
    Board,
    CounterWish,
    JobState,
    Member,
    Nameplate,
    PushWindow,
    ReadJob,
    RefusedPush,
    SealedKeys,
    Unavailable,
)
from bijlighar.cim.network import Meter
from bijlighar.cim.period import Period
from bijlighar.cim.readings import ReadingBatch

__all__ = ["JobState", "Nameplate", "ReadJob", "SealedKeys", "Unavailable"]


class Landing(Protocol):
    """Where readings and contacts become durable."""

    def land(
        self, readings: Sequence[ReadingBatch], contacts: Sequence[Contact], windows: Sequence[PushWindow] = ()
    ) -> None:
        """Return only when all rows are durable (file and manifest committed). Raises Unavailable.

        ``windows`` become durable in the same commit as the rows, or neither does.
        Blocking; the head-end calls it from one thread of its own. Landing the same rows twice is harmless.
        """

    def quarantine(self, readings: ReadingBatch, reasons: Sequence[str]) -> None:
        """Keep, apart from readings, rows whose time cannot be true; durable before return. Raises Unavailable.

        ``reasons`` by row: "no-stamp" (start_s is MISSING), "off-slot", "future" or "long-past". Everything that
        the meter said is in the row, so that an engineer can look. Landing the same rows twice is harmless.
        """


class HeldReadings(Protocol):
    """Which rows are already kept, for gap-driven backfill."""

    def held(self, kind: ProfileKind, period: Period) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """``(meter_id[row], start_s[row])`` of every kept row of ``kind`` that starts in ``period``."""


class Past(Protocol):
    """What was done before this process began, for all meters at once or in parts that need no memory together."""

    def firmware(self) -> dict[int, str]:
        """The firmware on each meter's newest nameplate; meters without one are absent."""

    def held_parts(
        self, kind: ProfileKind, period: Period, meter_ids: NDArray[np.int32] | None = None
    ) -> Iterable[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """As ``HeldReadings.held``, of the named meters or all, part by part; a row may be told more than once."""

    def last_successes(self, since_s: int) -> Iterable[tuple[str, NDArray[np.int64], NDArray[np.float64]]]:
        """``(purpose, meter_id[row], started_s[row])``: the newest successful contact of a meter for a purpose.

        Of those that started at ``since_s`` or later; purposes as in ``cim.contacts.Contact``.
        """


class Leases(Protocol):
    """Which head-end reads which communication group (docs/decisions/0008-leases.md)."""

    def join(self, owner: str) -> str:
        """Begin a life under the name ``owner`` and return it."""

    def renew(self, life: str, released: Sequence[str] = ()) -> Board:
        """Count the beat up, give groups back, and return how all stands. Raises Deposed."""

    def take(self, life: str, ended: Sequence[Member], wanted: Mapping[str, int]) -> Board:
        """End lives whose beat is as seen, take free groups whose epoch is as seen. Raises Deposed."""

    def leave(self, life: str) -> None:
        """Give all back."""

    def reserve(self, life: str, wishes: Sequence[CounterWish], count: int) -> dict[tuple[int, int], int]:
        """``count`` fresh counters for each wish: (meter, client) → the first; durable on return.

        What is used up is left out. Raises LeaseLost, then for none.
        """


class Counters(Protocol):
    """Durable invocation counters, per meter and client address. A number handed out is never handed out again."""

    def reserve(self, meter_id: int, client_address: int, count: int, at_least: int = 0) -> int:
        """The first of ``count`` fresh numbers, >= ``at_least``; durable before return."""


class KeyBox(Protocol):
    """Sealed keys by meter."""

    def sealed_keys(self, meter_ids: Sequence[int] | None = None) -> list[SealedKeys]:
        """The sealed keys of the named meters, or of all."""

    def put_sealed_keys(self, keys: Sequence[SealedKeys]) -> None:
        """Keep keys; newest wins."""


class MeterBook(Protocol):
    """The meters that this head-end shall read."""

    def meters(self) -> list[Meter]:
        """All meters of the registry that are in service."""

    def version(self) -> int:
        """A number that grows whenever ``meters()`` would answer differently."""


class Layouts(Protocol):
    """Capture objects and scalers, read from a meter once per model and firmware."""

    def layout(self, model: str, firmware: str, profile: str) -> bytes | None:
        """The kept layout (the head-end's own octets), or None."""

    def put_layout(self, model: str, firmware: str, profile: str, layout: bytes) -> None:
        """Keep a layout; newest wins."""


class Nameplates(Protocol):
    """Nameplates by meter, every change kept."""

    def nameplate(self, meter_id: int) -> Nameplate | None:
        """The newest nameplate, or None before first contact."""

    def put_nameplate(self, nameplate: Nameplate) -> None:
        """Keep a nameplate; older ones stay."""


class ReadJobs(Protocol):
    """The queue of on-demand reads, shared by processes."""

    def claim(self, owner: str, limit: int, now_ms: int) -> list[ReadJob]:
        """Take up to ``limit`` waiting jobs, oldest first; each goes to one owner only."""

    def report(
        self, job_id: str, *, state: JobState, rows: int, progress: float, detail: str, now_ms: int
    ) -> None:
        """Keep how a job stands. ``progress`` runs from 0 to 1."""


class LeasedJobs(Protocol):
    """The same queue where leases say whose meter it is."""

    def claim(self, owner: str, limit: int, now_ms: int, *, life: str | None = None) -> list[ReadJob]:
        """Take waiting jobs of meters whose group ``life`` holds."""

    def report(
        self,
        job_id: str,
        *,
        state: JobState,
        rows: int,
        progress: float,
        detail: str,
        now_ms: int,
        life: str | None = None,
    ) -> None:
        """Keep how a job stands, unless ``life`` has it no more."""

    def give_back(self, life: str, job_ids: Sequence[str]) -> None:
        """These jobs wait again, as if never claimed."""


class Pushes(Protocol):
    """What is kept of pushes besides their rows."""

    def windows(self) -> list[PushWindow]:
        """Every counter window as the last landing left it."""

    def admit(self, greetings: Sequence[PushWindow]) -> list[bool]:
        """Keep each window whose ``highest`` is above what is kept; whether it was. Durable before return."""

    def keep_refused(self, refused: Sequence[RefusedPush]) -> None:
        """Keep pushes that were not accepted; durable before return."""
