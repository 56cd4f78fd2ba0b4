"""Meters that cannot be called dial in: proven by their greeting, read on their own line, and nobody else is."""

import asyncio
import contextlib
from dataclasses import replace

import numpy as np
import uvloop

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms.wrapper import HEADER_OCTETS
from bijlighar.headend.schedule import Backoff
from meterlab import identity
from meterlab.reached import with_ways
from meterlab.town import mohalla

from .fakes import WHOLE_S
from .mohalla import DAY_S, SEED, SETTINGS, SHORT_TENURE, Mohalla, listening

PATIENT = replace(
    SETTINGS, schedule=replace(SETTINGS.schedule, backoff=Backoff(base_s=3_600, cap_s=7_200, attempts=5))
)
"""A meter that failed rests for an hour, and the clock stands still: only its call can end that rest."""


def hidden(homes=11, share=1.0):
    return with_ways(mohalla(SEED, homes), dial_in_share=share)


class Caller:
    """Somebody who calls where meters dial in."""

    def __init__(self):
        self.writers = []

    async def call(self, port, octets=b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.writers.append(writer)
        writer.write(octets)
        return reader

    @staticmethod
    async def hung_up_on(reader):
        async with asyncio.timeout(WHOLE_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def greeting_of(town, meter, counter, title=None):
    body = town.maker.greeting(meter, town.clock.now())
    material = town.maker.material(meter)
    return town.maker.sealed_as(
        body, material if title is None else replace(material, system_title=title), counter
    )


def id_of(town, meter):
    title = identity.system_title(SEED, meter)
    return next(known.meter_id for known in town.meters.values() if known.system_title == title)


def test_three_hundred_meters_that_dial_in_are_read_whole_each_on_one_line(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(300), tmp_path, url=records_url) as town:
            assert {meter.host for meter in town.meters.values()} == {""}
            reader = await town.reader(listening(PATIENT))
            town.dial(reader.headend.dialled.port)
            await town.until(town.whole)
            assert town.doubled() == []
            assert reader.headend.dialled.lines == len(town.meters)
            assert town.dialler.calls == len(town.meters)
            town.clock.instant_s += DAY_S  # the next visit uses the line that stands
            await town.until(lambda: town.whole(days=1))
            assert town.dialler.calls == len(town.meters)
            assert town.exchange.tally.faults == 0
            failed = {contact.detail for contact in reader.contacts if contact.outcome is not Outcome.OK}
            assert failed <= {"has not dialled in"}
            assert reader.alarms() == {}

    uvloop.run(main())


def test_a_meter_that_dials_again_has_a_new_line_and_is_read_on_it(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(3), tmp_path, url=records_url) as town:
            reader = await town.reader(listening(PATIENT))
            town.dial(reader.headend.dialled.port)
            await town.until(town.whole)
            for line in tuple(town.exchange.open):
                line.abort()
            calls = 2 * len(town.meters)
            await town.until(lambda: town.dialler.calls == calls and reader.headend.dialled.lines == calls // 2)
            town.clock.instant_s += DAY_S
            await town.until(lambda: town.whole(days=1))
            assert town.doubled() == []

    uvloop.run(main())


def test_whoever_is_not_the_meter_is_hung_up_on_told_and_kept_as_evidence(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(2), tmp_path, url=records_url) as town, Caller() as caller:
            reader = await town.reader(listening())
            port = reader.headend.dialled.port
            good = greeting_of(town, 0, 50)
            changed = good[:-1] + bytes([good[-1] ^ 1])
            pushed = town.maker.sealed_as(
                town.maker.row(0, "instantaneous", town.clock.now()), town.maker.material(0), 51
            )
            stranger = greeting_of(town, 0, 52, b"MLX00009")
            bare = town.maker.unciphered(town.maker.greeting(0, town.clock.now()))
            for octets in (changed, pushed, stranger, bare, b"GET / HTTP/1.1\r\n\r\n", good + b"\x00"):
                await caller.hung_up_on(await caller.call(port, octets))
            assert reader.headend.dialled.lines == 0
            await caller.call(port, good)
            await town.until(lambda: reader.headend.dialled.lines == 1)
            for replayed in (good, greeting_of(town, 0, 49)):
                await caller.hung_up_on(await caller.call(port, replayed))
            assert reader.headend.dialled.lines == 1
            await town.until(lambda: {"dial-in-forged", "dial-in-replayed"} <= reader.alarms().keys())
            reasons = ["not-authentic", "not-understood", "unknown-sender", "unprotected", "replayed"]
            assert [reader.metric("greetings_total", outcome=why) for why in reasons] == [1, 1, 1, 1, 2]
            assert reader.metric("dialled_connections_closed_total", reason="absurd-frame") == 1
            assert reader.metric("dialled_connections_closed_total", reason="unasked") == 1

            await town.until(lambda: len(kept(town)) == 6)
            assert {push.octets for push in kept(town)} >= {changed[HEADER_OCTETS:], good[HEADER_OCTETS:]}

    uvloop.run(main())


def kept(town):
    """Refused greetings that are durable."""
    from bijlighar.cim.period import Period  # noqa: PLC0415

    return town.records.pushes.refused(Period(start_s=0, end_s=1 << 40))


def test_a_greeting_that_was_admitted_is_refused_by_the_next_life_of_the_head_end_too(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(1), tmp_path, url=records_url) as town, Caller() as caller:
            reader = await town.reader(listening())
            good = greeting_of(town, 0, 7)
            await caller.call(reader.headend.dialled.port, good)
            await town.until(lambda: reader.headend.dialled.lines == 1)
            await reader.end()
            await reader.begin()
            await caller.hung_up_on(await caller.call(reader.headend.dialled.port, good))
            assert reader.metric("greetings_total", outcome="replayed") == 1
            await caller.call(reader.headend.dialled.port, greeting_of(town, 0, 8))
            await town.until(lambda: reader.headend.dialled.lines == 1)

    uvloop.run(main())


def test_a_flood_of_silent_callers_shuts_no_meter_out(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(20), tmp_path, url=records_url) as town, Caller() as caller:
            reader = await town.reader(listening(most_unproven=30))
            desk = reader.headend.dialled
            for number in range(100):
                await caller.call(desk.port, b"\x00\x01" if number % 2 else b"")
            town.dial(desk.port)
            for _ in range(100):
                await caller.call(desk.port)
            await town.until(town.whole)
            assert desk.lines == len(town.meters)
            assert reader.metric("dialled_connections_closed_total", reason="too-many-unproven") >= 170
            assert len(desk._unproven) <= 30

    uvloop.run(main())


def test_silence_before_and_after_the_greeting_has_an_end(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(1), tmp_path, url=records_url) as town, Caller() as caller:
            reader = await town.reader(listening(unproven_s=0.1, idle_s=0.1))
            silent = await caller.call(reader.headend.dialled.port)
            await caller.hung_up_on(silent)
            town.dial(reader.headend.dialled.port)
            await town.until(town.whole)
            await town.until(lambda: reader.metric("dialled_connections_closed_total", reason="idle") >= 1)
            await town.until(lambda: town.dialler.calls >= 2 and reader.headend.dialled.lines == 1)

    uvloop.run(main())


def test_more_meters_than_lines_are_turned_away_and_counted(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(3), tmp_path, url=records_url) as town:
            reader = await town.reader(listening(most_lines=2))
            town.dial(reader.headend.dialled.port)
            await town.until(lambda: reader.metric("dialled_connections_closed_total", reason="too-many") >= 1)
            assert reader.headend.dialled.lines == 2

    uvloop.run(main())


def test_who_speaks_unasked_between_two_visits_is_hung_up_on(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(1), tmp_path, url=records_url) as town:
            reader = await town.reader(listening())
            town.dial(reader.headend.dialled.port)
            await town.until(town.whole)
            line = next(iter(town.exchange.open))
            line._transport.write(b"\x00\x01\x00\x01\x00\x20\x00\x02\x63\x00")
            await town.until(lambda: reader.metric("dialled_connections_closed_total", reason="unasked") == 1)
            calls = len(town.meters) + 1
            await town.until(lambda: town.dialler.calls == calls and reader.headend.dialled.lines == calls - 1)

    uvloop.run(main())


def test_a_meter_finds_the_head_end_that_holds_its_group_and_the_next_one_when_that_stops(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(12), tmp_path, url=records_url) as town:
            settings = listening(replace(PATIENT, tenure=SHORT_TENURE))
            first = await town.reader(replace(settings, owner="headend-1"))
            second = await town.reader(replace(settings, owner="headend-2"))
            first_desk, second_desk = first.headend.dialled, second.headend.dialled
            assert first.beat.groups == 1  # all of them are one pool, and one head-end alone has it
            town.dial(second_desk.port, first_desk.port)
            await town.until(town.whole)
            assert (first_desk.lines, second_desk.lines) == (len(town.meters), 0)
            assert second.metric("dialled_connections_closed_total", reason="not-ours") >= len(town.meters)
            await first.end()
            await town.until(lambda: second_desk.lines == len(town.meters))
            town.clock.instant_s += DAY_S
            await town.until(lambda: town.whole(days=1))
            assert town.doubled() == []
            assert town.exchange.tally.faults == 0

    uvloop.run(main())


def test_without_a_door_meters_that_would_dial_in_are_an_alarm(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(11, 0.5), tmp_path, url=records_url) as town:
            reader = await town.reader()
            hosts = np.array([bool(meter.host) for meter in town.meters.values()])
            assert f"{np.count_nonzero(~hosts)} meters have no host" in reader.alarms()["dial-in-closed"]
            await town.until(lambda: reader.outcomes()["no-answer"] > 0)
            assert {c.detail for c in reader.contacts if c.outcome is Outcome.NO_ANSWER} == {"has not dialled in"}

    uvloop.run(main())


def test_a_meter_that_leaves_the_registry_loses_its_line(tmp_path, records_url):
    async def main():
        async with Mohalla(hidden(3), tmp_path, url=records_url) as town:
            reader = await town.reader(listening())
            town.dial(reader.headend.dialled.port)
            await town.until(town.whole)
            town.records.registry.remove_meter(identity.serial(SEED, 0), int(town.clock.now()))
            await town.until(lambda: reader.headend.dialled.lines == len(town.meters) - 1)
            await town.until(lambda: reader.metric("greetings_total", outcome="unknown-sender") >= 1)

    uvloop.run(main())
