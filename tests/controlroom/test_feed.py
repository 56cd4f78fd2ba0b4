from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bijlighar.controlroom.feed import (
    MOST_OVERFLOWS,
    MOST_TOPICS_A_CLIENT,
    MOST_WAITING_FRAMES,
    FeedClient,
    FeedHub,
    TooManyClients,
    TopicRefused,
    parse_subscription,
)


class _State:
    """How things stand: what a snapshot tells."""

    def __init__(self) -> None:
        self.rows: list[int] = [1]
        self.asked = 0

    def snapshot(self, topic: str) -> list[Any]:
        self.asked += 1
        return [topic, *self.rows]


def _frames(client: FeedClient) -> list[dict[str, Any]]:
    taken = [json.loads(frame) for frame in client.waiting]
    client.waiting.clear()
    return taken


def test_a_snapshot_comes_first_and_changes_follow_without_a_gap() -> None:
    state = _State()
    hub = FeedHub(state.snapshot, most_clients=5)
    hub.publish("meters", [0])
    client = hub.join()
    hub.subscribe(client, frozenset({"meters"}))
    hub.publish("meters", [7])
    hub.publish("status", [8])
    assert _frames(client) == [
        {"seq": 1, "topic": "meters", "rows": ["meters", 1], "snapshot": True},
        {"seq": 2, "topic": "meters", "rows": [7]},
    ]


def test_a_change_is_encoded_once_for_all_clients() -> None:
    hub = FeedHub(_State().snapshot, most_clients=5)
    clients = [hub.join() for _ in range(3)]
    for client in clients:
        hub.subscribe(client, frozenset({"meters"}))
        client.waiting.clear()
    hub.publish("meters", [1])
    assert clients[0].waiting[0] is clients[1].waiting[0] is clients[2].waiting[0]


def test_a_slow_client_gets_how_things_stand_instead_of_all_that_happened() -> None:
    state = _State()
    hub = FeedHub(state.snapshot, most_clients=5)
    slow, quick = hub.join(), hub.join()
    for client in (slow, quick):
        hub.subscribe(client, frozenset({"meters"}))
        client.waiting.clear()
    for n in range(MOST_WAITING_FRAMES + 1):
        state.rows = [n]
        hub.publish("meters", [n])
        if n < MOST_WAITING_FRAMES:
            assert [frame["rows"] for frame in _frames(quick)] == [[n]]
    assert _frames(slow) == [
        {
            "seq": MOST_WAITING_FRAMES + 1,
            "topic": "meters",
            "rows": ["meters", MOST_WAITING_FRAMES],
            "snapshot": True,
        }
    ]
    assert slow.closed is None


def test_a_client_that_never_reads_is_given_up() -> None:
    hub = FeedHub(_State().snapshot, most_clients=5)
    client = hub.join()
    hub.subscribe(client, frozenset({"meters"}))
    for n in range((MOST_OVERFLOWS + 2) * MOST_WAITING_FRAMES):
        hub.publish("meters", [n])
    assert client.closed == "too slow"
    assert asyncio.run(client.next_frame()) is None


def test_a_waiting_client_is_woken() -> None:
    async def play() -> bytes | None:
        hub = FeedHub(_State().snapshot, most_clients=5)
        client = hub.join()
        waiting = asyncio.create_task(client.next_frame())
        await asyncio.sleep(0)
        hub.subscribe(client, frozenset({"status"}))
        return await waiting

    frame = asyncio.run(play())
    assert frame is not None
    assert json.loads(frame)["topic"] == "status"


def test_there_is_room_for_so_many_clients_and_no_more() -> None:
    hub = FeedHub(_State().snapshot, most_clients=1)
    client = hub.join()
    with pytest.raises(TooManyClients):
        hub.join()
    hub.leave(client)
    hub.join()


def test_numbers_of_single_meters_are_forgotten_with_their_last_follower() -> None:
    hub = FeedHub(_State().snapshot, most_clients=5)
    client = hub.join()
    hub.subscribe(client, frozenset({"meter:1", "meters"}))
    hub.publish("meter:1", [1])
    hub.leave(client)
    assert set(hub._sequences) == {"meters"}


def test_a_subscription_names_topics_of_the_feed() -> None:
    assert parse_subscription('{"subscribe": ["meters", "meter:12", "trial", "status", "jobs"]}') == {
        "meters",
        "meter:12",
        "trial",
        "status",
        "jobs",
    }
    assert parse_subscription('{"subscribe": []}') == frozenset()


@pytest.mark.parametrize(
    "message",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"subscribe": "meters"}',
        '{"subscribe": ["passwords"]}',
        '{"subscribe": ["meter:"]}',
        '{"subscribe": ["meter:-1"]}',
        '{"subscribe": ["meter:99999999999"]}',
        '{"subscribe": ["meter:1x"]}',
        '{"subscribe": [1]}',
        '{"subscribe": [], "publish": []}',
        "{" * 10_000,
        b"\xff\xff",
        json.dumps({"subscribe": [f"meter:{n}" for n in range(MOST_TOPICS_A_CLIENT + 1)]}),
    ],
)
def test_a_strange_subscription_is_refused(message: str | bytes) -> None:
    with pytest.raises(TopicRefused):
        parse_subscription(message)
