"""What a head-end tells the other processes: landed batches, contacts, jobs, its own heartbeat.

Multipart ``[topic, octets]`` over ZeroMQ PUB: ``readings`` is one Arrow IPC stream (schema metadata ``kind`` and
``period_s``; null is MISSING), the others are JSON. The feed may lose; the files may not.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import structlog
import zmq
from numpy.typing import NDArray

from bijlighar.cim.readings import MISSING, ReadingBatch

_log = structlog.get_logger("feed")

MOST_WAITING = 1_000
"""Messages kept for a listener that is away for a moment; older news is worth nothing to a live screen."""


class FeedPublisher:
    """Publishes to one address. ``publish`` never waits and never raises for a listener's sake."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context(io_threads=1)
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, MOST_WAITING)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(address)

    def publish(self, topic: str, payload: object) -> None:
        """Send one payload; what cannot be sent now is lost, and told in the log."""
        encode = _ENCODERS.get(topic, _json)
        try:
            self._socket.send_multipart([topic.encode(), encode(payload)], flags=zmq.NOBLOCK)
        except zmq.ZMQError as error:
            _log.warning("feed message lost", topic=topic, cause=str(error))

    def close(self) -> None:
        """Close the socket; nothing is waited for."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def arrow_octets(batch: ReadingBatch) -> bytes:
    """A reading batch as one Arrow IPC stream."""
    columns: dict[str, pa.Array[Any]] = {
        "meter_id": pa.array(batch.meter_id),
        "start_s": pa.array(batch.start_s),
        "received_s": pa.array(batch.received_s),
        **{name: _nullable(column) for name, column in batch.channels.items()},
    }
    table = pa.table(columns).replace_schema_metadata({"kind": batch.kind.value, "period_s": str(batch.period_s)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    octets: bytes = sink.getvalue().to_pybytes()
    return octets


def _nullable(column: NDArray[np.int64]) -> pa.Array[Any]:
    return pa.array(column, mask=column == MISSING)


def _readings(payload: object) -> bytes:
    assert isinstance(payload, ReadingBatch)
    return arrow_octets(payload)


def _listed(payload: object) -> bytes:
    return _json(payload if isinstance(payload, list) else [payload])


def _json(payload: object) -> bytes:
    return msgspec.json.encode(payload)


_ENCODERS: dict[str, Callable[[object], bytes]] = {"readings": _readings, "contacts": _listed, "jobs": _listed}
