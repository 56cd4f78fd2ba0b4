"""Meters feel the flow: balances by registers, editions when relays move, and a real read that shows it all."""

import numpy as np
import pytest

from bijlighar.dlms.clock import DeviationSign, encode_instant
from bijlighar.dlms.xdlms import RangeSelection
from meterlab.calendar import DAY_S, SLOT_S, midnight_s
from meterlab.city import city
from meterlab.deviations import Surge, TheftKind
from meterlab.interruptions import FOREVER, Interruptions
from meterlab.lab import build
from meterlab.power.store import FlowStore
from meterlab.power.supply import Supply
from meterlab.registers import Registers
from meterlab.trial import trial

JUNE_DAY = 20_619  # 2026-06-15
SINCE_S = midnight_s(JUNE_DAY)
BLOCKS = SINCE_S + 900 * np.arange(-8, 2 * 96 + 1)
NOW = 1_763_900_000  # of the served lab
TRIAL_TRANSFORMER = 11


def flowing(town, happened=None, **limits):
    happened = Interruptions() if happened is None else happened
    supply = Supply(town, happened, since_day=JUNE_DAY, **limits)
    return Registers(town, happened, supply), supply


def homes_seen(registers, transformer, instants):
    return registers.homes_wh(registers.town.homes_of(transformer), instants).sum(axis=0)


def test_every_slot_balances_to_the_watt_hour(town):
    registers, supply = flowing(town)
    slots = SINCE_S + SLOT_S * np.arange(97)
    for transformer in (0, 7, 14):
        through = np.diff(registers.drawn_wh(town.consumers + transformer, slots))
        seen = np.diff(homes_seen(registers, transformer, slots))
        feeder = int(town.feeder[transformer])
        place = supply.network(feeder).transformer.tolist().index(transformer)
        lost = np.concatenate([supply.feeder_day(feeder, JUNE_DAY + n).line_loss_wh[place] for n in (0, 1)])
        assert (through == seen + lost).all()
        assert 0.005 < lost.sum() / seen.sum() < 0.05


def test_a_feeder_meter_counts_its_transformers_and_what_is_lost_above_them():
    town = city(1, 2000)
    registers, supply = flowing(town)
    slots = SINCE_S + SLOT_S * np.arange(97)
    head = len(town) - town.feeder_meters
    through = np.diff(registers.drawn_wh(head, slots))
    days = [supply.feeder_day(0, JUNE_DAY + n) for n in (0, 1)]
    assert (through == np.concatenate([day.feeder_wh() for day in days])).all()
    below = sum(np.diff(homes_seen(registers, transformer, slots)) for transformer in town.transformers_of(0))
    assert 0.02 < 1 - below.sum() / through.sum() < 0.06
    by_phase = np.diff(registers.phases_wh(head, slots), axis=1)
    assert by_phase.sum(axis=0) == pytest.approx(through, abs=60)


def test_quarters_and_phases_add_up_and_registers_never_fall(town):
    registers, _ = flowing(town)
    meter = town.consumers + 3
    through = registers.drawn_wh(meter, BLOCKS)
    assert (np.diff(through) > 0).all()
    by_phase = np.diff(registers.phases_wh(meter, BLOCKS), axis=1)
    assert by_phase.sum(axis=0) == pytest.approx(np.diff(through), abs=4)


def test_before_the_flow_began_the_cheap_model_holds(town):
    registers, _ = flowing(town)
    cheap = Registers(town)
    meter = town.consumers + 3
    before = BLOCKS[BLOCKS <= SINCE_S]
    assert (registers.drawn_wh(meter, before) == cheap.drawn_wh(meter, before)).all()
    assert registers.drawn_wh(meter, BLOCKS)[-1] != cheap.drawn_wh(meter, BLOCKS)[-1]


def test_with_theft_the_difference_is_what_was_stolen(town):
    happened = Interruptions()
    homes = town.homes_of(4).tolist()
    for home, kind in zip(homes[:6], TheftKind, strict=True):
        happened.deviations.stolen_by(home, kind, SINCE_S, FOREVER)
    honest, _ = flowing(town)
    robbed, _ = flowing(town, happened)
    slots = SINCE_S + SLOT_S * np.arange(49)
    meter = town.consumers + 4
    assert (robbed.drawn_wh(meter, slots) == honest.drawn_wh(meter, slots)).all()
    missing = np.diff(homes_seen(honest, 4, slots) - homes_seen(robbed, 4, slots))
    balance = np.diff(robbed.drawn_wh(meter, slots)) - np.diff(homes_seen(robbed, 4, slots))
    usual = np.diff(honest.drawn_wh(meter, slots)) - np.diff(homes_seen(honest, 4, slots))
    assert (balance == usual + missing).all()
    assert balance.sum() > 2 * usual.sum()


def test_load_that_gives_way_is_not_on_the_meter(town):
    happened = Interruptions()
    begin_s = SINCE_S + 22 * 3600
    happened.deviations.surges.append(Surge(begin_s=begin_s, end_s=begin_s + 7200, permille=1250, gives_way=True))
    registers, supply = flowing(town, happened)
    slots = SINCE_S + SLOT_S * np.arange(97)
    seen = np.diff(homes_seen(registers, 2, slots))
    place = supply.network(0).transformer.tolist().index(2)
    days = [supply.feeder_day(0, JUNE_DAY + n) for n in (0, 1)]
    assert (seen == np.concatenate([day.drawn_wh[place] for day in days])).all()
    through = np.diff(registers.drawn_wh(town.consumers + 2, slots))
    assert (through == np.concatenate([day.transformer_wh()[place] for day in days])).all()
    wished = Registers(town, happened).homes_wh(town.homes_of(2), slots).sum(axis=0)
    assert np.diff(wished)[44:48].sum() > seen[44:48].sum()
    minutes = registers.homes_wh(town.homes_of(2), begin_s + 60 * np.arange(120))
    assert (np.diff(minutes, axis=1) >= 0).all()


def test_a_relay_that_opens_makes_another_edition_and_nothing_counted_changes(town):
    happened = Interruptions()
    registers, supply = flowing(town, happened)
    meter, homes = town.consumers + 7, town.homes_of(7).tolist()
    now_s = SINCE_S + 22 * 3600 + 700
    instants = SINCE_S + 60 * np.arange(24 * 60 + 1)
    before = registers.drawn_wh(meter, instants)
    volts = supply.voltage_mv(meter, 0, instants)
    for home in homes[: len(homes) // 2]:
        happened.relay_opened(home, now_s)
    after = registers.drawn_wh(meter, instants)
    past = instants <= now_s
    assert (after[past] == before[past]).all()
    assert (np.diff(after) >= 0).all()
    assert after[-1] - after[past][-1] < 0.7 * (before[-1] - before[past][-1])
    later = supply.voltage_mv(meter, 0, instants)
    assert (later[past] == volts[past]).all()
    assert later[-1] > volts[-1]


def test_the_process_of_the_flow_is_asked_once_and_its_answer_taken_when_it_is_there(town, tmp_path):
    happened, asked = Interruptions(), []
    store = FlowStore(tmp_path, town)

    def ask(*wanted):
        asked.append(wanted)
        return True

    registers, supply = flowing(town, happened, store=store, ask=ask)
    at = np.asarray([SINCE_S + 23 * 3600])
    meter = town.consumers + 7
    first = supply.voltage_mv(meter, 1, at)
    for home in town.homes_of(7).tolist():
        happened.relay_opened(home, SINCE_S + 22 * 3600)
    assert supply.voltage_mv(meter, 1, at) == first == supply.voltage_mv(meter, 1, at)
    assert [wanted[:2] for wanted in asked] == [(0, JUNE_DAY)]
    other, _ = flowing(town, happened, store=store)
    assert other.flow.voltage_mv(meter, 1, at) > first  # made, and kept in the store
    assert supply.voltage_mv(meter, 1, at) > first
    assert len(asked) == 1
    assert registers.flow is supply


def test_one_who_cannot_ask_makes_the_day_himself(town):
    happened = Interruptions()
    _, supply = flowing(town, happened, ask=lambda *_: False)
    at = np.asarray([SINCE_S + 23 * 3600])
    first = supply.voltage_mv(town.consumers + 7, 1, at)
    for home in town.homes_of(7).tolist():
        happened.relay_opened(home, SINCE_S + 22 * 3600)
    assert supply.voltage_mv(town.consumers + 7, 1, at) > first


def test_homes_far_down_the_chain_have_less_voltage_than_their_transformer(town):
    _, supply = flowing(town)
    evening = SINCE_S + SLOT_S * np.arange(40, 48)
    homes = town.homes_of(3)
    volts = np.stack([supply.voltage_mv(int(home), int(town.phase[home]) % 3, evening) for home in homes])
    busbar = np.stack([supply.voltage_mv(town.consumers + 3, phase, evening) for phase in range(3)])
    assert volts.mean() < busbar.mean() - 1000
    assert volts.min() > 150_000


def test_a_real_read_shows_voltage_and_balance_of_the_flow(served, tmp_path):
    """Eleven homes and their transformer, read over the protocol, against the flow itself."""
    town, since_day = trial(1), (NOW + 19_800) // DAY_S - 1
    supplies = []

    def flow_of(of, happened):
        supplies.append(Supply(of, happened, since_day=since_day, store=FlowStore(tmp_path, of)))
        return supplies[-1]

    begin_s = midnight_s(since_day)

    async def test(lab):
        blocks = [encode_instant(at, DeviationSign.INDIAN) for at in (begin_s + SLOT_S, begin_s + 48 * SLOT_S)]
        chosen = RangeSelection(start=blocks[0], end=blocks[1])
        volts, drawn = [], np.zeros(48)
        for home in range(TRIAL_TRANSFORMER):
            session = await lab.session(home)
            rows = await session.get(7, "1.0.99.1.0.255", 2, chosen)
            volts.append([row[1] for row in rows])
            drawn += [row[2] for row in rows]
        flowed = supplies[0].feeder_day(0, since_day)
        rows = supplies[0].network(0).terminal_home
        expected = flowed.terminal_cv[np.searchsorted(rows, np.arange(TRIAL_TRANSFORMER))]
        differing = np.abs(np.asarray(volts, float) - expected)
        assert np.median(differing) == 0  # but for sags, which are the transformer's own fault
        session = await lab.session(TRIAL_TRANSFORMER)
        rows = await session.get(7, "1.0.99.1.0.255", 2, chosen)
        columns = lab.lab.objects.plan(TRIAL_TRANSFORMER).model.profiles["block-load"].columns
        place = [column.name for column in columns].index("block-import")
        assert len(rows) == 95  # quarters from the first half hour's end on
        through = sum(row[place] for row in rows[1:])
        assert through == pytest.approx(flowed.transformer_wh()[0, 1:].sum() / 10, rel=0.02)
        assert drawn[1:].sum() == pytest.approx(flowed.drawn_wh[0, 1:].sum() / 10, abs=11 * 2)

    served(test, radio={"flow_of": flow_of})
    assert town.consumers == TRIAL_TRANSFORMER


def test_a_lab_without_a_flow_is_as_it_was():
    assert build(trial(1), now_s=NOW).objects.source.registers.flow is None
