"""Feeder-days on disk: whole or not there, apart by town and circumstances."""

from dataclasses import fields

import numpy as np
import pytest

from meterlab.deviations import Surge, TheftKind
from meterlab.interruptions import FOREVER, Interruptions
from meterlab.power import circumstances
from meterlab.power.feeder_day import FeederDay
from meterlab.power.store import FlowStore, fingerprint
from meterlab.town import mohalla

JUNE_DAY = 20_619  # 2026-06-15


@pytest.fixture(scope="module")
def made(maker):
    return maker.make(1, JUNE_DAY, Interruptions())


def test_what_was_kept_comes_back(tmp_path, town, made):
    store = FlowStore(tmp_path, town)
    assert store.load(1, JUNE_DAY, "usual") is None
    store.save(1, JUNE_DAY, "usual", made)
    again = FlowStore(tmp_path, town).load(1, JUNE_DAY, "usual")
    for part in fields(FeederDay):
        assert (getattr(again, part.name) == getattr(made, part.name)).all()
    assert store.holds(1, JUNE_DAY, circumstances.USUAL)
    assert "2026-06-15" in str(store.path(1, JUNE_DAY, "usual"))


@pytest.mark.parametrize("left", [0, 20, 5000, -1])
def test_a_cut_file_is_none(tmp_path, town, made, left):
    store = FlowStore(tmp_path, town)
    store.save(1, JUNE_DAY, "usual", made)
    path = store.path(1, JUNE_DAY, "usual")
    path.write_bytes(path.read_bytes()[:left])
    assert store.load(1, JUNE_DAY, "usual") is None


def test_a_changed_file_is_none(tmp_path, town, made):
    store = FlowStore(tmp_path, town)
    store.save(1, JUNE_DAY, "usual", made)
    path = store.path(1, JUNE_DAY, "usual")
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    assert store.load(1, JUNE_DAY, "usual") is None


def test_nothing_is_left_beside_a_kept_day(tmp_path, town, made):
    store = FlowStore(tmp_path, town)
    store.save(1, JUNE_DAY, "usual", made)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["0001-usual.flow"]


def test_towns_do_not_share(town):
    assert len({fingerprint(each) for each in (town, mohalla(1, 1400), mohalla(2, 1400), mohalla(1, 1401))}) == 4


def test_the_first_day_stays_where_it_was(tmp_path, town):
    store = FlowStore(tmp_path, town)
    assert store.since(JUNE_DAY) == JUNE_DAY
    assert FlowStore(tmp_path, town).since(JUNE_DAY + 3) == JUNE_DAY
    assert store.since(JUNE_DAY - 2) == JUNE_DAY - 2


def happened():
    told = Interruptions()
    told.supply_lost(0, 1_781_500_000, 1_781_503_600)
    told.relay_opened(5, 1_781_490_000)
    told.relay_opened(town_end := 1399, 1_781_490_000)
    assert town_end
    told.deviations.picks_up = True
    told.deviations.surges.append(Surge(begin_s=1_781_500_000, end_s=1_781_510_000, permille=1250))
    told.deviations.stolen_by(7, TheftKind.HOOK, 0, FOREVER)
    return told


def test_circumstances_come_back_from_their_json(town):
    cut = circumstances.of_day(town, happened(), 0, JUNE_DAY)
    text = circumstances.to_json(cut)
    assert circumstances.to_json(circumstances.from_json(text)) == text
    assert circumstances.from_json(text).deviations == cut.deviations
    assert circumstances.key(text) != circumstances.key(circumstances.USUAL) == "usual"


def test_circumstances_are_those_of_the_feeder_and_the_day(town):
    told = happened()
    assert town.feeder[town.transformer[1399]] == 1
    first, second = (circumstances.of_day(town, told, feeder, JUNE_DAY) for feeder in (0, 1))
    assert set(first.by_relay) == {5}
    assert set(second.by_relay) == {1399}
    assert not second.by_transformer
    assert not second.deviations.thefts
    earlier = circumstances.of_day(town, told, 1, JUNE_DAY - 30)
    assert circumstances.to_json(earlier) == circumstances.USUAL
    hours = np.diff(first.by_relay[5][0])[0] / 3600
    assert 0 < hours <= 25
