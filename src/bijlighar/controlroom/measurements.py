"""Prometheus figures of the control-room process. The head-end has its own port for its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4"
"""Litestar adds the charset of a text itself."""


class Measurements:
    """One registry a control room, so that two in one process (as in tests) do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sign_ins = Counter("bijlighar_sign_ins", "Sign-ins by result", ["result"], registry=self.registry)
        self.feed_messages = Counter(
            "bijlighar_feed_messages", "Messages from head-ends by topic", ["topic"], registry=self.registry
        )
        self.feed_clients = Gauge("bijlighar_feed_clients", "Connected pages", registry=self.registry)
        self.meters = Gauge("bijlighar_meters", "Meters in the registry", registry=self.registry)
        self.meters_heard = Gauge(
            "bijlighar_meters_heard_today", "Meters heard this civil day", registry=self.registry
        )
        self.lag_s = Gauge(
            "bijlighar_reading_lag_seconds", "Lateness of the oldest due read", registry=self.registry
        )
        self.headends_alive = Gauge("bijlighar_headends_alive", "Head-ends that speak", registry=self.registry)

    def exposition(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self.registry)
