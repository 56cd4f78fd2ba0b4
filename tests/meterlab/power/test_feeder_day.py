"""A feeder's day: balances close to the watt-hour, voltage falls along the chains, overload gives way."""

import numpy as np
import pytest

from meterlab.calendar import SLOT_S, midnight_s
from meterlab.deviations import Surge, TheftKind
from meterlab.interruptions import Interruptions
from meterlab.power.flow import NOMINAL_V, FeederFlow
from meterlab.power.network import AT_TRANSFORMER, feeder_network
from meterlab.registers import Registers
from meterlab.town import mohalla

JUNE_DAY = 20_619  # 2026-06-15
EVENING = 44  # the slot that begins at 22:00


def slot_edges():
    return midnight_s(JUNE_DAY) + SLOT_S * np.arange(49)


def surge(permille, *, gives_way=False, among=None):
    happened = Interruptions()
    begin_s = midnight_s(JUNE_DAY) + EVENING * SLOT_S
    happened.deviations.surges.append(
        Surge(begin_s=begin_s, end_s=begin_s + 7200, permille=permille, transformers=among, gives_way=gives_way)
    )
    return happened


def of_transformers(network, by_home):
    sums = np.zeros((len(network.transformer), by_home.shape[1]), np.int64)
    np.add.at(sums, network.home_transformer, by_home)
    return sums


@pytest.fixture(scope="module")
def usual(maker):
    return maker.make(0, JUNE_DAY, Interruptions())


def test_what_flows_through_a_transformer_is_what_homes_drew_and_lines_lost(town, maker, usual):
    """The solver's own energy at the terminals against the sum of what was kept, slot by slot."""
    network = maker.network(0)
    wh = np.diff(Registers(town).homes_wh(network.home, slot_edges()), axis=1)
    assert (usual.drawn_wh == of_transformers(network, wh)).all()
    terminal_w = 2.0 * wh[network.terminal_home] * network.terminal_share[:, None]
    ratio = town.va_per_1024_w[network.home][network.terminal_home, None] / 1024
    loss_w = (terminal_w * ratio / NOMINAL_V) ** 2 * network.drop_ohm[:, None]
    load_w, load_var = np.zeros((2, 48, len(network.pole_of), 3))
    for sums, terminal in ((load_w, terminal_w + loss_w), (load_var, terminal_w * np.sqrt(ratio**2 - 1))):
        np.add.at(sums, (slice(None), network.terminal_pole, network.terminal_phase), terminal.T)
    source = maker._source_pu(0, slot_edges()[:-1])
    solved = FeederFlow(network).solve(load_w, load_var, source, np.zeros((48, len(network.transformer))))
    delivered_wh = solved.delivered_w.sum(axis=-1).T / 2
    assert delivered_wh == pytest.approx(usual.transformer_wh(), abs=1.5)
    assert solved.head_w / 2 == pytest.approx(usual.feeder_wh(), abs=20)


def test_losses_are_what_such_a_network_loses(usual):
    assert 0.02 < usual.line_loss_wh.sum() / usual.drawn_wh.sum() < 0.035
    assert (usual.line_loss_wh >= 0).all()
    assert (usual.transformer_loss_wh > 0).all()
    assert (usual.feeder_loss_wh > 0).all()
    assert 0.025 < 1 - usual.drawn_wh.sum() / usual.feeder_wh().sum() < 0.05


def test_voltage_falls_from_the_busbar_along_the_chains(maker, usual):
    network = maker.network(0)
    busbar = usual.busbar_cv[:, :, EVENING].mean(axis=1)
    assert (usual.lowest_cv[:, EVENING] < busbar).all()
    pole = np.zeros(len(network.pole_of))
    np.add.at(pole, network.terminal_pole, usual.terminal_cv.mean(axis=1))
    pole /= np.bincount(network.terminal_pole)
    first, others = network.before == AT_TRANSFORMER, network.before != AT_TRANSFORMER
    assert pole[first].mean() > pole[others].mean() + 100
    assert 225e2 < usual.terminal_cv.mean() < 237e2


def test_the_base_city_at_its_june_peak():
    """Every home at its mean of a June night at 23 h: no chance of single homes in it."""
    town = mohalla(3, 8000)
    lowest, drawn, headed = [], 0.0, 0.0
    for feeder in range(len(town.feeders)):
        network = feeder_network(town, feeder)
        mean_w = (town.mean_wh_day[network.home] * 1.549 * 0.05434)[network.terminal_home] * network.terminal_share
        load_w = np.zeros((1, len(network.pole_of), 3))
        np.add.at(load_w[0], (network.terminal_pole, network.terminal_phase), mean_w)
        none = np.zeros((1, len(network.transformer)))
        solved = FeederFlow(network).solve(load_w, 0.42 * load_w, np.ones(1), none)
        lowest.append(solved.pole_v.min() / NOMINAL_V)
        drawn, headed = drawn + load_w.sum(), headed + solved.head_w[0]
    assert min(lowest) == pytest.approx(0.907, abs=0.02)
    assert 1 - drawn / headed == pytest.approx(0.028, abs=0.008)


def test_energy_taken_past_the_meter_flows_all_the_same(town, maker, usual):
    network = maker.network(0)
    home, begin_s = int(network.home[3]), midnight_s(JUNE_DAY)
    happened = Interruptions()
    happened.deviations.stolen_by(home, TheftKind.BYPASS, begin_s, begin_s + 86_400)
    stolen = maker.make(0, JUNE_DAY, happened)
    assert (stolen.transformer_wh() == usual.transformer_wh()).all()
    seen = Registers(town, happened).homes_wh(np.asarray([home]), slot_edges())[0]
    drawn = Registers(town, happened).homes_wh(np.asarray([home]), slot_edges(), really=True)[0]
    assert seen[-1] - seen[0] == pytest.approx(0.25 * (drawn[-1] - drawn[0]), abs=1)


def test_a_hot_night_lowers_voltage_and_its_load_gives_way(town, maker, usual):
    hot = maker.make(0, JUNE_DAY, surge(1250, gives_way=True))
    assert not hot.gave_way.any()  # it was told to sink, it did not have to
    before, during = slice(0, EVENING), slice(EVENING, EVENING + 4)
    assert (hot.drawn_wh[:, before] == usual.drawn_wh[:, before]).all()
    assert (hot.lowest_cv[:, during] < usual.lowest_cv[:, during]).mean() > 0.95
    share = hot.drawn_wh[:, during].sum() / usual.drawn_wh[:, during].sum()
    assert 1.1 < share < 1.25
    assert len(hot.short_home) == len(maker.network(0).home)
    assert (hot.short_part[:, before] == 0).all()


def test_a_load_that_no_line_can_carry_gives_way_and_is_marked(maker, usual):
    transformer = int(maker.network(0).transformer[3])
    burning = maker.make(0, JUNE_DAY, surge(9000, among=frozenset({transformer})))
    assert burning.gave_way[3, EVENING:].any()
    assert not np.delete(burning.gave_way, 3, axis=0).any()
    assert not burning.gave_way[:, :EVENING].any()
    assert burning.loading_permille[3].max() > 2000
    below = maker.network(0).home[maker.network(0).home_transformer == 3]
    assert set(burning.short_home.tolist()) == set(below.tolist())
    assert (burning.transformer_wh()[3] >= burning.drawn_wh[3]).all()
    wished = 9 * usual.drawn_wh[3, EVENING:].sum()
    assert 0.2 < burning.drawn_wh[3, EVENING:].sum() / wished < 0.9


def test_without_supply_nothing_is_drawn_or_lost_below(maker):
    happened = Interruptions()
    transformer = int(maker.network(0).transformer[2])
    begin_s = midnight_s(JUNE_DAY) + 10 * SLOT_S
    happened.supply_lost(transformer, begin_s, begin_s + 4 * SLOT_S)
    dark = maker.make(0, JUNE_DAY, happened)
    assert not dark.drawn_wh[2, 10:14].any()
    assert not dark.line_loss_wh[2, 10:14].any()
    assert not dark.transformer_loss_wh[2, 10:14].any()
    assert dark.transformer_loss_wh[2, 9] > 0


def test_the_same_seed_gives_the_same_day(maker, usual):
    again = maker.make(0, JUNE_DAY, Interruptions())
    assert (again.terminal_cv == usual.terminal_cv).all()
    assert (maker.make(0, JUNE_DAY + 1, Interruptions()).terminal_cv != usual.terminal_cv).any()
