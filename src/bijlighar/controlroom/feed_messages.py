"""What head-ends put on the feed between processes, read strictly: a strange message is refused, not guessed at.

Multipart ``[topic, octets]``: ``readings`` is one Arrow IPC stream of a landed batch (schema metadata ``kind`` and
``period_s``; null is MISSING), ``contacts``, ``jobs`` and ``heartbeat`` are JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact
from bijlighar.cim.exchange import ReadJob
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.headend.service import Heartbeat

READINGS, CONTACTS, JOBS, HEARTBEAT = "readings", "contacts", "jobs", "heartbeat"
PARTS = 2
_KEYS = frozenset({"meter_id", "start_s", "received_s"})

LARGEST_MESSAGE_OCTETS = 64_000_000
"""A landed batch of a whole city's slot is about 20 MB; ZeroMQ drops a peer that sends more than this."""


class MessageRefused(ValueError):
    """A message of the feed is not what its topic says."""


FeedMessage = ReadingBatch | list[Contact] | list[ReadJob] | Heartbeat


def read_message(parts: Sequence[bytes]) -> tuple[str, FeedMessage]:
    """Topic and message of ``[topic, octets]``. Raises MessageRefused."""
    if len(parts) != PARTS:
        raise MessageRefused(f"a message has {PARTS} parts, this one {len(parts)}")
    topic = parts[0].decode("ascii", "replace")
    decode = _DECODERS.get(topic)
    if decode is None:
        raise MessageRefused(f"there is no topic {topic[:40]!r}")
    try:
        return topic, decode(parts[1])
    except (msgspec.MsgspecError, pa.ArrowException, ValueError, KeyError, TypeError) as problem:
        raise MessageRefused(f"a message on {topic} cannot be read: {problem}") from problem


def _readings(octets: bytes) -> ReadingBatch:
    with pa.ipc.open_stream(octets) as stream:
        table = stream.read_all()
    metadata = table.schema.metadata or {}
    columns = {name: _filled(table[name]) for name in table.column_names}
    return ReadingBatch(
        kind=ProfileKind(metadata[b"kind"].decode()),
        period_s=int(metadata[b"period_s"]),
        meter_id=columns["meter_id"].astype(np.int32),
        start_s=columns["start_s"],
        received_s=columns["received_s"],
        channels={name: column for name, column in columns.items() if name not in _KEYS},
    )


def _filled(column: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    values = column.cast(pa.int64())
    absent: NDArray[np.bool_] = pc.is_null(values).to_numpy()
    filled: NDArray[np.int64] = np.full(len(values), MISSING, dtype=np.int64)
    filled[~absent] = values.drop_null().to_numpy()
    return filled


_DECODERS: dict[str, Callable[[bytes], FeedMessage]] = {
    READINGS: _readings,
    CONTACTS: msgspec.json.Decoder(list[Contact]).decode,
    JOBS: msgspec.json.Decoder(list[ReadJob]).decode,
    HEARTBEAT: msgspec.json.Decoder(Heartbeat).decode,
}
