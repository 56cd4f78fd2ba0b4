from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bijlighar.controlroom.feed import (
    MOST_OVERFLOWS,
    MOST_TOPICS_A_CLIENT,
    MOST_WAITING_FRAMES,
    MOST_WINDOW_METERS,
    FeedClient,
    FeedHub,
    Subscription,
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
    asked = parse_subscription('{"subscribe": ["meters", "meter:12", "trial", "status", "jobs"]}')
    assert asked.window is None
    assert asked.topics == {
        "meters",
        "meter:12",
        "trial",
        "status",
        "jobs",
    }
    assert parse_subscription('{"subscribe": []}').topics == frozenset()
    assert parse_subscription('{"window": [3, 4, 3]}') == Subscription(topics=None, window=frozenset({3, 4}))


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


def test_a_page_of_a_long_list_gets_one_frame_for_all_that_it_looks_at() -> None:
    hub = FeedHub(_State().snapshot, most_clients=5)
    client, other = hub.join(), hub.join()
    hub.ask(client, parse_subscription('{"subscribe": [], "window": [5, 3]}'))
    hub.ask(other, parse_subscription('{"subscribe": ["meter:3"], "window": [9]}'))
    assert _frames(client) == [
        {"seq": 0, "topic": "window", "rows": ["meter:3", 1, "meter:5", 1], "snapshot": True}
    ]
    assert hub.looked_at() == {3, 5, 9}
    other.waiting.clear()
    hub.publish_meters({3: "three", 4: "four", 5: "five"})
    assert _frames(client) == [{"seq": 1, "topic": "window", "rows": ["three", "five"]}]
    assert [(frame["topic"], frame["rows"]) for frame in _frames(other)] == [("meter:3", ["three"])]


def test_scrolling_moves_the_window_and_leaves_the_other_topics_alone() -> None:
    hub = FeedHub(_State().snapshot, most_clients=5)
    client = hub.join()
    hub.ask(client, parse_subscription('{"subscribe": ["status"], "window": [1, 2]}'))
    hub.publish_meters({1: "one"})
    client.waiting.clear()
    hub.ask(client, parse_subscription('{"window": [7]}'))
    (frame,) = _frames(client)
    assert (frame["seq"], frame["rows"], frame["snapshot"]) == (2, ["meter:7", 1], True)
    hub.publish_meters({1: "one", 7: "seven"})
    assert _frames(client) == [{"seq": 3, "topic": "window", "rows": ["seven"]}]
    assert client.topics == {"status"}


def test_sixty_meters_that_change_at_once_overflow_nobody() -> None:
    hub = FeedHub(_State().snapshot, most_clients=5)
    client = hub.join()
    hub.ask(client, Subscription(topics=frozenset(), window=frozenset(range(60))))
    for _ in range(MOST_WAITING_FRAMES - 1):
        hub.publish_meters(dict.fromkeys(range(60), "row"))
    assert (client.overflows, len(client.waiting)) == (0, MOST_WAITING_FRAMES)
    hub.publish_meters({1: "row"})
    assert client.overflows == 1
    assert [frame["snapshot"] for frame in _frames(client)] == [True]


@pytest.mark.parametrize("message", ["{}", json.dumps({"window": list(range(MOST_WINDOW_METERS + 1))})])
def test_a_window_too_wide_and_a_message_that_asks_for_nothing_are_refused(message: str) -> None:
    with pytest.raises(TopicRefused):
        parse_subscription(message)
