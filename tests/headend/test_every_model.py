"""Every shipped model: a virtual meter of that make is read, and each stored value is what the meter holds.

In process: octets go from machine to machine. The mixed town over loopback is in ``test_mixed_town``.
"""

import numpy as np
import pytest

from bijlighar.cim.period import Period
from bijlighar.dlms.model import Quirk
from bijlighar.dlms.models import load_model, model_names
from bijlighar.dlms.xdlms import RangeSelection
from bijlighar.headend.associating import SETTING
from bijlighar.headend.clocksetting import ClockLimits, set_clock
from bijlighar.headend.reading import Order
from meterlab import identity
from meterlab.lab import build, town_named
from meterlab.makes import Share

from .in_process import LOGS, NOW_S, Wire, converse, held, read, stored

SEED = 7
HOME, TRANSFORMER = 3, 11
DAYS = Period(start_s=NOW_S - 3 * 86_400, end_s=NOW_S)


@pytest.fixture(scope="module", params=model_names())
def wire(request):
    """One home, or the transformer meter, of that make; its power failed for five hours two days ago."""
    lab = build(town_named("trial", SEED, None, [Share(model=request.param)]), now_s=float(NOW_S))
    meter = TRANSFORMER if load_model(request.param).category == "D4" else HOME
    assert lab.objects.plan(meter).model.name == request.param
    lab.state.interruptions.supply_lost(0, NOW_S - 2 * 86_400, NOW_S - 2 * 86_400 + 5 * 3600)
    return Wire(lab, meter)


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
