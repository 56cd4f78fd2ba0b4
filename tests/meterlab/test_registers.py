"""Registers, blocks, midnights and months are one and the same energy."""

import numpy as np
import pytest

from meterlab.calendar import DAY_S, SLOT_S, day_of, midnight_s, month_begin_s, month_of_day
from meterlab.demand import Demand
from meterlab.interruptions import FOREVER, Interruptions
from meterlab.registers import INSTALLED_S, Registers, instants, midnights
from meterlab.town import mohalla
from meterlab.trial import trial

NOW = 1_763_900_000  # 2025-11-23 17:43:20 in Kolkata
TRANSFORMER = 11


@pytest.fixture
def registers():
    return Registers(trial(seed=4))


def test_a_register_never_falls_and_starts_low(registers):
    standing = registers.import_wh(3, np.asarray([INSTALLED_S, INSTALLED_S + DAY_S, NOW - 1, NOW, NOW + 1]))
    assert 0 <= standing[0] < 400
    assert (np.diff(standing) >= 0).all()
    assert standing[-1] > 100_000


def test_every_second_of_an_hour_is_between_its_neighbours(registers):
    seconds = np.arange(NOW - 3600, NOW)
    for meter in (0, TRANSFORMER):
        assert (np.diff(registers.import_wh(meter, seconds)) >= 0).all()


def test_the_transformer_carries_its_homes_and_the_losses(registers):
    ends = instants(NOW - 40 * DAY_S, NOW, 900)
    homes = sum(registers.drawn_wh(home, ends) for home in range(11))
    assert (registers.drawn_wh(TRANSFORMER, ends) == homes * 1028 // 1000).all()


def test_phases_add_up_to_the_transformer_but_for_rounding(registers):
    ends = instants(NOW - DAY_S, NOW, 900)
    difference = registers.drawn_wh(TRANSFORMER, ends) - registers.phases_wh(TRANSFORMER, ends).sum(axis=0)
    assert difference.min() >= 0
    assert difference.max() <= 2


def test_kept_tables_change_no_answer(registers):
    ends = instants(NOW - 36 * DAY_S, NOW, SLOT_S)
    before = registers.import_wh(5, ends)
    registers.prepare(NOW, 36)
    assert (registers.import_wh(5, ends) == before).all()
    registers.prepare(NOW + 400 * DAY_S, 36)
    assert (registers.import_wh(5, ends) == before).all()


def test_half_hours_that_are_kept_are_those_that_would_be_drawn():
    """Yesterday and today of every home, at blocks, quarters and seconds, across midnight and a new month."""
    for now_s in (NOW, month_begin_s(month_of_day(day_of(NOW))) + 7 * 3600):
        kept, drawn = Registers(mohalla(5, 300)), Registers(mohalla(5, 300))
        kept.prepare(now_s, 3)
        for step_s in (SLOT_S, SLOT_S // 2, 977):
            at = np.arange(midnight_s(day_of(now_s) - 1), int(now_s), step_s)
            for home in (0, 1, 255, 256, 299):
                assert kept.drawn_wh(home, at).tolist() == drawn.drawn_wh(home, at).tolist()
        kept.prepare(now_s + 3 * DAY_S, 3)
        assert len(kept._hot) == 0


def test_the_same_seed_gives_the_same_registers_whenever_it_is_asked():
    late = Registers(trial(seed=4))
    late.prepare(NOW + 30 * DAY_S, 35)
    now = np.asarray([NOW])
    assert late.import_wh(2, now) == Registers(trial(seed=4)).import_wh(2, now)
    assert late.import_wh(2, now) != Registers(trial(seed=5)).import_wh(2, now)


def test_apparent_energy_follows_at_the_meters_power_factor(registers):
    ends = np.asarray([INSTALLED_S, NOW])
    active, apparent = np.diff(registers.import_wh(1, ends))[0], np.diff(registers.import_vah(1, ends))[0]
    assert 0.86 <= active / apparent <= 0.98


def test_nothing_is_counted_while_the_relay_is_open():
    interruptions = Interruptions()
    registers = Registers(trial(seed=4), interruptions)
    ends = instants(NOW - DAY_S, NOW + DAY_S, SLOT_S)
    before = registers.import_wh(0, ends)
    interruptions.relay_opened(0, NOW)
    after = registers.import_wh(0, ends)
    past = ends <= NOW
    assert (after[past] == before[past]).all()
    assert len(set(after[~past].tolist())) == 1
    interruptions.relay_closed(0, NOW + 6 * 3600)
    later = registers.import_wh(0, ends)
    open_again = ends >= NOW + 6 * 3600
    assert (np.diff(later[open_again]) == np.diff(before[open_again])).all()
    assert registers.power_w(0, np.asarray([NOW + 60, NOW + 7 * 3600]))[0] == 0


def test_a_power_cut_reaches_homes_and_transformer_alike():
    interruptions = Interruptions()
    registers = Registers(trial(seed=4), interruptions)
    interruptions.supply_lost(0, NOW - 7200, NOW - 3600)
    interruptions.relay_opened(3, NOW - 5400)
    ends = instants(NOW - DAY_S, NOW, 900)
    homes = sum(registers.drawn_wh(home, ends) for home in range(11))
    assert (registers.drawn_wh(TRANSFORMER, ends) == homes * 1028 // 1000).all()
    assert interruptions.unmeasured(3, 0) == [(NOW - 7200, FOREVER)]


def test_power_is_the_energy_of_the_running_quarter(registers):
    quarter = instants(NOW - 900, NOW, 900)[-1]
    energy = np.diff(registers.drawn_wh(4, np.asarray([quarter, quarter + 900])))[0]
    assert registers.power_w(4, np.asarray([NOW])).tolist() == [energy * 4]


def test_block_ends_and_midnights_are_those_of_kolkata():
    ends = instants(midnight_s(20_000), midnight_s(20_001), SLOT_S)
    assert len(ends) == 48
    assert ends[-1] == midnight_s(20_001)
    assert midnights(midnight_s(20_000), midnight_s(20_002)).tolist() == [
        midnight_s(d) for d in range(20_000, 20_003)
    ]
    assert midnights(midnight_s(20_000) + 1, midnight_s(20_001) - 1).tolist() == []


def test_zones_of_a_month_are_the_month(registers):
    demand = Demand(registers)
    month = month_of_day(day_of(NOW)) - 1
    edges = np.asarray([month_begin_s(month), month_begin_s(month + 1)])
    summary = demand.month(6, month)
    assert sum(summary.zone_wh) == np.diff(registers.drawn_wh(6, edges))[0]
    assert demand.zone_registers_wh(6, month + 1).sum() == registers.drawn_wh(6, edges)[1]
    assert min(summary.zone_wh) > 0


def test_maximum_demand_is_that_of_its_half_hour(registers):
    demand = Demand(registers)
    summary = demand.running(6, NOW)
    ends = instants(month_begin_s(month_of_day(day_of(NOW))), NOW, SLOT_S)
    energy = np.diff(registers.drawn_wh(6, np.concatenate([[ends[0] - SLOT_S], ends])))
    assert summary.demand_w == 2 * energy.max()
    assert summary.demand_end_s == ends[energy.argmax()]


def test_a_running_month_is_the_same_however_often_it_was_looked_at(registers):
    often, once = Demand(registers), Demand(registers)
    for hours in range(0, 60, 5):
        often.running(6, NOW - (60 - hours) * 3600)
    assert often.running(6, NOW) == once.running(6, NOW)
    assert often.running(6, NOW - 86_400) == once.running(6, NOW - 86_400)
    assert often.running(6, NOW + 40 * 86_400) == Demand(registers).running(6, NOW + 40 * 86_400)


def test_a_month_that_has_just_begun_has_no_demand(registers):
    begin = month_begin_s(2025 * 12 + 10)
    summary = Demand(registers).running(6, begin + 60)
    assert (summary.demand_w, summary.demand_end_s) == (0, begin)


def test_a_larger_town_has_the_same_columns():
    town = mohalla(seed=9, consumers=500)
    assert town.consumers == 500
    assert sum(len(town.homes_of(t)) for t in range(town.transformers)) == 500
    assert len(town) == 500 + town.transformers
    registers = Registers(town)
    registers.prepare(NOW, 35)
    now = np.asarray([NOW])
    fed = [registers.drawn_wh(int(home), now)[0] for home in town.homes_of(2)]
    assert registers.drawn_wh(502, now)[0] == sum(fed) * 1028 // 1000


def test_addresses_tell_meters_and_nobody_else():
    town = trial(seed=1)
    assert town.host(0) == "127.16.0.1"
    assert town.host(11) == "127.16.0.12"
    assert [town.meter_at(town.host(meter)) for meter in range(12)] == list(range(12))
    assert town.meter_at("127.16.0.13") is None
    assert town.meter_at("127.0.0.1") is None
    assert mohalla(seed=1, consumers=300).host(260) == "127.16.1.5"
