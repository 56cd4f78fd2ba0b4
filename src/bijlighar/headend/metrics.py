"""What the head-end counts of itself, for Prometheus: its own registry, nothing of any meter or consumer."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bijlighar.cim.contacts import Contact

_LATENCY_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60)


class Metrics:
    """Counters and gauges of one head-end process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._visits = Counter(
            "bijlighar_visits", "Visits to meters, by how they ended", ["outcome"], registry=self.registry
        )
        self._latency = Histogram(
            "bijlighar_visit_seconds",
            "From connecting to release, wall-clock",
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._octets = Counter(
            "bijlighar_octets", "Octets to and from meters", ["direction"], registry=self.registry
        )
        self._octets_sent, self._octets_received = (self._octets.labels(way) for way in ("sent", "received"))
        self._rows = Counter("bijlighar_rows_landed", "Durable rows, by kind", ["kind"], registry=self.registry)
        self._apart = Counter(
            "bijlighar_rows_quarantined", "Rows kept apart, by reason", ["reason"], registry=self.registry
        )
        self._unreadable = Counter(
            "bijlighar_rows_unreadable", "Rows or buffers that could not be decoded", registry=self.registry
        )
        self._unmapped = Gauge(
            "bijlighar_columns_unmapped", "Columns that no channel is known for", registry=self.registry
        )
        self.queue_octets = Gauge(
            "bijlighar_queue_octets", "Answers that wait to be landed", registry=self.registry
        )
        self.counters_reserved = Gauge(
            "bijlighar_counters_reserved", "Invocation counters reserved since the start", registry=self.registry
        )
        self.sessions = Gauge("bijlighar_sessions", "Visits under way", registry=self.registry)
        self.groups = Gauge(
            "bijlighar_groups_held", "Communication groups leased to this head-end", registry=self.registry
        )
        self.meters = Gauge("bijlighar_meters_held", "Meters in them", registry=self.registry)
        self.lag = Gauge("bijlighar_lag_seconds", "How far behind its schedule", registry=self.registry)
        self._pushes = Counter(
            "bijlighar_pushes", "Pushes of meters, by what became of them", ["outcome"], registry=self.registry
        )
        self._closed = Counter(
            "bijlighar_push_connections_closed",
            "Push connections that the head-end closed, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.push_connections = Gauge(
            "bijlighar_push_connections", "Open connections of meters that push", registry=self.registry
        )
        self.push_paused = Gauge(
            "bijlighar_push_paused", "1 while pushes wait in their sockets", registry=self.registry
        )
        self._of_dialled()
        self._alarm = Gauge("bijlighar_alarm", "1 while the alarm stands", ["code"], registry=self.registry)

    def _of_dialled(self) -> None:
        """Of meters that dial in."""
        self._greetings = Counter(
            "bijlighar_greetings",
            "Greetings of meters that dial in, by outcome",
            ["outcome"],
            registry=self.registry,
        )
        self._dialled_closed = Counter(
            "bijlighar_dialled_connections_closed",
            "Connections of meters that dialled in that the head-end closed, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.dialled_lines = Gauge(
            "bijlighar_dialled_lines", "Meters that have dialled in", registry=self.registry
        )
        self.dialled_unproven = Gauge(
            "bijlighar_dialled_unproven", "Connections that have not proven who they are", registry=self.registry
        )

    def contacts(self, contacts: Sequence[Contact]) -> None:
        """Count ended visits."""
        for outcome, count in Tally(contact.outcome.value for contact in contacts).items():
            self._visits.labels(outcome).inc(count)
        for contact in contacts:
            if contact.latency_ms is not None:
                self._latency.observe(contact.latency_ms / 1000)
        self._octets_sent.inc(sum(contact.octets_sent for contact in contacts))
        self._octets_received.inc(sum(contact.octets_received for contact in contacts))

    def landed(self, kind: str, rows: int) -> None:
        """Count durable rows."""
        self._rows.labels(kind).inc(rows)

    def apart(self, reason: str, rows: int) -> None:
        """Count rows that were kept apart."""
        self._apart.labels(reason).inc(rows)

    def unreadable(self, rows: int) -> None:
        """Count rows or buffers that could not be decoded."""
        self._unreadable.inc(rows)

    def unmapped(self, columns: int) -> None:
        """Tell how many different columns are not understood."""
        self._unmapped.set(columns)

    def push(self, outcome: str, count: int = 1) -> None:
        """Count pushes: accepted, duplicate, lost, or the reason of their refusal."""
        self._pushes.labels(outcome).inc(count)

    def push_closed(self, reason: str) -> None:
        """Count a push connection or datagram that was turned away."""
        self._closed.labels(reason).inc()

    def greeting(self, outcome: str) -> None:
        """Count a greeting: admitted, or the reason of its refusal."""
        self._greetings.labels(outcome).inc()

    def dialled_closed(self, reason: str) -> None:
        """Count a connection of a meter that dialled in, or of who pretends to, that we closed."""
        self._dialled_closed.labels(reason).inc()

    def alarm(self, code: str, *, stands: bool) -> None:
        """Raise or clear an alarm."""
        self._alarm.labels(code).set(1 if stands else 0)
