"""One meter read without a store: virtual meters over a real connection, every value compared with theirs."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
import pytest
import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.contacts import Outcome
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.dlms.models import UnknownModel
from bijlighar.headend.keys import MeterKeys
from bijlighar.headend.single import read_once
from bijlighar.headend.visitor import VisitSettings
from meterlab import identity, truth
from meterlab.exchange import Exchange
from meterlab.lab import build, town_named
from meterlab.server import listener, serve

from .doubles import FixedClock

NOW_S = int(datetime(2026, 6, 11, 6, 47, 12, tzinfo=UTC).timestamp())
SEED = 7
LOGS = ("voltage", "current", "power", "transaction", "other", "nonrollover", "control")
HOME, TRANSFORMER = 3, 11
DAYS = Period(start_s=NOW_S - 2 * 86_400, end_s=NOW_S)


@asynccontextmanager
async def trial():
    """The trial's meters, listening. Gives lab and port."""
    clock = FixedClock(float(NOW_S))
    lab = build(town_named("trial", SEED, None), now_s=clock.now())
    bound, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
    server = asyncio.create_task(serve(Exchange(lab=lab, clock=clock), listener(0), bound.set_result, stop))
    try:
        yield lab, await bound, clock
    finally:
        stop.set()
        await server


def keys_of(meter):
    keys = identity.keys(SEED, meter)
    return MeterKeys(
        encryption_key=keys.encryption,
        authentication_key=keys.authentication,
        reader_secret=keys.reader_secret,
    )


def read(meter, kinds, period=DAYS, **changes):
    async def main():
        async with trial() as (lab, port, clock):
            model = lab.objects.plan(meter).model.name
            asked = {"serial": identity.serial(SEED, meter), "system_title": identity.system_title(SEED, meter)}
            asked |= {"settings": VisitSettings(), "clock": clock, "keys": keys_of(meter), "model": model}
            asked |= changes
            once = await read_once(
                lab.town.host(meter), port, asked.pop("model"), asked.pop("keys"), kinds, period, **asked
            )
            return lab, once

    return uvloop.run(main())


@pytest.mark.parametrize("meter", [HOME, TRANSFORMER])
@pytest.mark.parametrize("kind", ["block-load", "daily", "instantaneous", "billing", "event"])
def test_every_value_is_what_the_meter_holds(meter, kind):
    period = DAYS if kind in ("block-load", "daily") else None
    lab, once = read(meter, [ProfileKind(kind)], period)
    assert once.outcome is Outcome.OK, once.detail
    assert (once.faults, once.unmapped, once.quarantined) == ({}, frozenset(), [])
    held = {}
    for line in truth.lines(lab, meter, kind, 0, NOW_S + 86_400, NOW_S):
        row = json.loads(line)
        start_s = row["stamp_s"] - row["period_s"]
        held[row["profile"], start_s, row["values"].get("event_code")] = row["values"]
    compared = 0
    for batch in once.readings:
        for row, start_s in enumerate(batch.start_s.tolist()):
            code = int(batch.channels["event_code"][row]) if "event_code" in batch.channels else None
            profile = kind
            if kind == "event":
                log = int(batch.channels["event_log"][row])
                profile = f"event-{LOGS[log]}"
            wanted = held[profile, start_s, code]
            for name, value in wanted.items():
                assert batch.channels[name][row] == (MISSING if value is None else value), (name, start_s)
                compared += 1
    assert compared > (300 if kind == "block-load" else 5)


def test_the_rows_of_the_period_and_no_others_oldest_first():
    _, once = read(HOME, [ProfileKind.BLOCK_LOAD])
    [batch] = once.readings
    first = DAYS.start_s // 1800 * 1800 + 1800
    assert batch.start_s.tolist() == list(range(first, NOW_S // 1800 * 1800, 1800))
    assert np.all(batch.meter_id == 0)


def test_a_nameplate_a_clock_and_several_kinds_in_one_visit():
    _, once = read(HOME, [ProfileKind.NAMEPLATE, ProfileKind.INSTANTANEOUS, ProfileKind.DAILY])
    assert once.nameplate.serial == identity.serial(SEED, HOME)
    assert once.nameplate.category == "D1"
    assert abs(once.clock_offset_ms) < 20_000
    assert {batch.kind for batch in once.readings} == {ProfileKind.INSTANTANEOUS, ProfileKind.DAILY}
    assert once.latency_ms is not None


def test_a_meter_outside_any_registry_is_read_without_knowing_who_it_is():
    _, once = read(HOME, [ProfileKind.INSTANTANEOUS], serial=None, system_title=b"")
    assert once.outcome is Outcome.OK
    assert once.nameplate.serial == identity.serial(SEED, HOME)


def test_another_serial_than_expected_brings_nothing():
    _, once = read(HOME, [ProfileKind.INSTANTANEOUS], serial="KP000001")
    assert once.outcome is Outcome.WRONG_METER
    assert once.readings == []


def test_wrong_keys_are_told():
    _, once = read(HOME, [ProfileKind.INSTANTANEOUS], keys=keys_of(HOME + 1))
    assert once.outcome in (Outcome.REFUSED, Outcome.NOT_AUTHENTIC)
    assert once.readings == []


def test_an_unknown_model_is_refused_before_anybody_is_called():
    with pytest.raises(UnknownModel):
        read(HOME, [ProfileKind.DAILY], model="no-such-model")
