"""One asks for a layout, the others of its make wait, and nobody waits for long."""

from __future__ import annotations

import uvloop

from bijlighar.cim.channels import ProfileKind
from bijlighar.cim.network import Meter, MeterCategory
from bijlighar.headend.asking import ASKING_S, Asking
from bijlighar.headend.layouts import LayoutBook, default_layout
from bijlighar.headend.reading import Errand, Order
from bijlighar.headend.schedule import Cadence, Task

from .harness import Town
from .meters import D1, NOON_S, buffer_ref

ORDERS = (Order(profile="block-load"),)
EVERY_HALF_HOUR = {Task.BLOCK_LOAD: Cadence(period_s=1800, delay_s=30)}


def errand(layouts: LayoutBook, firmware: str | None = "F1.0") -> Errand:
    meter = Meter(
        meter_id=1,
        serial="S1",
        system_title=b"",
        category=MeterCategory.D1,
        model=D1.name,
        usage_point="UP-1",
        host="m",
    )
    return Errand(
        meter=meter,
        serial="S1",
        model=D1,
        firmware=firmware,
        orders=ORDERS,
        layouts=layouts,
        now=lambda: float(NOON_S),
    )


def test_others_of_the_make_wait_until_the_visit_is_over():
    asking, asker = Asking(), errand(LayoutBook(None))
    assert not asking
    asking.begins(asker, 100.0)
    assert asking
    assert asking.waits(D1.name, "F1.0", 100.1)
    assert not asking.waits(D1.name, "F2.0", 100.1)
    assert not asking.waits("another", "F1.0", 100.1)
    asking.ended(asker)
    assert not asking.waits(D1.name, "F1.0", 100.2)


def test_a_meter_that_does_not_tell_holds_nobody_up_for_long():
    asking = Asking()
    asking.begins(errand(LayoutBook(None)), 100.0)
    assert asking.waits(D1.name, "F1.0", 99.9 + ASKING_S)
    assert not asking.waits(D1.name, "F1.0", 100.0 + ASKING_S)


def test_who_has_the_layout_or_tells_its_firmware_first_holds_nobody_up():
    known, asking = LayoutBook(None), Asking()
    known.remember(D1.name, "F1.0", "block-load", default_layout(D1, "block-load"))
    asking.begins(errand(known), 100.0)
    asking.begins(errand(LayoutBook(None), firmware=None), 100.0)
    assert not asking


def test_of_meters_that_are_due_at_once_one_is_asked_for_its_layout():
    captures, asked = buffer_ref("block-load", 3), []

    async def main():
        town = Town(6, schedule={"cadences": EVERY_HALF_HOUR, "first_spread_s": 0.0})
        for n, meter in town.meters.items():
            octets = meter.objects[captures]
            meter.objects[captures] = lambda _, n=n, octets=octets: (asked.append(n), octets)[1]
        async with town:
            await town.quiet()
            asked.clear()
            town.headend._settling._layouts.forget(D1.name, "F1.0", "block-load")
            await town.pass_time(1900)
            assert len(asked) == 1
            assert all(max(town.store.starts(ProfileKind.BLOCK_LOAD, n)) == NOON_S for n in town.meters)

    uvloop.run(main())
