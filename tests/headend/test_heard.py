"""A session of yesterday played again is refused and told; a meter that counts anew is let in by and by."""

import asyncio
import contextlib
from dataclasses import replace

import uvloop

from bijlighar.cim.contacts import Outcome
from bijlighar.dlms.model import Quirk
from bijlighar.headend.heard import FORGOTTEN_S, NOT_HEARD, HeardCounters

from .harness import Town
from .meters import D1


def test_what_was_heard_is_known_by_meter_association_title_and_keys():
    heard = HeardCounters()
    assert heard.of(7, "reader", "title", 0) == NOT_HEARD
    heard.note(7, "reader", "title", 1_000, 40)
    assert heard.of(7, "reader", "title", 1_000) == 40
    others = [(6, "reader", "title"), (8, "reader", "title"), (7, "setting", "title"), (7, "reader", "other")]
    assert {heard.of(*other, 1_000) for other in others} == {NOT_HEARD}
    heard.note(900, "reader", "another", 1_000, 3)
    assert heard.of(7, "reader", "title", 1_000) == 40


def test_what_was_heard_is_forgotten_after_a_day_and_when_the_clock_was_set_back_by_one():
    heard = HeardCounters()
    heard.note(1, "reader", "title", 200_000, 40)
    assert heard.of(1, "reader", "title", 200_000 + FORGOTTEN_S) == 40
    assert heard.of(1, "reader", "title", 200_001 + FORGOTTEN_S) == NOT_HEARD
    assert heard.of(1, "reader", "title", 199_999 - FORGOTTEN_S) == NOT_HEARD


class Tape:
    """Stands between head-end and meter: records what the meter says, and plays it instead of the meter."""

    def __init__(self, meter):
        self.meter = meter
        self.said = []
        self.playing = None

    async def __call__(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            await (self._play(reader, writer) if self.playing else self._record(reader, writer))
        writer.close()

    async def _record(self, reader, writer):
        session = []
        self.said.append(session)
        theirs, ours = await asyncio.open_connection(self.meter.host, self.meter.port)
        while asked := await reader.read(65_536):
            ours.write(asked)
            session.append(await theirs.read(65_536))
            writer.write(session[-1])
        ours.close()
        await ours.wait_closed()

    async def _play(self, reader, writer):
        for answer in self.playing:
            if not await reader.read(65_536):
                return
            writer.write(answer)
        await reader.read(65_536)


async def through(town, test):
    """Meter 1 of a running town is reached through a tape."""
    tape = Tape(town.meters[1])
    server = await asyncio.start_server(tape, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    known = town.store.registry[1]
    town.store.registry[1] = replace(known, host=host, port=port)
    town.store.registry_version += 1
    await town.until(lambda: town.headend._fleet.version == town.store.registry_version)
    try:
        await test(tape)
    finally:
        server.close()


async def next_visit(town):
    """One more contact, half an hour later."""
    count = len(town.store.contacts)
    town.clock.instant_s += 1_900
    await town.contacts(count + 1)
    return town.store.contacts[-1]


def test_a_recorded_session_is_refused_as_not_authentic_and_told_until_the_meter_itself_answers():
    async def main():
        async with Town(1) as town:
            await town.quiet()
            await through(town, lambda tape: played(town, tape))

    async def played(town, tape):
        assert (await next_visit(town)).outcome is Outcome.OK
        await town.quiet()
        rows = len(town.store.landed)
        tape.playing = tape.said[0]
        contact = await next_visit(town)
        assert contact.outcome is Outcome.NOT_AUTHENTIC
        assert "counter went back" in contact.detail
        await town.until(lambda: "session-replayed" in town.alarms())
        assert len(town.store.landed) == rows
        tape.playing = None
        assert (await next_visit(town)).outcome is Outcome.OK
        await town.until(lambda: "session-replayed" not in town.alarms())

    uvloop.run(main())


def reset(meter):
    """The meter has lost its own counter."""
    meter.own_counter = 0


def test_a_meter_that_counts_anew_is_let_in_after_a_day():
    async def main():
        async with Town(1) as town:
            await town.quiet()
            reset(town.meters[1])
            assert (await next_visit(town)).outcome is Outcome.NOT_AUTHENTIC
            town.clock.instant_s += FORGOTTEN_S
            await town.until(lambda: town.store.contacts[-1].outcome is Outcome.OK)

    uvloop.run(main())


def test_a_make_that_always_counts_anew_is_read_by_its_quirk(monkeypatch):
    restarting = replace(D1, quirks=D1.quirks | {Quirk.COUNTER_RESTARTS})

    async def main():
        async with Town(1) as town:
            await town.quiet()
            town.headend._fleet._models["is15959-d1"] = restarting
            reset(town.meters[1])
            assert (await next_visit(town)).outcome is Outcome.OK

    uvloop.run(main())
