"""The generated network is a network: everybody is connected once, chains are as long as a utility builds."""

import numpy as np
import pytest

from meterlab.power.equipment import AB_CABLE, TRANSFORMER_TYPES
from meterlab.power.network import AT_TRANSFORMER, CHAINS, HOMES_A_POLE, MOST_POLES_A_CHAIN, feeder_network
from meterlab.town import THREE_PHASES, TRANSFORMER_KVA, mohalla


def chain_lengths(network, place):
    """Poles of each chain of a transformer, found by walking from pole to pole."""
    poles = np.flatnonzero(network.pole_of == place).tolist()
    after = {int(network.before[pole]): pole for pole in poles if network.before[pole] != AT_TRANSFORMER}
    lengths = []
    for pole in poles:
        if network.before[pole] == AT_TRANSFORMER:
            length, at = 1, pole
            while at in after:
                length, at = length + 1, after[at]
            lengths.append(length)
    assert sum(lengths) == len(poles)
    return lengths


def test_every_home_hangs_on_one_pole_below_its_own_transformer(town):
    for feeder in range(2):
        network = feeder_network(town, feeder)
        assert (town.feeder[network.transformer] == feeder).all()
        assert (network.transformer[network.home_transformer] == town.transformer[network.home]).all()
        assert np.bincount(network.home_pole).max() <= HOMES_A_POLE
    homes = np.concatenate([feeder_network(town, feeder).home for feeder in range(2)])
    assert sorted(homes.tolist()) == list(range(town.consumers))


def test_chains_are_four_and_none_is_longer_than_a_utility_builds(town):
    network = feeder_network(town, 0)
    for place in range(len(network.transformer)):
        lengths = chain_lengths(network, place)
        assert max(lengths) - min(lengths) <= 1
        assert max(lengths) <= MOST_POLES_A_CHAIN
        assert len(lengths) == min(sum(lengths), max(CHAINS, -(-sum(lengths) // MOST_POLES_A_CHAIN)))


def test_a_three_phase_home_has_three_terminals_and_others_one(town):
    network = feeder_network(town, 0)
    counts = np.bincount(network.terminal_home)
    three = town.phase[network.home] == THREE_PHASES
    assert (counts == np.where(three, 3, 1)).all()
    assert three.mean() == pytest.approx(0.06, abs=0.02)
    single = ~three[network.terminal_home]
    assert (network.terminal_phase[single] == town.phase[network.home][network.terminal_home[single]]).all()
    assert np.bincount(network.terminal_home, network.terminal_share) == pytest.approx(1.0)


def test_service_drops_are_8_to_35_m_of_twin_6_mm2(town):
    network = feeder_network(town, 0)
    single = network.terminal_share == 1
    metres = network.drop_ohm[single] / (2 * 4.61e-3)
    assert 8 <= metres.min() < 12
    assert 31 < metres.max() <= 39


def test_the_network_follows_from_the_seed(town):
    first, again = feeder_network(town, 0), feeder_network(town, 0)
    assert (first.span_m == again.span_m).all()
    other = feeder_network(mohalla(2, 1400), 0)
    assert len(other.span_m) != len(first.span_m) or (other.span_m != first.span_m).any()


def test_a_feeder_without_transformers_is_none(town):
    with pytest.raises(ValueError, match="feeder 7 has no transformers"):
        feeder_network(town, 7)


def test_there_is_a_type_for_every_rating_of_the_town():
    assert set(TRANSFORMER_TYPES) == set(TRANSFORMER_KVA)
    for kind in TRANSFORMER_TYPES.values():
        assert 0.0005 < kind.no_load_w / kind.rating_kva / 1000 < 0.002
        assert 0.007 < kind.load_w / kind.rating_kva / 1000 < 0.025
    assert TRANSFORMER_TYPES[100].no_load_w + TRANSFORMER_TYPES[100].load_w / 4 == pytest.approx(475)


def test_cable_resistance_is_that_of_a_loaded_core():
    assert AB_CABLE.r1_ohm_km == pytest.approx(0.443 * (1 + 0.00403 * 40))
    assert AB_CABLE.r0_ohm_km > 3 * AB_CABLE.r1_ohm_km
