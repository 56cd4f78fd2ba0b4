"""A meter behind a gateway of octets: over HDLC it says what it says over the wrapper; its silences are told."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import numpy as np
import pytest
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.dlms.hdlc import HdlcLink
from bijlighar.dlms.hdlc.frames import Kind
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.octet_gateway import AddressDoesNotFit, hdlc_line
from bijlighar.headend.probe import over_tcp, probe
from bijlighar.headend.probe.draft import draft_of
from bijlighar.headend.session import TimeLimits
from bijlighar.headend.single import read_once
from bijlighar.headend.visitor import VisitSettings
from meterlab import identity, scenes, truth
from meterlab.exchange import Exchange
from meterlab.framing import HDLC
from meterlab.lab import build, town_named
from meterlab.server import listener, serve

from .doubles import FixedClock
from .fakes import WHOLE_S, FakeMeter
from .test_single import DAYS, HOME, NOW_S, SEED

LINE = hdlc_line(1)
IMPATIENT = VisitSettings(limits=TimeLimits(connect_s=10, answer_s=0.5, visit_s=20))


@asynccontextmanager
async def trial(hdlc, calls=()):
    """The trial's meters behind a gateway, or not. Gives lab, port, clock and what is open."""
    clock = FixedClock(float(NOW_S))
    lab = build(town_named("trial", SEED, None), now_s=clock.now(), calls=[scenes.parse(call) for call in calls])
    exchange = Exchange(lab=lab, clock=clock, hdlc=hdlc)
    bound, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    server = asyncio.create_task(serve(exchange, listener(0), bound.set_result, stop))
    try:
        yield lab, await bound, clock, exchange
    finally:
        stop.set()
        await server


async def hung_up(exchange):
    """Nobody holds a line any more; the meters see it a moment later."""
    async with asyncio.timeout(WHOLE_S):
        while exchange.open:  # noqa: ASYNC110 (the other side of a socket tells nobody)
            await asyncio.sleep(0.005)


def keys():
    own = identity.keys(SEED, HOME)
    return MeterKeys(
        encryption_key=own.encryption,
        authentication_key=own.authentication,
        reader_secret=own.reader_secret,
        setting_secret=own.setting_secret,
    )


def read(kinds, line=LINE, *, hdlc=HDLC, calls=(), settings=None):
    async def main():
        async with trial(hdlc, calls) as (lab, port, clock, exchange):
            once = await read_once(
                lab.town.host(HOME),
                port,
                lab.objects.plan(HOME).model,
                keys(),
                [ProfileKind(kind) for kind in kinds],
                DAYS,
                serial=identity.serial(SEED, HOME),
                settings=settings,
                clock=clock,
                hdlc=line,
            )
            await hung_up(exchange)
            return once, lab, exchange

    return uvloop.run(main())


def rows(batch):
    return {name: column.tolist() for name, column in batch.channels.items()} | {"start": batch.start_s.tolist()}


@pytest.mark.parametrize("octets", [64, 512])
def test_every_profile_says_over_hdlc_what_it_says_over_the_wrapper(octets):
    kinds = [kind.value for kind in ProfileKind]
    line = replace(LINE, send_octets=octets, receive_octets=octets)
    over, _, exchange = read(kinds, line)
    plain, _, _ = read(kinds, None, hdlc=None)
    assert over.outcome is plain.outcome is Outcome.OK
    assert {batch.kind: rows(batch) for batch in over.readings} == {b.kind: rows(b) for b in plain.readings}
    assert asdict(over.nameplate) == asdict(plain.nameplate)
    assert sum(len(batch) for batch in over.readings) > 100
    assert exchange.tally.faults == 0


def test_leave_is_taken_of_the_meter_after_every_association(monkeypatch):
    heard, hear = [], HdlcLink._hear_call

    def noted(self, frame, kind, before):
        heard.append(kind)
        hear(self, frame, kind, before)

    monkeypatch.setattr(HdlcLink, "_hear_call", noted)
    read(["instantaneous"])
    assert heard == [Kind.SNRM, Kind.DISC, Kind.SNRM, Kind.DISC]  # the counter is asked for, then the reading


def test_blocks_over_hdlc_are_what_the_meter_holds():
    once, lab, _ = read(["block-load"])
    [batch] = once.readings
    lines = truth.lines(lab, HOME, "block-load", 0, NOW_S + 86_400, NOW_S)
    told = {row["stamp_s"] - row["period_s"]: row["values"]["import_wh"] for row in map(json.loads, lines)}
    assert batch.channels["import_wh"].tolist() == [told[start_s] for start_s in batch.start_s.tolist()]
    assert np.all(np.diff(batch.start_s) == 1800)


def test_a_meter_that_hangs_up_within_an_answer_is_told():
    once, _, _ = read(["block-load"], calls=[f"reset-mid-block:meter={HOME}"])
    assert once.outcome is Outcome.RESET
    assert "connection lost at get 7/" in once.detail


def test_a_meter_of_another_address_is_silent():
    once, _, _ = read(["instantaneous"], hdlc_line(2, None, 0.5), settings=IMPATIENT)
    assert once.outcome is Outcome.HUNG
    assert "the meter did not answer 2 times" in once.detail


def test_a_meter_that_speaks_wrapper_is_silent_over_hdlc():
    async def main():
        async with FakeMeter() as meter:
            line = hdlc_line(1, None, 0.5)
            return await read_once(
                meter.host,
                meter.port,
                "is15959-d1",
                keys(),
                [ProfileKind.INSTANTANEOUS],
                settings=IMPATIENT,
                hdlc=line,
            )

    assert uvloop.run(main()).outcome in (Outcome.HUNG, Outcome.RESET)


def test_nobody_there_is_no_answer():
    async def main():
        async with FakeMeter() as meter:
            host, port = meter.host, meter.port
        return await read_once(host, port, "is15959-d1", keys(), [ProfileKind.INSTANTANEOUS], hdlc=LINE)

    once = uvloop.run(main())
    assert once.outcome is Outcome.NO_ANSWER
    assert once.detail.startswith("no connection: ")


def test_a_probe_over_hdlc_drafts_what_it_drafts_over_the_wrapper():
    async def drafted(hdlc, line):
        async with trial(hdlc) as (lab, port, clock, exchange):
            dial = over_tcp(lab.town.host(HOME), port, clock.now, hdlc=line)
            findings = await probe(dial, keys(), now=clock.now, tell=lambda _: None)
            await hung_up(exchange)
            return draft_of(findings, "make")

    over, plain = uvloop.run(drafted(HDLC, LINE)), uvloop.run(drafted(None, None))
    assert over == plain
    assert "[profiles.block-load]" in over


def test_an_address_that_cannot_be_is_refused():
    with pytest.raises(AddressDoesNotFit, match="3 octets"):
        hdlc_line(3)
    with pytest.raises(AddressDoesNotFit):
        hdlc_line(1, 17)
