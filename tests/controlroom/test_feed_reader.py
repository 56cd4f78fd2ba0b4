"""What a head-end publishes arrives as it was sent, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import zmq

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Contact, Outcome
from bijlighar.cim.exchange import ReadJob
from bijlighar.cim.readings import MISSING, ReadingBatch
from bijlighar.controlroom.feed_messages import FeedMessage
from bijlighar.controlroom.feed_reader import read_feed
from bijlighar.controlroom.measurements import Measurements
from bijlighar.headend.service import Heartbeat
from bijlighar.operations.feed_publisher import FeedPublisher
from controlroom.utility import NOON, batch

READINGS = batch(
    ProfileKind.BLOCK_LOAD, [(1, NOON), (2, NOON)], period_s=1800, import_wh=[MISSING, 7], voltage_mv=[231_000, 0]
)
CONTACT = Contact(meter_id=2, started_ms=NOON * 1000, purpose="daily", outcome=Outcome.RESET, detail="cut")
JOB = ReadJob(
    job_id="j", meter_id=1, kinds=(ProfileKind.DAILY,), period=None, asked_by="operator", asked_ms=NOON * 1000
)
BEAT = Heartbeat(owner="headend-1", now_s=NOON, lag_s=3.5, sessions=2, queue_octets=0, meters=12, alarms=())


async def _played(
    address: str, sent: Sequence[tuple[str, object]], wanted: int
) -> tuple[list[FeedMessage], bytes]:
    """What arrives when ``sent`` is published again and again until ``wanted`` messages have come."""
    arrived: list[FeedMessage] = []
    enough = asyncio.Event()
    measured = Measurements()

    def take(message: FeedMessage) -> None:
        arrived.append(message)
        if len(arrived) >= wanted:
            enough.set()
        raise RuntimeError("a fault of the taker ends nothing")

    reading = asyncio.create_task(read_feed(address, take, measured))
    with FeedPublisher(address) as publisher:
        while not enough.is_set():
            for topic, payload in sent:
                publisher.publish(topic, payload)
            await asyncio.sleep(0.02)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return arrived, measured.exposition()


def test_batches_contacts_jobs_and_heartbeats_arrive_whole(tmp_path: Path) -> None:
    sent = [("readings", READINGS), ("contacts", [CONTACT]), ("jobs", JOB), ("heartbeat", BEAT)]
    arrived, _ = asyncio.run(_played(f"ipc://{tmp_path}/feed", sent, wanted=4))
    [readings] = [message for message in arrived if isinstance(message, ReadingBatch)][:1]
    assert (readings.kind, readings.period_s) == (READINGS.kind, READINGS.period_s)
    assert readings.meter_id.dtype == np.int32
    assert readings.start_s.tolist() == READINGS.start_s.tolist()
    assert {name: column.tolist() for name, column in readings.channels.items()} == {
        "import_wh": [MISSING, 7],
        "voltage_mv": [231_000, 0],
    }
    assert [CONTACT] in arrived
    assert [JOB] in arrived
    assert BEAT in arrived


def test_a_strange_message_is_counted_and_passed_over(tmp_path: Path) -> None:
    sent = [("orders", {"disconnect": "all"}), ("contacts", [{"meter_id": "x"}]), ("heartbeat", BEAT)]
    arrived, figures = asyncio.run(_played(f"ipc://{tmp_path}/feed", sent, wanted=2))
    assert set(map(type, arrived)) == {Heartbeat}
    assert b'bijlighar_feed_messages_total{topic="refused"}' in figures


def test_an_address_in_use_is_told() -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as holder:
        holder.bind("tcp://127.0.0.1:*")
        taken = holder.getsockopt_string(zmq.LAST_ENDPOINT)
        with pytest.raises(zmq.ZMQError) as refused:
            asyncio.run(read_feed(taken, lambda _: None, Measurements()))
    assert refused.value.errno == zmq.EADDRINUSE
