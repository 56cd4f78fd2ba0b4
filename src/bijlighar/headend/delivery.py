"""From the sessions to the store: a bounded queue and one landing thread.

Answers wait as octets, are understood together, and landed at most a second after they came. A visit counts as
done only when ``land`` has returned. While the store is unavailable the same rows are kept and tried again; when
the queue is full no new visits begin, so that nothing is read that could not be kept.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import PushWindow, Unavailable
from bijlighar.cim.readings import ReadingBatch
from bijlighar.headend.decoding import Parcel, ParcelResult, Templates, Understood, understand
from bijlighar.headend.ports import Landing
from bijlighar.headend.push_bundle import PushBundle, PushResult, understand_pushes
from bijlighar.headend.push_windows import Windows
from bijlighar.headend.seen import SeenRows
from bijlighar.headend.translate import Quarantined

MOST_DETAIL = 400
"""Characters of a contact's detail: a line for people, not a list of all that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How answers wait and are landed. Seconds are wall-clock.

    ``most_wait_s``   from an answer to its landing; ``most_octets`` of answers in one landing
    ``queue_octets``, ``queue_parcels`` what may wait before no more visits begin
    ``retry_s``       before the store is tried again; doubles up to ``retry_cap_s``
    ``bug_retries``   tries when landing fails for another reason than an unavailable store
    """

    most_wait_s: float = 1.0
    most_octets: int = 8 << 20
    queue_octets: int = 64 << 20
    queue_parcels: int = 20_000
    retry_s: float = 0.5
    retry_cap_s: float = 30.0
    bug_retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """What became durable together. ``stored`` False: the store never took it; the visits must be made again.

    ``pushes`` are bundles of pushes; when they were not stored they count as never received.
    """

    stored: bool
    readings: list[ReadingBatch]
    quarantined: list[Quarantined]
    contacts: list[Contact]
    results: list[ParcelResult]
    pushes: list[PushResult] = field(default_factory=list)


class Delivery:
    """Takes parcels from any thread; calls ``on_landed`` and ``on_trouble`` from its own.

    ``on_trouble(reason)`` when the store refuses, ``on_trouble(None)`` when it takes again.
    """

    def __init__(
        self,
        landing: Landing,
        seen: SeenRows,
        *,
        now: Callable[[], float],
        on_landed: Callable[[Landed], None],
        on_trouble: Callable[[str | None], None],
        settings: DeliverySettings,
    ) -> None:
        self._landing = landing
        self._seen = seen
        self._now = now
        self._on_landed = on_landed
        self._on_trouble = on_trouble
        self._settings = settings
        self._templates = Templates()
        self._changed = threading.Condition()
        self.landed_windows = Windows()
        """Counters of durable pushes; loaded before ``start``, afterwards the landing thread's own."""
        self._waiting: deque[tuple[float, Parcel | PushBundle]] = deque()
        self._octets = 0
        self._taken = 0
        self._urgent = False
        self._give_up_at: float | None = None
        self._troubled = False
        self._thread = threading.Thread(target=self._run, name="landing", daemon=True)

    def start(self) -> None:
        """Begin to land."""
        self._thread.start()

    def stop(self, within_s: float) -> None:
        """Land what waits, for at most ``within_s`` more; then give the rest back as not stored. Blocks."""
        with self._changed:
            self._give_up_at = time.monotonic() + within_s
            self._changed.notify()
        self._thread.join()

    def put(self, parcel: Parcel | PushBundle) -> None:
        """Queue a parcel, or a bundle of pushes. Never refuses: whoever starts visits looks at ``full`` first."""
        with self._changed:
            self._waiting.append((time.monotonic(), parcel))
            self._octets += parcel.octets
            self._urgent = self._urgent or parcel.urgent
            self._changed.notify()

    @property
    def octets(self) -> int:
        """Octets of answers that are not durable yet."""
        return self._octets

    @property
    def full(self) -> bool:
        """Whether no new visit should begin."""
        waiting = len(self._waiting) + self._taken
        return self._octets >= self._settings.queue_octets or waiting >= self._settings.queue_parcels

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            parcels = [one for one in taken if isinstance(one, Parcel)]
            pushes = [one for one in taken if isinstance(one, PushBundle)]
            try:
                self._deliver(parcels, pushes)
            except Exception as error:  # noqa: BLE001 (the outer edge of this thread, which must go on)
                self._tell_trouble(f"delivery failed: {type(error).__name__}: {error}")
                self._give_back(parcels, pushes)
            with self._changed:
                self._octets -= sum(one.octets for one in taken)
                self._taken = 0

    def _next(self) -> list[Parcel | PushBundle] | None:
        """Wait for parcels worth a landing; None when stopped and empty."""
        with self._changed:
            while not self._ripe():
                if self._give_up_at is not None and not self._waiting:
                    return None
                self._changed.wait(self._patience_s())
            parcels: list[Parcel | PushBundle] = []
            octets = 0
            while self._waiting and octets < self._settings.most_octets:
                parcel = self._waiting.popleft()[1]
                parcels.append(parcel)
                octets += parcel.octets
            self._taken = len(parcels)
            self._urgent = any(parcel.urgent for _, parcel in self._waiting)
            return parcels

    def _ripe(self) -> bool:
        if not self._waiting:
            return False
        aged = time.monotonic() - self._waiting[0][0] >= self._settings.most_wait_s
        return aged or self._urgent or self._give_up_at is not None or self._octets >= self._settings.most_octets

    def _patience_s(self) -> float | None:
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0][0] + self._settings.most_wait_s - time.monotonic())

    def _deliver(self, parcels: list[Parcel], bundles: list[PushBundle]) -> None:
        pushes = self._understand_pushes(bundles)
        try:
            understood = understand(parcels, self._templates, self._seen, self._now())
        except Exception as error:  # noqa: BLE001 (one parcel that breaks our own code must not stop the others)
            self._deliver_apart(parcels, error)
            understood = Understood(readings=[], quarantined=[], results=[])
        understood.readings.extend(result.readings for result in pushes if result.readings is not None)
        understood.quarantined.extend(result.quarantined for result in pushes if result.quarantined is not None)
        windows = self.landed_windows.admitted(use for bundle in bundles for use in bundle.counters())
        contacts = [_told(result) for result in understood.results if result.parcel.contact is not None]
        stored = self._store(understood, contacts, windows)
        if not stored:
            self.landed_windows.forget(use for bundle in bundles for use in bundle.counters())
            contacts = [replace(contact, outcome=Outcome.NOT_STORED, rows=0) for contact in contacts]
        landed = Landed(
            stored=stored,
            readings=understood.readings if stored else [],
            quarantined=understood.quarantined if stored else [],
            contacts=contacts,
            results=understood.results,
            pushes=pushes,
        )
        self._on_landed(landed)

    def _understand_pushes(self, bundles: list[PushBundle]) -> list[PushResult]:
        """A bundle that breaks our own code is told whole as not understood; the others go on."""
        results = []
        for bundle in bundles:
            try:
                result = understand_pushes(bundle, self._templates, self._now())
            except Exception as error:  # noqa: BLE001 (as above)
                self._tell_trouble(f"pushes not understood: {type(error).__name__}: {error}")
                why = f"not understood: {type(error).__name__}"
                result = PushResult(bundle=bundle, faults=dict.fromkeys(range(len(bundle.entries)), why))
            results.append(result)
        return results

    def _give_back(self, parcels: list[Parcel], bundles: list[PushBundle]) -> None:
        contacts = [replace(p.contact, outcome=Outcome.NOT_STORED) for p in parcels if p.contact is not None]
        results = [ParcelResult(parcel=parcel) for parcel in parcels]
        pushes = [PushResult(bundle=bundle) for bundle in bundles]
        self._on_landed(
            Landed(stored=False, readings=[], quarantined=[], contacts=contacts, results=results, pushes=pushes)
        )

    def _deliver_apart(self, parcels: list[Parcel], error: Exception) -> None:
        if len(parcels) > 1:
            for parcel in parcels:
                self._deliver([parcel], [])
            return
        word = f"not understood: {type(error).__name__}"
        contacts = [
            replace(parcel.contact, outcome=Outcome.PROTOCOL, detail=word) for parcel in parcels if parcel.contact
        ]
        stored = self._store(Understood(readings=[], quarantined=[], results=[]), contacts)
        results = [ParcelResult(parcel=parcel, faults={"all": [word]}) for parcel in parcels]
        self._on_landed(Landed(stored=stored, readings=[], quarantined=[], contacts=contacts, results=results))

    def _store(self, understood: Understood, contacts: list[Contact], windows: Sequence[PushWindow] = ()) -> bool:
        """Land, however long it takes; False when stopped meanwhile or when our own code fails again and again."""
        wait_s, bugs = self._settings.retry_s, 0
        while True:
            try:
                for apart in understood.quarantined:
                    self._landing.quarantine(apart.readings, apart.reasons)
                if windows:
                    self._landing.land(understood.readings, contacts, windows)
                else:
                    self._landing.land(understood.readings, contacts)
            except Unavailable as error:
                self._tell_trouble(error.reason)
            except Exception as error:  # noqa: BLE001 (the outer edge of this thread: told, retried, then given back)
                self._tell_trouble(f"landing failed: {type(error).__name__}: {error}")
                bugs += 1
                if bugs >= self._settings.bug_retries:
                    return False
            else:
                self._tell_trouble(None)
                return True
            if not self._pause(wait_s):
                return False
            wait_s = min(wait_s * 2, self._settings.retry_cap_s)

    def _tell_trouble(self, reason: str | None) -> None:
        if reason is not None or self._troubled:
            self._troubled = reason is not None
            self._on_trouble(reason)

    def _pause(self, wait_s: float) -> bool:
        """Wait before another try; False when there is to be none."""
        until = time.monotonic() + wait_s
        with self._changed:
            while (now := time.monotonic()) < until:
                if self._give_up_at is not None:
                    if now >= self._give_up_at:
                        return False
                    until = min(until, self._give_up_at, now + self._settings.retry_s)
                self._changed.wait(until - now)
        return self._give_up_at is None or time.monotonic() < self._give_up_at


def _cut(detail: str) -> str:
    return detail if len(detail) <= MOST_DETAIL else detail[: MOST_DETAIL - 1] + "…"


def _told(result: ParcelResult) -> Contact:
    """The contact with what was found in the answers: rows, signal, faults, rows kept apart."""
    contact = result.parcel.contact
    assert contact is not None
    outcome, parts = contact.outcome, [contact.detail] if contact.detail else []
    for profile, reasons in result.faults.items():
        parts.append(f"{profile}: {len(reasons)} unreadable ({reasons[0]})")
        outcome = Outcome.PROTOCOL if outcome in (Outcome.OK, Outcome.INCOMPLETE) else outcome
    for reason, rows in result.apart.items():
        parts.append(f"{rows} rows kept apart: {reason}")
        outcome = Outcome.INCOMPLETE if outcome is Outcome.OK else outcome
    if result.unmapped:
        parts.append(f"{len(result.unmapped)} columns not understood")
    return Contact(
        meter_id=contact.meter_id,
        started_ms=contact.started_ms,
        purpose=contact.purpose,
        outcome=outcome,
        attempt=contact.attempt,
        latency_ms=contact.latency_ms,
        clock_offset_ms=contact.clock_offset_ms,
        signal_dbm=result.signal_dbm if contact.signal_dbm is None else contact.signal_dbm,
        octets_sent=contact.octets_sent,
        octets_received=contact.octets_received,
        rows=result.rows,
        detail=_cut("; ".join(parts)),
    )
