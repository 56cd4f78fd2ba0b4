"""The sockets: faults cost their sender only, nothing grows unbounded, nothing admitted is lost or comes twice."""

import asyncio
import contextlib
import socket
from dataclasses import replace

import pytest
import uvloop

from bijlighar.dlms import axdr
from bijlighar.headend.delivery import DeliverySettings
from bijlighar.headend.push import PushAddressTaken, PushSettings
from bijlighar.headend.push_listener import MOST_PUSH_OCTETS, MOST_REFUSED, PushLimits
from bijlighar.headend.schedule import Task

from .fakes import KEYS
from .listening import Listening, alert, block, blocks, body, daily, framed, plain, sealed, snapshot
from .meters import MIDNIGHT_S, NOON_S
from .pushing import SETTINGS

FORGED = replace(KEYS, authentication_key=b"AnotherAuthentic")


def run(scenario, **named):
    async def main():
        async with Listening(**named) as head:
            await scenario(head)

    uvloop.run(main())


def test_every_kind_of_push_lands_as_its_kind_and_is_published():
    async def scenario(head):
        await head.send(
            sealed(1, 1, snapshot()),
            sealed(1, 2, block()),
            sealed(2, 1, blocks([NOON_S - 1800, NOON_S])),
            sealed(2, 2, daily(MIDNIGHT_S)),
            sealed(3, 1, alert(85)),
        )
        await head.until(lambda: len(head.store.rows()) == 6)
        assert sorted(head.store.rows()) == [
            ("block-load", 1, NOON_S - 1800),
            ("block-load", 2, NOON_S - 3600),
            ("block-load", 2, NOON_S - 1800),
            ("daily", 2, MIDNIGHT_S),
            ("event", 3, NOON_S),
            ("instantaneous", 1, NOON_S),
        ]
        await head.until(lambda: sum(map(len, head.news.get("readings", []))) == 6)
        assert {(w.system_title, w.highest) for w in head.store.kept_windows.values()} == {
            (b"KPS00001", 2),
            (b"KPS00002", 2),
            (b"KPS00003", 1),
        }

    run(scenario)


def test_a_stream_cut_anywhere_says_the_same():
    whole = framed(sealed(1, 1, snapshot())) + framed(sealed(1, 2, alert(81))) + framed(sealed(1, 3, block()))

    async def scenario(head):
        _, writer = await head.connect()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), 7):
            writer.write(whole[at : at + 7])
            await asyncio.sleep(0)
        await head.until(lambda: len(head.store.rows()) == 3)
        assert head.desk.intake.accepted == 3

    run(scenario)


def test_a_datagram_is_one_whole_push_or_nothing():
    async def scenario(head):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            good = framed(sealed(1, 1, alert(86)))
            for octets in (b"", b"\0" * 8, good[:-1], good + b"\0", b"\xff" * 30_000, good, good):
                out.sendto(octets, ("127.0.0.1", head.port))
        await head.until(lambda: head.desk.intake.duplicates == 1)
        await head.until(lambda: len(head.store.rows()) == 1)
        assert head.closed("absurd-datagram") == 5

    run(scenario)


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\2" + framed(sealed(1, 1, snapshot()))[2:],
        b"\0\1\0\1\0\x40\0\0",
        b"\0\1\0\1\0\x40" + (MOST_PUSH_OCTETS + 1).to_bytes(2, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_an_absurd_frame_closes_its_connection_and_no_other(octets):
    async def scenario(head):
        good = await head.send(sealed(1, 1, snapshot()))
        reader, writer = await head.connect()
        writer.write(octets)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert head.closed("absurd-frame") == 1
        good.write(framed(sealed(1, 2, block())))
        await head.until(lambda: len(head.store.rows()) == 2)

    run(scenario)


def test_one_who_only_forges_is_closed_and_one_bad_meter_among_good_ones_is_not():
    async def scenario(head):
        await head.send(*(sealed(1, n, snapshot(), keys=FORGED) for n in range(MOST_REFUSED + 20)))
        await head.until(lambda: head.closed("refused") == 1)
        assert head.metric("pushes_total", outcome="not-authentic") == MOST_REFUSED
        mixed = []
        for n in range(2 * MOST_REFUSED):
            mixed += [sealed(1, n, snapshot(), keys=FORGED), sealed(2, n, snapshot(NOON_S - n))]
        await head.send(*mixed)
        await head.until(lambda: len(head.store.rows()) == 2 * MOST_REFUSED)
        assert head.closed("refused") == 1
        await head.until(lambda: len(head.store.refused) == 3 * MOST_REFUSED)
        assert "push-forged" in head.alarms()

    run(scenario)


def test_who_is_silent_or_never_ends_a_frame_is_let_go_and_who_pushes_stays():
    limits = PushLimits(unproven_s=0.5, frame_s=0.5, idle_s=60.0)

    async def scenario(head):
        good = await head.send(sealed(1, 1, snapshot()))
        half = await head.send(sealed(2, 1, snapshot()))
        await head.until(lambda: len(head.store.rows()) == 2)
        await head.connect()
        half.write(framed(sealed(2, 2, snapshot()))[:20])
        await head.until(lambda: head.closed("idle") == 1 and head.closed("frame-unfinished") == 1)
        good.write(framed(sealed(1, 2, block())))
        await head.until(lambda: len(head.store.rows()) == 3)
        assert len(head.desk.listener.connections) == 1

    run(scenario, limits=limits)


def test_no_more_connections_than_allowed():
    async def scenario(head):
        for _ in range(3):
            await head.connect()
        await head.until(lambda: head.closed("too-many") == 1)
        assert len(head.desk.listener.connections) == head.metric("push_connections") == 2

    run(scenario, limits=PushLimits(most_connections=2))


def test_while_the_store_is_away_nothing_more_is_read_and_afterwards_all_lands_once():
    delivery = DeliverySettings(most_wait_s=0.01, retry_s=0.02, retry_cap_s=0.05, queue_octets=100_000)
    pushes, links = 500, 4

    async def scenario(head):
        head.store.unavailable = "away"
        writers = [await head.send() for _ in range(links)]
        for n in range(pushes):
            octets = snapshot(NOON_S - n)
            for link, writer in enumerate(writers):
                writer.write(framed(sealed(1 + link, n, octets)))
        await head.until(lambda: head.desk.listener.paused)
        await head.until(lambda: "store" in head.alarms())
        taken = head.desk.intake.accepted
        assert head.metric("push_paused") == 1
        await head.beats(10)
        assert head.desk.intake.accepted == taken < pushes * links
        head.store.unavailable = None
        await head.until(lambda: len(head.store.rows()) == pushes * links)
        assert len(set(head.store.rows())) == pushes * links
        await head.until(lambda: not head.desk.listener.paused)

    run(scenario, settings=replace(SETTINGS, delivery=delivery), most_gathered=64, meters=4)


def test_who_calls_while_the_store_is_away_waits_too_and_is_heard_afterwards_even_when_it_has_hung_up():
    delivery = DeliverySettings(most_wait_s=0.01, retry_s=0.02, retry_cap_s=0.05, queue_octets=10_000)
    meters, early = 60, 60

    async def scenario(head):
        head.store.unavailable = "away"
        first = await head.send()
        for counter in range(1, 1 + early):
            first.write(framed(sealed(1, counter, snapshot(NOON_S - counter))))
        await head.until(lambda: head.desk.listener.paused)
        await head.beats(3)
        taken = head.desk.intake.accepted
        for meter in range(2, meters + 1):
            writer = await head.send(sealed(meter, 1, snapshot()), sealed(meter, 2, snapshot(NOON_S - 1)))
            if meter % 2:
                writer.close()
        await head.until(lambda: head.metric("push_connections") == meters)
        await head.beats(10)
        assert head.desk.intake.accepted == taken
        assert head.desk.listener.paused
        head.store.unavailable = None
        await head.until(lambda: len(head.store.rows()) == early + 2 * (meters - 1))
        assert len(set(head.store.rows())) == len(head.store.rows())
        await head.until(lambda: not head.desk.listener.paused)
        assert head.reasons() == []

    run(scenario, settings=replace(SETTINGS, delivery=delivery), most_gathered=4, meters=meters)


def test_what_the_store_never_took_is_heard_again():
    delivery = DeliverySettings(most_wait_s=0.01, retry_s=0.01, retry_cap_s=0.01, bug_retries=2)
    octets = sealed(1, 1, snapshot())

    async def scenario(head):
        head.store.broken = RuntimeError("no such column")
        await head.send(octets)
        await head.until(lambda: head.metric("pushes_total", outcome="lost") == 1)
        head.store.broken = None
        await head.send(octets, octets)
        await head.until(lambda: len(head.store.rows()) == 1)
        await head.until(lambda: head.desk.intake.duplicates == 1)
        assert [window.highest for window in head.store.kept_windows.values()] == [1]

    run(scenario, settings=replace(SETTINGS, delivery=delivery))


def test_a_row_that_does_not_fit_is_kept_as_evidence_and_its_layout_asked_for():
    short = body("block-load", [axdr.u8(1), axdr.u8(2)])

    async def scenario(head):
        await head.send(sealed(1, 1, short), sealed(2, 1, block()))
        await head.until(lambda: head.reasons() == ["not-understood"])
        assert head.store.refused[0].octets == sealed(1, 1, short)
        assert head.store.rows() == [("block-load", 2, NOON_S - 1800)]
        assert "push-not-understood" in head.alarms()
        due = {visit.meter_id: visit.tasks for visit in head.headend._roster.due(head.clock.now(), 10)}
        assert Task.NAMEPLATE in due[1]

    run(scenario)


def test_a_row_of_an_impossible_time_is_kept_apart():
    async def scenario(head):
        await head.send(sealed(1, 1, block(NOON_S + 86_400)), sealed(1, 2, block()))
        await head.until(lambda: len(head.store.apart) == 1)
        assert head.store.apart[0][1] == ("future",)
        await head.until(lambda: head.metric("rows_quarantined_total", reason="future") == 1)

    run(scenario)


def test_the_meter_is_asked_about_a_switch_and_a_magnet_but_not_when_it_dies():
    async def scenario(head):
        await head.send(sealed(1, 1, alert(84)), sealed(2, 1, alert(81)), sealed(3, 1, alert(85)))
        await head.until(lambda: len(head.store.rows()) == 3)

        def due():
            return {visit.meter_id: visit for visit in head.headend._roster.due(head.clock.now(), 10)}

        await head.until(lambda: {1, 2} <= due().keys())
        await head.beats(5)
        due = due()
        assert 3 not in due
        assert Task.INSTANTANEOUS in due[1].tasks & due[2].tasks

    run(scenario)


def test_an_address_in_use_is_told_in_one_sentence():
    async def main():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            settings = replace(SETTINGS, push=PushSettings(host="127.0.0.1", port=taken.getsockname()[1]))
            head = Listening(settings=settings)
            with pytest.raises(PushAddressTaken, match="pushes cannot be heard"):
                async with head:
                    pass

    uvloop.run(main())


def test_a_restart_knows_what_was_heard():
    first = Listening()
    before, unprotected = sealed(1, 70, snapshot()), plain(snapshot())

    async def main():
        async with first as head:
            await head.send(before, unprotected)
            await head.until(lambda: len(head.store.rows()) == 1)
        async with Listening(store=first.store) as head:
            await head.send(before, sealed(1, 6, snapshot()), sealed(1, 69, block()))
            await head.until(lambda: len(head.store.rows()) == 2)
            assert head.desk.intake.duplicates == 1
            await head.until(lambda: head.reasons() == ["unprotected", "replayed"])

    uvloop.run(main())
