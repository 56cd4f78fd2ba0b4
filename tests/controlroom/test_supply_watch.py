"""Which meters have no supply, and how far an outage reaches."""

from __future__ import annotations

import numpy as np
import pytest

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.network import Division, Feeder, Meter, MeterCategory, Substation, Transformer, UsagePoint
from bijlighar.cim.network import UsagePointKind as Kind
from bijlighar.controlroom.live import LiveColumns
from bijlighar.controlroom.registry_index import RegistryIndex, build_index
from bijlighar.controlroom.supply_watch import SupplyWatch
from controlroom.utility import NOON, NOW, batch

METERS = 12
"""Of one feeder: four at each of three transformers."""


@pytest.fixture
def index() -> RegistryIndex:
    numbers = range(1, METERS + 1)
    return build_index(
        version=1,
        meters=[
            Meter(
                meter_id=n,
                serial=f"BJ{n}",
                system_title=bytes([n] * 8),
                category=MeterCategory.D1,
                model="is15959-d1",
                usage_point=f"U{n}",
                host="127.16.0.1",
            )
            for n in numbers
        ],
        usage_points=[
            UsagePoint(code=f"U{n}", kind=Kind.CONSUMER, name=f"Home {n}", transformer=f"T{(n - 1) // 4}")
            for n in numbers
        ],
        transformers=[Transformer(code=f"T{n}", name=f"T{n}", feeder="F1", rating_kva=100) for n in range(3)],
        feeders=[Feeder(code="F1", name="F1", substation="S1", limit_a=300)],
        substations=[Substation(code="S1", name="S1", division="D1")],
        divisions=[Division(code="D1", name="D1")],
    )


@pytest.fixture
def live() -> LiveColumns:
    return LiveColumns(METERS, now_s=NOW)


def gasps(watch: SupplyWatch, meters: list[int], at_s: int = NOON) -> None:
    rows = [(meter, at_s) for meter in meters]
    watch.apply(batch(ProfileKind.EVENT, rows, event_code=[85] * len(rows), event_log=[7] * len(rows)))


@pytest.mark.parametrize(
    ("dark", "told"),
    [
        ([1], ("meter", 1)),
        ([1, 2], ("transformer", 2)),
        ([1, 5, 9], ("meter", 1)),
        ([1, 2, 5, 6, 9, 10], ("feeder", 6)),
        ([2, 3], ("transformer", 2)),
        ([2], None),
        ([], None),
    ],
)
def test_an_outage_reaches_as_far_as_half_of_the_meters_say(
    index: RegistryIndex, live: LiveColumns, dark: list[int], told: tuple[str, int] | None
) -> None:
    watch = SupplyWatch(METERS)
    gasps(watch, dark)
    found = watch.outage(index, live, 1)
    assert (None if found is None else (found.extent, found.meters)) == told


def test_power_is_back_when_the_meter_says_so_or_is_read(index: RegistryIndex, live: LiveColumns) -> None:
    watch = SupplyWatch(METERS)
    gasps(watch, [1, 2, 3])
    gasps(watch, [3], NOON - 500)  # an older one that came late changes nothing
    watch.apply(batch(ProfileKind.EVENT, [(1, NOON + 60)], event_code=[86], event_log=[7]))
    live.apply_readings(batch(ProfileKind.INSTANTANEOUS, [(2, NOON + 90)], active_power_w=[10]))
    dark = watch.dark(np.arange(1, 4, dtype=np.int32), live)
    assert dark.tolist() == [False, False, True]
    watch.apply(batch(ProfileKind.EVENT, [(1, NOON + 120)], event_code=[101], event_log=[2]))
    assert watch.dark(np.array([1], dtype=np.int32), live)[0]


def test_numbers_of_a_status_word_mean_nothing_in_a_log_and_meters_to_come_have_room(live: LiveColumns) -> None:
    watch = SupplyWatch(2)
    watch.apply(batch(ProfileKind.EVENT, [(1, NOON), (9, NOON)], event_code=[85, 101], event_log=[4, 2]))
    watch.apply(batch(ProfileKind.BLOCK_LOAD, [(1, NOON)], period_s=1800, import_wh=[1]))
    assert not watch.dark(np.array([1], dtype=np.int32), live)[0]
    watch.ensure(METERS)
    gasps(watch, [9])
    assert watch.dark(np.array([9], dtype=np.int32), live)[0]
