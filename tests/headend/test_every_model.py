"""Every shipped model: a virtual meter of that make is read, and each stored value is what the meter holds.

In process: octets go from machine to machine. The mixed town over loopback is in ``test_mixed_town``.
"""

import json

import numpy as np
import pytest

from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.cim.period import Period
from bijlighar.cim.readings import MISSING
from bijlighar.dlms.model import Quirk
from bijlighar.dlms.models import load_model, model_names
from bijlighar.dlms.xdlms import RangeSelection
from bijlighar.headend.associating import READER, SETTING, client_association, counts
from bijlighar.headend.clocksetting import ClockLimits, set_clock
from bijlighar.headend.counters import Reserved
from bijlighar.headend.decoding import Parcel, Templates, understand
from bijlighar.headend.layouts import LayoutBook
from bijlighar.headend.reading import Errand, Gathered, Order, read_meter
from bijlighar.headend.seen import SeenRows
from meterlab import identity, truth
from meterlab.lab import build, town_named
from meterlab.makes import Share

from .in_process import NOW_S, Wire, keys_of

SEED = 7
LOGS = ("voltage", "current", "power", "transaction", "other", "nonrollover", "control")
HOME, TRANSFORMER = 3, 11
DAYS = Period(start_s=NOW_S - 3 * 86_400, end_s=NOW_S)
LATER_S = NOW_S + 86_400


@pytest.fixture(scope="module", params=model_names())
def wire(request):
    """One home, or the transformer meter, of that make; its power failed for five hours two days ago."""
    lab = build(town_named("trial", SEED, None, [Share(model=request.param)]), now_s=float(NOW_S))
    meter = TRANSFORMER if load_model(request.param).category == "D4" else HOME
    assert lab.objects.plan(meter).model.name == request.param
    lab.state.interruptions.supply_lost(0, NOW_S - 2 * 86_400, NOW_S - 2 * 86_400 + 5 * 3600)
    return Wire(lab, meter)


def converse(wire, role, script):
    model, keys = wire.lab.objects.plan(wire.meter).model, keys_of(wire.lab, wire.meter)
    access = model.associations[role]
    reserved = Reserved(first=10_000 * (wire.served + 1), count=5000, fresh=False) if counts(access) else None
    client = client_association(
        access, keys, own_title=b"BJG00001", reserved=reserved, challenge=b"0123456789abcdef"
    )
    end = wire.converse(client, script)
    assert end.outcome.value == "ok", end.detail
    return end.value


def read(wire, *orders):
    model = wire.lab.objects.plan(wire.meter).model
    serial = identity.serial(SEED, wire.meter)
    meter = Meter(
        meter_id=5,
        serial=serial,
        system_title=identity.system_title(SEED, wire.meter),
        category=MeterCategory(model.category),
        model=model.name,
        usage_point="",
        host="",
        port=1,
    )
    errand = Errand(
        meter=meter,
        serial=serial,
        model=model,
        firmware=None,
        orders=orders,
        layouts=LayoutBook(None),
        now=lambda: float(NOW_S),
    )
    gathered = Gathered()
    converse(wire, READER, read_meter(errand, gathered))
    assert (gathered.refused, gathered.whole) == ({}, True)
    parcel = Parcel(meter_id=5, model=model, reads=tuple(gathered.reads), contact=None, token=None, repeat=True)
    understood = understand([parcel], Templates(), SeenRows(), NOW_S)
    [result] = understood.results
    assert (result.faults, result.unmapped, understood.quarantined) == ({}, set(), [])
    return gathered, understood.readings


def held(wire, kind, period=None):
    """What the meter holds, by profile, start and event code."""
    found = {}
    for line in truth.lines(wire.lab, wire.meter, kind, 0, LATER_S, NOW_S):
        row = json.loads(line)
        if period is None or period.start_s <= row["start_s"] < period.end_s:
            found[row["profile"], row["start_s"], row["values"].get("event_code")] = row["values"]
    return found


def stored(batches, kind):
    found = {}
    for batch in batches:
        for row, start_s in enumerate(batch.start_s.tolist()):
            values = {name: int(column[row]) for name, column in batch.channels.items()}
            log = values.pop("event_log", None)
            profile = kind if log is None else f"event-{LOGS[log]}"
            found[profile, start_s, values.get("event_code")] = {n: v for n, v in values.items() if v != MISSING}
    return found


@pytest.mark.parametrize("kind", ["block-load", "daily"])
def test_every_row_of_a_range_is_what_the_meter_holds(wire, kind):
    _, batches = read(wire, Order(profile=kind, ranges=(DAYS,)))
    got, wanted = stored(batches, kind), held(wire, kind, DAYS)
    beyond = {key: values for key, values in got.items() if key not in wanted}
    by_day = Quirk.RANGE_BY_DAY in wire.lab.objects.plan(wire.meter).model.quirks
    assert not beyond or by_day
    assert beyond.items() <= held(wire, kind).items()
    assert {key: got.get(key) for key in wanted} == wanted
    period_s = batches[0].period_s
    assert len(wanted) == (3 if kind == "daily" else (DAYS.end_s - DAYS.start_s - 5 * 3600) // period_s)


@pytest.mark.parametrize("kind", ["billing", "instantaneous", "event"])
def test_every_row_of_a_buffer_is_what_the_meter_holds(wire, kind):
    logs = tuple(Order(profile=f"event-{log}") for log in LOGS)
    _, batches = read(wire, *(logs if kind == "event" else (Order(profile=kind),)))
    wanted = held(wire, kind)
    assert stored(batches, kind) == wanted
    assert len(wanted) >= {"billing": 13, "instantaneous": 1, "event": 30}[kind]


def test_nameplate_and_clock(wire):
    gathered, _ = read(wire)
    plate, model = gathered.nameplate, wire.lab.objects.plan(wire.meter).model
    assert (plate.serial, plate.category) == (identity.serial(SEED, wire.meter), model.category)
    assert (plate.firmware, plate.manufacturer) == (identity.FIRMWARE, identity.MAKER)
    shown_s = int(wire.lab.state.clock_s(wire.meter, NOW_S))
    assert gathered.clock.offset_ms == 1000 * (shown_s - NOW_S)


def test_one_block_alone(wire):
    """A range of one stamp, the question that some makes answer with everything."""
    block = Period(start_s=NOW_S // 1800 * 1800 - 7200, end_s=NOW_S // 1800 * 1800 - 5400)
    _, batches = read(wire, Order(profile="block-load", ranges=(block,)))
    quirks = wire.lab.objects.plan(wire.meter).model.quirks
    assert held(wire, "block-load", block).items() <= stored(batches, "block-load").items()
    most = 97 if Quirk.RANGE_BY_DAY in quirks else 2
    assert sum(len(batch) for batch in batches) <= most


def test_the_whole_buffer(wire):
    """Without a range all 35 days come, from makes that cut their answers too."""
    _, batches = read(wire, Order(profile="block-load"))
    assert stored(batches, "block-load") == held(wire, "block-load")


def test_the_clock_is_set_through_the_setting_association(wire):
    lab, meter = wire.lab, wire.meter
    before = lab.state.clock_set_s[meter], lab.state.clock_offset_s[meter], lab.state.programmings[meter]
    lab.state.clock_offset_s[meter] += 300
    setting = converse(
        wire, SETTING, set_clock(lab.objects.plan(meter).model, lambda: float(NOW_S), ClockLimits())
    )
    assert setting.succeeded, setting
    lab.state.clock_set_s[meter], lab.state.clock_offset_s[meter], lab.state.programmings[meter] = before
    lab.state.events.clear()


def test_no_question_is_asked_that_the_make_is_known_to_refuse(wire):
    wire.asked.clear()
    read(wire, Order(profile="block-load", ranges=(DAYS,)))
    model = wire.lab.objects.plan(wire.meter).model
    lists = [r.ref for r in wire.asked if r.ref.class_id == 7 and r.ref.attribute == 3]
    refused = Quirk.CAPTURE_OBJECTS_REFUSED in model.quirks
    assert (model.profiles["block-load"].obis in {ref.obis for ref in lists}) is not refused
    ranges = [r.selection for r in wire.asked if isinstance(r.selection, RangeSelection)]
    assert len(ranges) == (4 if Quirk.CUT_BY_DAY in model.quirks else 1)
    assert not np.any([selection.start == selection.end for selection in ranges])
