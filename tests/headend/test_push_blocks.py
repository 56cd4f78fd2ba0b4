"""Pushes in general blocks: whole and in order they are as any other push; anything else is refused, once."""

import socket
from types import SimpleNamespace

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from bijlighar.dlms.general_block import GENERAL_BLOCK, GeneralBlock, stream
from bijlighar.dlms.wrapper import HEADER_OCTETS
from bijlighar.headend import push_blocks
from bijlighar.headend.push_blocks import MOST_BLOCKS, MOST_JOINED_OCTETS, PushBlocks
from bijlighar.headend.push_listener import MOST_REFUSED, PushLimits
from meterlab import scenes
from meterlab.town import mohalla

from .listening import Listening, block, blocks, framed, plain, sealed, snapshot
from .meters import NOON_S
from .pushing import NOW_S, PushTown

PEER = SimpleNamespace(peer="tcp 10.1.2.3:4059")
PORTS = (1, 64)
APDU = bytes(range(256)) * 2


class Heard:
    """What was joined, what was refused, and the clock."""

    def __init__(self, within_s=30.0):
        self.whole, self.refused, self.now_s = [], [], 0.0
        self.blocks = PushBlocks(self, within_s=within_s, now=lambda: self.now_s)

    def take(self, apdu, _origin):
        self.whole.append(apdu)
        return True

    def refuse_blocks(self, octets, _origin):
        self.refused.append(octets)
        return False

    def hear(self, *pieces, whose="A", ports=PORTS):
        return [self.blocks.take(whose, ports, piece, PEER) for piece in pieces]

    def holds_nothing(self):
        return len(self.blocks) == 0 and self.blocks.octets == 0


def pieces_of(apdu=APDU, octets=64):
    return stream(apdu, octets)


@given(apdu=st.binary(min_size=1, max_size=3000), octets=st.integers(64, 400))
@settings(max_examples=50, deadline=None)
def test_what_was_cut_is_joined(apdu, octets):
    if apdu[0] == 0xE0:
        return
    heard = Heard()
    pieces = pieces_of(apdu, octets)
    assert heard.hear(*pieces) == [None] * (len(pieces) - 1) + [True]
    assert (heard.whole, heard.refused) == ([apdu], [])
    assert heard.holds_nothing()


@pytest.mark.parametrize("lost", range(9))
def test_a_missing_block_refuses_the_whole_push_once_and_the_next_is_heard(lost):
    heard = Heard()
    pieces = pieces_of()
    assert len(pieces) == 10
    heard.hear(*pieces[:lost], *pieces[lost + 1 :])
    assert heard.whole == []
    assert len(heard.refused) == 1
    assert heard.holds_nothing()
    heard.hear(*pieces)
    assert (heard.whole, len(heard.refused)) == ([APDU], 1)


def test_without_its_last_block_it_is_refused_by_what_comes_next_by_time_or_by_the_end_of_the_connection():
    heard = Heard()
    pieces = pieces_of()
    heard.hear(*pieces[:-1])
    assert heard.hear(*pieces)[-1]
    assert (len(heard.whole), len(heard.refused)) == (1, 1)
    heard.hear(*pieces[:-1])
    heard.now_s = 29.0
    heard.blocks.sweep()
    assert len(heard.refused) == 1
    heard.now_s = 31.0
    heard.blocks.sweep()
    assert len(heard.refused) == 2
    heard.hear(*pieces[:3])
    heard.blocks.hung_up("A")
    assert len(heard.refused) == 3
    assert all(APDU.startswith(began) and began for began in heard.refused)
    assert heard.holds_nothing()


@pytest.mark.parametrize("at", range(1, 9))
def test_a_block_that_comes_twice_refuses_the_push(at):
    heard = Heard()
    pieces = pieces_of()
    heard.hear(*pieces[: at + 1], pieces[at], *pieces[at + 1 :])
    assert (heard.whole, len(heard.refused)) == ([], 1)
    assert heard.holds_nothing()


def test_the_first_block_twice_begins_anew():
    heard = Heard()
    pieces = pieces_of()
    heard.hear(pieces[0], *pieces)
    assert (heard.whole, len(heard.refused)) == ([APDU], 1)


def test_wrong_numbers_are_refused():
    heard = Heard()
    for number in (0, 2, 7, 0xFFFF):
        one = GeneralBlock(last=True, streaming=False, window=0, number=number, acknowledged=0, octets=b"x")
        assert heard.hear(one.encode()) == [False]
    assert heard.hear(*reversed(pieces_of()))[0] is False
    assert heard.whole == []


def test_two_devices_behind_one_connection_may_not_interleave():
    heard = Heard()
    ours, theirs = pieces_of(), pieces_of(bytes(reversed(APDU)))
    for mine, other in zip(ours, theirs, strict=True):
        heard.hear(mine)
        heard.hear(other, ports=(2, 64))
    assert heard.whole == []
    assert 2 <= len(heard.refused) <= 3
    heard.hear(*ours)
    heard.hear(*theirs, ports=(2, 64))
    assert len(heard.whole) == 2


def test_two_connections_do_not_meet():
    heard = Heard()
    for mine, other in zip(pieces_of(), pieces_of(bytes(reversed(APDU))), strict=True):
        heard.hear(mine, whose="A")
        heard.hear(other, whose="B")
    assert heard.whole == [APDU, bytes(reversed(APDU))]
    assert heard.refused == []


def test_memory_is_bounded(monkeypatch):
    heard = Heard()
    one = [
        GeneralBlock(last=False, streaming=True, window=0, number=n, acknowledged=0, octets=bytes(1000)).encode()
        for n in range(1, 80)
    ]
    heard.hear(*one)
    assert len(heard.refused) == 1
    assert heard.blocks.octets <= MOST_JOINED_OCTETS
    tiny = [
        GeneralBlock(last=False, streaming=True, window=0, number=n, acknowledged=0, octets=b"x").encode()
        for n in range(1, MOST_BLOCKS + 3)
    ]
    heard.hear(*tiny, whose="B")
    assert len(heard.refused) == 2
    monkeypatch.setattr(push_blocks, "MOST_UNDER_WAY", 5)
    for number in range(20):
        heard.hear(pieces_of()[0], whose=number)
    assert len(heard.blocks) <= 5
    monkeypatch.setattr(push_blocks, "MOST_UNDER_WAY", 2_000)
    monkeypatch.setattr(push_blocks, "MOST_HELD_OCTETS", 10_000)
    for number in range(400):
        heard.hear(*pieces_of()[:-1], whose=1000 + number)
    assert heard.blocks.octets <= 10_000
    assert heard.whole == []


def test_a_block_without_octets_blocks_within_blocks_and_rubbish_are_refused():
    heard = Heard()
    empty = GeneralBlock(last=False, streaming=False, window=1, number=1, acknowledged=0, octets=b"").encode()
    assert heard.hear(empty) == [False]
    assert heard.hear(*pieces_of(pieces_of()[0], 64))[-1] is False
    assert heard.hear(b"\xe0\x80") == [False]
    assert heard.whole == []


@given(heard=st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 2), st.integers(0, 9)), max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_only_whole_pushes_are_joined(heard):
    bench = Heard()
    pushes = {port: pieces_of(bytes([port]) * 500) for port in (1, 2)}
    for whose, port, number in heard:
        bench.hear(pushes[port][number % len(pushes[port])], whose=whose, ports=(port, 64))
    assert set(bench.whole) <= {bytes([1]) * 500, bytes([2]) * 500}
    assert len(bench.blocks) <= 2


def in_blocks(apdu, octets=64):
    return pieces_of(apdu, octets)


def run(scenario, **named):
    async def main():
        async with Listening(**named) as head:
            await scenario(head)

    uvloop.run(main())


def test_a_long_push_in_blocks_lands_once_and_its_repetition_is_a_duplicate():
    async def scenario(head):
        long = sealed(1, 1, blocks([NOON_S - 1800 * n for n in range(48)]))
        await head.send(*in_blocks(long), sealed(1, 2, snapshot()))
        await head.until(lambda: len(head.store.rows()) == 49)
        await head.send(long)
        await head.until(lambda: head.desk.intake.duplicates == 1)
        await head.send(*in_blocks(long, 128))
        await head.until(lambda: head.desk.intake.duplicates == 2)
        assert head.store.refused == []

    run(scenario)


def test_in_datagrams_too_one_block_each():
    async def scenario(head):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for piece in in_blocks(sealed(1, 1, snapshot())):
                out.sendto(framed(piece), ("127.0.0.1", head.port))
        await head.until(lambda: len(head.store.rows()) == 1)

    run(scenario)


def test_a_push_of_which_a_block_was_changed_or_left_out_never_lands_in_part():
    async def scenario(head):
        right = in_blocks(sealed(1, 1, blocks([NOON_S, NOON_S - 1800])))
        await head.send(right[0], *right[2:])
        await head.send(right[0], right[1][:-1] + bytes([right[1][-1] ^ 1]), *right[2:])
        await head.send(*right[:-1])
        head.open[-1].close()
        await head.until(lambda: len(head.store.refused) == 3)
        assert sorted(head.reasons()) == ["broken-blocks", "broken-blocks", "not-authentic"]
        assert "push-not-understood" in head.alarms()
        assert head.store.refused[0].system_title in (b"KPS00001", b"")
        await head.send(*right)
        await head.until(lambda: len(head.store.rows()) == 2)

    run(scenario)


def test_a_push_that_is_never_finished_costs_its_connection_nothing_but_itself():
    async def scenario(head):
        good = await head.send(sealed(1, 1, snapshot()), *in_blocks(sealed(1, 2, block()))[:-1])
        await head.until(lambda: head.reasons() == ["broken-blocks"])
        good.write(framed(sealed(1, 3, block())))
        await head.until(lambda: len(head.store.rows()) == 2)
        assert head.closed("frame-unfinished") == 0

    run(scenario, limits=PushLimits(frame_s=0.2))


def test_one_who_only_begins_is_closed():
    async def scenario(head):
        first = in_blocks(sealed(1, 1, snapshot()))[0]
        await head.send(*[first] * (2 * MOST_REFUSED))
        await head.until(lambda: head.closed("refused") == 1)
        assert len(head.desk.listener.blocks) == 0

    run(scenario)


def test_an_unciphered_push_in_blocks_is_refused_as_one_in_a_frame_is():
    async def scenario(head):
        await head.send(*in_blocks(plain(snapshot())))
        await head.until(lambda: head.reasons() == ["unprotected"])

    run(scenario)


def test_virtual_meters_push_in_blocks_and_every_value_is_the_meters_own(records_url, tmp_path):
    calls = [scenes.parse("push-blocks:share=0.6:octets=96")]

    async def main():
        async with PushTown(mohalla(7, 40), tmp_path, url=records_url, calls=calls) as town:
            town.lab.push.late = town.lab.push.reordered = 0.0
            expected, cut = {}, 0
            for due in town.plan.due(NOW_S, NOW_S + 3600):
                key, values = town.told(due)
                expected[key] = values
                for one in town.way.frames(due.meter, town.body(due), final=due.final):
                    cut += one.frame[HEADER_OCTETS] == GENERAL_BLOCK
                    await town.send(one.frame, "tcp")
            town.clock.instant_s = NOW_S + 3600.0
            assert 20 < cut < len(expected)
            await town.until(lambda: len(town.landing.rows) == len(expected))
            assert {key: town.landing.values[key].items() >= told.items() for key, told in expected.items()} == (
                dict.fromkeys(expected, True)
            )
            assert max(town.landing.rows.values()) == 1
            assert town.refused() == []

    uvloop.run(main())
