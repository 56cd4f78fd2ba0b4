"""The city: its size, what stands where, and that it is the same for everyone who asks by the same seed."""

import csv

import numpy as np
import pytest

from meterlab import registry
from meterlab.calendar import DAY_S
from meterlab.city import DIVISIONS, HOMES, city
from meterlab.lab import UnknownTown, build, town_named
from meterlab.makes import Share
from meterlab.objects import Caller
from meterlab.registers import Registers, instants
from meterlab.voltage import FEEDER_MV

NOW = 1_763_900_000


@pytest.fixture(scope="module")
def whole():
    return city(1)


def test_the_city_has_the_size_that_is_told(whole):
    assert whole.consumers == HOMES == 300_000
    assert (whole.transformers, len(whole.feeders), len(whole.substations)) == (2_583, 216, 27)
    assert len(whole) == 300_000 + whole.transformer_meters + 216
    assert np.unique(whole.rating_kva).tolist() == [25, 63, 100, 250, 400]
    shares = np.bincount(np.searchsorted([25, 63, 100, 250, 400], whole.rating_kva)) / whole.transformers
    assert np.abs(shares - [0.08, 0.17, 0.25, 0.32, 0.18]).max() < 0.02
    assert abs(whole.transformer_meters / whole.transformers - 0.70) < 0.03
    homes = np.diff(whole.transformer_bounds)
    assert homes.sum() == 300_000
    assert homes.min() >= 1
    names = {(division.name, division.name_hi) for division in whole.divisions}
    assert names <= set(DIVISIONS)
    assert len(names) == 9


def test_six_in_a_hundred_homes_have_three_phases_and_a_three_phase_meter(whole):
    three = whole.phase[: whole.consumers] == 3
    assert three.mean() == pytest.approx(0.06, abs=1e-4)
    names = [whole.models[model] for model in np.unique(whole.model[: whole.consumers][three])]
    assert all(name.startswith(("is15959-d2", "d2-")) for name in names)
    above = {whole.model_name(meter) for meter in range(whole.consumers, len(whole))}
    assert above == {"is15959-d4-transformer", "is15959-d3", "is15959-d4-feeder"}


def test_five_in_a_hundred_records_name_a_neighbour_on_the_same_feeder(whole):
    really = whole.transformer[: whole.consumers]
    wrong = whole.mapped != really
    assert wrong.mean() == pytest.approx(0.05, abs=0.003)
    assert (whole.feeder[whole.mapped] == whole.feeder[really]).all()


def test_every_meter_has_a_tower_of_a_few_thousand_at_most(whole):
    sizes = np.bincount(whole.tower)
    assert sizes.sum() == len(whole)
    assert np.median(sizes[sizes > 0]) == pytest.approx(900, rel=0.25)
    assert sizes.max() < 5_000
    for transformer in range(0, whole.transformers, 97):
        assert len(np.unique(whole.tower[whole.homes_of(transformer)])) == 1


@pytest.mark.parametrize("homes", [1, 2, 40, 10_000])
def test_a_smaller_city_is_of_the_same_kind_and_follows_from_its_seed(homes):
    one, other = city(7, homes), city(7, homes)
    assert one.consumers == homes
    assert sum(len(one.homes_of(t)) for t in range(one.transformers)) == homes
    for column in ("transformer", "phase", "model", "mapped", "tower", "rating_kva", "mean_wh_day"):
        assert (getattr(one, column) == getattr(other, column)).all()
    assert [one.feeder_of(meter) for meter in range(len(one))][-len(one.feeders) :] == list(
        range(len(one.feeders))
    )
    assert one.feeder_of(0) is None
    assert homes < 100 or not np.array_equal(city(8, homes).model, one.model)


def test_a_feeder_carries_its_transformers_and_the_losses():
    town = city(5, 2_000)
    registers = Registers(town)
    head = len(town) - town.feeder_meters
    ends = instants(NOW - DAY_S, NOW, 900)
    below = [registers._with_losses(t, ends, registers._drawn_below) for t in town.transformers_of(0)]
    assert len(below) == 12
    assert (registers.drawn_wh(head, ends) == np.sum(below, axis=0) * 1020 // 1000).all()
    spread = registers.drawn_wh(head, ends) - registers.phases_wh(head, ends).sum(axis=0)
    assert np.abs(spread).max() < 50


def test_the_meter_of_a_feeder_tells_high_voltage_and_a_current_that_fits():
    lab = build(city(5, 2_000), now_s=NOW)
    meter = len(lab.town) - 1
    plan = lab.objects.plan(meter)
    caller = Caller(meter=meter, association="reader", now_s=NOW)
    table = lab.objects.table(caller, plan.model.profiles["instantaneous"], None)
    told = {column.name: int(cells[0]) for column, cells in zip(table.columns, table.cells, strict=True)}
    assert told["voltage-r"] == pytest.approx(FEEDER_MV / 10, rel=0.1)
    assert told["active-power"] > 100_000
    carried = 3 * told["voltage-r"] / 100 * told["current-r"] / 100
    assert carried == pytest.approx(told["apparent-power"], rel=0.3)


def test_the_city_is_written_as_the_records_have_it(tmp_path):
    town = city(3, 1_500)
    registry.write(town, tmp_path, 4059)

    def read(name):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    points, meters = read("usage_points"), read("meters")
    assert [row["usage_point"] for row in meters] == [row["code"] for row in points]
    assert all(row["group"].startswith("tower-") for row in meters)
    kinds = [row["kind"] for row in points]
    assert kinds == ["consumer"] * 1_500 + ["transformer"] * town.transformer_meters + ["feeder"] * len(
        town.feeders
    )
    assert len({row["code"] for row in points}) == len(points)
    told = [row["transformer"] for row in points[:1_500]]
    assert told == [registry.transformer_code(town, int(number)) for number in town.mapped]
    assert {row["transformer"] for row in points} <= {row["code"] for row in read("transformers")}
    assert {row["category"] for row in meters} == {"D1", "D2", "D3", "D4"}
    assert read("divisions")[0]["name_hi"] == "बिजलीघर परेड"


def test_makes_may_be_chosen_and_feeders_keep_theirs():
    town = town_named("city", 1, 500, [Share(model="d1-12-columns")])
    assert {town.model_name(meter) for meter in range(500)} == {"d1-12-columns"}
    assert town.model_name(len(town) - 1) == "is15959-d4-feeder"
    with pytest.raises(UnknownTown):
        town_named("city", 1, 10_000_000)
