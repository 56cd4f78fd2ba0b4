"""A town of every make over loopback: each meter is read by its own model, and all that comes is what it holds."""

import asyncio
import csv
from collections import Counter

import numpy as np
import pytest
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.dlms.model import Quirk
from bijlighar.dlms.models import load_model, model_names
from bijlighar.headend.session import TimeLimits
from bijlighar.headend.single import read_once
from bijlighar.headend.visitor import VisitSettings
from meterlab import identity, makes, registry
from meterlab.exchange import Exchange
from meterlab.lab import build, town_named
from meterlab.server import listener, serve

from .doubles import FixedClock
from .in_process import NOW_S, Wire, held, keys_of, stored

SEED = 3
NAMES = model_names()
DAYS = Period(start_s=NOW_S - 2 * 86_400, end_s=NOW_S)
KINDS = (ProfileKind.BLOCK_LOAD, ProfileKind.DAILY, ProfileKind.BILLING, ProfileKind.EVENT, ProfileKind.NAMEPLATE)
SETTINGS = VisitSettings(limits=TimeLimits(connect_s=5, answer_s=5, visit_s=20))


def town(consumers=300):
    return town_named("mohalla", SEED, consumers, [makes.parse(name) for name in NAMES])


def test_every_make_of_the_town_is_read_over_the_wire():
    async def main():
        clock = FixedClock(float(NOW_S))
        lab = build(town(), now_s=clock.now())
        assert {lab.town.model_name(meter) for meter in range(len(lab.town))} == set(NAMES)
        bound, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
        server = asyncio.create_task(serve(Exchange(lab=lab, clock=clock), listener(0), bound.set_result, stop))
        try:
            port = await bound
            firsts = {lab.town.model_name(meter): meter for meter in reversed(range(len(lab.town)))}
            for name, meter in firsts.items():
                title = identity.system_title(SEED, meter)
                once = await read_once(
                    lab.town.host(meter),
                    port,
                    name,
                    keys_of(lab, meter),
                    KINDS,
                    DAYS,
                    serial=identity.serial(SEED, meter),
                    system_title=title,
                    settings=SETTINGS,
                    clock=clock,
                )
                assert once.outcome is Outcome.OK, (name, once.detail)
                assert (once.faults, once.unmapped, once.quarantined) == ({}, frozenset(), [])
                assert once.nameplate.category == load_model(name).category
                assert abs(once.clock_offset_ms) < 20_000
                compare(Wire(lab, meter), once.readings)
        finally:
            stop.set()
            await server

    uvloop.run(main())


def compare(wire, readings):
    by_kind = {kind.value: [batch for batch in readings if batch.kind is kind] for kind in KINDS}
    quirks = wire.lab.objects.plan(wire.meter).model.quirks
    for kind in ("block-load", "daily"):
        got, wanted = stored(by_kind[kind], kind), held(wire, kind, DAYS)
        assert {key: got[key] for key in wanted} == wanted
        assert len(got) == len(wanted) or Quirk.RANGE_BY_DAY in quirks
    assert stored(by_kind["billing"], "billing") == held(wire, "billing")
    logs = held(wire, "event")
    assert {key: logs[key] for key in stored(by_kind["event"], "event")} == stored(by_kind["event"], "event")


def test_shares_are_met_to_the_meter_and_what_is_left_stays_as_it_was():
    shares = [
        makes.parse("d1-9-columns=0.5"),
        makes.parse("d3-15-columns=0.125"),
        makes.parse("is15959-d4-feeder=1"),
    ]
    mixed = town_named("mohalla", SEED, 400, shares)
    names = Counter(mixed.model_name(meter) for meter in range(400))
    assert names == {"d1-9-columns": 200, "d3-15-columns": 50, "is15959-d1": 150}
    assert {mixed.model_name(meter) for meter in range(400, len(mixed))} == {"is15959-d4-feeder"}
    open_shares = town_named("mohalla", SEED, 400, [makes.parse("d1-9-columns=0.5"), makes.parse("d2-11-columns")])
    assert Counter(open_shares.model_name(meter) for meter in range(400)) == {
        "d1-9-columns": 200,
        "d2-11-columns": 200,
    }


def test_who_gets_which_follows_from_the_seed():
    def dealt(seed):
        mixed = town_named("mohalla", seed, 400, [makes.parse("d1-9-columns=0.5")])
        return [mixed.model_name(meter) for meter in range(400)]

    assert dealt(1) == dealt(1)
    assert dealt(1) != dealt(2)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["d9"], "no meter model is named 'd9'"),
        (["d1-9-columns=much"], "a share is a number"),
        (["d1-9-columns=0"], "a share is a number"),
        (["d1-9-columns=0.7", "d2-11-columns=0.4"], "add up to 1.1"),
    ],
)
def test_a_share_that_cannot_be_is_refused(texts, words):
    with pytest.raises(makes.WrongShare, match=words):
        town_named("trial", SEED, None, [makes.parse(text) for text in texts])


def test_a_transformer_meter_counts_what_three_phase_homes_draw():
    """Whatever meters hang there: the energy of all homes and the losses, in each phase too."""
    mixed, plain = build(town(), now_s=float(NOW_S)), build(town_named("mohalla", SEED, 300), now_s=float(NOW_S))
    at = np.asarray([NOW_S - 3600, NOW_S])
    transformer = mixed.town.consumers
    whole = mixed.objects.source.registers.drawn_wh(transformer, at)
    assert whole.tolist() == plain.objects.source.registers.drawn_wh(transformer, at).tolist()
    phases = mixed.objects.source.registers.phases_wh(transformer, at)
    assert np.all(np.abs(phases.sum(axis=0) - whole) <= 3)
    home = next(m for m in range(300) if mixed.town.phase[m] == 3)
    of_home = mixed.objects.source.registers
    assert of_home.phases_wh(home, at).sum(axis=0).tolist() == of_home.drawn_wh(home, at).tolist()


def test_the_registry_tells_category_model_and_phases(tmp_path):
    registry.write(town(), tmp_path, 4059)
    with (tmp_path / "meters.csv").open(encoding="utf-8") as file:
        meters = list(csv.DictReader(file))
    assert {row["model"] for row in meters} == set(NAMES)
    assert all(row["category"] == load_model(row["model"]).category for row in meters)
    with (tmp_path / "usage_points.csv").open(encoding="utf-8") as file:
        phases = {row["code"]: row["phase"] for row in csv.DictReader(file)}
    assert all((phases[row["usage_point"]] == "RYB") == (row["category"] != "D1") for row in meters)
